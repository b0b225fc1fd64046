#include "protocol/errcode.h"

#include <check.h>
#include <string.h>

#include "tests/lib/unit.h"

/*
 * The table of errors as the documents give it, written out a second time and in their words, so
 * that no row of errcode.def can change unseen.
 */
static const struct expected {
	const char *name;
	const char *category;
	const char *severity;
	const char *strategy;
	unsigned retries;
	const char *backoff;
	bool counts_worker;
	bool counts_breaker;
	enum errfailover fails_over;
} table[] = {
	{"spawn_failed", "initialization_error", "critical", "circuit_break", 3, "exponential", 0,
	 1, FAILOVER_YES},
	{"init_failed", "initialization_error", "critical", "circuit_break", 3, "exponential", 0, 1,
	 FAILOVER_YES},
	{"init_timeout", "initialization_error", "critical", "circuit_break", 3, "exponential", 0,
	 1, FAILOVER_YES},
	{"worker_exited", "connection_error", "major", "backoff_retry", 5, "exponential", 1, 1,
	 FAILOVER_YES},
	{"worker_killed", "connection_error", "major", "backoff_retry", 5, "exponential", 1, 1,
	 FAILOVER_YES},
	{"connect_failed", "connection_error", "major", "backoff_retry", 5, "exponential", 1, 1,
	 FAILOVER_YES},
	{"peer_closed", "connection_error", "major", "backoff_retry", 5, "exponential", 1, 1,
	 FAILOVER_YES},
	/* The caller's payload is at fault: it is never retried and counts against nobody. */
	{"encode_error", "communication_error", "major", "abandon", 0, "none", 0, 0, FAILOVER_NO},
	{"decode_error", "communication_error", "major", "immediate_retry", 3, "linear", 1, 1,
	 FAILOVER_YES},
	{"protocol_violation", "communication_error", "major", "immediate_retry", 3, "linear", 1, 1,
	 FAILOVER_YES},
	{"response_too_large", "communication_error", "major", "abandon", 0, "none", 0, 0,
	 FAILOVER_NO},
	{"attempt_timeout", "timeout_error", "major", "backoff_retry", 2, "exponential", 1, 1,
	 FAILOVER_IDEMPOTENT},
	{"queue_timeout", "timeout_error", "major", "abandon", 0, "none", 0, 0, FAILOVER_YES},
	{"deadline_exceeded", "timeout_error", "major", "abandon", 0, "none", 0, 0, FAILOVER_NO},
	{"queue_full", "resource_error", "critical", "failover", 1, "none", 0, 0, FAILOVER_YES},
	{"pool_unavailable", "resource_error", "critical", "failover", 1, "none", 0, 0,
	 FAILOVER_YES},
	{"circuit_open", "resource_error", "warning", "failover", 1, "none", 0, 0, FAILOVER_YES},
	{"shed", "resource_error", "warning", "failover", 1, "none", 0, 0, FAILOVER_YES},
	{"retry_budget_exhausted", "resource_error", "critical", "failover", 1, "none", 0, 0,
	 FAILOVER_YES},
	{"memory_limit", "resource_error", "critical", "failover", 1, "none", 0, 0, FAILOVER_YES},
	{"process_limit", "resource_error", "critical", "failover", 1, "none", 0, 0, FAILOVER_YES},
	{"health_check_failed", "health_check_error", "minor", "backoff_retry", 3, "linear", 1, 0,
	 FAILOVER_NO},
	{"health_check_timeout", "health_check_error", "minor", "backoff_retry", 3, "linear", 1, 0,
	 FAILOVER_NO},
	{"session_not_found", "session_error", "minor", "immediate_retry", 2, "none", 0, 0,
	 FAILOVER_NO},
	{"session_expired", "session_error", "minor", "immediate_retry", 2, "none", 0, 0,
	 FAILOVER_NO},
	{"session_lost", "session_error", "minor", "immediate_retry", 2, "none", 0, 0, FAILOVER_NO},
	{"session_limit", "session_error", "minor", "immediate_retry", 2, "none", 0, 0,
	 FAILOVER_NO},
	{"exception", "application_error", "major", "failover", 3, "none", 0, 0, FAILOVER_ASKED},
	{"internal", "system_error", "critical", "abandon", 0, "none", 1, 1, FAILOVER_YES},
	{"shutting_down", "system_error", "critical", "abandon", 0, "none", 1, 1, FAILOVER_YES},
	{"invalid_request", "request_error", "warning", "abandon", 0, "none", 0, 0, FAILOVER_NO},
	{"rejected", "request_error", "warning", "abandon", 0, "none", 0, 0, FAILOVER_NO},
	{"unknown_pool", "request_error", "warning", "abandon", 0, "none", 0, 0, FAILOVER_NO},
	{"unknown_method", "request_error", "warning", "abandon", 0, "none", 0, 0, FAILOVER_NO},
	{"payload_too_large", "request_error", "warning", "abandon", 0, "none", 0, 0, FAILOVER_NO},
	{"permission_denied", "request_error", "warning", "abandon", 0, "none", 0, 0, FAILOVER_NO},
	{"cancelled", "request_error", "warning", "abandon", 0, "none", 0, 0, FAILOVER_NO},
};

