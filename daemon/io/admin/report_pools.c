#include "daemon/io/admin/report_pools.h"

#include "daemon/core/engine_view.h"
#include "daemon/io/admin/problem.h"
#include "daemon/io/admin/report_window.h"
#include "daemon/io/base/pack_named.h"
#include "daemon/io/config/config_word.h"

static void pack_latency(struct buf *out, const char *name, const struct hist *hist)
{
	pack_str(out, name);
	pack_map(out, 5);
	pack_named_ms(out, "mean", hist_mean(hist));
	pack_named_ms(out, "p50", hist_quantile(hist, 500));
	pack_named_ms(out, "p99", hist_quantile(hist, 990));
	pack_named_ms(out, "p999", hist_quantile(hist, 999));
	pack_named_ms(out, "max", hist->max);
}

static void pack_latencies(const struct driver *driver, struct buf *out, uint32_t pool)
{
	const struct window *window = engine_pool_window(driver->engine, pool);

	pack_str(out, "latency_ms");
	pack_map(out, 3);
	pack_latency(out, "queue", window_hist(window, WINDOW_WAIT));
	pack_latency(out, "run", window_hist(window, WINDOW_RUN));
	pack_latency(out, "total", &engine_pool_stats(driver->engine, pool)->total_time);
}

#define COUNT_ONE(name, help) +1
static const uint32_t pool_counter_count = 0 POOL_COUNTERS(COUNT_ONE);
static const uint32_t daemon_counter_count = 0 DAEMON_COUNTERS(COUNT_ONE);
#undef COUNT_ONE

static void pack_pool_counters(struct buf *out, const struct pool_stats *stats)
{
#define COUNTER(name, help) pack_named_uint(out, #name, stats->name);
	POOL_COUNTERS(COUNTER)
#undef COUNTER
}

static void pack_pool_workers(struct buf *out, const struct pool_view *pool,
			      const struct pool_workers_view *workers)
{
	pack_str(out, "workers");
	pack_map(out, WORKER_STATE_COUNT_ + 4);
	pack_named_uint(out, "min", pool->workers_min);
	pack_named_uint(out, "max", pool->workers_max);
	pack_named_uint(out, "bound", pool->workers_bound);
	pack_named_uint(out, "spares", pool->spares);
	for (unsigned i = 0; i < WORKER_STATE_COUNT_; i++)
		pack_named_uint(out, worker_state_name((enum worker_state)i), workers->states[i]);
}

static void pack_pool_limits(struct buf *out, const struct config_pool *config)
{
	pack_str(out, "limits");
	pack_map(out, 5);
	pack_named_uint(out, "timeout_ms", config->timeout / USEC_PER_MSEC);
	pack_named_uint(out, "timeout_max_ms", config->timeout_max / USEC_PER_MSEC);
	pack_named_uint(out, "prefetch", config->prefetch);
	pack_named_uint(out, "prefetch_max", config->prefetch_max);
	pack_named_bool(out, "idempotent", config->idempotent);
}

static void pack_pool_queue(struct buf *out, const struct pool_view *pool)
{
	pack_str(out, "queue");
	pack_map(out, 5);
	pack_named_uint(out, "length", pool->queued);
	pack_named_uint(out, "max", pool->queue_max);
	pack_named_uint(out, "bytes", pool->queued_bytes);
	pack_named_uint(out, "bytes_max", pool->queue_bytes_max);
	pack_named_uint(out, "held", pool->held);
}

void report_pack_roll(const struct driver *driver, uint32_t pool, struct buf *out)
{
	struct pool_view view;

	engine_view_pool(driver->engine, pool, &view);
	if (view.roll.state == ROLL_NONE) {
		pack_nil(out);
		return;
	}
	pack_map(out, 5);
	pack_named_str(out, "state", roll_state_name(view.roll.state));
	pack_named_uint(out, "total", view.roll.total);
	pack_named_uint(out, "left", view.roll.left);
	pack_str(out, "reason");
	if (view.roll.reason == ERR_NONE)
		pack_nil(out);
	else
		pack_str(out, errcode_name(view.roll.reason));
	pack_named_whole_ms(out, "since_ms", usec_sub(loop_now(driver->loop), view.roll.since));
}

