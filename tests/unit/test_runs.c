#include "daemon/core/runs.h"

#include <stdio.h>

#include "daemon/core/prng.h"
#include "tests/lib/unit.h"

#define MSEC USEC_PER_MSEC

static struct runs runs;

static struct bytes text(const char *name)
{
	return (struct bytes){(const uint8_t *)name, strlen(name)};
}

/* Learns `count` results of the method. */
static void learn(const char *name, usec_t run, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		runs_learn_result(&runs, runs_find(&runs, text(name)), text(name), run, run, 1);
}

START_TEST(a_method_is_unknown_until_its_first_result)
{
	runs_init(&runs, 1);
	ck_assert_uint_eq(runs_find(&runs, text("a")), RUNS_OTHER);
	runs_learn_error(&runs, RUNS_OTHER, 5, 5);
	runs_learn_longer(&runs, RUNS_OTHER, 5);
	ck_assert_uint_eq(runs_find(&runs, text("a")), RUNS_OTHER);
	ck_assert_uint_eq(runs_typical(&runs, RUNS_OTHER), 0);
	ck_assert_uint_eq(runs_cost(&runs, RUNS_OTHER), 0);
	learn("a", 700, 1);
	ck_assert_uint_ne(runs_find(&runs, text("a")), RUNS_OTHER);
	ck_assert_uint_eq(runs_typical(&runs, runs_find(&runs, text("a"))), 700);
	ck_assert_uint_eq(runs_high(&runs, runs_find(&runs, text("a"))), 700);
	/* An unknown method costs what the pool's calls cost. */
	ck_assert_uint_eq(runs_find(&runs, text("b")), RUNS_OTHER);
	ck_assert_uint_eq(runs_typical(&runs, RUNS_OTHER), 0);
	ck_assert_uint_eq(runs_cost(&runs, RUNS_OTHER), 700);
}
END_TEST

START_TEST(each_method_has_its_own_figures)
{
	runs_init(&runs, 1);
	learn("short", MSEC, 100);
	learn("long", 400 * MSEC, 100);
	ck_assert_uint_eq(runs_typical(&runs, runs_find(&runs, text("short"))), MSEC);
	ck_assert_uint_eq(runs_typical(&runs, runs_find(&runs, text("long"))), 400 * MSEC);
	ck_assert_uint_eq(runs_cost(&runs, runs_find(&runs, text("long"))), 400 * MSEC);
}
END_TEST

START_TEST(one_stuck_call_changes_little)
{
	runs_init(&runs, 1);
	learn("a", 50 * MSEC, 100);
	learn("a", 30 * USEC_PER_SEC, 1);
	ck_assert_uint_lt(runs_typical(&runs, 1), 60 * MSEC);
	ck_assert_uint_eq(runs_high(&runs, 1), 30 * USEC_PER_SEC);
}
END_TEST

START_TEST(a_change_by_twenty_is_known_after_some_calls)
{
	runs_init(&runs, 1);
	learn("a", 50 * MSEC, 100);
	learn("a", 1000 * MSEC, 30);
	ck_assert_uint_gt(runs_typical(&runs, 1), 750 * MSEC);
	learn("a", 50 * MSEC, 60);
	ck_assert_uint_lt(runs_typical(&runs, 1), 75 * MSEC);
}
END_TEST

START_TEST(a_mean_follows_short_runs_exactly)
{
	runs_init(&runs, 1);
	learn("a", 3, 1000);
	ck_assert_uint_eq(runs_typical(&runs, 1), 3);
	learn("a", 0, 1000);
	ck_assert_uint_eq(runs_typical(&runs, 1), 1);
}
END_TEST

START_TEST(errors_cost_but_are_no_results)
{
	runs_init(&runs, 1);
	learn("a", 50 * MSEC, 16);
	for (unsigned i = 0; i < 64; i++)
		runs_learn_error(&runs, 1, MSEC, MSEC);
	ck_assert_uint_eq(runs_typical(&runs, 1), 50 * MSEC);
	ck_assert_uint_lt(runs_cost(&runs, 1), 25 * MSEC);
}
END_TEST