static_assert(ARRAY_SIZE(table) == ERR_COUNT_ - 1, "a code that this table does not know");

START_TEST(rows_are_as_documented)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct expected *expected = &table[i];
		enum errcode code = errcode_find(expected->name, strlen(expected->name));

		ck_assert_msg(code != ERR_NONE, "%s is missing", expected->name);

		const struct errinfo *info = errcode_info(code);

		ck_assert_str_eq(errcategory_name(info->category), expected->category);
		ck_assert_str_eq(errseverity_name(info->severity), expected->severity);
		ck_assert_str_eq(errstrategy_name(info->strategy), expected->strategy);
		ck_assert_uint_eq(info->retries, expected->retries);
		ck_assert_str_eq(errbackoff_name(info->backoff), expected->backoff);
		ck_assert_int_eq(info->counts_worker, expected->counts_worker);
		ck_assert_int_eq(info->counts_breaker, expected->counts_breaker);
		ck_assert_int_eq(info->fails_over, expected->fails_over);
	}
}
END_TEST

START_TEST(rows_are_complete)
{
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++) {
		const struct errinfo *info = errcode_info(code);
		size_t len = strlen(info->text);

		ck_assert_str_eq(errcode_name(code), info->name);
		ck_assert_int_eq(errcode_find(info->name, strlen(info->name)), code);
		ck_assert_uint_gt(len, 0);
		ck_assert_msg(info->text[len - 1] != '.', "%s: a full stop", info->name);
		ck_assert_int_lt(info->category, ERRCAT_COUNT_);
		ck_assert_int_lt(info->fails_over, FAILOVER_COUNT_);
	}
	ck_assert_str_eq(errcode_name(ERR_NONE), "none");
}
END_TEST

