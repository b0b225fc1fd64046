#include "daemon/io/config/settings.h"
#include "tests/unit/test_config.h"

#include <stdio.h>

/* Checks that the options that say nothing give the core these numbers. */
START_TEST(defaults_reach_the_core)
{
	const struct config *config = must_parse("[pool a]\ncommand = x\n");
	struct pool_settings settings;
	const struct breaker_settings *breaker = &settings.breaker;
	struct policy policy;

	settings_pool(&config->pools[0], &settings);
	ck_assert_int_eq(settings.breaker_begins, BREAKER_CLOSED);
	ck_assert(!settings.breaker_per_method);
	ck_assert_uint_eq(breaker->failure_threshold, 5);
	ck_assert_uint_eq(breaker->success_threshold, 3);
	ck_assert_uint_eq(breaker->half_open_requests, 3);
	ck_assert_uint_eq(breaker->minimum_calls, 20);
	ck_assert_uint_eq(breaker->failure_rate, 50);
	ck_assert_uint_eq(breaker->slow_call_rate, 0);
	ck_assert_uint_eq(breaker->slow_call_duration, 0);
	ck_assert_uint_eq(breaker->window, 10 * USEC_PER_SEC);
	ck_assert_uint_eq(breaker->min_outage, USEC_PER_SEC);
	ck_assert_uint_eq(breaker->failure_run_ttl, 60 * USEC_PER_SEC);
	ck_assert_uint_eq(breaker->open_timeout, 60 * USEC_PER_SEC);
	ck_assert_uint_eq(breaker->open_timeout_max, 600 * USEC_PER_SEC);
	ck_assert_uint_eq(breaker->open_multiplier, 100);
	ck_assert_uint_eq(breaker->open_jitter, 0);
	ck_assert_uint_eq(breaker->probe_timeout, 30 * USEC_PER_SEC);
	ck_assert(breaker->early_probe);

	ck_assert_int_eq(settings.backoff.kind, BACKOFF_FULL_JITTER);
	ck_assert_uint_eq(settings.backoff.base, 100 * USEC_PER_MSEC);
	ck_assert_uint_eq(settings.backoff.cap, 30 * USEC_PER_SEC);
	ck_assert_uint_eq(settings.backoff.list_len, 0);

	ck_assert_uint_eq(settings.budget.max, 20 * BUDGET_RETRY);
	ck_assert_uint_eq(settings.budget.per_success, BUDGET_RETRY / 5);
	ck_assert_uint_eq(settings.budget.per_second, BUDGET_RETRY);
	ck_assert_uint_eq(settings.budget.refill_below, 10 * BUDGET_RETRY);

	ck_assert_uint_eq(settings.failover.dwell, 10 * USEC_PER_SEC);
	ck_assert_uint_eq(settings.failover.step, 5 * USEC_PER_SEC);
	ck_assert_int_eq(settings.affinity, SESSION_HINT);

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
	config_unref(config);
}
END_TEST

START_TEST(each_breaker_key_reaches_the_core)
{
	const struct config *config = must_parse(
		"[breaker a]\nmode = observe\nper_method = yes\nfailure_threshold = 6\n"
		"success_threshold = 7\nhalf_open_requests = 8\nminimum_calls = 9\n"
		"failure_rate = 10\nslow_call_rate = 11\nslow_call_duration = 12s\n"
		"window = 13s\nmin_outage = 14s\nfailure_run_ttl = 15s\nopen_timeout = 16s\n"
		"open_timeout_max = 17s\nopen_multiplier = 180\nopen_jitter = 19\n"
		"probe_timeout = 20s\nearly_probe = no\n[pool a]\ncommand = x\n");
	struct pool_settings settings;
	const struct breaker_settings *breaker = &settings.breaker;

	settings_pool(&config->pools[0], &settings);
	ck_assert_int_eq(settings.breaker_begins, BREAKER_OBSERVING);
	ck_assert(settings.breaker_per_method);
	ck_assert_uint_eq(breaker->failure_threshold, 6);
	ck_assert_uint_eq(breaker->success_threshold, 7);
	ck_assert_uint_eq(breaker->half_open_requests, 8);
	ck_assert_uint_eq(breaker->minimum_calls, 9);
	ck_assert_uint_eq(breaker->failure_rate, 10);
	ck_assert_uint_eq(breaker->slow_call_rate, 11);
	ck_assert_uint_eq(breaker->slow_call_duration, 12 * USEC_PER_SEC);
	ck_assert_uint_eq(breaker->window, 13 * USEC_PER_SEC);
	ck_assert_uint_eq(breaker->min_outage, 14 * USEC_PER_SEC);
	ck_assert_uint_eq(breaker->failure_run_ttl, 15 * USEC_PER_SEC);
	ck_assert_uint_eq(breaker->open_timeout, 16 * USEC_PER_SEC);
	ck_assert_uint_eq(breaker->open_timeout_max, 17 * USEC_PER_SEC);
	ck_assert_uint_eq(breaker->open_multiplier, 180);
	ck_assert_uint_eq(breaker->open_jitter, 19);
	ck_assert_uint_eq(breaker->probe_timeout, 20 * USEC_PER_SEC);
	ck_assert(!breaker->early_probe);
	config_unref(config);
}
END_TEST

