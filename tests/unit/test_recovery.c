#include "daemon/core/recovery.h"

#include <string.h>

#include "tests/lib/unit.h"

#define SEC   USEC_PER_SEC
#define SLOTS 3

static struct policy policy;

static void set_up_policy(void)
{
	policy_init(&policy);
}

/* Nothing stands against a retry of this code. */
static struct recovery_case all_is_well(enum errcode code)
{
	return (struct recovery_case){
		.policy = &policy,
		.code = code,
		.may_run_again = true,
		.max_attempts = UINT32_MAX,
		.attempts = 1,
		.max_crash_retries = 1,
		.now = 1000,
		.until = USEC_INFINITY,
	};
}

static void assert_verdict(const struct recovery_case *facts, enum recovery_verdict verdict)
{
	ck_assert_msg(recovery_judge(facts) == verdict, "%s: verdict %d, not %d",
		      errcode_name(facts->code), (int)recovery_judge(facts), (int)verdict);
}

/* --- ceilings --- */

static unsigned count_retries(struct recovery_case facts)
{
	unsigned retries = 0;

	while (recovery_judge(&facts) == RECOVERY_RETRY) {
		facts.retries = ++retries;
		facts.attempts++;
	}
	return retries;
}

static bool is_retry(enum errcode code)
{
	enum errstrategy strategy = policy_row(&policy, code)->strategy;

	return strategy == STRATEGY_IMMEDIATE_RETRY || strategy == STRATEGY_BACKOFF_RETRY;
}

/* Exactly so many, and no more: written out once more. */
START_TEST(every_ceiling_of_the_table_is_reached_and_not_passed)
{
	static const struct {
		const char *codes;
		unsigned retries;
	} ceilings[] = {
		{"spawn_failed init_failed init_timeout", 3},
		{"worker_exited worker_killed connect_failed peer_closed", 5},
		{"encode_error response_too_large queue_timeout deadline_exceeded internal "
		 "shutting_down",
		 0},
		{"decode_error protocol_violation", 3},
		{"attempt_timeout", 2},
		{"queue_full pool_unavailable circuit_open shed retry_budget_exhausted", 1},
		{"memory_limit process_limit", 1},
		{"health_check_failed health_check_timeout", 3},
		{"session_not_found session_expired session_lost session_limit", 2}, /* moving */
		{"exception", 3},
		{"invalid_request rejected unknown_pool unknown_method payload_too_large", 0},
		{"permission_denied cancelled", 0},
	};
	unsigned codes = 0;

	set_up_policy();
	for (unsigned i = 0; i < ARRAY_SIZE(ceilings); i++) {
		const char *name = ceilings[i].codes;

		for (size_t len; *name; name += len + (name[len] == ' '), codes++) {
			enum errcode code = errcode_find(name, len = strcspn(name, " "));
			struct recovery_case facts = all_is_well(code);

			facts.is_moving = errcode_info(code)->category == ERRCAT_session;
			/* Where the strategy is no retry, the worker must ask for one. */
			facts.has_retryable = facts.is_retryable =
				ceilings[i].retries > 0 && !is_retry(code);
			ck_assert_msg(count_retries(facts) == ceilings[i].retries, "%.*s: %u",
				      (int)len, name, count_retries(facts));
			facts.retries = ceilings[i].retries;
			assert_verdict(&facts, ceilings[i].retries > 0 ? RECOVERY_CEILING
								       : RECOVERY_STRATEGY);
		}
	}
	ck_assert_uint_eq(codes, ERR_COUNT_ - 1);
}
END_TEST

START_TEST(a_changed_row_has_another_ceiling)
{
	set_up_policy();
	policy.rows[ERR_worker_exited].retries = 9;
	ck_assert_uint_eq(count_retries(all_is_well(ERR_worker_exited)), 9);
	policy.rows[ERR_worker_exited].retries = 0;
	ck_assert_uint_eq(count_retries(all_is_well(ERR_worker_exited)), 0);
	policy.rows[ERR_worker_exited].retries = 9;
	policy.rows[ERR_worker_exited].strategy = STRATEGY_ABANDON;
	ck_assert_uint_eq(count_retries(all_is_well(ERR_worker_exited)), 0);
}
END_TEST

