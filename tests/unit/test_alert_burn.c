/*
 * Burn rates over recorded traffic: ten requests a second, of which some fail.  When an alert fires
 * and when it is resolved was computed by hand, to the second.
 */
#include "daemon/core/alert.h"

#include <string.h>

#include "tests/lib/unit.h"

#define SEC    USEC_PER_SEC
#define HOUR   3600u
#define BEFORE (7 * HOUR) /* seconds without a failure, which fill every window */
#define LENGTH (30 * HOUR)
#define RATE   10u

/* Failures in each second, and the sum of all up to its end. */
static unsigned failed[LENGTH];
static unsigned failed_upto[LENGTH];

static void record(void)
{
	unsigned sum = 0;

	for (unsigned second = 0; second < LENGTH; second++) {
		sum += failed[second];
		failed_upto[second] = sum;
	}
}

/* `second` is the last one that has passed. */
static struct alert_counts counts(unsigned second, enum alert_window window)
{
	unsigned length = (unsigned)(alert_window_length(window) / SEC);
	unsigned before = second >= length ? failed_upto[second - length] : 0;

	return (struct alert_counts){
		.ended = (uint64_t)RATE * (second < length ? second + 1 : length),
		.failed = failed_upto[second] - before,
		.span = (second < length ? second + 1 : length) * SEC,
	};
}

/* The seconds since BEFORE that had passed when the alert was raised and resolved; 0: it was not. */
struct life {
	unsigned raised, resolved;
	unsigned reports;
};

static struct life play(enum alert_kind kind)
{
	const struct alert_rule rule = alert_rule_default(kind);
	struct alert slots[2];
	static struct alerts alerts;
	struct life life = {0};

	alerts_init(&alerts, &rule, 1, 1, slots);
	for (unsigned second = 0; second < LENGTH; second++) {
		struct alert_pool pool = {.slo = 99900};
		const struct alert_readings readings = {.pools = &pool, .pool_count = 1};
		struct alert_effect effect;

		for (enum alert_window window = 0; window < ALERT_WINDOW_COUNT_; window++)
			pool.windows[window] = counts(second, window);
		alerts_update(&alerts, &readings, (second + 1) * SEC);
		while (alerts_next_effect(&alerts, &effect)) {
			life.reports++;
			*(effect.is_raised ? &life.raised : &life.resolved) = second + 1 - BEFORE;
		}
	}
	return life;
}

static struct life play_outage(enum alert_kind kind, unsigned seconds)
{
	memset(failed, 0, sizeof(failed));
	for (unsigned i = 0; i < seconds; i++)
		failed[BEFORE + i] = RATE;
	record();
	return play(kind);
}

static struct life play_tenths(enum alert_kind kind, unsigned seconds)
{
	memset(failed, 0, sizeof(failed));
	for (unsigned i = 9; i < seconds; i += 10)
		failed[BEFORE + i] = 1;
	record();
	return play(kind);
}

/*
 * An slo of 99.9 % allows 0.1 % of the requests to fail, so 14.4 times as much is 1.44 %.  One hour
 * has 36000 requests, of which 1.44 % are 518.4; five minutes have 3000, and 1.44 % are 43.2.  All
 * ten requests of a second fail, so the hour has 510 failures after 51 s and 520 after 52 s, when the
 * five minutes have long had enough: the alert is raised after 52 s.
 *
 * The outage ends after 120 s.  The resolve level is 80 % of 14.4, which is 11.52 times 0.1 %: of the
 * 3000 requests in five minutes 34.56 failures, of which 30 are less and 40 are not.  After 417 s the
 * five minutes begin at 117 s, so that three seconds of the outage are left: 30 failures.  (The hour
 * has still all 1200.)  The value must be low for 30 s, so the alert is resolved after 447 s.
 */
START_TEST(two_minutes_of_outage_burn_fast)
{
	struct life life = play_outage(ALERT_burn_fast, 120);

	ck_assert_uint_eq(life.raised, 52);
	ck_assert_uint_eq(life.resolved, 447);
	ck_assert_uint_eq(life.reports, 2);
}
END_TEST

/* 6 times 0.1 % of the 216000 requests of six hours are 1296: more than the 1290 of 129 s, and less
 * than the 1300 of 130 s. */
START_TEST(two_minutes_are_nothing_to_the_slow_rule)
{
	ck_assert_uint_eq(play_outage(ALERT_burn_slow, 129).reports, 0);
	ck_assert_uint_eq(play_outage(ALERT_burn_slow, 130).raised, 130);
}
END_TEST

/* 51 s of outage are 510 failures, and the hour allows 518. */
START_TEST(fifty_one_seconds_do_not_burn_fast_enough)
{
	ck_assert_uint_eq(play_outage(ALERT_burn_fast, 51).reports, 0);
}
END_TEST

/*
 * One request of a hundred fails: one each 10 s, a burn rate of 10.  That never reaches 14.4.  The
 * slow rule wants 0.6 %: of the 18000 requests of 30 minutes 108 failures, which is so after 1080 s;
 * of the 216000 of six hours 1296, which is so after 12960 s: then it is raised.
 *
 * This goes on for four hours, 14400 s.  The resolve level is 4.8 times 0.1 %, so that 86.4 failures
 * in 30 minutes are not low, and 86 are.  The failures are after 10, 20, ..., 14400 s; with the second
 * that begins at t - 1800 the 30 minutes before t have those after more than t - 1800, up to 14400:
 * 86 of them, 13550 to 14400, are left when t - 1800 reaches 13540, after 15340 s.  Resolved 30 s later.
 */
START_TEST(one_percent_burns_slowly)
{
	struct life life = play_tenths(ALERT_burn_slow, 4 * HOUR);

	ck_assert_uint_eq(life.raised, 12960);
	ck_assert_uint_eq(life.resolved, 15370);
	ck_assert_uint_eq(life.reports, 2);
	ck_assert_uint_eq(play_tenths(ALERT_burn_fast, 4 * HOUR).reports, 0);
}
END_TEST

/* 0.1 % is what the slo allows. */
START_TEST(what_the_slo_allows_is_no_alert)
{
	memset(failed, 0, sizeof(failed));
	for (unsigned i = BEFORE; i < LENGTH; i += 100)
		failed[i] = 1;
	record();
	ck_assert_uint_eq(play(ALERT_burn_fast).reports, 0);
	ck_assert_uint_eq(play(ALERT_burn_slow).reports, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		two_minutes_of_outage_burn_fast,	   two_minutes_are_nothing_to_the_slow_rule,
		fifty_one_seconds_do_not_burn_fast_enough, one_percent_burns_slowly,
		what_the_slo_allows_is_no_alert,
	};

	return unit_main("alert_burn", tests, ARRAY_SIZE(tests));
}
