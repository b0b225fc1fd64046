#include "daemon/core/backoff.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/defaults.h"
#include "tests/lib/prop.h"
#include "tests/lib/shrink.h"
#include "tests/lib/unit.h"

#define MSEC USEC_PER_MSEC
#define BASE (100 * MSEC)
#define CAP  (30 * USEC_PER_SEC)

static const usec_t some_delays[] = {5 * MSEC, 0, 70 * MSEC, 60 * USEC_PER_SEC};

static struct backoff_settings settings_of(enum backoff_kind kind)
{
	return (struct backoff_settings){
		.kind = kind,
		.base = BASE,
		.cap = CAP,
		.list = some_delays,
		.list_len = ARRAY_SIZE(some_delays),
	};
}

START_TEST(every_kind_has_a_name)
{
	for (unsigned i = 0; i < BACKOFF_KIND_COUNT_; i++)
		ck_assert_uint_gt(strlen(backoff_kind_name((enum backoff_kind)i)), 0);
	ck_assert_str_eq(backoff_kind_name(BACKOFF_DECORRELATED_JITTER), "decorrelated_jitter");
}
END_TEST

START_TEST(immediate_retry_waits_0_100_200_ms)
{
	static const usec_t expected[] = {0, 100000, 200000, 200000, 200000};

	for (uint32_t n = 1; n <= ARRAY_SIZE(expected); n++)
		ck_assert_uint_eq(backoff_delay(&backoff_immediate, n, 0, NULL), expected[n - 1]);
}
END_TEST

/* The kinds without jitter draw nothing, so they need no generator. */
START_TEST(the_fixed_kinds)
{
	static const struct {
		enum backoff_kind kind;
		uint32_t n;
		usec_t delay; /* ms */
	} cases[] = {
		{BACKOFF_NONE, 1, 0},
		{BACKOFF_NONE, UINT32_MAX, 0},
		{BACKOFF_LINEAR, 1, 100},
		{BACKOFF_LINEAR, 2, 200},
		{BACKOFF_LINEAR, 7, 700},
		{BACKOFF_LINEAR, 300, 30000},
		{BACKOFF_LINEAR, 301, 30000},
		{BACKOFF_LINEAR, UINT32_MAX, 30000},
		{BACKOFF_EXPONENTIAL, 1, 100},
		{BACKOFF_EXPONENTIAL, 2, 200},
		{BACKOFF_EXPONENTIAL, 3, 400},
		{BACKOFF_EXPONENTIAL, 9, 25600},
		{BACKOFF_EXPONENTIAL, 10, 30000},
		{BACKOFF_EXPONENTIAL, 63, 30000},
		{BACKOFF_EXPONENTIAL, 64, 30000},
		{BACKOFF_EXPONENTIAL, 65, 30000},
		{BACKOFF_EXPONENTIAL, 66, 30000},
		{BACKOFF_EXPONENTIAL, UINT32_MAX, 30000},
		{BACKOFF_FIBONACCI, 1, 100},
		{BACKOFF_FIBONACCI, 2, 100},
		{BACKOFF_FIBONACCI, 3, 200},
		{BACKOFF_FIBONACCI, 4, 300},
		{BACKOFF_FIBONACCI, 5, 500},
		{BACKOFF_FIBONACCI, 6, 800},
		{BACKOFF_FIBONACCI, 13, 23300},
		{BACKOFF_FIBONACCI, 14, 30000},
		{BACKOFF_FIBONACCI, 94, 30000},
		{BACKOFF_FIBONACCI, UINT32_MAX, 30000},
		{BACKOFF_CUSTOM, 1, 5},
		{BACKOFF_CUSTOM, 2, 0},
		{BACKOFF_CUSTOM, 3, 70},
		{BACKOFF_CUSTOM, 4, 30000},
		{BACKOFF_CUSTOM, 5, 30000},
		{BACKOFF_CUSTOM, UINT32_MAX, 30000},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct backoff_settings settings = settings_of(cases[i].kind);
		usec_t delay = backoff_delay(&settings, cases[i].n, 0, NULL);

		ck_assert_msg(delay == cases[i].delay * MSEC, "%s, n %u: %" PRIu64,
			      backoff_kind_name(cases[i].kind), cases[i].n, delay);
	}
}
END_TEST

START_TEST(without_a_cap_numbers_stop_at_the_end_of_64_bits)
{
	static const struct {
		enum backoff_kind kind;
		uint32_t n;
		usec_t base;
		usec_t delay;
	} cases[] = {
		{BACKOFF_LINEAR, UINT32_MAX, (usec_t)1 << 32, (usec_t)UINT32_MAX << 32},
		{BACKOFF_LINEAR, UINT32_MAX, (usec_t)1 << 33, USEC_INFINITY},
		{BACKOFF_EXPONENTIAL, 64, 1, (usec_t)1 << 63},
		{BACKOFF_EXPONENTIAL, 65, 1, USEC_INFINITY},
		{BACKOFF_EXPONENTIAL, 64, 3, USEC_INFINITY},
		{BACKOFF_EXPONENTIAL, UINT32_MAX, 0, 0},
		{BACKOFF_FIBONACCI, 93, 1, UINT64_C(12200160415121876738)},
		{BACKOFF_FIBONACCI, 93, 2, USEC_INFINITY},
		{BACKOFF_FIBONACCI, 94, 1, USEC_INFINITY},
		{BACKOFF_FIBONACCI, UINT32_MAX, 0, 0},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct backoff_settings settings = {
			.kind = cases[i].kind, .base = cases[i].base, .cap = USEC_INFINITY};
		usec_t delay = backoff_delay(&settings, cases[i].n, 0, NULL);

		ck_assert_msg(delay == cases[i].delay, "%s, n %u: %" PRIu64,
			      backoff_kind_name(cases[i].kind), cases[i].n, delay);
	}
}
END_TEST