START_TEST(each_retry_key_reaches_the_core)
{
	const struct config *config = must_parse(
		"[pool a]\ncommand = x\n[retry a]\nbackoff = custom\nbase = 1s\ncap = 20s\n"
		"delays = 0, 5s 20s\nbudget = 7\nbudget_per_success = 15\n"
		"budget_per_second = 3\nbudget_refill_below = 4\n");
	struct pool_settings settings;
	const struct backoff_settings *backoff = &settings.backoff;
	const struct budget_settings *budget = &settings.budget;

	settings_pool(&config->pools[0], &settings);
	ck_assert_int_eq(backoff->kind, BACKOFF_CUSTOM);
	ck_assert_uint_eq(backoff->base, USEC_PER_SEC);
	ck_assert_uint_eq(backoff->cap, 20 * USEC_PER_SEC);
	ck_assert_uint_eq(backoff->list_len, 3);
	ck_assert_ptr_eq(backoff->list, config->pools[0].retry.delays);
	ck_assert_uint_eq(backoff->list[0], 0);
	ck_assert_uint_eq(backoff->list[1], 5 * USEC_PER_SEC);
	ck_assert_uint_eq(backoff->list[2], 20 * USEC_PER_SEC);

	ck_assert_uint_eq(budget->max, 7 * BUDGET_RETRY);
	ck_assert_uint_eq(budget->per_success, 150);
	ck_assert_uint_eq(budget->per_second, 3 * BUDGET_RETRY);
	ck_assert_uint_eq(budget->refill_below, 4 * BUDGET_RETRY);
	config_unref(config);
}
END_TEST

START_TEST(a_row_is_changed_key_by_key)
{
	const struct config *config = must_parse(
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
	config_unref(config);
}
END_TEST

/* Each word, for each code. */
START_TEST(every_strategy_can_be_set)
{
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++)
		for (unsigned i = 0; i < (unsigned)STRATEGY_COUNT_; i++) {
			enum errstrategy strategy = (enum errstrategy)i;
			char text[100];
			const struct config *config;

			snprintf(text, sizeof(text), "[error %s]\nstrategy = %s\n",
				 errcode_name(code), errstrategy_name(strategy));
			config = must_parse(text);
			ck_assert_int_eq(policy_row(&config->policy, code)->strategy, strategy);
			config_unref(config);
		}
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
		const struct config *config = must_parse(cases[i]);
		const struct policy *policy = &config->policy;

		ck_assert_uint_eq(policy_row(policy, ERR_attempt_timeout)->retries, 1);
		ck_assert_uint_eq(policy_row(policy, ERR_queue_timeout)->retries, 9);
		ck_assert_uint_eq(policy_row(policy, ERR_deadline_exceeded)->retries, 9);
		ck_assert_uint_eq(policy_row(policy, ERR_worker_exited)->retries, 5);
		ck_assert_int_eq(policy_row(policy, ERR_attempt_timeout)->severity, SEVERITY_MINOR);
		ck_assert_int_eq(policy_row(policy, ERR_queue_timeout)->severity, SEVERITY_MINOR);
		ck_assert_int_eq(policy_row(policy, ERR_attempt_timeout)->strategy,
				 STRATEGY_BACKOFF_RETRY);
		config_unref(config);
	}
}
END_TEST

/* Who lowers memory_max need not lower what was never written. */
START_TEST(defaults_fit_the_memory)
{
	const struct config *config =
		must_parse("[daemon]\nmemory_max = 8M\noutput_max = 4M\noutput_pause = 1M\n"
			   "message_max = 1M\nresponse_max = 1M\n");

	ck_assert_uint_eq(config->daemon.session_bytes_max, 8 << 20);
	ck_assert_uint_eq(config->daemon.key_bytes_max, 8 << 20);
	config_unref(config);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		defaults_reach_the_core,	 each_breaker_key_reaches_the_core,
		each_retry_key_reaches_the_core, a_row_is_changed_key_by_key,
		every_strategy_can_be_set,	 a_code_wins_over_its_category_in_any_order,
		defaults_fit_the_memory,
	};

	return unit_main("config_settings", tests, ARRAY_SIZE(tests));
}
