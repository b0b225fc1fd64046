#include "daemon/core/alert_reading.h"

#include "tests/lib/unit.h"

#define SEC   USEC_PER_SEC
#define START (1000 * SEC)
#define HOUR  (3600 * SEC)

START_TEST(windows_have_their_lengths)
{
	ck_assert_uint_eq(alert_window_length(ALERT_LAST_1MIN), 60 * SEC);
	ck_assert_uint_eq(alert_window_length(ALERT_LAST_5MIN), 300 * SEC);
	ck_assert_uint_eq(alert_window_length(ALERT_LAST_30MIN), 1800 * SEC);
	ck_assert_uint_eq(alert_window_length(ALERT_LAST_1H), 3600 * SEC);
	ck_assert_uint_eq(alert_window_length(ALERT_LAST_6H), 21600 * SEC);
}
END_TEST

START_TEST(shares_and_burn_rates)
{
	static const struct {
		struct alert_counts counts;
		uint64_t share; /* thousandths of a percent */
		uint64_t burn;	/* thousandths, at 99.9 % */
	} cases[] = {
		{{0, 0, 0}, 0, 0},
		{{10, 0, 0}, 0, 0},
		{{1000, 1, 0}, 100, 1000}, /* 0.1 %: just what the slo allows */
		{{1000, 2, 0}, 200, 2000},
		{{10, 1, 0}, 10000, 100000},
		{{3, 1, 0}, 33333, 333333},
		{{7, 7, 0}, 100000, 1000000},
		{{7, 9, 0}, 100000, 1000000}, /* more failures than requests is no more than all */
		{{UINT64_MAX, UINT64_MAX / 2, 0}, 50000, 500000},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t share = alert_share(cases[i].counts);
		uint64_t burn = alert_burn(cases[i].counts, 300 * SEC, 99900);

		/* The last one is scaled down, and may lose the last digit. */
		ck_assert_uint_le(share, cases[i].share);
		ck_assert_uint_ge(share + 1, cases[i].share);
		ck_assert_uint_le(burn, cases[i].burn);
		ck_assert_uint_ge(burn + 10, cases[i].burn);
	}
	ck_assert_uint_eq(alert_burn((struct alert_counts){100, 7, 0}, HOUR, 93000), 1000);
	ck_assert_uint_eq(alert_burn((struct alert_counts){100, 100, 0}, HOUR, 93000), 14285);
}
END_TEST

/* One minute of an hour, in which all failed, is a sixtieth of an hour in which all failed. */
START_TEST(before_the_start_all_went_well)
{
	struct alert_counts counts = {100, 100, 60 * SEC};

	ck_assert_uint_eq(alert_burn(counts, HOUR, 99900), 1000000 / 60);
	ck_assert_uint_eq(alert_burn(counts, 60 * SEC, 99900), 1000000);
	counts.span = SEC - 1;
	ck_assert_uint_eq(alert_burn(counts, HOUR, 99900), 0);
	counts.span = HOUR + 60 * SEC; /* a window begins with a whole minute */
	ck_assert_uint_eq(alert_burn(counts, HOUR, 99900), 1000000);
	ck_assert_uint_eq(alert_burn((struct alert_counts){UINT64_MAX, UINT64_MAX, 21599 * SEC},
				     6 * HOUR, 99999),
			  UINT64_C(99995370));
}
END_TEST

static struct alert_value measure(enum alert_kind kind, const struct alert_readings *readings)
{
	struct alert_rule rule = alert_rule_default(kind);
	struct alert_rise rise = {0};

	return alert_measure(&rule, readings, 0, &rise, START);
}

START_TEST(each_kind_reads_what_it_is_about)
{
	const struct alert_pool pool = {
		.slo = 99000,
		.windows = {{60, 6, 0}, {300, 9, 0}, {1800, 90, 0}, {3600, 72, 0}, {21600, 648, 0}},
		.critical = 4,
		.runs = 60,
		.run_p99 = 1500,
		.waits = 9,
		.wait_p99 = 70,
		.method = {40, 30, 0},
		.method_run = 300,
		.method_run_before = 120,
		.hung = 34567,
		.memory = 99,
		.memory_max = 90,
		.client_queued = 12,
		.queue_capacity = 16,
		.failed_starts = 2,
		.is_breaker_open = true,
		.has_no_capacity = true,
	};
	const struct alert_readings readings = {
		.pools = &pool, .pool_count = 1, .memory = 30, .memory_max = 40, .stalled = 123456};
	static const struct {
		enum alert_kind kind;
		uint64_t value;
	} cases[] = {
		{ALERT_error_share, 10000},
		{ALERT_burn_fast, 2000}, /* 5 min: 3 %, 1 h: 2 %; 1 % is allowed */
		{ALERT_burn_slow, 3000}, /* 30 min: 5 %, 6 h: 3 % */
		{ALERT_critical_errors, 4000},
		{ALERT_run_time, 1500},
		{ALERT_queue_wait, 70},
		{ALERT_restarts, 0},
		{ALERT_crash_loop, 2000},
		{ALERT_method_errors, 75000},
		{ALERT_method_slow, 2500},
		{ALERT_worker_hung, 34567},
		{ALERT_worker_memory, 110000},
		{ALERT_memory_restarts, 0},
		{ALERT_client_flood, 75000},
		{ALERT_output_dropped, 0},
		{ALERT_breaker_open, 1000},
		{ALERT_breaker_flapping, 0},
		{ALERT_breakers_open, 1000},
		{ALERT_on_fallback, 0},
		{ALERT_no_capacity, 1000},
		{ALERT_memory_near_limit, 75000},
		{ALERT_loop_lag, 123456},
		{ALERT_log_dropped, 0},
		{ALERT_sessions_lost, 0},
	};
	static_assert(ARRAY_SIZE(cases) == ALERT_KIND_COUNT_, "a kind is not read");

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct alert_value value = measure(cases[i].kind, &readings);

		ck_assert_msg(value.value == cases[i].value, "%s: %llu",
			      alert_kind_name(cases[i].kind), (unsigned long long)value.value);
		/* Nine waits are too few for a percentile. */
		ck_assert(value.is_known == (cases[i].kind != ALERT_queue_wait));
	}
}
END_TEST

