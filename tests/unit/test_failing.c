#include "daemon/core/failing.h"

#include "tests/lib/unit.h"

#define SEC   USEC_PER_SEC
#define START (1000 * SEC)
#define SHARE 50
#define MIN   10

static struct failing failing;

static void set_up(unsigned share, unsigned min)
{
	failing_init(&failing, &(struct failing_settings){share, min}, START);
}

/* So many requests of that user and client end; client 0 of user 0 is the usual one. */
static void end(usec_t now, unsigned count, uint32_t user, uint32_t client, enum errcode code)
{
	for (unsigned i = 0; i < count; i++) {
		if (code == ERR_NONE)
			failing_succeed(&failing, now, user, client);
		else
			failing_count(&failing, now, user, client, code);
	}
}

static void break_down(usec_t now, unsigned count)
{
	end(now, count, 0, 0, ERR_exception);
}

static void succeed(usec_t now, unsigned count)
{
	end(now, count, 0, 0, ERR_NONE);
}

START_TEST(a_new_pool_is_not_failing)
{
	set_up(SHARE, MIN);
	ck_assert(!failing.is_failing);
	ck_assert_uint_eq(failing_deadline(&failing), USEC_INFINITY);
	ck_assert(!failing_tick(&failing, START + 100 * SEC));
}
END_TEST

START_TEST(share_and_minimum_are_both_needed)
{
	static const struct {
		unsigned succeeded;
		unsigned failed;
		bool is_failing;
	} cases[] = {
		{0, MIN - 1, false},   {0, MIN, true}, {MIN, MIN, true},
		{MIN + 1, MIN, false}, {99, 99, true}, {100, 99, false},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		set_up(SHARE, MIN);
		succeed(START, cases[i].succeeded);
		break_down(START, cases[i].failed);
		ck_assert_int_eq(failing.is_failing, cases[i].is_failing);
	}
	set_up(100, 1);
	break_down(START, 1);
	ck_assert(failing.is_failing);
	set_up(1, 1);
	succeed(START, 99);
	break_down(START, 1);
	ck_assert(failing.is_failing);
}
END_TEST

START_TEST(no_minimum_switches_it_off)
{
	set_up(SHARE, 0);
	break_down(START, 1000);
	ck_assert(!failing.is_failing);
}
END_TEST

START_TEST(it_says_once_that_it_changed_and_since_when)
{
	set_up(SHARE, MIN);
	break_down(START, MIN - 1);
	ck_assert(failing_count(&failing, START + SEC, 0, 0, ERR_exception));
	ck_assert_uint_eq(failing.since, START + SEC);
	ck_assert(!failing_count(&failing, START + 2 * SEC, 0, 0, ERR_exception));
	ck_assert_uint_eq(failing.since, START + SEC);
	ck_assert_uint_eq(failing_sum(&failing).failed, MIN + 1);
}
END_TEST

/* From 50 % it is failing, below 38 % no more. */
START_TEST(it_does_not_change_to_and_fro)
{
	set_up(SHARE, MIN);
	break_down(START, 38);
	succeed(START, 61);
	ck_assert(failing.is_failing);
	succeed(START, 1);
	ck_assert(failing.is_failing);
	succeed(START, 1);
	ck_assert(!failing.is_failing);
	break_down(START, 10);
	ck_assert(!failing.is_failing);
}
END_TEST

START_TEST(it_ends_by_time_when_nothing_comes_any_more)
{
	usec_t now = START;
	unsigned ticks = 0;

	set_up(SHARE, MIN);
	break_down(START + SEC, MIN);
	while (failing.is_failing) {
		ck_assert_uint_gt(failing_deadline(&failing), now);
		now = failing_deadline(&failing);
		failing_tick(&failing, now);
		ck_assert_uint_lt(ticks++, FAILING_SLOTS + 1);
	}
	ck_assert_uint_ge(now, START + 50 * SEC);
	ck_assert_uint_le(now, START + SEC + FAILING_WINDOW);
	/* And it begins anew with as many as at first. */
	break_down(now, MIN - 1);
	ck_assert(!failing.is_failing);
}
END_TEST

