#include "daemon/core/backoff.h"

#include <string.h>

static const usec_t immediate_delays[] = {0, 100 * USEC_PER_MSEC, 200 * USEC_PER_MSEC};

const struct backoff_settings backoff_immediate = {
	.kind = BACKOFF_CUSTOM,
	.cap = 30 * USEC_PER_SEC,
	.list = immediate_delays,
	.list_len = ARRAY_SIZE(immediate_delays),
};

const char *backoff_kind_name(enum backoff_kind kind)
{
	static const char *const names[BACKOFF_KIND_COUNT_] = {
#define KIND(name, word, text) (word),
		BACKOFF_KINDS(KIND)
#undef KIND
	};

	return names[kind];
}

static usec_t exponential(usec_t base, uint32_t n)
{
	if (n > 64)
		return base > 0 ? USEC_INFINITY : 0;
	return usec_mul(base, (uint64_t)1 << (n - 1));
}

/* At most 94 rounds: after these the numbers no longer fit into 64 bits. */
static usec_t fibonacci(usec_t base, uint32_t n)
{
	uint64_t before = 0, number = 1;

	for (uint32_t i = 1; i < n && number < UINT64_MAX; i++) {
		uint64_t next = usec_add(before, number);

		before = number;
		number = next;
	}
	return usec_mul(base, number);
}

static usec_t equal_jitter(usec_t whole, struct prng *prng)
{
	usec_t half = whole / 2;

	return half + prng_between(prng, 0, half);
}

static usec_t decorrelated_jitter(const struct backoff_settings *settings, usec_t previous,
				  struct prng *prng)
{
	usec_t base = settings->base;
	usec_t high = usec_min(settings->cap, usec_mul(usec_max(previous, base), 3));

	return prng_between(prng, base, usec_max(high, base));
}

static usec_t custom(const struct backoff_settings *settings, uint32_t n)
{
	if (settings->list_len == 0)
		return 0;
	return settings->list[n < settings->list_len ? n - 1 : settings->list_len - 1];
}

static usec_t uncapped(const struct backoff_settings *settings, uint32_t n, usec_t previous,
		       struct prng *prng)
{
	usec_t base = settings->base, cap = settings->cap;

	switch (settings->kind) {
	case BACKOFF_LINEAR:
		return usec_mul(base, n);
	case BACKOFF_EXPONENTIAL:
		return exponential(base, n);
	case BACKOFF_FIBONACCI:
		return fibonacci(base, n);
	case BACKOFF_FULL_JITTER:
		return prng_between(prng, 0, usec_min(exponential(base, n), cap));
	case BACKOFF_EQUAL_JITTER:
		return equal_jitter(usec_min(exponential(base, n), cap), prng);
	case BACKOFF_DECORRELATED_JITTER:
		return decorrelated_jitter(settings, previous, prng);
	case BACKOFF_CUSTOM:
		return custom(settings, n);
	case BACKOFF_NONE:
	case BACKOFF_KIND_COUNT_:
		break;
	}
	return 0;
}

usec_t backoff_delay(const struct backoff_settings *settings, uint32_t n, usec_t previous,
		     struct prng *prng)
{
	assert(n > 0);
	return usec_min(uncapped(settings, n, previous, prng), settings->cap);
}
