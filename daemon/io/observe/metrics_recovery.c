#include "daemon/io/observe/metrics_recovery.h"

#include "daemon/io/observe/metrics.h"

/* As printf wants it. */
typedef unsigned long long number;

static const char *name_of(const struct driver *driver, uint32_t pool)
{
	return driver_pool_config(driver, pool)->name;
}

/* Calls `write` for the own breaker of each pool that has one: methods are told by poold.breakers.
 */
static void for_each_breaker(const struct driver *driver, struct buf *out,
			     void (*write)(struct buf *out, const char *pool,
					   const struct breaker *breaker))
{
	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		const struct pool *pool = engine_pool(driver->engine, i);

		if (pool->settings.adapter != POOL_STATIC)
			write(out, name_of(driver, i), &pool->circuits[0].breaker);
	}
}

static void write_state(struct buf *out, const char *pool, const struct breaker *breaker)
{
	for (unsigned state = 0; state < BREAKER_STATE_COUNT_; state++)
		buf_printf(out, "poold_breaker_state{pool=\"%s\",state=\"%s\"} %d\n", pool,
			   breaker_state_name((enum breaker_state)state), breaker->state == state);
}

static void write_opened(struct buf *out, const char *pool, const struct breaker *breaker)
{
	buf_printf(out, "poold_breaker_opened_total{pool=\"%s\"} %llu\n", pool,
		   (number)breaker->opened);
}

static void write_rejected(struct buf *out, const char *pool, const struct breaker *breaker)
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

static void write_pools(const struct driver *driver, struct buf *out)
{
	uint32_t count = engine_pool_count(driver->engine);

	metrics_head(out, "failover_level", "", "gauge",
		     "level of its chain at which a pool's requests start; 0: the pool itself");
	for (uint32_t i = 0; i < count; i++)
		buf_printf(out, "poold_failover_level{pool=\"%s\"} %u\n", name_of(driver, i),
			   engine_pool(driver->engine, i)->failover.level);
	metrics_head(out, "retry_budget", "", "gauge", "retries that the pool can afford now");
	for (uint32_t i = 0; i < count; i++)
		buf_printf(out, "poold_retry_budget{pool=\"%s\"} %.3f\n", name_of(driver, i),
			   budget_remaining(&engine_pool(driver->engine, i)->budget,
					    loop_now(driver->loop)) /
				   (double)BUDGET_RETRY);
}

static void write_count(struct buf *out, const char *category, const char *result, uint64_t count)
{
	buf_printf(out, "poold_recoveries_total{category=\"%s\",result=\"%s\"} %llu\n", category,
		   result, (number)count);
}

static void write_recoveries(const struct driver *driver, struct buf *out)
{
	const struct recoveries *recoveries = engine_recoveries(driver->engine);

	metrics_head(out, "recoveries", "_total", "counter",
		     "recoveries that are over, by what they began with and how they ended");
	for (unsigned i = 0; i < ERRCAT_COUNT_; i++) {
		const struct recovery_counts *counts = &recoveries->by_category[i];
		const char *category = errcategory_name((enum errcategory)i);

		write_count(out, category, "succeeded", counts->succeeded);
		write_count(out, category, "failed", counts->failed);
		write_count(out, category, "cancelled", counts->cancelled);
	}
	metrics_head(out, "recoveries_refused", "_total", "counter",
		     "failed attempts that found recoveries_max of them running");
	buf_printf(out, "poold_recoveries_refused_total %llu\n", (number)recoveries->refused);
	metrics_head(out, "recoveries_active", "", "gauge", "requests being recovered");
	buf_printf(out, "poold_recoveries_active %u\n", recoveries->active.len);
}

static void write_tables(const struct driver *driver, struct buf *out)
{
	const struct sessions *sessions = engine_sessions(driver->engine);
	const struct keys *keys = engine_keys(driver->engine);

	metrics_head(out, "sessions", "", "gauge", "open sessions");
	buf_printf(out, "poold_sessions %u\n", sessions->idle.len + sessions->busy.len);
	metrics_head(out, "session_bytes", "", "gauge", "bytes of the sessions' states");
	buf_printf(out, "poold_session_bytes %llu\n", (number)sessions->bytes);
	metrics_head(out, "keys", "", "gauge", "idempotency keys in use, kept answers included");
	buf_printf(out, "poold_keys %u\n", keys->in_progress.len + keys->completed.len);
	metrics_head(out, "key_bytes", "", "gauge", "bytes of the kept answers");
	buf_printf(out, "poold_key_bytes %llu\n", (number)keys->bytes);
}

void metrics_write_recovery(const struct driver *driver, struct buf *out)
{
	write_breakers(driver, out);
	write_pools(driver, out);
	write_recoveries(driver, out);
	write_tables(driver, out);
}