/* --- verdicts --- */

static const struct {
	const char *why;
	enum recovery_verdict verdict;
	struct recovery_case facts; /* beside what all have: the policy, and a time of 1000 */
} cases[] = {
	{"all is well", RECOVERY_RETRY, {.code = ERR_worker_exited, .may_run_again = true}},
	{"the row abandons", RECOVERY_STRATEGY, {.code = ERR_encode_error, .may_run_again = true}},
	{"the worker says it is final",
	 RECOVERY_STRATEGY,
	 {.code = ERR_worker_exited, .may_run_again = true, .has_retryable = true}},
	{"an exception is not tried again",
	 RECOVERY_STRATEGY,
	 {.code = ERR_exception, .may_run_again = true}},
	{"unless the worker says so",
	 RECOVERY_RETRY,
	 {.code = ERR_exception,
	  .may_run_again = true,
	  .has_retryable = true,
	  .is_retryable = true}},
	{"what was not said does not count",
	 RECOVERY_STRATEGY,
	 {.code = ERR_exception, .may_run_again = true, .is_retryable = true}},
	{"three times",
	 RECOVERY_CEILING,
	 {.code = ERR_exception,
	  .may_run_again = true,
	  .has_retryable = true,
	  .is_retryable = true,
	  .retries = 3}},
	{"the worker's word wins over a row that allows none",
	 RECOVERY_RETRY,
	 {.code = ERR_rejected,
	  .may_run_again = true,
	  .has_retryable = true,
	  .is_retryable = true}},
	{"once",
	 RECOVERY_CEILING,
	 {.code = ERR_rejected,
	  .may_run_again = true,
	  .has_retryable = true,
	  .is_retryable = true,
	  .retries = 1}},
	{"a session that stays where it is",
	 RECOVERY_STRATEGY,
	 {.code = ERR_session_lost, .may_run_again = true}},
	{"a session that is being moved",
	 RECOVERY_RETRY,
	 {.code = ERR_session_lost, .may_run_again = true, .is_moving = true}},
	{"tried as often as its row allows",
	 RECOVERY_CEILING,
	 {.code = ERR_worker_exited, .may_run_again = true, .retries = 5}},
	{"tried as often as the request allows",
	 RECOVERY_ATTEMPTS,
	 {.code = ERR_worker_exited, .may_run_again = true, .attempts = 3}},
	{"one more may be",
	 RECOVERY_RETRY,
	 {.code = ERR_worker_exited, .may_run_again = true, .attempts = 2}},
	{"it may have run, and is not idempotent", RECOVERY_UNSAFE, {.code = ERR_worker_exited}},
	{"as many workers as may be went down with it",
	 RECOVERY_RETRY,
	 {.code = ERR_worker_exited, .may_run_again = true, .crashes = 1}},
	{"one too many",
	 RECOVERY_POISON,
	 {.code = ERR_worker_exited, .may_run_again = true, .crashes = 2}},
	{"a part of the answer is with the client",
	 RECOVERY_STREAM,
	 {.code = ERR_worker_exited, .may_run_again = true, .has_begun_stream = true}},
	{"who takes it anew",
	 RECOVERY_RETRY,
	 {.code = ERR_worker_exited,
	  .may_run_again = true,
	  .has_begun_stream = true,
	  .is_restartable = true}},
	{"there is just time",
	 RECOVERY_RETRY,
	 {.code = ERR_worker_exited,
	  .may_run_again = true,
	  .delay = 100,
	  .typical_run = 10,
	  .until = 1111}},
	{"there is just no time",
	 RECOVERY_TIME,
	 {.code = ERR_worker_exited,
	  .may_run_again = true,
	  .delay = 100,
	  .typical_run = 10,
	  .until = 1110}},
	{"the time is over",
	 RECOVERY_TIME,
	 {.code = ERR_worker_exited, .may_run_again = true, .until = 1000}},
	{"a delay without end",
	 RECOVERY_TIME,
	 {.code = ERR_worker_exited,
	  .may_run_again = true,
	  .delay = USEC_INFINITY,
	  .typical_run = 10,
	  .until = USEC_INFINITY}},
};