static void pack_pool(const struct driver *driver, const struct caller *caller, struct buf *out,
		      uint32_t index)
{
	const struct config_pool *config = driver_pool_config(driver, index);
	const struct pool_stats *stats = engine_pool_stats(driver->engine, index);
	struct pool_workers_view workers;
	struct pool_view pool;

	engine_view_pool(driver->engine, index, &pool);
	engine_view_pool_workers(driver->engine, index, &workers);
	pack_map(out, 15);
	pack_named_str(out, "name", config->name);
	pack_named_str(out, "adapter", pool_adapter_name(config->adapter));
	pack_named_str(out, "dialect", option_word(OPTION_DIALECT, config->dialect));
	pack_str(out, "command");
	if (rights_may_call(driver, caller, index))
		pack_str(out, config->adapter == POOL_SOCKET ? config->address : config->command);
	else
		pack_nil(out);
	pack_named_str(out, "status", pool_health_name(pool.health));
	pack_str(out, "reasons");
	problems_pack_texts(driver, caller, index, out);
	pack_pool_workers(out, &pool, &workers);
	pack_pool_queue(out, &pool);
	pack_named_uint(out, "running", pool.running);
	pack_named_bool(out, "drained", pool.is_drained);
	pack_str(out, "roll");
	report_pack_roll(driver, index, out);
	pack_pool_limits(out, config);
	pack_str(out, "counters");
	pack_map(out, pool_counter_count);
	pack_pool_counters(out, stats);
	pack_latencies(driver, out, index);
	report_pack_windows(driver, out, index);
}

void report_pools(const struct driver *driver, const struct caller *caller, struct buf *out)
{
	uint32_t count = engine_pool_count(driver->engine);

	pack_array(out, count);
	for (uint32_t i = 0; i < count; i++)
		pack_pool(driver, caller, out, i);
}

/* --- poold.stats --- */

/* A map of code to number, of those that occurred. */
static void pack_codes(struct buf *out, const char *name, const uint64_t counts[ERR_COUNT_])
{
	uint32_t count = 0;

	for (unsigned code = ERR_NONE + 1; code < ERR_COUNT_; code++)
		count += counts[code] > 0;
	pack_str(out, name);
	pack_map(out, count);
	for (unsigned code = ERR_NONE + 1; code < ERR_COUNT_; code++)
		if (counts[code] > 0)
			pack_named_uint(out, errcode_name((enum errcode)code), counts[code]);
}

static void pack_ends(struct buf *out, const struct daemon_stats *stats)
{
	pack_str(out, "ends");
	pack_map(out, CALLER_END_COUNT_);
	for (unsigned end = 0; end < CALLER_END_COUNT_; end++)
		pack_named_uint(out, caller_end_name((enum caller_end)end), stats->ends[end]);
}

void report_stats(const struct driver *driver, struct buf *out)
{
	uint32_t count = engine_pool_count(driver->engine);

	pack_map(out, 4);
	pack_codes(out, "refusals", driver->stats.refusals);
	pack_ends(out, &driver->stats);
	pack_str(out, "daemon");
	pack_map(out, daemon_counter_count + 3);
#define COUNTER(name, help) pack_named_uint(out, #name, driver->stats.name);
	DAEMON_COUNTERS(COUNTER)
#undef COUNTER
	pack_named_uint(out, "connections", driver->stats.connections_open);
	pack_named_uint(out, "buffer_bytes", driver->loop->store.bytes);
	pack_named_uint(out, "buffers_refused", driver->loop->store.refused);
	pack_str(out, "pools");
	pack_map(out, count);
	for (uint32_t i = 0; i < count; i++) {
		const struct pool_stats *stats = engine_pool_stats(driver->engine, i);
		struct pool_view pool;

		engine_view_pool(driver->engine, i, &pool);
		pack_str(out, driver_pool_config(driver, i)->name);
		pack_map(out, pool_counter_count + 6);
		pack_pool_counters(out, stats);
		pack_named_uint(out, "queued", pool.queued);
		pack_named_uint(out, "running", pool.running);
		pack_codes(out, "errors", stats->errors);
		pack_codes(out, "incidents", driver->incidents[i].codes);
		pack_latencies(driver, out, i);
		report_pack_windows(driver, out, i);
	}
}
