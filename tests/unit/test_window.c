#include "daemon/core/window.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/prop.h"
#include "tests/lib/unit.h"

#define SEC    USEC_PER_SEC
#define MINUTE (60 * SEC)
#define HOUR   (60 * MINUTE)
#define START  (1000 * MINUTE) /* at the begin of every slot */
#define MIB    ((size_t)1 << 20)

/* A new window in memory that was used for something else before. */
static struct window *window_at(usec_t now)
{
	struct window *window = malloc(sizeof(*window));

	ck_assert_ptr_nonnull(window);
	memset(window, 0xa5, sizeof(*window));
	window_init(window, now);
	return window;
}

static void answer(struct window *window, usec_t now, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		window_count(window, now, 0, WINDOW_ANSWERED, ERR_NONE);
}

static uint64_t answered(const struct window *window, usec_t now, usec_t length)
{
	struct window_counts counts;

	window_sum(window, now, length, &counts);
	return counts.answered;
}

static usec_t span(const struct window *window, usec_t now, usec_t length)
{
	struct window_counts counts;

	window_sum(window, now, length, &counts);
	return counts.span;
}

START_TEST(a_new_window_holds_nothing)
{
	static const usec_t lengths[] = {10 * SEC,    MINUTE,	  5 * MINUTE,
					 15 * MINUTE, WINDOW_DAY, WINDOW_SINCE_START};
	struct window *window = window_at(START);

	for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct window_counts counts, none = {.span = SEC};
		struct window_latency latency;
		uint64_t codes[ERR_COUNT_];

		window_sum(window, START + SEC, lengths[i], &counts);
		ck_assert_mem_eq(&counts, &none, sizeof(none));
		window_codes(window, START + SEC, lengths[i], codes);
		for (unsigned code = 0; code < ERR_COUNT_; code++)
			ck_assert_uint_eq(codes[code], 0);
		window_latency(window, START + SEC, lengths[i], WINDOW_RUN, &latency);
		ck_assert_uint_eq(latency.count, 0);
		ck_assert_uint_eq(latency.p50, 0);
		ck_assert_uint_eq(latency.p99, 0);
	}
	free(window);
}
END_TEST

START_TEST(outcomes_codes_and_categories_are_apart)
{
	struct window *window = window_at(START);
	struct window_counts counts;
	uint64_t codes[ERR_COUNT_];

	answer(window, START, 5);
	window_count(window, START, 0, WINDOW_FAILED, ERR_worker_exited);
	window_count(window, START, 0, WINDOW_FAILED, ERR_worker_killed);
	window_count(window, START, 0, WINDOW_REFUSED, ERR_queue_full);
	window_count(window, START, 0, WINDOW_CANCELLED, ERR_NONE);
	window_retried(window, START);
	window_failed_over(window, START);
	window_failed_over(window, START);
	/* In the current second, and after it. */
	for (usec_t now = START; now <= START + 2 * SEC; now += 2 * SEC) {
		window_sum(window, now, MINUTE, &counts);
		ck_assert_uint_eq(counts.answered, 5);
		ck_assert_uint_eq(counts.failed, 2);
		ck_assert_uint_eq(counts.refused, 1);
		ck_assert_uint_eq(counts.cancelled, 1);
		ck_assert_uint_eq(counts.retried, 1);
		ck_assert_uint_eq(counts.failed_over, 2);
		ck_assert_uint_eq(counts.by_category[ERRCAT_connection], 2);
		ck_assert_uint_eq(counts.by_category[ERRCAT_resource], 1);
		ck_assert_uint_eq(counts.by_category[ERRCAT_application], 0);
		window_codes(window, now, MINUTE, codes);
		ck_assert_uint_eq(codes[ERR_NONE], 0);
		ck_assert_uint_eq(codes[ERR_worker_exited], 1);
		ck_assert_uint_eq(codes[ERR_queue_full], 1);
		window_codes(window, now, WINDOW_SINCE_START, codes);
		ck_assert_uint_eq(codes[ERR_worker_killed], 1);
		ck_assert_uint_eq(codes[ERR_NONE], 0);
		window_tick(window, now + SEC);
	}
	free(window);
}
END_TEST