START_TEST(shares_of_large_numbers_do_not_overflow)
{
	const struct alert_readings readings = {.memory = UINT64_MAX / 2, .memory_max = UINT64_MAX};
	const struct alert_pool pool = {.memory = UINT64_MAX / 2, .memory_max = UINT64_MAX};
	const struct alert_readings of_worker = {.pools = &pool, .pool_count = 1};

	/* They are scaled down, and lose the last digit. */
	ck_assert_uint_eq(measure(ALERT_memory_near_limit, &readings).value, 49999);
	ck_assert_uint_eq(measure(ALERT_worker_memory, &of_worker).value, 49999);
}
END_TEST

START_TEST(too_few_requests_are_no_measure)
{
	struct alert_pool pool = {.slo = 99900, .windows = {{9, 9, 0}, {9, 9, 0}, {9, 9, 0}}};
	const struct alert_readings readings = {.pools = &pool, .pool_count = 1};

	ck_assert(!measure(ALERT_error_share, &readings).is_known);
	ck_assert(!measure(ALERT_burn_fast, &readings).is_known);
	ck_assert(!measure(ALERT_burn_slow, &readings).is_known);
	ck_assert(!measure(ALERT_run_time, &readings).is_known);
	for (unsigned i = 0; i < ALERT_WINDOW_COUNT_; i++)
		pool.windows[i].ended = 10;
	pool.runs = 10;
	ck_assert(measure(ALERT_error_share, &readings).is_known);
	ck_assert(measure(ALERT_burn_fast, &readings).is_known);
	ck_assert(measure(ALERT_burn_slow, &readings).is_known);
	ck_assert(measure(ALERT_run_time, &readings).is_known);
	ck_assert(measure(ALERT_critical_errors, &readings).is_known);
	ck_assert(!measure(ALERT_method_errors, &readings).is_known);
	ck_assert(!measure(ALERT_client_flood, &readings).is_known);
	/* Nobody stands out. */
	ck_assert_uint_eq(measure(ALERT_method_slow, &readings).value, 0);
	ck_assert_uint_eq(measure(ALERT_worker_memory, &readings).value, 0);
}
END_TEST

START_TEST(a_counter_begins_with_0)
{
	struct alert_rise rise = {0};

	ck_assert_uint_eq(alert_rise_read(&rise, 0, 60 * SEC, START), 0);
	ck_assert_uint_eq(alert_rise_read(&rise, 3, 60 * SEC, START + SEC), 3);
	ck_assert_uint_eq(alert_rise_read(&rise, 3, 60 * SEC, START + 2 * SEC), 3);
	ck_assert_uint_eq(alert_rise_read(&rise, 4, 60 * SEC, START + 30 * SEC), 4);
	rise = (struct alert_rise){0};
	ck_assert_uint_eq(alert_rise_read(&rise, 5, 60 * SEC, START), 5);
}
END_TEST

/* A bucket of a window of 60 s has 5 s: a rise is known for 60 to 65 s. */
START_TEST(a_rise_is_forgotten_after_its_window)
{
	for (unsigned offset = 0; offset < 5; offset++) {
		struct alert_rise rise = {0};
		usec_t risen = START + offset * SEC;

		alert_rise_read(&rise, 0, 60 * SEC, START);
		ck_assert_uint_eq(alert_rise_read(&rise, 7, 60 * SEC, risen), 7);
		for (usec_t after = SEC; after < 60 * SEC; after += SEC)
			ck_assert_uint_eq(alert_rise_read(&rise, 7, 60 * SEC, risen + after), 7);
		ck_assert_uint_eq(alert_rise_read(&rise, 7, 60 * SEC, risen + 65 * SEC), 0);
	}
}
END_TEST

START_TEST(a_long_time_without_a_reading_forgets_all)
{
	struct alert_rise rise = {0};

	alert_rise_read(&rise, 0, 60 * SEC, START);
	alert_rise_read(&rise, 9, 60 * SEC, START + SEC);
	ck_assert_uint_eq(alert_rise_read(&rise, 10, 60 * SEC, START + 86400 * SEC), 1);
}
END_TEST

START_TEST(rises_beyond_their_room_are_as_large_as_it)
{
	struct alert_rise rise = {0};

	alert_rise_read(&rise, 0, 60 * SEC, START);
	ck_assert_uint_eq(alert_rise_read(&rise, UINT64_MAX, 60 * SEC, START), UINT32_MAX);
	/* A counter that fell has not risen. */
	ck_assert_uint_eq(alert_rise_read(&rise, 3, 60 * SEC, START), UINT32_MAX);
	ck_assert_uint_eq(alert_rise_read(&rise, 5, 60 * SEC, START + 5 * SEC),
			  (uint64_t)UINT32_MAX + 2);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		windows_have_their_lengths,
		shares_and_burn_rates,
		before_the_start_all_went_well,
		each_kind_reads_what_it_is_about,
		shares_of_large_numbers_do_not_overflow,
		too_few_requests_are_no_measure,
		a_counter_begins_with_0,
		a_rise_is_forgotten_after_its_window,
		a_long_time_without_a_reading_forgets_all,
		rises_beyond_their_room_are_as_large_as_it,
	};

	return unit_main("alert_reading", tests, ARRAY_SIZE(tests));
}
