#include "daemon/core/budget.h"

#include <stdio.h>

#include "tests/lib/defaults.h"
#include "tests/lib/shrink.h"
#include "tests/lib/unit.h"

#define START (1000 * USEC_PER_SEC)
#define SEC   USEC_PER_SEC

static struct budget full_one(void)
{
	struct budget budget;

	budget_init(&budget, &budget_defaults, START);
	return budget;
}

static struct budget empty_one(void)
{
	struct budget budget = full_one();

	while (budget_take(&budget, START))
		;
	return budget;
}

START_TEST(it_starts_with_twenty_retries)
{
	struct budget budget = full_one();

	for (unsigned left = 20; left > 0; left--) {
		ck_assert_uint_eq(budget_remaining(&budget, START), left * 1000);
		ck_assert(budget_take(&budget, START));
	}
	ck_assert_uint_eq(budget_remaining(&budget, START), 0);
	ck_assert(!budget_take(&budget, START));
	ck_assert_uint_eq(budget_remaining(&budget, START), 0);
}
END_TEST

START_TEST(five_successes_give_one_retry)
{
	struct budget budget = empty_one();

	for (unsigned i = 1; i <= 4; i++) {
		budget_success(&budget, START);
		ck_assert_uint_eq(budget_remaining(&budget, START), i * 200);
		ck_assert(!budget_take(&budget, START));
	}
	budget_success(&budget, START);
	ck_assert(budget_take(&budget, START));
	ck_assert(!budget_take(&budget, START));
}
END_TEST

START_TEST(a_retry_that_was_not_made_gives_its_token_back)
{
	struct budget budget = empty_one();

	budget_return(&budget, START);
	ck_assert_uint_eq(budget_remaining(&budget, START), BUDGET_RETRY);
	ck_assert(budget_take(&budget, START));
	budget = full_one();
	budget_return(&budget, START);
	ck_assert_uint_eq(budget_remaining(&budget, START), 20 * BUDGET_RETRY);
}
END_TEST

START_TEST(successes_fill_it_to_its_maximum)
{
	struct budget budget = empty_one();

	for (unsigned i = 0; i < 99; i++)
		budget_success(&budget, START);
	ck_assert_uint_eq(budget_remaining(&budget, START), 19800);
	for (unsigned i = 0; i < 1000; i++)
		budget_success(&budget, START);
	ck_assert_uint_eq(budget_remaining(&budget, START), 20000);
}
END_TEST

START_TEST(a_second_gives_one_retry_while_it_is_low)
{
	static const struct {
		usec_t after;
		uint32_t remaining;
	} cases[] = {{0, 0},
		     {999, 0},
		     {1000, 1},
		     {SEC - 1, 999},
		     {SEC, 1000},
		     {9 * SEC, 9000},
		     {10 * SEC - 1, 9999},
		     {10 * SEC, 10000},
		     {10 * SEC + 1, 10000},
		     {3600 * SEC, 10000},
		     {USEC_INFINITY - START, 10000}};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct budget budget = empty_one();
		usec_t now = START + cases[i].after;

		ck_assert_uint_eq(budget_remaining(&budget, now), cases[i].remaining);
		for (uint32_t k = 0; k < cases[i].remaining / 1000; k++)
			ck_assert(budget_take(&budget, now));
		ck_assert(!budget_take(&budget, now));
	}
}
END_TEST

START_TEST(time_gives_nothing_above_ten)
{
	struct budget budget = full_one();

	for (unsigned i = 0; i < 5; i++)
		ck_assert(budget_take(&budget, START));
	ck_assert_uint_eq(budget_remaining(&budget, START + 3600 * SEC), 15000);

	/* The hour above ten is not paid afterwards either. */
	for (unsigned i = 0; i < 6; i++)
		ck_assert(budget_take(&budget, START + 3600 * SEC));
	ck_assert_uint_eq(budget_remaining(&budget, START + 3600 * SEC), 9000);
	ck_assert_uint_eq(budget_remaining(&budget, START + 3600 * SEC + SEC / 2), 9500);
}
END_TEST