/* What happened stays in a window for its length, and for a slot more at most. */
START_TEST(a_count_leaves_each_window_in_time)
{
	static const struct {
		usec_t length;
		usec_t slot;
	} windows[] = {{SEC, SEC},	   {10 * SEC, SEC},	 {30 * SEC, 10 * SEC},
		       {MINUTE, 10 * SEC}, {5 * MINUTE, MINUTE}, {15 * MINUTE, MINUTE},
		       {HOUR, MINUTE},	   {6 * HOUR, MINUTE},	 {WINDOW_DAY, MINUTE}};

	for (unsigned i = 0; i < ARRAY_SIZE(windows); i++) {
		for (unsigned busy = 0; busy < 2; busy++) {
			struct window *window = window_at(START);
			usec_t at = START + 12345678;
			usec_t end =
				at - at % windows[i].slot + windows[i].slot + windows[i].length;

			answer(window, at, 3);
			/* Whether something is counted meanwhile makes no difference. */
			for (usec_t now = at; busy && now < end; now += windows[i].slot / 2)
				window_count(window, now, 0, WINDOW_CANCELLED, ERR_NONE);
			ck_assert_uint_eq(answered(window, at, windows[i].length), 3);
			ck_assert_uint_eq(
				answered(window, at + windows[i].length, windows[i].length), 3);
			ck_assert_uint_eq(answered(window, end - 1, windows[i].length), 3);
			ck_assert_uint_eq(answered(window, end, windows[i].length), 0);
			ck_assert_uint_eq(answered(window, end, WINDOW_SINCE_START), 3);
			free(window);
		}
	}
}
END_TEST

START_TEST(the_span_says_how_long_the_window_is)
{
	struct window *window = window_at(START + 5 * SEC);
	usec_t now = START + 10 * MINUTE + 7300 * USEC_PER_MSEC;

	/* Not longer than the window has been there. */
	ck_assert_uint_eq(span(window, START + 8 * SEC, MINUTE), 3 * SEC);
	ck_assert_uint_eq(span(window, START + 8 * SEC, WINDOW_DAY), 3 * SEC);
	ck_assert_uint_eq(span(window, now, 10 * SEC), 10300 * USEC_PER_MSEC);
	ck_assert_uint_eq(span(window, now, MINUTE), 67300 * USEC_PER_MSEC);
	ck_assert_uint_eq(span(window, now, 5 * MINUTE), 5 * MINUTE + 7300 * USEC_PER_MSEC);
	ck_assert_uint_eq(span(window, now, WINDOW_SINCE_START), now - START - 5 * SEC);
	free(window);
}
END_TEST

START_TEST(run_times_and_waits_are_apart)
{
	struct window *window = window_at(START);
	struct window_latency latency;

	for (unsigned i = 1; i <= 100; i++) {
		window_run(window, START, 0, i * USEC_PER_MSEC);
		window_wait(window, START, i);
	}
	window_latency(window, START, MINUTE, WINDOW_WAIT, &latency);
	ck_assert_uint_eq(latency.count, 100);
	ck_assert_uint_ge(latency.p50, 50);
	ck_assert_uint_le(latency.p50, 50 + 50 / 31);
	window_latency(window, START, MINUTE, WINDOW_RUN, &latency);
	ck_assert_uint_ge(latency.p99, 99 * USEC_PER_MSEC);
	ck_assert_uint_le(latency.p99, 99 * USEC_PER_MSEC * 1032 / 1000);
	ck_assert_uint_eq(window_hist(window, WINDOW_RUN)->count, 100);
	ck_assert_uint_eq(window_hist(window, WINDOW_WAIT)->max, 100);
	free(window);
}
END_TEST

