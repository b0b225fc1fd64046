#include "daemon/io/config/settings.h"

#include <sys/random.h>

static enum breaker_state first_state(const struct config_pool *pool)
{
	switch (pool->breaker.mode) {
	case BREAKER_MODE_OBSERVE:
		return BREAKER_OBSERVING;
	case BREAKER_MODE_OFF:
		return BREAKER_DISABLED;
	case BREAKER_MODE_ON:
	case BREAKER_MODE_COUNT_:
		break;
	}
	return BREAKER_CLOSED;
}

static void set_breaker(const struct config_pool *pool, struct breaker_settings *ret)
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

static void set_backoff(const struct config_pool *pool, struct backoff_settings *ret)
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

static void set_budget(const struct config_pool *pool, struct budget_settings *ret)
{
	const struct config_retry *retry = &pool->retry;

	*ret = (struct budget_settings){
		.max = retry->budget * BUDGET_RETRY,
		.per_success = retry->budget_per_success * BUDGET_RETRY / 100,
		.per_second = retry->budget_per_second * BUDGET_RETRY,
		.refill_below = retry->budget_refill_below * BUDGET_RETRY,
	};
}

void settings_pool(const struct config_pool *pool, struct pool_settings *ret)
{
	bool is_static = pool->adapter == POOL_STATIC;

	*ret = (struct pool_settings){
		.adapter = pool->adapter,
		.workers_min = is_static ? 0 : pool->workers.min,
		.workers_max = is_static ? 0 : pool->workers.max,
		.spares = is_static ? 0 : pool->spares,
		.start_parallel = pool->start_parallel,
		.queue_max = pool->queue_max,
		.queue_bytes_max = pool->queue_bytes_max,
		.queue_per_user = pool->queue_per_uid,
		.no_admission = !pool->admission,
		.prefetch = pool->prefetch,
		.prefetch_max = pool->prefetch_max,
		.max_crash_retries = pool->max_crash_retries,
		.attempt_timeout = pool->attempt_timeout,
		.timeout = pool->timeout,
		.errors_name_methods = pool->dialect == DIALECT_POOLD,
		.any_pong = pool->dialect != DIALECT_POOLD && !*pool->ping_call,
		.init_timeout = pool->init_timeout,
		.ping_interval = pool->ping_interval > 0 ? pool->ping_interval : USEC_INFINITY,
		.ping_timeout = pool->ping_timeout,
		.idle_timeout = pool->idle_timeout > 0 ? pool->idle_timeout : USEC_INFINITY,
		.kill_grace = pool->kill_grace,
		.cancel_grace = pool->cancel_grace,
		.restart_delay = pool->restart_delay,
		.restart_delay_max = pool->restart_delay_max,
		.max_requests = pool->max_requests,
		.max_lifetime = pool->max_lifetime,
		.max_memory = pool->max_memory,
		.slow_after = pool->slow_after,
		.failing = {.share = pool->degraded_share, .min = pool->degraded_min},
		.breaker_begins = first_state(pool),
		.breaker_per_method = pool->breaker.per_method,
		.fallback_count = (unsigned)pool->fallback_count,
		.fallback_on = pool->fallback_on,
		.failover = {.dwell = pool->return_dwell, .step = pool->return_step},
		.no_worker_wait = pool->no_worker_wait,
		.affinity = pool->affinity,
		.keys_are_shared = pool->keys_shared,
	};
	set_breaker(pool, &ret->breaker);
	set_backoff(pool, &ret->backoff);
	set_budget(pool, &ret->budget);
	for (size_t i = 0; i < pool->fallback_count; i++)
		ret->fallbacks[i] = pool->fallbacks[i];
}

struct engine_settings settings_engine(const struct config *config)
{
	const struct config_daemon *daemon = &config->daemon;
	uint64_t seed = 0;

	/* When the system has no randomness yet, all that is lost is that the jitter can be
	 * foretold. */
	(void)!getrandom(&seed, sizeof(seed), GRND_NONBLOCK);
	return (struct engine_settings){
		.requests_max = daemon->requests_max,
		.requests_per_user = daemon->requests_per_uid,
		.pool_count = (uint32_t)config->pool_count,
		.policy = &config->policy,
		.recoveries_max = daemon->recoveries_max,
		.sessions = {.max = daemon->sessions_max,
			     .ttl = daemon->session_ttl,
			     .is_shared = daemon->sessions_shared,
			     .state_max = daemon->session_state_max,
			     .bytes_max = daemon->session_bytes_max},
		.keys = {.max = daemon->keys_max,
			 .ttl = daemon->key_ttl,
			 .bytes_max = daemon->key_bytes_max},
		.drain_timeout = daemon->drain_timeout,
		.seed = seed,
	};
}