START_TEST(every_verdict_has_its_reasons)
{
	unsigned seen = 0;

	set_up_policy();
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct recovery_case facts = cases[i].facts;

		facts.policy = &policy;
		facts.now = 1000;
		facts.until = facts.until > 0 ? facts.until : 2000;
		facts.max_attempts = 3;
		facts.max_crash_retries = 1;
		ck_assert_msg(recovery_judge(&facts) == cases[i].verdict, "case %u: %s", i,
			      cases[i].why);
		seen |= 1u << cases[i].verdict;
	}
	ck_assert_msg(seen == (1u << RECOVERY_VERDICT_COUNT_) - 1, "a verdict is never given");
}
END_TEST

/* With all of them at hand the first in the table's order is told; each, taken away, shows the
 * next. */
START_TEST(reasons_are_reported_in_their_order)
{
	struct recovery_case facts = {.policy = &policy,
				      .code = ERR_worker_exited,
				      .has_retryable = true,
				      .retries = 5,
				      .attempts = 3,
				      .max_attempts = 3,
				      .crashes = 2,
				      .max_crash_retries = 1,
				      .has_begun_stream = true,
				      .now = 1000,
				      .until = 1000};

	set_up_policy();
	assert_verdict(&facts, RECOVERY_STRATEGY);
	facts.has_retryable = false;
	assert_verdict(&facts, RECOVERY_CEILING);
	facts.retries = 0;
	assert_verdict(&facts, RECOVERY_ATTEMPTS);
	facts.attempts = 2;
	assert_verdict(&facts, RECOVERY_UNSAFE);
	facts.may_run_again = true;
	assert_verdict(&facts, RECOVERY_POISON);
	facts.crashes = 1;
	assert_verdict(&facts, RECOVERY_STREAM);
	facts.is_restartable = true;
	assert_verdict(&facts, RECOVERY_TIME);
	facts.until = 1001;
	assert_verdict(&facts, RECOVERY_RETRY);
}
END_TEST

/* For every code: final is final, and "try again" is at least one retry. */
START_TEST(the_workers_word_wins)
{
	set_up_policy();
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++) {
		struct recovery_case facts = all_is_well(code);
		unsigned row = policy_row(&policy, code)->retries;

		facts.has_retryable = true;
		facts.is_moving = true;
		assert_verdict(&facts, RECOVERY_STRATEGY);
		facts.is_retryable = true;
		facts.is_moving = false;
		ck_assert_uint_eq(count_retries(facts), row > 0 ? row : 1);
	}
}
END_TEST

/* An operator who wants exceptions tried again says so by the strategy. */
START_TEST(an_exceptions_row_may_say_retry)
{
	static const struct {
		enum errstrategy strategy;
		unsigned retries;
	} rows[] = {{STRATEGY_ABANDON, 0},
		    {STRATEGY_FAILOVER, 0},
		    {STRATEGY_CIRCUIT_BREAK, 0},
		    {STRATEGY_IMMEDIATE_RETRY, 4},
		    {STRATEGY_BACKOFF_RETRY, 4}};

	set_up_policy();
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		policy.rows[ERR_exception].strategy = rows[i].strategy;
		policy.rows[ERR_exception].retries = 4;
		ck_assert_uint_eq(count_retries(all_is_well(ERR_exception)), rows[i].retries);
	}
}
END_TEST

START_TEST(every_number_of_crashes_has_its_limit)
{
	set_up_policy();
	for (unsigned limit = 0; limit < 4; limit++)
		for (unsigned crashes = 0; crashes < 6; crashes++) {
			struct recovery_case facts = all_is_well(ERR_worker_killed);

			facts.crashes = crashes;
			facts.max_crash_retries = limit;
			ck_assert_int_eq(recovery_judge(&facts) == RECOVERY_RETRY,
					 crashes <= limit);
		}
}
END_TEST

/* --- the book --- */

struct fixture {
	struct recoveries book;
	struct recovery slots[SLOTS];
	struct request requests[SLOTS + 1];
};

static void set_up(struct fixture *f)
{
	set_up_policy();
	memset(f, 0, sizeof(*f));
	for (unsigned i = 0; i <= SLOTS; i++)
		f->requests[i].priority = PRIORITY_NORMAL;
	recoveries_init(&f->book, f->slots, SLOTS);
}

