#include "daemon/io/config/config_policy.h"

#include "tests/lib/defaults.h"
#include "tests/unit/test_config.h"

/* The table's defaults and the core's own are the same numbers. */
START_TEST(defaults_are_those_of_the_core)
{
	struct config *config = must_parse("[pool a]\ncommand = x\n");
	const struct config_pool *pool = &config->pools[0];
	struct breaker_settings breaker;
	struct backoff_settings backoff;
	struct budget_settings budget;
	struct policy policy;

	config_breaker_settings(pool, &breaker);
	ck_assert_uint_eq(breaker.failure_threshold, breaker_defaults.failure_threshold);
	ck_assert_uint_eq(breaker.success_threshold, breaker_defaults.success_threshold);
	ck_assert_uint_eq(breaker.half_open_requests, breaker_defaults.half_open_requests);
	ck_assert_uint_eq(breaker.minimum_calls, breaker_defaults.minimum_calls);
	ck_assert_uint_eq(breaker.failure_rate, breaker_defaults.failure_rate);
	ck_assert_uint_eq(breaker.slow_call_rate, breaker_defaults.slow_call_rate);
	ck_assert_uint_eq(breaker.slow_call_duration, breaker_defaults.slow_call_duration);
	ck_assert_uint_eq(breaker.window, breaker_defaults.window);
	ck_assert_uint_eq(breaker.min_outage, breaker_defaults.min_outage);
	ck_assert_uint_eq(breaker.failure_run_ttl, breaker_defaults.failure_run_ttl);
	ck_assert_uint_eq(breaker.open_timeout, breaker_defaults.open_timeout);
	ck_assert_uint_eq(breaker.open_timeout_max, breaker_defaults.open_timeout_max);
	ck_assert_uint_eq(breaker.open_multiplier, breaker_defaults.open_multiplier);
	ck_assert_uint_eq(breaker.open_jitter, breaker_defaults.open_jitter);
	ck_assert_uint_eq(breaker.probe_timeout, breaker_defaults.probe_timeout);
	ck_assert(breaker.early_probe == breaker_defaults.early_probe);

	config_backoff_settings(pool, &backoff);
	ck_assert_int_eq(backoff.kind, backoff_defaults.kind);
	ck_assert_uint_eq(backoff.base, backoff_defaults.base);
	ck_assert_uint_eq(backoff.cap, backoff_defaults.cap);
	ck_assert_uint_eq(backoff.list_len, 0);

	config_budget_settings(pool, &budget);
	ck_assert_mem_eq(&budget, &budget_defaults, sizeof(budget));

	policy_init(&policy);
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++) {
		const struct policy_row *row = policy_row(&config->policy, code);
		const struct policy_row *expected = policy_row(&policy, code);

		ck_assert_int_eq(row->severity, expected->severity);
		ck_assert_int_eq(row->strategy, expected->strategy);
		ck_assert_uint_eq(row->retries, expected->retries);
		ck_assert_int_eq(row->backoff, expected->backoff);
		ck_assert(row->counts_worker == expected->counts_worker);
		ck_assert(row->counts_breaker == expected->counts_breaker);
		ck_assert_int_eq(row->fails_over, expected->fails_over);
	}
	config_free(config);
}
END_TEST

START_TEST(each_breaker_key_reaches_the_core)
{
	struct config *config = must_parse(
		"[breaker a]\nmode = observe\nper_method = yes\nfailure_threshold = 6\n"
		"success_threshold = 7\nhalf_open_requests = 8\nminimum_calls = 9\n"
		"failure_rate = 10\nslow_call_rate = 11\nslow_call_duration = 12s\n"
		"window = 13s\nmin_outage = 14s\nfailure_run_ttl = 15s\nopen_timeout = 16s\n"
		"open_timeout_max = 17s\nopen_multiplier = 180\nopen_jitter = 19\n"
		"probe_timeout = 20s\nearly_probe = no\n[pool a]\ncommand = x\n");
	struct breaker_settings breaker;

	config_breaker_settings(&config->pools[0], &breaker);
	ck_assert_int_eq(config->pools[0].breaker.mode, BREAKER_MODE_OBSERVE);
	ck_assert(config->pools[0].breaker.per_method);
	ck_assert_uint_eq(breaker.failure_threshold, 6);
	ck_assert_uint_eq(breaker.success_threshold, 7);
	ck_assert_uint_eq(breaker.half_open_requests, 8);
	ck_assert_uint_eq(breaker.minimum_calls, 9);
	ck_assert_uint_eq(breaker.failure_rate, 10);
	ck_assert_uint_eq(breaker.slow_call_rate, 11);
	ck_assert_uint_eq(breaker.slow_call_duration, 12 * USEC_PER_SEC);
	ck_assert_uint_eq(breaker.window, 13 * USEC_PER_SEC);
	ck_assert_uint_eq(breaker.min_outage, 14 * USEC_PER_SEC);
	ck_assert_uint_eq(breaker.failure_run_ttl, 15 * USEC_PER_SEC);
	ck_assert_uint_eq(breaker.open_timeout, 16 * USEC_PER_SEC);
	ck_assert_uint_eq(breaker.open_timeout_max, 17 * USEC_PER_SEC);
	ck_assert_uint_eq(breaker.open_multiplier, 180);
	ck_assert_uint_eq(breaker.open_jitter, 19);
	ck_assert_uint_eq(breaker.probe_timeout, 20 * USEC_PER_SEC);
	ck_assert(!breaker.early_probe);
	config_free(config);
}
END_TEST

