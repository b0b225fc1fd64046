#include "daemon/io/config/config_policy.h"

void config_breaker_settings(const struct config_pool *pool, struct breaker_settings *ret)
{
	const struct config_breaker *breaker = &pool->breaker;

	*ret = (struct breaker_settings){
		.failure_threshold = breaker->failure_threshold,
		.success_threshold = breaker->success_threshold,
		.half_open_requests = breaker->half_open_requests,
		.minimum_calls = breaker->minimum_calls,
		.failure_rate = breaker->failure_rate,
		.slow_call_rate = breaker->slow_call_rate,
		.slow_call_duration = breaker->slow_call_duration,
		.window = breaker->window,
		.min_outage = breaker->min_outage,
		.failure_run_ttl = breaker->failure_run_ttl,
		.open_timeout = breaker->open_timeout,
		.open_timeout_max = breaker->open_timeout_max,
		.open_multiplier = breaker->open_multiplier,
		.open_jitter = breaker->open_jitter,
		.probe_timeout = breaker->probe_timeout,
		.early_probe = breaker->early_probe,
	};
}

void config_backoff_settings(const struct config_pool *pool, struct backoff_settings *ret)
{
	const struct config_retry *retry = &pool->retry;

	*ret = (struct backoff_settings){
		.kind = retry->backoff,
		.base = retry->base,
		.cap = retry->cap,
		.list = retry->delays,
		.list_len = (unsigned)retry->delay_count,
	};
}

void config_budget_settings(const struct config_pool *pool, struct budget_settings *ret)
{
	const struct config_retry *retry = &pool->retry;

	*ret = (struct budget_settings){
		.max = retry->budget * BUDGET_RETRY,
		.per_success = retry->budget_per_success * BUDGET_RETRY / 100,
		.per_second = retry->budget_per_second * BUDGET_RETRY,
		.refill_below = retry->budget_refill_below * BUDGET_RETRY,
	};
}