static struct recovery *begin(struct fixture *f, unsigned i, enum errcode cause, usec_t now)
{
	return recoveries_begin(&f->book, &f->requests[i], &policy, cause, SEVERITY_MAJOR, now);
}

START_TEST(time_limits_go_by_severity_and_priority)
{
	static const struct {
		enum errseverity severity;
		usec_t normal, critical;
	} limits[] = {{SEVERITY_CRITICAL, 5 * SEC, 2500 * USEC_PER_MSEC},
		      {SEVERITY_MAJOR, 30 * SEC, 15 * SEC},
		      {SEVERITY_MINOR, 60 * SEC, 30 * SEC},
		      {SEVERITY_WARNING, 60 * SEC, 30 * SEC}};

	for (unsigned i = 0; i < ARRAY_SIZE(limits); i++) {
		enum errseverity severity = limits[i].severity;

		ck_assert_uint_eq(recovery_limit(severity, PRIORITY_NORMAL), limits[i].normal);
		ck_assert_uint_eq(recovery_limit(severity, PRIORITY_SHEDDABLE), limits[i].normal);
		ck_assert_uint_eq(recovery_limit(severity, PRIORITY_CRITICAL), limits[i].critical);
	}
}
END_TEST

START_TEST(a_recovery_knows_how_it_began)
{
	struct recovery *recovery;
	struct fixture f;

	set_up(&f);
	f.requests[0].priority = PRIORITY_CRITICAL;
	recovery = begin(&f, 0, ERR_decode_error, 7 * SEC);
	ck_assert_uint_eq(recovery->id, 1);
	ck_assert_ptr_eq(recovery->request, &f.requests[0]);
	ck_assert_int_eq(recovery->cause, ERR_decode_error);
	ck_assert_int_eq(recovery->category, ERRCAT_communication);
	ck_assert_int_eq(recovery->strategy, STRATEGY_IMMEDIATE_RETRY);
	ck_assert_int_eq(recovery->severity, SEVERITY_MAJOR);
	ck_assert_uint_eq(recovery->attempts, 0);
	ck_assert_uint_eq(recovery->started, 7 * SEC);
	ck_assert_uint_eq(recovery->until, 22 * SEC);
	ck_assert_ptr_eq(recoveries_find(&f.book, 1), recovery);
}
END_TEST

START_TEST(a_limit_beyond_all_time_is_no_wrap)
{
	struct fixture f;

	set_up(&f);
	ck_assert_uint_eq(begin(&f, 0, ERR_exception, USEC_INFINITY - 5)->until, USEC_INFINITY);
}
END_TEST

START_TEST(past_the_maximum_they_are_refused)
{
	struct recovery *recovery;
	struct fixture f;

	set_up(&f);
	for (unsigned i = 0; i < SLOTS; i++)
		ck_assert_ptr_nonnull(begin(&f, i, ERR_worker_exited, 1));
	ck_assert_ptr_null(begin(&f, SLOTS, ERR_worker_exited, 1));
	ck_assert_uint_eq(f.book.refused, 1);
	ck_assert_uint_eq(f.book.all.initiated, SLOTS);
	recoveries_end(&f.book, recoveries_find(&f.book, 2), RECOVERY_FAILED, 2);
	recovery = begin(&f, SLOTS, ERR_worker_exited, 3);
	ck_assert_uint_eq(recovery->id, SLOTS + 1); /* a number is never used twice */
	ck_assert_uint_eq(f.book.active.len, SLOTS);
}
END_TEST

START_TEST(no_slots_means_no_recovery)
{
	struct recoveries book;
	struct request request = {.priority = PRIORITY_NORMAL};

	set_up_policy();
	recoveries_init(&book, NULL, 0);
	ck_assert_ptr_null(
		recoveries_begin(&book, &request, &policy, ERR_exception, SEVERITY_MAJOR, 1));
	ck_assert_uint_eq(book.refused, 1);
}
END_TEST