START_TEST(quantiles_forget_what_is_over)
{
	struct window *window = window_at(START);
	struct window_latency latency;

	window_run(window, START, 0, 5 * SEC);
	window_run(window, START + 2 * MINUTE, 0, 100);
	window_latency(window, START + 2 * MINUTE, MINUTE, WINDOW_RUN, &latency);
	ck_assert_uint_eq(latency.count, 1);
	ck_assert_uint_lt(latency.p99, 105);
	window_latency(window, START + 2 * MINUTE, 5 * MINUTE, WINDOW_RUN, &latency);
	ck_assert_uint_eq(latency.count, 2);
	ck_assert_uint_ge(latency.p99, 5 * SEC);
	window_latency(window, START + HOUR, 15 * MINUTE, WINDOW_RUN, &latency);
	ck_assert_uint_eq(latency.count, 0);
	window_latency(window, START + HOUR, WINDOW_SINCE_START, WINDOW_RUN, &latency);
	ck_assert_uint_eq(latency.count, 2);
	ck_assert_uint_eq(latency.p99, 5 * SEC);
	free(window);
}
END_TEST

START_TEST(a_minute_of_some_time_ago)
{
	struct window *window = window_at(START);
	struct window_latency latency;

	window_run(window, START + 59 * SEC, 0, 5 * SEC);
	window_run(window, START + 60 * SEC, 0, 100);
	window_run(window, START + 119 * SEC, 0, 200);
	window_wait(window, START + 119 * SEC, 300);
	/* As long as nothing else is counted, and then too. */
	for (unsigned i = 0; i < 2; i++) {
		window_minute(window, START + 6 * MINUTE, 5 * MINUTE, WINDOW_RUN, &latency);
		ck_assert_uint_eq(latency.count, 2);
		ck_assert(latency.p50 >= 100 && latency.p50 < 105);
		ck_assert(latency.p99 >= 200 && latency.p99 < 207);
		window_minute(window, START + 7 * MINUTE - 1, 5 * MINUTE, WINDOW_WAIT, &latency);
		ck_assert_uint_eq(latency.count, 1);
		window_minute(window, START + 7 * MINUTE, 5 * MINUTE, WINDOW_RUN, &latency);
		ck_assert_uint_eq(latency.count, 0);
		window_run(window, START + 6 * MINUTE, 0, SEC);
	}
	window_minute(window, START + 16 * MINUTE, 15 * MINUTE, WINDOW_RUN, &latency);
	ck_assert_uint_eq(latency.count, 2);
	/* Its place is another's by then. */
	window_run(window, START + 17 * MINUTE, 0, SEC);
	window_run(window, START + 18 * MINUTE, 0, SEC);
	window_minute(window, START + 18 * MINUTE, 17 * MINUTE, WINDOW_RUN, &latency);
	ck_assert_uint_eq(latency.count, 0);
	free(window);
	/* The clock began later. */
	window = window_at(0);
	window_run(window, 0, 0, 100);
	window_minute(window, MINUTE, 5 * MINUTE, WINDOW_RUN, &latency);
	ck_assert_uint_eq(latency.count, 0);
	free(window);
}
END_TEST

START_TEST(waits_have_causes_and_levels_their_peaks)
{
	struct window *window = window_at(START);
	struct window_counts counts;

	window_waited(window, START, WAIT_TURN, 70);
	window_waited(window, START + SEC, WAIT_TURN, 30);
	window_waited(window, START + SEC, WAIT_RETRY, 5);
	window_queued(window, START, 7);
	window_busy(window, START, 1);
	window_queued(window, START + SEC, 3);
	window_busy(window, START + SEC, 4);
	window_queued(window, START + 2 * SEC, 1);
	window_busy(window, START + 2 * SEC, 0);
	window_all_busy(window, START + 2 * SEC, true);
	window_all_busy(window, START + 3500 * USEC_PER_MSEC, false);
	window_all_busy(window, START + 3600 * USEC_PER_MSEC, false);
	window_sum(window, START + 4 * SEC, MINUTE, &counts);
	ck_assert_uint_eq(counts.waits[WAIT_TURN], 2);
	ck_assert_uint_eq(counts.waited[WAIT_TURN], 100);
	ck_assert_uint_eq(counts.waited[WAIT_RETRY], 5);
	ck_assert_uint_eq(counts.waits[WAIT_BUSY], 0);
	ck_assert_uint_eq(counts.queue_high, 7);
	ck_assert_uint_eq(counts.busy_high, 4);
	ck_assert_uint_eq(counts.all_busy, 1500 * USEC_PER_MSEC);
	/* Then they are over; but not those since the start. */
	window_sum(window, START + HOUR, MINUTE, &counts);
	ck_assert_uint_eq(counts.queue_high, 0);
	window_sum(window, START + HOUR, WINDOW_SINCE_START, &counts);
	ck_assert_uint_eq(counts.queue_high, 7);
	ck_assert_uint_eq(counts.all_busy, 1500 * USEC_PER_MSEC);
	free(window);
}
END_TEST