START_TEST(each_retry_key_reaches_the_core)
{
	struct config *config = must_parse(
		"[pool a]\ncommand = x\n[retry a]\nbackoff = custom\nbase = 1s\ncap = 20s\n"
		"delays = 0, 5s 20s\nbudget = 7\nbudget_per_success = 15\n"
		"budget_per_second = 3\nbudget_refill_below = 4\n");
	struct backoff_settings backoff;
	struct budget_settings budget;

	config_backoff_settings(&config->pools[0], &backoff);
	ck_assert_int_eq(backoff.kind, BACKOFF_CUSTOM);
	ck_assert_uint_eq(backoff.base, USEC_PER_SEC);
	ck_assert_uint_eq(backoff.cap, 20 * USEC_PER_SEC);
	ck_assert_uint_eq(backoff.list_len, 3);
	ck_assert_ptr_eq(backoff.list, config->pools[0].retry.delays);
	ck_assert_uint_eq(backoff.list[0], 0);
	ck_assert_uint_eq(backoff.list[1], 5 * USEC_PER_SEC);
	ck_assert_uint_eq(backoff.list[2], 20 * USEC_PER_SEC);

	config_budget_settings(&config->pools[0], &budget);
	ck_assert_uint_eq(budget.max, 7 * BUDGET_RETRY);
	ck_assert_uint_eq(budget.per_success, 150);
	ck_assert_uint_eq(budget.per_second, 3 * BUDGET_RETRY);
	ck_assert_uint_eq(budget.refill_below, 4 * BUDGET_RETRY);
	config_free(config);
}
END_TEST

START_TEST(a_row_is_changed_key_by_key)
{
	struct config *config = must_parse(
		"[error exception]\nseverity = minor\nstrategy = backoff_retry\nretries = 4\n"
		"backoff = linear\ncounts_worker = yes\ncounts_breaker = yes\nfails_over = no\n"
		"[error shed]\nretries = 3\n");
	const struct policy_row *row = policy_row(&config->policy, ERR_exception);

	ck_assert_int_eq(row->severity, SEVERITY_MINOR);
	ck_assert_int_eq(row->strategy, STRATEGY_BACKOFF_RETRY);
	ck_assert_uint_eq(row->retries, 4);
	ck_assert_int_eq(row->backoff, ERRBACKOFF_LINEAR);
	ck_assert(row->counts_worker && row->counts_breaker);
	ck_assert_int_eq(row->fails_over, FAILOVER_NO);

	row = policy_row(&config->policy, ERR_shed);
	ck_assert_uint_eq(row->retries, 3);
	ck_assert_int_eq(row->severity, SEVERITY_WARNING);
	ck_assert_int_eq(row->strategy, STRATEGY_FAILOVER);
	ck_assert_int_eq(row->fails_over, FAILOVER_YES);
	config_free(config);
}
END_TEST

/* Only what the code's own section says is kept from its category. */
START_TEST(a_code_wins_over_its_category_in_any_order)
{
	static const char *const cases[] = {
		"[error attempt_timeout]\nretries = 1\n"
		"[error timeout_error]\nretries = 9\nseverity = minor\n",
		"[error timeout_error]\nretries = 9\nseverity = minor\n"
		"[error attempt_timeout]\nretries = 1\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config *config = must_parse(cases[i]);
		const struct policy *policy = &config->policy;

		ck_assert_uint_eq(policy_row(policy, ERR_attempt_timeout)->retries, 1);
		ck_assert_uint_eq(policy_row(policy, ERR_queue_timeout)->retries, 9);
		ck_assert_uint_eq(policy_row(policy, ERR_deadline_exceeded)->retries, 9);
		ck_assert_uint_eq(policy_row(policy, ERR_worker_exited)->retries, 5);
		ck_assert_int_eq(policy_row(policy, ERR_attempt_timeout)->severity, SEVERITY_MINOR);
		ck_assert_int_eq(policy_row(policy, ERR_queue_timeout)->severity, SEVERITY_MINOR);
		ck_assert_int_eq(policy_row(policy, ERR_attempt_timeout)->strategy,
				 STRATEGY_BACKOFF_RETRY);
		config_free(config);
	}
}
END_TEST

/* Who lowers memory_max need not lower what was never written. */
START_TEST(defaults_fit_the_memory)
{
	struct config *config =
		must_parse("[daemon]\nmemory_max = 8M\noutput_max = 4M\noutput_pause = 1M\n"
			   "message_max = 1M\nresponse_max = 1M\n");

	ck_assert_uint_eq(config->daemon.session_bytes_max, 8 << 20);
	ck_assert_uint_eq(config->daemon.key_bytes_max, 8 << 20);
	config_free(config);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		defaults_are_those_of_the_core,
		each_breaker_key_reaches_the_core,
		each_retry_key_reaches_the_core,
		a_row_is_changed_key_by_key,
		a_code_wins_over_its_category_in_any_order,
		defaults_fit_the_memory,
	};

	return unit_main("config_policy", tests, ARRAY_SIZE(tests));
}