START_TEST(no_such_name)
{
	static const char *const names[] = {"", "none", "NONE", "interna", "internals", "Internal"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		ck_assert_int_eq(errcode_find(names[i], strlen(names[i])), ERR_NONE);
	ck_assert_int_eq(errcode_find(NULL, 0), ERR_NONE);
	ck_assert_int_eq(errcode_find("shedding", 4), ERR_shed);
}
END_TEST

START_TEST(every_value_has_a_name)
{
	for (enum errcategory i = 0; i < ERRCAT_COUNT_; i++) {
		const char *name = errcategory_name(i);

		ck_assert_uint_gt(strlen(name), strlen("_error"));
		ck_assert_str_eq(name + strlen(name) - strlen("_error"), "_error");
	}
	for (enum errseverity i = 0; i < SEVERITY_COUNT_; i++)
		ck_assert_ptr_nonnull(errseverity_name(i));
	for (enum errstrategy i = 0; i < STRATEGY_COUNT_; i++)
		ck_assert_ptr_nonnull(errstrategy_name(i));
	for (enum errbackoff i = 0; i < ERRBACKOFF_COUNT_; i++)
		ck_assert_ptr_nonnull(errbackoff_name(i));
	ck_assert_str_eq(executed_name(EXECUTED_NO), "no");
	ck_assert_str_eq(executed_name(EXECUTED_MAYBE), "maybe");
	ck_assert_str_eq(executed_name(EXECUTED_YES), "yes");
}
END_TEST

/* Each value has a name of its own. */
#define CHECK_NAMES(name_of, count)                                                                \
	do {                                                                                       \
		for (unsigned i = 0; i < (count); i++)                                             \
			for (unsigned j = 0; j < i; j++)                                           \
				ck_assert_str_ne(name_of(i), name_of(j));                          \
	} while (0)

/* The names that a configuration may use, and no others: each leads back to its value. */
#define CHECK_FOUND(name_of, find, count)                                                          \
	do {                                                                                       \
		for (unsigned i = 0; i < (count); i++) {                                           \
			const char *name = name_of(i);                                             \
                                                                                                   \
			ck_assert_uint_eq(find(name, strlen(name)), i);                            \
			ck_assert_uint_eq(find(name, strlen(name) - 1), (count));                  \
		}                                                                                  \
		ck_assert_uint_eq(find("", 0), (count));                                           \
		ck_assert_uint_eq(find(NULL, 0), (count));                                         \
		ck_assert_uint_eq(find("nothing of the kind", 19), (count));                       \
	} while (0)

START_TEST(every_name_is_found)
{
	CHECK_FOUND(errcategory_name, errcategory_find, ERRCAT_COUNT_);
	CHECK_FOUND(errseverity_name, errseverity_find, SEVERITY_COUNT_);
}
END_TEST

START_TEST(names_are_unique)
{
	CHECK_NAMES(errcategory_name, ERRCAT_COUNT_);
	CHECK_NAMES(errseverity_name, SEVERITY_COUNT_);
	CHECK_NAMES(errstrategy_name, STRATEGY_COUNT_);
	CHECK_NAMES(errbackoff_name, ERRBACKOFF_COUNT_);
	CHECK_NAMES(errfailover_name, FAILOVER_COUNT_);
}
END_TEST

START_TEST(names_are_those_of_the_configuration)
{
	ck_assert_str_eq(errfailover_name(FAILOVER_NO), "no");
	ck_assert_str_eq(errfailover_name(FAILOVER_YES), "yes");
	ck_assert_str_eq(errfailover_name(FAILOVER_IDEMPOTENT), "idempotent");
	ck_assert_str_eq(errfailover_name(FAILOVER_ASKED), "asked");
	ck_assert_uint_eq(errcategory_find("timeout_error", 13), ERRCAT_timeout);
	ck_assert_uint_eq(errcategory_find("timeout", 7), ERRCAT_COUNT_);
	ck_assert_uint_eq(errcategory_find("timeout_error, more", 13), ERRCAT_timeout);
	ck_assert_uint_eq(errseverity_find("Major", 5), SEVERITY_COUNT_);
	ck_assert_str_eq(errstrategy_name(STRATEGY_CIRCUIT_BREAK), "circuit_break");
}
END_TEST

/* Rows that contradict themselves: what is not tried again has no delay, and a delay is for
 * retries. */
START_TEST(rows_make_sense)
{
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++) {
		const struct errinfo *info = errcode_info(code);

		if (info->strategy == STRATEGY_ABANDON)
			ck_assert_msg(info->retries == 0, "%s is abandoned and retried",
				      info->name);
		else
			ck_assert_msg(info->retries > 0, "%s is never retried", info->name);
		if (info->backoff != ERRBACKOFF_NONE)
			ck_assert_msg(info->retries > 0, "%s waits for nothing", info->name);
		if (info->category == ERRCAT_request)
			ck_assert_msg(!info->counts_worker && !info->counts_breaker &&
					      info->fails_over == FAILOVER_NO,
				      "%s is the caller's fault", info->name);
	}
}
END_TEST

static void ask_for_name(void *failover)
{
	(void)errfailover_name(*(enum errfailover *)failover);
}

START_TEST(no_such_failover)
{
	enum errfailover beyond = FAILOVER_COUNT_;

	ck_assert(unit_aborts(ask_for_name, &beyond, true));
}
END_TEST

static void ask_for(void *code)
{
	(void)errcode_info(*(enum errcode *)code);
}

START_TEST(no_such_row)
{
	enum errcode none = ERR_NONE, beyond = ERR_COUNT_;

	ck_assert(unit_aborts(ask_for, &none, true));
	ck_assert(unit_aborts(ask_for, &beyond, true));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		rows_are_as_documented,
		rows_are_complete,
		rows_make_sense,
		no_such_name,
		every_value_has_a_name,
		every_name_is_found,
		names_are_unique,
		names_are_those_of_the_configuration,
		no_such_row,
		no_such_failover,
	};

	return unit_main("errcode", tests, ARRAY_SIZE(tests));
}
