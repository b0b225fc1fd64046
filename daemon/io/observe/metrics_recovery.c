#include "daemon/io/observe/metrics_recovery.h"

#include "daemon/io/observe/metrics_text.h"

/* What %llu of printf expects. */
typedef unsigned long long number;

/* Calls `write` for the breaker of each pool that has one.  The breakers of methods are in
 * poold.breakers only. */
static void for_each_breaker(const struct driver *driver, struct buf *out,
			     void (*write)(struct buf *out, const char *pool,
					   const struct breaker_snapshot *breaker))
{
	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		struct circuit_view circuit;
		struct pool_view pool;

		engine_view_pool(driver->engine, i, &pool);
		if (pool.circuit_count == 0)
			continue;
		engine_view_circuit(driver->engine, i, 0, loop_now(driver->loop), &circuit);
		write(out, metrics_pool_name(driver, i), &circuit.breaker);
	}
}

static void write_state(struct buf *out, const char *pool, const struct breaker_snapshot *breaker)
{
	for (unsigned state = 0; state < BREAKER_STATE_COUNT_; state++)
		buf_printf(out, "poold_breaker_state{pool=\"%s\",state=\"%s\"} %d\n", pool,
			   breaker_state_name((enum breaker_state)state), breaker->state == state);
}

static void write_opened(struct buf *out, const char *pool, const struct breaker_snapshot *breaker)
{
	buf_printf(out, "poold_breaker_opened_total{pool=\"%s\"} %llu\n", pool,
		   (number)breaker->opened);
}

static void write_rejected(struct buf *out, const char *pool,
			   const struct breaker_snapshot *breaker)
{
	buf_printf(out, "poold_breaker_rejected_total{pool=\"%s\"} %llu\n", pool,
		   (number)breaker->rejected);
}

static void write_breakers(const struct driver *driver, struct buf *out)
{
	metrics_head(out, "breaker_state", "", "gauge", "1 for the state that the breaker is in");
	for_each_breaker(driver, out, write_state);
	metrics_head(out, "breaker_opened", "_total", "counter", "times the breaker opened");
	for_each_breaker(driver, out, write_opened);
	metrics_head(out, "breaker_rejected", "_total", "counter",
		     "attempts that the breaker did not let through");
	for_each_breaker(driver, out, write_rejected);
}

static uint64_t level(const struct pool_view *pool)
{
	return pool->level;
}

static void write_pools(const struct driver *driver, struct buf *out)
{
	metrics_pool_gauge(
		driver, out, "failover_level",
		"level of its chain at which a pool's requests start; 0: the pool itself", level);
	metrics_head(out, "retry_budget", "", "gauge", "retries that the pool can afford now");
	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++)
		buf_printf(out, "poold_retry_budget{pool=\"%s\"} %.3f\n",
			   metrics_pool_name(driver, i),
			   engine_retry_budget(driver->engine, i, loop_now(driver->loop)) /
				   (double)BUDGET_RETRY);
}

static void write_count(struct buf *out, const char *category, const char *result, uint64_t count)
{
	buf_printf(out, "poold_recoveries_total{category=\"%s\",result=\"%s\"} %llu\n", category,
		   result, (number)count);
}

static void write_recoveries(const struct driver *driver, struct buf *out)
{
	struct recoveries_view recoveries;

	engine_view_recoveries(driver->engine, &recoveries);
	metrics_head(out, "recoveries", "_total", "counter",
		     "recoveries that are over, by what they began with and how they ended");
	for (unsigned i = 0; i < ERRCAT_COUNT_; i++) {
		const struct recovery_counts *counts = &recoveries.by_category[i];
		const char *category = errcategory_name((enum errcategory)i);

		write_count(out, category, "succeeded", counts->succeeded);
		write_count(out, category, "failed", counts->failed);
		write_count(out, category, "cancelled", counts->cancelled);
	}
	metrics_head(out, "recoveries_refused", "_total", "counter",
		     "failed attempts that found recoveries_max of them running");
	buf_printf(out, "poold_recoveries_refused_total %llu\n", (number)recoveries.refused);
	metrics_head(out, "recoveries_active", "", "gauge", "requests being recovered");
	buf_printf(out, "poold_recoveries_active %u\n", recoveries.active);
}

static void write_tables(const struct driver *driver, struct buf *out)
{
	struct sessions_view sessions;
	struct keys_view keys;

	engine_view_sessions(driver->engine, &sessions);
	engine_view_keys(driver->engine, &keys);
	metrics_head(out, "sessions", "", "gauge", "open sessions");
	buf_printf(out, "poold_sessions %u\n", sessions.open);
	metrics_head(out, "session_bytes", "", "gauge", "bytes of the sessions' states");
	buf_printf(out, "poold_session_bytes %llu\n", (number)sessions.bytes);
	metrics_head(out, "keys", "", "gauge", "idempotency keys in use, kept answers included");
	buf_printf(out, "poold_keys %u\n", keys.used);
	metrics_head(out, "key_bytes", "", "gauge", "bytes of the kept answers");
	buf_printf(out, "poold_key_bytes %llu\n", (number)keys.bytes);
}

void metrics_write_recovery(const struct driver *driver, struct buf *out)
{
	write_breakers(driver, out);
	write_pools(driver, out);
	write_recoveries(driver, out);
	write_tables(driver, out);
}