static usec_t all_busy(const struct window *window, usec_t now, usec_t length)
{
	struct window_counts counts;

	window_sum(window, now, length, &counts);
	ck_assert_uint_le(counts.all_busy, counts.span);
	return counts.all_busy;
}

/* It counts while it lasts, whether something else is counted meanwhile or not. */
START_TEST(the_time_without_a_free_worker_is_known_at_any_time)
{
	for (unsigned quiet = 0; quiet < 2; quiet++) {
		struct window *window = window_at(START);
		usec_t now = START + 30 * SEC;

		ck_assert_uint_eq(all_busy(window, now, MINUTE), 0);
		window_all_busy(window, now, true);
		for (unsigned i = 0; i < 100; i++) {
			now += 300 * USEC_PER_MSEC;
			window_all_busy(window, now, true);
			if (!quiet)
				answer(window, now, 1);
			ck_assert_uint_eq(all_busy(window, now, WINDOW_SINCE_START),
					  now - START - 30 * SEC);
			ck_assert_uint_eq(all_busy(window, now, MINUTE), now - START - 30 * SEC);
		}
		now = START + 10 * MINUTE;
		ck_assert_uint_eq(all_busy(window, now, MINUTE), MINUTE);
		window_all_busy(window, now, false);
		ck_assert_uint_eq(all_busy(window, now, WINDOW_SINCE_START), 570 * SEC);
		ck_assert_uint_eq(all_busy(window, now + MINUTE, WINDOW_SINCE_START), 570 * SEC);
		ck_assert_uint_eq(all_busy(window, now + 2 * MINUTE, MINUTE), 0);
		free(window);
	}
}
END_TEST

START_TEST(the_clock_may_stand_still)
{
	struct window *window = window_at(START);

	answer(window, START, 100000);
	ck_assert_uint_eq(answered(window, START, MINUTE), 100000);
	ck_assert_uint_eq(span(window, START, MINUTE), 0);
	/* An earlier time counts in the current second. */
	answer(window, START + 5 * SEC, 1);
	answer(window, START, 1);
	ck_assert_uint_eq(answered(window, START + 5 * SEC, 2 * SEC), 2);
	free(window);
}
END_TEST

START_TEST(the_clock_may_jump)
{
	static const usec_t jumps[] = {SEC,	  11 * SEC,   70 * SEC,	     16 * MINUTE,
				       25 * HOUR, 400 * HOUR, 1000000 * HOUR};
	struct window *window = window_at(START);
	usec_t now = START;
	uint64_t count = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(jumps); i++) {
		answer(window, now, 1 + i);
		count += 1 + i;
		now += jumps[i];
		ck_assert_uint_eq(answered(window, now, WINDOW_SINCE_START), count);
		ck_assert_uint_eq(answered(window, now, SEC / 2), jumps[i] <= SEC ? count : 0);
	}
	ck_assert_uint_eq(answered(window, now, WINDOW_DAY), 0);
	/* To the end of time. */
	answer(window, USEC_INFINITY - 1, 1);
	answer(window, USEC_INFINITY, 1);
	ck_assert_uint_eq(answered(window, USEC_INFINITY, WINDOW_SINCE_START), count + 2);
	ck_assert_uint_eq(answered(window, USEC_INFINITY, WINDOW_DAY), 2);
	free(window);
}
END_TEST