/* The success after a long wait comes on top of what waiting gave, not under it. */
START_TEST(a_success_counts_from_what_time_gave)
{
	struct budget budget = empty_one();

	budget_success(&budget, START + 60 * SEC);
	ck_assert_uint_eq(budget_remaining(&budget, START + 60 * SEC), 10200);
}
END_TEST

/* A third of a token a second comes to no whole number of anything in a µs: three million calls
 * must not lose or win any of it. */
START_TEST(no_fraction_is_lost_by_asking_often)
{
	static const struct budget_settings slow = {
		.max = 20000, .per_second = 333, .refill_below = 10000};
	static const usec_t steps[] = {1, 7, 999, 1001, 3003};

	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		struct budget often, once;
		usec_t now = START;
		unsigned taken = 0;

		budget_init(&often, &slow, now);
		while (budget_take(&often, now))
			;
		once = often;
		while (now < START + 3 * SEC) {
			now += steps[i];
			taken += budget_take(&often, now);
		}
		ck_assert_uint_eq(taken, 0);
		ck_assert_uint_eq(often.balance, once.balance + (now - START) * 333);
		ck_assert_uint_eq(budget_remaining(&once, now), budget_remaining(&often, now));
	}
}
END_TEST

START_TEST(a_clock_that_leaps_does_no_harm)
{
	struct budget budget = empty_one();

	/* Back: nothing is earned, and time counts from there. */
	ck_assert(!budget_take(&budget, START - 500 * SEC));
	ck_assert_uint_eq(budget_remaining(&budget, START - 500 * SEC), 0);
	ck_assert_uint_eq(budget_remaining(&budget, START - 499 * SEC), 1000);
	ck_assert(!budget_take(&budget, 0));

	/* Ahead, as far as it goes: no more than waiting gives. */
	ck_assert(budget_take(&budget, USEC_INFINITY));
	ck_assert_uint_eq(budget_remaining(&budget, USEC_INFINITY), 9000);
}
END_TEST

