#include "tests/lib/defaults.h"

const struct breaker_settings breaker_defaults = {
	.failure_threshold = 5,
	.success_threshold = 3,
	.half_open_requests = 3,
	.minimum_calls = 20,
	.failure_rate = 50,
	.window = 10 * USEC_PER_SEC,
	.min_outage = USEC_PER_SEC,
	.failure_run_ttl = 60 * USEC_PER_SEC,
	.open_timeout = 60 * USEC_PER_SEC,
	.open_timeout_max = 600 * USEC_PER_SEC,
	.open_multiplier = 100,
	.probe_timeout = 30 * USEC_PER_SEC,
	.early_probe = true,
};

const struct backoff_settings backoff_defaults = {
	.kind = BACKOFF_FULL_JITTER,
	.base = 100 * USEC_PER_MSEC,
	.cap = 30 * USEC_PER_SEC,
};

const struct budget_settings budget_defaults = {
	.max = 20 * BUDGET_RETRY,
	.per_success = BUDGET_RETRY / 5,
	.per_second = BUDGET_RETRY,
	.refill_below = 10 * BUDGET_RETRY,
};

void pool_default_settings(struct pool_settings *ret)
{
	*ret = (struct pool_settings){
		.breaker = breaker_defaults,
		.breaker_begins = BREAKER_CLOSED,
		.backoff = backoff_defaults,
		.budget = budget_defaults,
		.failover = {.dwell = 10 * USEC_PER_SEC, .step = 5 * USEC_PER_SEC},
		.no_worker_wait = 2 * USEC_PER_SEC,
		.affinity = SESSION_HINT,
	};
}

void engine_default_settings(struct engine_settings *ret)
{
	*ret = (struct engine_settings){
		.recoveries_max = 1024,
		.sessions = {.max = 4096,
			     .ttl = 300 * USEC_PER_SEC,
			     .state_max = (uint64_t)64 << 10,
			     .bytes_max = (uint64_t)64 << 20},
		.keys = {.max = 4096, .ttl = 300 * USEC_PER_SEC, .bytes_max = (uint64_t)64 << 20},
	};
}
