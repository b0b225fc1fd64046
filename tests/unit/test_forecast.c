/* How many requests were refused lately, as a forecast remembers it. */
#include "daemon/core/forecast.h"

#include "daemon/core/pool.h"
#include "tests/lib/unit.h"

#define START (1000 * USEC_PER_SEC)

START_TEST(one_refusal_counts_for_its_whole_span)
{
	static struct pool pool;

	ck_assert_uint_eq(forecast_recently_refused(&pool, START), 0);
	/* Wherever it falls into the spans that are counted. */
	for (usec_t at = START; at < START + 3 * FORECAST_RECENT; at += 3 * FORECAST_RECENT / 7) {
		pool.forecast = (struct forecast){0};
		forecast_refused(&pool, at);
		for (usec_t age = 0; age < FORECAST_RECENT; age += FORECAST_RECENT / 9)
			ck_assert_uint_eq(forecast_recently_refused(&pool, at + age), 1);
		ck_assert_uint_eq(forecast_recently_refused(&pool, at + 2 * FORECAST_RECENT), 0);
	}
}
END_TEST

START_TEST(a_steady_rate_is_counted_right)
{
	static struct pool pool;
	const usec_t every = 10 * USEC_PER_MSEC;
	const uint64_t each = FORECAST_RECENT / every;

	for (usec_t at = START; at < START + 20 * FORECAST_RECENT; at += every) {
		forecast_refused(&pool, at);
		if (at < START + 2 * FORECAST_RECENT)
			continue;
		ck_assert_uint_ge(forecast_recently_refused(&pool, at), each);
		ck_assert_uint_le(forecast_recently_refused(&pool, at), each + 2);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		one_refusal_counts_for_its_whole_span,
		a_steady_rate_is_counted_right,
	};

	return unit_main("forecast", tests, ARRAY_SIZE(tests));
}