START_TEST(an_empty_list_is_no_delay)
{
	struct backoff_settings settings = {.kind = BACKOFF_CUSTOM, .cap = CAP};

	ck_assert_uint_eq(backoff_delay(&settings, 1, 0, NULL), 0);
	ck_assert_uint_eq(backoff_delay(&settings, 9, 0, NULL), 0);
}
END_TEST

#define DRAWS 20000

struct drawn {
	usec_t least;
	usec_t most;
	double mean;
};

static struct drawn draw_many(enum backoff_kind kind, uint32_t n, usec_t previous)
{
	struct backoff_settings settings = settings_of(kind);
	struct drawn drawn = {.least = USEC_INFINITY};
	struct prng prng;

	prng_init(&prng, n);
	for (unsigned i = 0; i < DRAWS; i++) {
		usec_t delay = backoff_delay(&settings, n, previous, &prng);

		drawn.least = usec_min(drawn.least, delay);
		drawn.most = usec_max(drawn.most, delay);
		drawn.mean += (double)delay / DRAWS;
	}
	return drawn;
}

/* Uniform over the whole range: it reaches to within a hundredth of both ends, and so does the mean
 * to the middle. */
START_TEST(jitter_fills_its_range_and_no_more)
{
	static const struct {
		enum backoff_kind kind;
		uint32_t n;
		usec_t previous; /* ms, as are the next two */
		usec_t low;
		usec_t high;
	} cases[] = {
		{BACKOFF_FULL_JITTER, 1, 0, 0, 100},
		{BACKOFF_FULL_JITTER, 2, 0, 0, 200},
		{BACKOFF_FULL_JITTER, 9, 0, 0, 25600},
		{BACKOFF_FULL_JITTER, 10, 0, 0, 30000},
		{BACKOFF_FULL_JITTER, UINT32_MAX, 0, 0, 30000},
		{BACKOFF_EQUAL_JITTER, 1, 0, 50, 100},
		{BACKOFF_EQUAL_JITTER, 3, 0, 200, 400},
		{BACKOFF_EQUAL_JITTER, 10, 0, 15000, 30000},
		{BACKOFF_EQUAL_JITTER, UINT32_MAX, 0, 15000, 30000},
		{BACKOFF_DECORRELATED_JITTER, 1, 0, 100, 300},
		{BACKOFF_DECORRELATED_JITTER, 2, 100, 100, 300},
		{BACKOFF_DECORRELATED_JITTER, 2, 300, 100, 900},
		{BACKOFF_DECORRELATED_JITTER, 7, 9999, 100, 29997},
		{BACKOFF_DECORRELATED_JITTER, 8, 10001, 100, 30000},
		{BACKOFF_DECORRELATED_JITTER, UINT32_MAX, 30000, 100, 30000},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		usec_t low = cases[i].low * MSEC, high = cases[i].high * MSEC;
		usec_t slack = (high - low) / 100;
		struct drawn drawn = draw_many(cases[i].kind, cases[i].n, cases[i].previous * MSEC);
		double middle = (double)(low + high) / 2;

		ck_assert_uint_ge(drawn.least, low);
		ck_assert_uint_le(drawn.most, high);
		ck_assert_uint_lt(drawn.least, low + slack);
		ck_assert_uint_gt(drawn.most, high - slack);
		ck_assert_double_gt(drawn.mean, middle - (double)slack);
		ck_assert_double_lt(drawn.mean, middle + (double)slack);
	}
}
END_TEST

/* A request that has waited long must not make another one wait. */
START_TEST(what_one_request_waited_is_nothing_to_another)
{
	struct backoff_settings settings = settings_of(BACKOFF_DECORRELATED_JITTER);
	usec_t waited = CAP;
	struct prng prng;

	prng_init(&prng, 5);
	for (unsigned i = 0; i < 1000; i++) {
		usec_t first;

		waited = backoff_delay(&settings, i + 1, usec_max(waited, CAP / 2), &prng);
		first = backoff_delay(&settings, 1, 0, &prng);
		ck_assert_uint_le(first, 3 * BASE);
		ck_assert_uint_le(backoff_delay(&settings, 2, first, &prng), 3 * first);
	}
}
END_TEST