START_TEST(methods_have_windows_of_their_own)
{
	struct window *window = window_at(START);
	struct method_counts counts;

	for (unsigned i = 0; i < WINDOW_METHODS; i++) {
		window_count(window, START + i * SEC, i, WINDOW_FAILED, ERR_exception);
		for (unsigned method = i; method < WINDOW_METHODS; method++) {
			window_run(window, START + i * SEC, method, (i + 1) * 1000);
			window_answered(window, method);
		}
	}
	for (unsigned method = 0; method < WINDOW_METHODS; method++) {
		usec_t p50 = (method + 2) / 2 * 1000;

		window_method(window, START + 20 * SEC, MINUTE, method, &counts);
		ck_assert_uint_eq(counts.outcomes[WINDOW_ANSWERED], method + 1);
		ck_assert_uint_eq(counts.outcomes[WINDOW_FAILED], 1);
		ck_assert_uint_eq(counts.outcomes[WINDOW_REFUSED], 0);
		ck_assert_uint_eq(counts.runs, method + 1);
		ck_assert_uint_ge(counts.p50, p50);
		ck_assert_uint_le(counts.p50 - p50, p50 / 8);
		ck_assert_uint_ge(counts.p99, (method + 1) * 1000);
		/* Only what was at most ten seconds ago. */
		window_method(window, START + 20 * SEC, 10 * SEC, method, &counts);
		ck_assert_uint_eq(counts.runs, method >= 10 ? method - 9 : 0);
		window_method(window, START + HOUR, 15 * MINUTE, method, &counts);
		ck_assert_uint_eq(counts.runs, 0);
		ck_assert_uint_eq(counts.p99, 0);
		window_method(window, START + HOUR, WINDOW_SINCE_START, method, &counts);
		ck_assert_uint_eq(counts.runs, method + 1);
		ck_assert_uint_eq(counts.outcomes[WINDOW_FAILED], 1);
	}
	free(window);
}
END_TEST

/* --- random traffic against a list of all that happened --- */

#define EVENTS 3000

struct happened {
	usec_t at;
	enum window_outcome outcome;
	enum errcode code;
	usec_t run;
};

static int by_value(const void *a, const void *b)
{
	usec_t x = *(const usec_t *)a, y = *(const usec_t *)b;

	return x < y ? -1 : x > y;
}

static void compare_counts(struct prop *prop, const struct window *window,
			   const struct happened *all, unsigned count, usec_t now, usec_t length)
{
	uint64_t outcomes[WINDOW_OUTCOMES_] = {0}, timeouts = 0;
	struct window_counts counts;

	window_sum(window, now, length, &counts);
	for (unsigned i = 0; i < count; i++) {
		if (length != WINDOW_SINCE_START && all[i].at < now - counts.span)
			continue;
		outcomes[all[i].outcome]++;
		timeouts += all[i].code != ERR_NONE &&
			    errcode_info(all[i].code)->category == ERRCAT_timeout;
	}
	prop_check(prop, counts.answered == outcomes[WINDOW_ANSWERED], "%" PRIu64 " of %" PRIu64,
		   counts.answered, outcomes[WINDOW_ANSWERED]);
	prop_check(prop, counts.failed == outcomes[WINDOW_FAILED], "%" PRIu64, counts.failed);
	prop_check(prop, counts.refused == outcomes[WINDOW_REFUSED], "%" PRIu64, counts.refused);
	prop_check(prop, counts.by_category[ERRCAT_timeout] == timeouts, "%" PRIu64 " timeouts",
		   timeouts);
}