START_TEST(settings_at_their_limits)
{
	static const struct budget_settings cases[] = {
		{.max = 0, .per_success = 200, .per_second = 1000, .refill_below = 10000},
		{.max = 3000, .per_success = 0, .per_second = 1000, .refill_below = UINT32_MAX},
		{.max = 3000, .per_success = UINT32_MAX, .per_second = 0, .refill_below = 3000},
		{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct budget budget;

		budget_init(&budget, &cases[i], START);
		ck_assert_uint_eq(budget_remaining(&budget, START), cases[i].max);
		ck_assert_int_eq(budget_take(&budget, START), cases[i].max >= 1000);
		budget_success(&budget, START);
		budget_success(&budget, USEC_INFINITY);
		ck_assert_uint_eq(budget_remaining(&budget, USEC_INFINITY), cases[i].max);
	}
}
END_TEST

/* Everything fails, a thousand times a second for a minute: the retries are what it held, and one a
 * second. */
START_TEST(an_outage_makes_no_storm)
{
	struct budget budget = full_one();
	unsigned retries = 0;

	for (usec_t at = 0; at < 60 * SEC; at += USEC_PER_MSEC)
		retries += budget_take(&budget, START + at);
	ck_assert_uint_ge(retries, 20 + 58);
	ck_assert_uint_le(retries, 20 + 60);
}
END_TEST

/* One failure in six is what a fifth of the successes pays for. */
START_TEST(a_few_failures_are_always_retried)
{
	struct budget budget = full_one();
	unsigned refused = 0;

	for (unsigned call = 0; call < 100000; call++) {
		usec_t now = START + call * USEC_PER_MSEC;

		if (call % 6 == 0)
			refused += !budget_take(&budget, now);
		else
			budget_success(&budget, now);
	}
	ck_assert_uint_eq(refused, 0);
}
END_TEST

/*
 * The naive model: it goes through time millisecond by millisecond, in thousandths of a milli-token
 * (so that all amounts are whole numbers at any rate).
 */
struct model {
	struct budget_settings settings;
	int64_t thousandths;
	usec_t now;
};

static void model_cut(struct model *model)
{
	if (model->thousandths > (int64_t)model->settings.max * 1000)
		model->thousandths = (int64_t)model->settings.max * 1000;
}

static void model_wait(struct model *model, usec_t milliseconds)
{
	int64_t limit = (int64_t)model->settings.refill_below * 1000;

	for (usec_t i = 0; i < milliseconds; i++) {
		if (model->thousandths >= limit)
			continue;
		model->thousandths += model->settings.per_second;
		if (model->thousandths > limit)
			model->thousandths = limit;
		model_cut(model);
	}
	model->now += milliseconds * USEC_PER_MSEC;
}

static bool model_take(struct model *model)
{
	if (model->thousandths < 1000000)
		return false;
	model->thousandths -= 1000000;
	return true;
}

enum op_kind {
	OP_TAKE = 0,
	OP_SUCCESS,
	OP_WAIT,
	OP_LOOK,
	OP_COUNT_
};

static usec_t wait_of(uint64_t op)
{
	static const usec_t waits[] = {1, 3, 100, 999, 1000, 1001, 12000};

	return waits[(op >> 8 & 0xff) % ARRAY_SIZE(waits)];
}

static void describe(uint64_t op, char *text, size_t size)
{
	static const char *const names[OP_COUNT_] = {"take", "success", "wait", "look"};

	snprintf(text, size, "%s (%u ms if a wait)", names[op % OP_COUNT_], (unsigned)wait_of(op));
}

/* The first operation chooses the settings. */
static struct budget_settings settings_of(uint64_t op)
{
	static const struct budget_settings choices[] = {
		{20000, 200, 1000, 10000}, {3000, 333, 777, 2500}, {5000, 200, 13, 9000},
		{2500, 1, 0, 2500},	   {4000, 0, 1999, 1000},
	};

	return choices[op % ARRAY_SIZE(choices)];
}

static const char *apply(struct budget *budget, struct model *model, uint64_t op)
{
	switch ((enum op_kind)(op % OP_COUNT_)) {
	case OP_TAKE:
		if (budget_take(budget, model->now) != model_take(model))
			return "there is a token in one of the two only";
		break;
	case OP_SUCCESS:
		budget_success(budget, model->now);
		model->thousandths += (int64_t)model->settings.per_success * 1000;
		model_cut(model);
		break;
	case OP_WAIT:
		model_wait(model, wait_of(op));
		break;
	case OP_LOOK:
	case OP_COUNT_:
		if (budget_remaining(budget, model->now) != model->thousandths / 1000)
			return "what is left differs";
		break;
	}
	return NULL;
}

static const char *agrees_with_model(const uint64_t *ops, size_t len)
{
	struct budget_settings settings = settings_of(len > 0 ? ops[0] : 0);
	struct model model = {settings, (int64_t)settings.max * 1000, START};
	struct budget budget;

	budget_init(&budget, &settings, START);
	for (size_t i = 1; i < len; i++) {
		const char *wrong = apply(&budget, &model, ops[i]);

		if (wrong)
			return wrong;
		if (budget_remaining(&budget, model.now) > settings.max)
			return "there is more than the maximum";
	}
	return apply(&budget, &model, OP_LOOK);
}

START_TEST(random_sequences_agree_with_the_model)
{
	static const struct shrink_property property = {"budget", agrees_with_model, describe,
							NULL};

	shrink_check(&property, 1000, 200);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		it_starts_with_twenty_retries,
		five_successes_give_one_retry,
		a_retry_that_was_not_made_gives_its_token_back,
		successes_fill_it_to_its_maximum,
		a_second_gives_one_retry_while_it_is_low,
		time_gives_nothing_above_ten,
		a_success_counts_from_what_time_gave,
		no_fraction_is_lost_by_asking_often,
		a_clock_that_leaps_does_no_harm,
		settings_at_their_limits,
		an_outage_makes_no_storm,
		a_few_failures_are_always_retried,
		random_sequences_agree_with_the_model,
	};

	return unit_main("budget", tests, ARRAY_SIZE(tests));
}
