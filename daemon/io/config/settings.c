#include "daemon/io/config/settings.h"

#include "daemon/io/config/config_policy.h"

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

static void recovery_settings_of(const struct config_pool *pool, struct pool_settings *ret)
{
	config_breaker_settings(pool, &ret->breaker);
	config_backoff_settings(pool, &ret->backoff);
	config_budget_settings(pool, &ret->budget);
	ret->breaker_begins = first_state(pool);
	ret->breaker_per_method = pool->breaker.per_method;
	ret->fallback_count = (unsigned)pool->fallback_count;
	for (size_t i = 0; i < pool->fallback_count; i++)
		ret->fallbacks[i] = pool->fallbacks[i];
	ret->fallback_on = pool->fallback_on;
	ret->failover = (struct failover_settings){pool->return_dwell, pool->return_step};
	ret->affinity = pool->affinity;
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
		.prefetch = pool->prefetch,
		.max_crash_retries = pool->max_crash_retries,
		.attempt_timeout = pool->attempt_timeout,
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
	};

	recovery_settings_of(pool, ret);
}

struct engine_settings settings_engine(const struct config *config)
{
	const struct config_daemon *daemon = &config->daemon;
	uint64_t seed = 0;

	/* Without randomness from the system the daemon works as well, with jitter that is known.
	 */
	(void)!getrandom(&seed, sizeof(seed), GRND_NONBLOCK);
	return (struct engine_settings){
		.requests_max = daemon->requests_max,
		.pool_count = (uint32_t)config->pool_count,
		.policy = &config->policy,
		.recoveries_max = daemon->recoveries_max,
		.sessions = {.max = daemon->sessions_max,
			     .ttl = daemon->session_ttl,
			     .state_max = daemon->session_state_max,
			     .bytes_max = daemon->session_bytes_max},
		.keys = {.max = daemon->keys_max,
			 .ttl = daemon->key_ttl,
			 .bytes_max = daemon->key_bytes_max},
		.drain_timeout = daemon->drain_timeout,
		.seed = seed,
	};
}