START_TEST(old_failures_leave_the_window)
{
	set_up(SHARE, MIN);
	break_down(START, MIN - 1);
	break_down(START + FAILING_WINDOW, 1);
	ck_assert(!failing.is_failing);
	ck_assert_uint_eq(failing_sum(&failing).failed, 1);
	/* A jump of days, and one to the end of time. */
	break_down(START + 500000 * SEC, MIN - 1);
	ck_assert(!failing.is_failing);
	break_down(USEC_INFINITY - 1, MIN);
	ck_assert(failing.is_failing);
}
END_TEST

START_TEST(one_client_alone_is_not_the_pool)
{
	set_up(SHARE, MIN);
	for (unsigned i = 0; i < 100; i++) {
		end(START, 9, 7, 1, ERR_exception);
		end(START, 1, 7, 2, ERR_NONE);
	}
	ck_assert(!failing.is_failing);
	/* It is when the other one fails too. */
	end(START, 101, 7, 2, ERR_exception);
	ck_assert(failing.is_failing);
}
END_TEST

START_TEST(one_user_alone_is_not_the_pool)
{
	set_up(SHARE, MIN);
	for (unsigned i = 0; i < 100; i++) {
		/* Each request on a connection of its own. */
		end(START, 1, 7, 1000 + i, ERR_exception);
		if (i % 10 == 0)
			end(START, 1, 8, 2000 + i, ERR_NONE);
	}
	ck_assert(!failing.is_failing);
}
END_TEST

START_TEST(the_only_client_is_the_pool)
{
	set_up(SHARE, MIN);
	end(START, MIN, 7, 1, ERR_exception);
	ck_assert(failing.is_failing);
	/* Others that succeed speak for the pool, when they are a few. */
	end(START, 2, 8, 2, ERR_NONE);
	ck_assert(failing.is_failing);
	end(START, 1, 8, 2, ERR_NONE);
	ck_assert(!failing.is_failing);
}
END_TEST

START_TEST(whom_it_suspects_changes_with_the_failures)
{
	set_up(SHARE, MIN);
	end(START, 1000, 7, 1, ERR_exception);
	end(START, 3, 8, 2, ERR_NONE);
	ck_assert(!failing.is_failing);
	/* Now another one has them; the first one succeeds. */
	for (unsigned i = 0; i < 1000; i++) {
		end(START + FAILING_WINDOW, 2, 8, 2, ERR_exception);
		end(START + FAILING_WINDOW, 1, 7, 1, ERR_NONE);
	}
	ck_assert(!failing.is_failing);
}
END_TEST

START_TEST(the_code_is_that_of_most_failures)
{
	set_up(SHARE, MIN);
	end(START, 3, 0, 0, ERR_worker_exited);
	end(START, 20, 0, 0, ERR_exception);
	end(START, 3, 0, 0, ERR_attempt_timeout);
	ck_assert_int_eq(failing_code(&failing), ERR_exception);
	/* Of those of the last minute. */
	end(START + 2 * FAILING_WINDOW, 1, 0, 0, ERR_attempt_timeout);
	ck_assert_int_eq(failing_code(&failing), ERR_attempt_timeout);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_new_pool_is_not_failing,
		share_and_minimum_are_both_needed,
		no_minimum_switches_it_off,
		it_says_once_that_it_changed_and_since_when,
		it_does_not_change_to_and_fro,
		it_ends_by_time_when_nothing_comes_any_more,
		old_failures_leave_the_window,
		one_client_alone_is_not_the_pool,
		one_user_alone_is_not_the_pool,
		the_only_client_is_the_pool,
		whom_it_suspects_changes_with_the_failures,
		the_code_is_that_of_most_failures,
	};

	return unit_main("failing", tests, ARRAY_SIZE(tests));
}