START_TEST(a_run_that_was_given_up_only_lengthens)
{
	runs_init(&runs, 1);
	learn("a", 50 * MSEC, 16);
	runs_learn_longer(&runs, 1, 10 * MSEC);
	ck_assert_uint_eq(runs_typical(&runs, 1), 50 * MSEC);
	for (unsigned i = 0; i < 60; i++)
		runs_learn_longer(&runs, 1, 1000 * MSEC);
	ck_assert_uint_gt(runs_typical(&runs, 1), 900 * MSEC);
	ck_assert_uint_ge(runs_high(&runs, 1), 1000 * MSEC);
}
END_TEST

START_TEST(what_was_refuted_is_so_until_a_shorter_run)
{
	runs_init(&runs, 1);
	ck_assert(!runs_is_refuted(&runs, RUNS_OTHER, 0, 0));
	learn("a", 50 * MSEC, 16);
	ck_assert(!runs_is_refuted(&runs, 1, 10 * MSEC, 0));
	runs_refute(&runs, 1, 100);
	ck_assert(runs_is_refuted(&runs, 1, 10 * MSEC, 0));
	ck_assert(runs_is_refuted(&runs, 1, 10 * MSEC, 100));
	ck_assert(!runs_is_refuted(&runs, 1, 10 * MSEC, 101));
	/* As long as a typical run is what there is time for. */
	ck_assert(!runs_is_refuted(&runs, 1, 50 * MSEC, 0));
	ck_assert(runs_is_refuted(&runs, 1, 50 * MSEC - 1, 0));
	runs_learn_result(&runs, 1, text("a"), 60 * MSEC, 60 * MSEC, 300);
	ck_assert(!runs_is_refuted(&runs, 1, 10 * MSEC, 300));
	runs_learn_result(&runs, 1, text("a"), 20 * MSEC, 20 * MSEC, 400);
	ck_assert(runs_is_refuted(&runs, 1, 10 * MSEC, 400));
	ck_assert(!runs_is_refuted(&runs, 1, 20 * MSEC, 0));
}
END_TEST

START_TEST(one_in_a_hundred_exceeds_high)
{
	struct prng prng;
	unsigned above = 0, count = 100000;

	runs_init(&runs, 1);
	prng_init(&prng, 7);
	learn("a", 50 * MSEC, 1);
	for (unsigned i = 0; i < 2 * count; i++) {
		/* A run of 10 to 100 ms, the short ones more often. */
		usec_t u = prng_between(&prng, 1, 1000);
		usec_t run = 10 * MSEC + 90 * MSEC * u * u / 1000000;

		above += i >= count && run > runs_high(&runs, 1);
		learn("a", run, 1);
	}
	ck_assert_uint_gt(above, count / 1000);
	ck_assert_uint_lt(above, count / 33);
}
END_TEST

START_TEST(queued_work_is_that_of_the_present_costs)
{
	unsigned a, b;

	runs_init(&runs, 1);
	runs_enter(&runs, RUNS_OTHER, PRIORITY_NORMAL);
	ck_assert_uint_eq(runs_work(&runs, PRIORITY_SHEDDABLE), 0);
	learn("a", 100, 16);
	learn("b", 500, 16);
	a = runs_find(&runs, text("a"));
	b = runs_find(&runs, text("b"));
	runs_enter(&runs, a, PRIORITY_CRITICAL);
	runs_enter(&runs, b, PRIORITY_SHEDDABLE);
	runs_enter(&runs, b, PRIORITY_SHEDDABLE);
	ck_assert_uint_eq(runs_work(&runs, PRIORITY_CRITICAL), 100);
	ck_assert_uint_eq(runs_work(&runs, PRIORITY_NORMAL), 100 + runs_cost(&runs, RUNS_OTHER));
	ck_assert_uint_eq(runs_work(&runs, PRIORITY_SHEDDABLE),
			  1100 + runs_cost(&runs, RUNS_OTHER));
	learn("b", 900, 200);
	ck_assert_uint_eq(runs_work(&runs, PRIORITY_SHEDDABLE),
			  100 + 2 * runs_cost(&runs, b) + runs_cost(&runs, RUNS_OTHER));
	runs_leave(&runs, b, PRIORITY_SHEDDABLE);
	runs_leave(&runs, b, PRIORITY_SHEDDABLE);
	runs_leave(&runs, a, PRIORITY_CRITICAL);
	runs_leave(&runs, RUNS_OTHER, PRIORITY_NORMAL);
	ck_assert_uint_eq(runs_work(&runs, PRIORITY_SHEDDABLE), 0);
}
END_TEST