static void compare_latency(struct prop *prop, const struct window *window,
			    const struct happened *all, unsigned count, usec_t now, usec_t length)
{
	struct window_counts counts;
	struct window_latency latency;
	static usec_t runs[EVENTS];
	unsigned known = 0;
	usec_t p99;

	window_sum(window, now, length, &counts);
	window_latency(window, now, length, WINDOW_RUN, &latency);
	for (unsigned i = 0; i < count; i++)
		if (length == WINDOW_SINCE_START || all[i].at >= now - counts.span)
			runs[known++] = all[i].run;
	prop_check(prop, latency.count == known, "%" PRIu64 " runs of %u", latency.count, known);
	if (known == 0)
		return;
	qsort(runs, known, sizeof(*runs), by_value);
	p99 = runs[(known * 990 + 999) / 1000 - 1];
	prop_check(prop, latency.p99 >= p99 && latency.p99 - p99 <= p99 / 32,
		   "%" PRIu64 " for %" PRIu64, latency.p99, p99);
	p99 = runs[(known + 1) / 2 - 1];
	prop_check(prop, latency.p50 >= p99 && latency.p50 - p99 <= p99 / 32,
		   "%" PRIu64 " for %" PRIu64, latency.p50, p99);
}

START_TEST(random_traffic_agrees_with_a_list)
{
	static const usec_t lengths[] = {SEC,	     10 * SEC,		45 * SEC, MINUTE,
					 5 * MINUTE, 15 * MINUTE,	HOUR,	  6 * HOUR,
					 WINDOW_DAY, WINDOW_SINCE_START};
	static struct happened all[EVENTS];
	struct prop_rounds rounds = prop_rounds(30);
	struct prop prop;

	while (prop_round(&rounds, &prop)) {
		usec_t now = prop_between(&prop, 1, 100 * HOUR);
		struct window *window = window_at(now);
		/* Rounds of dense traffic, and of some that lasts for days. */
		usec_t step = (usec_t)1 << prop_between(&prop, 5, 27);

		for (unsigned i = 0; i < EVENTS; i++) {
			struct happened *one = &all[i];

			now += prop_chance(&prop, 50) ? 0 : prop_below(&prop, step);
			*one = (struct happened){
				.at = now,
				.outcome = (enum window_outcome)prop_below(&prop, 3),
				.run = prop_next(&prop) >> prop_between(&prop, 30, 63)};
			if (one->outcome != WINDOW_ANSWERED)
				one->code = (enum errcode)prop_between(&prop, 1, ERR_COUNT_ - 1);
			window_count(window, now, 0, one->outcome, one->code);
			window_run(window, now, 0, one->run);
			if (i % 500 != 499)
				continue;
			for (unsigned k = 0; k < ARRAY_SIZE(lengths); k++) {
				compare_counts(&prop, window, all, i + 1, now, lengths[k]);
				if (lengths[k] <= 15 * MINUTE || lengths[k] == WINDOW_SINCE_START)
					compare_latency(&prop, window, all, i + 1, now, lengths[k]);
			}
		}
		free(window);
	}
}
END_TEST

START_TEST(sixty_four_pools_take_little_memory)
{
	ck_assert_uint_le(64 * sizeof(struct window), 128 * MIB);
}
END_TEST

START_TEST(every_wait_has_a_name)
{
	for (unsigned i = 0; i < WAIT_COUNT_; i++)
		ck_assert_uint_gt(strlen(window_wait_name((enum window_wait)i)), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_new_window_holds_nothing,
		outcomes_codes_and_categories_are_apart,
		a_count_leaves_each_window_in_time,
		the_span_says_how_long_the_window_is,
		run_times_and_waits_are_apart,
		quantiles_forget_what_is_over,
		a_minute_of_some_time_ago,
		waits_have_causes_and_levels_their_peaks,
		the_time_without_a_free_worker_is_known_at_any_time,
		the_clock_may_stand_still,
		the_clock_may_jump,
		methods_have_windows_of_their_own,
		random_traffic_agrees_with_a_list,
		sixty_four_pools_take_little_memory,
		every_wait_has_a_name,
	};

	return unit_main("window", tests, ARRAY_SIZE(tests));
}