START_TEST(only_those_that_run_are_found)
{
	struct fixture f;

	set_up(&f);
	ck_assert_ptr_null(recoveries_find(&f.book, 0));
	begin(&f, 0, ERR_exception, 1);
	begin(&f, 1, ERR_exception, 1);
	recoveries_end(&f.book, recoveries_find(&f.book, 1), RECOVERY_SUCCEEDED, 2);
	ck_assert_ptr_null(recoveries_find(&f.book, 0));
	ck_assert_ptr_null(recoveries_find(&f.book, 1));
	ck_assert_ptr_eq(recoveries_find(&f.book, 2)->request, &f.requests[1]);
	ck_assert_ptr_null(recoveries_find(&f.book, 3));
}
END_TEST

static void assert_counts(const struct recovery_counts *counts, unsigned initiated,
			  unsigned succeeded, unsigned failed, unsigned cancelled)
{
	ck_assert_uint_eq(counts->initiated, initiated);
	ck_assert_uint_eq(counts->succeeded, succeeded);
	ck_assert_uint_eq(counts->failed, failed);
	ck_assert_uint_eq(counts->cancelled, cancelled);
}

START_TEST(they_are_counted_by_result_category_and_strategy)
{
	static const struct {
		enum errcode cause;
		enum recovery_result result;
		usec_t duration;
	} ends[] = {{ERR_worker_exited, RECOVERY_SUCCEEDED, 1 * SEC},
		    {ERR_peer_closed, RECOVERY_FAILED, 2 * SEC},
		    {ERR_attempt_timeout, RECOVERY_EXPIRED, 3 * SEC},
		    {ERR_decode_error, RECOVERY_CANCELLED, 6 * SEC}};
	struct fixture f;

	set_up(&f);
	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++)
		recoveries_end(&f.book, begin(&f, 0, ends[i].cause, 10 * SEC), ends[i].result,
			       10 * SEC + ends[i].duration);
	begin(&f, 0, ERR_exception, 20 * SEC);
	assert_counts(&f.book.all, 5, 1, 2, 1);
	assert_counts(&f.book.by_category[ERRCAT_connection], 2, 1, 1, 0);
	assert_counts(&f.book.by_category[ERRCAT_timeout], 1, 0, 1, 0);
	assert_counts(&f.book.by_category[ERRCAT_communication], 1, 0, 0, 1);
	assert_counts(&f.book.by_category[ERRCAT_application], 1, 0, 0, 0);
	assert_counts(&f.book.by_category[ERRCAT_session], 0, 0, 0, 0);
	assert_counts(&f.book.by_strategy[STRATEGY_BACKOFF_RETRY], 3, 1, 2, 0);
	assert_counts(&f.book.by_strategy[STRATEGY_IMMEDIATE_RETRY], 1, 0, 0, 1);
	assert_counts(&f.book.by_strategy[STRATEGY_FAILOVER], 1, 0, 0, 0);
	ck_assert_uint_eq(f.book.duration.count, 4);
	ck_assert_uint_eq(hist_mean(&f.book.duration), 3 * SEC);
}
END_TEST

START_TEST(every_result_has_a_name)
{
	ck_assert_str_eq(recovery_result_name(RECOVERY_SUCCEEDED), "succeeded");
	ck_assert_str_eq(recovery_result_name(RECOVERY_FAILED), "failed");
	ck_assert_str_eq(recovery_result_name(RECOVERY_CANCELLED), "cancelled");
	ck_assert_str_eq(recovery_result_name(RECOVERY_EXPIRED), "expired");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_ceiling_of_the_table_is_reached_and_not_passed,
		a_changed_row_has_another_ceiling,
		every_verdict_has_its_reasons,
		reasons_are_reported_in_their_order,
		the_workers_word_wins,
		an_exceptions_row_may_say_retry,
		every_number_of_crashes_has_its_limit,
		time_limits_go_by_severity_and_priority,
		a_recovery_knows_how_it_began,
		a_limit_beyond_all_time_is_no_wrap,
		past_the_maximum_they_are_refused,
		no_slots_means_no_recovery,
		only_those_that_run_are_found,
		they_are_counted_by_result_category_and_strategy,
		every_result_has_a_name,
	};

	return unit_main("recovery", tests, ARRAY_SIZE(tests));
}