START_TEST(a_method_is_noted_before_its_first_result)
{
	unsigned a;

	runs_init(&runs, 1);
	a = runs_note(&runs, text("a"));
	ck_assert_uint_ne(a, RUNS_OTHER);
	ck_assert_uint_eq(runs_note(&runs, text("a")), a);
	ck_assert_uint_eq(runs_find(&runs, text("a")), a);
	ck_assert_uint_eq(runs_typical(&runs, a), 0);
	ck_assert_uint_eq(runs_name(&runs, a).len, 1);
	ck_assert_uint_eq(runs_name(&runs, RUNS_OTHER).len, 0);
	ck_assert_uint_eq(runs_name(&runs, a + 1).len, 0);
	ck_assert_uint_eq(runs_note(&runs, text("")), RUNS_OTHER);
}
END_TEST

START_TEST(methods_without_room_share_one_entry)
{
	char name[16];

	runs_init(&runs, 1);
	for (unsigned i = 0; i < RUNS_METHODS_MAX; i++) {
		snprintf(name, sizeof(name), "m%u", i);
		learn(name, MSEC, 1);
		ck_assert_uint_eq(runs_find(&runs, text(name)), i + 1);
	}
	learn("more", 5 * MSEC, 1);
	ck_assert_uint_eq(runs_find(&runs, text("more")), RUNS_OTHER);
	ck_assert_uint_eq(runs_typical(&runs, RUNS_OTHER), 5 * MSEC);
	ck_assert_uint_eq(runs_cost(&runs, RUNS_OTHER), 5 * MSEC);
}
END_TEST

/* A method's share of the pool's mean, and back. */
START_TEST(weights_are_shares_of_the_mean)
{
	struct bytes light = {(const uint8_t *)"light", 5}, heavy = {(const uint8_t *)"heavy", 5};

	runs_init(&runs, 1);
	ck_assert_uint_eq(runs_weight(&runs, RUNS_OTHER, 64), 64);
	ck_assert_uint_eq(runs_of_weight(&runs, 64, 64), 0);
	runs_learn_result(&runs, RUNS_OTHER, light, 100, 100, 1);
	runs_learn_result(&runs, RUNS_OTHER, heavy, 300, 300, 1);
	ck_assert_uint_eq(runs_weight(&runs, runs_find(&runs, light), 64), 32);
	ck_assert_uint_eq(runs_weight(&runs, runs_find(&runs, heavy), 64), 96);
	ck_assert_uint_eq(runs_weight(&runs, RUNS_OTHER, 64), 64);
	ck_assert_uint_eq(runs_of_weight(&runs, 96, 64), 300);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_method_is_unknown_until_its_first_result,
		each_method_has_its_own_figures,
		one_stuck_call_changes_little,
		a_change_by_twenty_is_known_after_some_calls,
		a_mean_follows_short_runs_exactly,
		errors_cost_but_are_no_results,
		a_run_that_was_given_up_only_lengthens,
		what_was_refuted_is_so_until_a_shorter_run,
		one_in_a_hundred_exceeds_high,
		queued_work_is_that_of_the_present_costs,
		a_method_is_noted_before_its_first_result,
		methods_without_room_share_one_entry,
		weights_are_shares_of_the_mean,
	};

	return unit_main("runs", tests, ARRAY_SIZE(tests));
}