START_TEST(the_same_seed_gives_the_same_delays)
{
	struct prng one, other;

	prng_init(&one, 99);
	prng_init(&other, 99);
	for (uint32_t n = 1; n < 50; n++)
		ck_assert_uint_eq(backoff_delay(&backoff_defaults, n, 0, &one),
				  backoff_delay(&backoff_defaults, n, 0, &other));
}
END_TEST

static void wait_for_retry_zero(void *prng)
{
	backoff_delay(&backoff_defaults, 0, 0, prng);
}

START_TEST(there_is_no_retry_zero)
{
	struct prng prng;

	prng_init(&prng, 1);
	ck_assert(unit_aborts(wait_for_retry_zero, &prng, true));
}
END_TEST

/* The naive model: by adding alone, one step after the other. */
struct range {
	usec_t low;
	usec_t high;
};

static usec_t plus(usec_t a, usec_t b)
{
	usec_t sum;

	return __builtin_add_overflow(a, b, &sum) ? USEC_INFINITY : sum;
}

static usec_t naive_step(enum backoff_kind kind, usec_t base, uint32_t n)
{
	usec_t before = 0, value = base;

	for (uint32_t i = 1; i < n && value > 0 && value < USEC_INFINITY; i++) {
		usec_t more = kind == BACKOFF_LINEAR	  ? base
			      : kind == BACKOFF_FIBONACCI ? before
							  : value;

		before = value;
		value = plus(value, more);
	}
	return value;
}

static struct range naive_range(const struct backoff_settings *settings, uint32_t n,
				usec_t previous)
{
	usec_t base = settings->base, cap = settings->cap;
	usec_t step = usec_min(naive_step(settings->kind, base, n), cap);
	usec_t seed = usec_max(previous, base);
	uint32_t last = settings->list_len - 1;
	usec_t listed = usec_min(settings->list[n - 1 < last ? n - 1 : last], cap);

	switch (settings->kind) {
	case BACKOFF_LINEAR:
	case BACKOFF_EXPONENTIAL:
	case BACKOFF_FIBONACCI:
		return (struct range){step, step};
	case BACKOFF_FULL_JITTER:
		return (struct range){0, step};
	case BACKOFF_EQUAL_JITTER:
		return (struct range){step / 2, step};
	case BACKOFF_DECORRELATED_JITTER:
		return (struct range){usec_min(base, cap),
				      usec_min(plus(plus(seed, seed), seed), cap)};
	case BACKOFF_CUSTOM:
		return (struct range){listed, listed};
	case BACKOFF_NONE:
	case BACKOFF_KIND_COUNT_:
		break;
	}
	return (struct range){0, 0};
}

/* One operation is one retry: its kind, its number and what came before, all of every size. */
struct retry {
	struct backoff_settings settings;
	uint32_t n;
	usec_t previous;
	struct prng prng;
};

static struct retry retry_of(uint64_t op)
{
	struct prop prop = prop_seeded(op);
	struct retry retry;

	retry.settings = settings_of((enum backoff_kind)(prop_next(&prop) % BACKOFF_KIND_COUNT_));
	retry.settings.base = prop_next(&prop) >> prop_between(&prop, 0, 63);
	retry.settings.cap = prop_next(&prop) >> prop_between(&prop, 0, 63);
	retry.n = 1 + (uint32_t)(prop_below(&prop, UINT32_MAX) >> prop_between(&prop, 0, 31));
	if (retry.settings.kind == BACKOFF_LINEAR)
		retry.n = 1 + retry.n % 1000;
	retry.previous = prop_next(&prop) >> prop_between(&prop, 0, 63);
	prng_init(&retry.prng, prop_next(&prop));
	return retry;
}

static void describe(uint64_t op, char *text, size_t size)
{
	struct retry retry = retry_of(op);

	snprintf(text, size, "%s, n %u, base %" PRIu64 ", cap %" PRIu64 ", previous %" PRIu64,
		 backoff_kind_name(retry.settings.kind), retry.n, retry.settings.base,
		 retry.settings.cap, retry.previous);
}

static const char *agrees_with_model(const uint64_t *ops, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		struct retry retry = retry_of(ops[i]);
		struct range range = naive_range(&retry.settings, retry.n, retry.previous);
		usec_t delay = backoff_delay(&retry.settings, retry.n, retry.previous, &retry.prng);

		if (delay > retry.settings.cap)
			return "the delay is above the cap";
		if (delay < range.low || delay > range.high)
			return "the delay is out of the model's range";
	}
	return NULL;
}

START_TEST(random_retries_agree_with_the_model)
{
	static const struct shrink_property property = {"backoff", agrees_with_model, describe,
							NULL};

	shrink_check(&property, 500, 100);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_kind_has_a_name,
		immediate_retry_waits_0_100_200_ms,
		the_fixed_kinds,
		without_a_cap_numbers_stop_at_the_end_of_64_bits,
		an_empty_list_is_no_delay,
		jitter_fills_its_range_and_no_more,
		what_one_request_waited_is_nothing_to_another,
		the_same_seed_gives_the_same_delays,
		there_is_no_retry_zero,
		random_retries_agree_with_the_model,
	};

	return unit_main("backoff", tests, ARRAY_SIZE(tests));
}
