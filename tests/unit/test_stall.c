/* When the loop stood still, and for how long. */
#include "daemon/io/base/stall.h"

#include "tests/lib/unit.h"

#define MS USEC_PER_MSEC

/* The machine was started so long before its monotonic clock. */
#define OFFSET (5000 * MS)

static usec_t suspended;

/* The stall that is found when a turn lasted from `begun` to `slept`, the loop was to wake up at
 * `wake_at`, and woke up at `now`, after a suspend of `asleep`. */
static usec_t found(usec_t begun, usec_t slept, usec_t wake_at, usec_t now, usec_t asleep)
{
	struct stall stall = {0};

	ck_assert_uint_eq(stall_wake(&stall, begun, begun + OFFSET, &suspended), 0);
	ck_assert_uint_eq(suspended, 0);
	stall_sleep(&stall, begun, slept, wake_at);
	return stall_wake(&stall, now, now + OFFSET + asleep, &suspended);
}

START_TEST(who_wakes_up_in_time_did_not_stand_still)
{
	ck_assert_uint_eq(found(1000 * MS, 1001 * MS, 1050 * MS, 1050 * MS, 0), 0);
	ck_assert_uint_eq(found(1000 * MS, 1001 * MS, 1050 * MS, 1150 * MS, 0), 0);
	ck_assert_uint_eq(found(1000 * MS, 1001 * MS, 1050 * MS, 1010 * MS, 0), 0);
	ck_assert_uint_eq(found(1000 * MS, 1001 * MS, USEC_INFINITY, 90000 * MS, 0), 0);
	/* The timer was due while the turn went on. */
	ck_assert_uint_eq(found(1000 * MS, 1090 * MS, 1001 * MS, 1180 * MS, 0), 0);
	ck_assert_uint_eq(suspended, 0);
}
END_TEST

START_TEST(a_late_timer_tells_of_a_stop)
{
	/* It may have begun at once after the last turn. */
	ck_assert_uint_eq(found(1000 * MS, 1001 * MS, 1050 * MS, 1151 * MS, 0), 150 * MS);
	ck_assert_uint_eq(found(1000 * MS, 1001 * MS, 1101 * MS, 5001 * MS, 0), 4000 * MS);
	/* But not longer before the timer than the pulse. */
	ck_assert_uint_eq(found(1000 * MS, 1001 * MS, 31001 * MS, 31501 * MS, 0), 600 * MS);
	ck_assert_uint_eq(suspended, 0);
}
END_TEST

START_TEST(a_stop_within_a_turn_counts_too)
{
	ck_assert_uint_eq(found(1000 * MS, 3000 * MS, 1050 * MS, 3001 * MS, 0), 2000 * MS);
	ck_assert_uint_eq(found(1000 * MS, 3000 * MS, 3100 * MS, 4100 * MS, 0), 3100 * MS);
}
END_TEST

START_TEST(a_suspend_is_seen_though_no_timer_is_late)
{
	ck_assert_uint_eq(found(1000 * MS, 1001 * MS, 1050 * MS, 1050 * MS, 3600000 * MS), 0);
	ck_assert_uint_eq(suspended, 3600000 * MS);
	ck_assert_uint_eq(found(1000 * MS, 1001 * MS, 1050 * MS, 1050 * MS, 100 * MS), 0);
	ck_assert_uint_eq(suspended, 0);
}
END_TEST

START_TEST(each_stop_is_told_once)
{
	struct stall stall = {0};

	stall_wake(&stall, 1000 * MS, 1000 * MS, &suspended);
	stall_sleep(&stall, 1000 * MS, 1001 * MS, 1050 * MS);
	ck_assert_uint_gt(stall_wake(&stall, 9000 * MS, 10000 * MS, &suspended), 0);
	ck_assert_uint_eq(suspended, 1000 * MS);
	stall_sleep(&stall, 9000 * MS, 9001 * MS, 9050 * MS);
	ck_assert_uint_eq(stall_wake(&stall, 9050 * MS, 10050 * MS, &suspended), 0);
	ck_assert_uint_eq(suspended, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		who_wakes_up_in_time_did_not_stand_still,
		a_late_timer_tells_of_a_stop,
		a_stop_within_a_turn_counts_too,
		a_suspend_is_seen_though_no_timer_is_late,
		each_stop_is_told_once,
	};

	return unit_main("stall", tests, ARRAY_SIZE(tests));
}
