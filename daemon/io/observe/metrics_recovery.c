#include "daemon/io/observe/metrics_recovery.h"

#include "daemon/core/engine_view.h"
#include "daemon/io/observe/metrics_pools.h"

/* Calls `write` for the breaker of each pool that has one.  The breakers of methods are in
 * poold.breakers only. */
static void each_breaker(const struct driver *driver, struct metrics_text *text, enum metric metric,
			 void (*write)(struct metrics_text *text, const char *pool,
				       const struct breaker_snapshot *breaker))
{
	metrics_begin(text, metric);
	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		struct circuit_view circuit;
		struct pool_view pool;

		engine_view_pool(driver->engine, i, &pool);
		if (pool.circuit_count == 0)
			continue;
		engine_view_circuit(driver->engine, i, 0, loop_now(driver->loop), &circuit);
		write(text, metrics_pool_name(driver, i), &circuit.breaker);
	}
}

static void put_state(struct metrics_text *text, const char *pool,
		      const struct breaker_snapshot *breaker)
{
	for (unsigned state = 0; state < BREAKER_STATE_COUNT_; state++)
		metrics_put(text, LABELS(pool, breaker_state_name((enum breaker_state)state)),
			    breaker->state == state);
}

static void put_opened(struct metrics_text *text, const char *pool,
		       const struct breaker_snapshot *breaker)
{
	metrics_put(text, LABELS(pool), breaker->opened);
}

static void put_rejected(struct metrics_text *text, const char *pool,
			 const struct breaker_snapshot *breaker)
{
	metrics_put(text, LABELS(pool), breaker->rejected);
}

static uint64_t level(const struct pool_view *pool)
{
	return pool->level;
}

static void write_pools(const struct driver *driver, struct metrics_text *text)
{
	metrics_each_pool(driver, text, METRIC_failover_level, level);
	metrics_begin(text, METRIC_retry_budget);
	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		uint64_t budget = engine_retry_budget(driver->engine, i, loop_now(driver->loop));

		metrics_put_milli(text, LABELS(metrics_pool_name(driver, i)),
				  budget * 1000 / BUDGET_RETRY);
	}
}

static void write_recoveries(const struct driver *driver, struct metrics_text *text)
{
	struct recoveries_view recoveries;

	engine_view_recoveries(driver->engine, &recoveries);
	metrics_begin(text, METRIC_recoveries);
	for (unsigned i = 0; i < ERRCAT_COUNT_; i++) {
		const struct recovery_counts *counts = &recoveries.by_category[i];
		const char *category = errcategory_name((enum errcategory)i);

		metrics_put(text, LABELS(category, "succeeded"), counts->succeeded);
		metrics_put(text, LABELS(category, "failed"), counts->failed);
		metrics_put(text, LABELS(category, "cancelled"), counts->cancelled);
	}
	metrics_single(text, METRIC_recoveries_refused, recoveries.refused);
	metrics_single(text, METRIC_recoveries_active, recoveries.active);
	metrics_single(text, METRIC_recoveries_max, recoveries.max);
}

static void write_tables(const struct driver *driver, struct metrics_text *text)
{
	struct sessions_view sessions;
	struct keys_view keys;

	engine_view_sessions(driver->engine, &sessions);
	engine_view_keys(driver->engine, &keys);
	metrics_single(text, METRIC_sessions, sessions.open);
	metrics_single(text, METRIC_sessions_max, sessions.max);
	metrics_single(text, METRIC_session_bytes, sessions.bytes);
	metrics_single(text, METRIC_keys, keys.used);
	metrics_single(text, METRIC_keys_max, driver->config->daemon.keys_max);
	metrics_single(text, METRIC_key_bytes, keys.bytes);
}

void metrics_write_recovery(const struct driver *driver, struct metrics_text *text)
{
	each_breaker(driver, text, METRIC_breaker_state, put_state);
	each_breaker(driver, text, METRIC_breaker_opened, put_opened);
	each_breaker(driver, text, METRIC_breaker_rejected, put_rejected);
	write_pools(driver, text);
	write_recoveries(driver, text);
	write_tables(driver, text);
}
