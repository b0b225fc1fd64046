#include "daemon/io/observe/metrics.h"

#include "daemon/io/base/log.h"
#include "daemon/io/observe/metrics_recovery.h"
#include "daemon/io/observe/metrics_text.h"

/* Upper bounds of the histograms' buckets, in µs.  Each is the end of a bucket of struct hist, or a
 * little above one. */
static const usec_t bounds[] = {127,	255,	 511,	  1023,	    2047,    4095,
				8191,	16383,	 32767,	  65535,    131071,  262143,
				524287, 1048575, 4194303, 16777215, 67108863};

static void write_pool_counters(const struct driver *driver, struct buf *out)
{
	uint32_t count = engine_pool_count(driver->engine);

#define COUNTER(name, help)                                                                        \
	metrics_head(out, #name, "_total", "counter", help);                                       \
	for (uint32_t i = 0; i < count; i++)                                                       \
		buf_printf(out, "poold_%s_total{pool=\"%s\"} %llu\n", #name,                       \
			   metrics_pool_name(driver, i),                                           \
			   (unsigned long long)engine_pool_stats(driver->engine, i)->name);
	POOL_COUNTERS(COUNTER)
#undef COUNTER
}

static void write_errors(const struct driver *driver, struct buf *out)
{
	metrics_head(out, "errors", "_total", "counter",
		     "requests answered with an error, by its code");
	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		const struct pool_stats *stats = engine_pool_stats(driver->engine, i);

		for (unsigned code = ERR_NONE + 1; code < ERR_COUNT_; code++) {
			const struct errinfo *info = errcode_info((enum errcode)code);

			if (stats->errors[code] > 0)
				buf_printf(out,
					   "poold_errors_total{pool=\"%s\",code=\"%s\","
					   "category=\"%s\"} %llu\n",
					   metrics_pool_name(driver, i), info->name,
					   errcategory_name(info->category),
					   (unsigned long long)stats->errors[code]);
		}
	}
}

static uint64_t queued(const struct pool_view *pool)
{
	return pool->queued;
}

static uint64_t queued_bytes(const struct pool_view *pool)
{
	return pool->queued_bytes;
}

static uint64_t held(const struct pool_view *pool)
{
	return pool->held;
}

static uint64_t running(const struct pool_view *pool)
{
	return pool->running;
}

static void write_workers(const struct driver *driver, struct buf *out)
{
	metrics_head(out, "workers", "", "gauge", "workers by state");
	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		struct pool_workers_view workers;

		engine_view_pool_workers(driver->engine, i, &workers);
		for (unsigned state = 0; state < WORKER_STATE_COUNT_; state++)
			buf_printf(out, "poold_workers{pool=\"%s\",state=\"%s\"} %u\n",
				   metrics_pool_name(driver, i),
				   worker_state_name((enum worker_state)state),
				   workers.states[state]);
	}
}

static void write_health(const struct driver *driver, struct buf *out)
{
	metrics_head(out, "health", "", "gauge", "1 for the health that the pool has");
	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		struct pool_view pool;

		engine_view_pool(driver->engine, i, &pool);
		for (unsigned health = 0; health < POOL_HEALTH_COUNT_; health++)
			buf_printf(out, "poold_health{pool=\"%s\",status=\"%s\"} %d\n",
				   metrics_pool_name(driver, i),
				   pool_health_name((enum pool_health)health),
				   pool.health == health);
	}
}

static void write_pool_gauges(const struct driver *driver, struct buf *out)
{
	metrics_pool_gauge(driver, out, "queued", "requests that wait for a worker", queued);
	metrics_pool_gauge(driver, out, "queued_bytes", "bytes of the requests that wait",
			   queued_bytes);
	metrics_pool_gauge(driver, out, "running", "requests at workers", running);
	metrics_pool_gauge(driver, out, "held", "requests that wait until their clients have read",
			   held);
	write_workers(driver, out);
	write_health(driver, out);
}

static void write_hist(struct buf *out, const char *name, const char *pool, const struct hist *hist)
{
	for (size_t i = 0; i < ARRAY_SIZE(bounds); i++)
		buf_printf(out, "poold_%s_seconds_bucket{pool=\"%s\",le=\"%.6f\"} %llu\n", name,
			   pool, (double)bounds[i] / 1e6,
			   (unsigned long long)hist_count_upto(hist, bounds[i]));
	buf_printf(out, "poold_%s_seconds_bucket{pool=\"%s\",le=\"+Inf\"} %llu\n", name, pool,
		   (unsigned long long)hist->count);
	buf_printf(out, "poold_%s_seconds_sum{pool=\"%s\"} %.6f\n", name, pool,
		   (double)hist->sum / 1e6);
	buf_printf(out, "poold_%s_seconds_count{pool=\"%s\"} %llu\n", name, pool,
		   (unsigned long long)hist->count);
}

static void write_hists(const struct driver *driver, struct buf *out)
{
	uint32_t count = engine_pool_count(driver->engine);

	metrics_head(out, "queue", "_seconds", "histogram",
		     "from a request's arrival to its first attempt");
	for (uint32_t i = 0; i < count; i++)
		write_hist(out, "queue", metrics_pool_name(driver, i),
			   window_hist(engine_pool_window(driver->engine, i), WINDOW_WAIT));
	metrics_head(out, "run", "_seconds", "histogram",
		     "from the start of an attempt to its answer");
	for (uint32_t i = 0; i < count; i++)
		write_hist(out, "run", metrics_pool_name(driver, i),
			   window_hist(engine_pool_window(driver->engine, i), WINDOW_RUN));
	metrics_head(out, "request", "_seconds", "histogram",
		     "from a request's arrival to its answer, refusals apart");
	for (uint32_t i = 0; i < count; i++)
		write_hist(out, "request", metrics_pool_name(driver, i),
			   &engine_pool_stats(driver->engine, i)->total_time);
}

static void write_daemon(const struct driver *driver, struct buf *out)
{
#define COUNTER(name, help)                                                                        \
	metrics_head(out, #name, "_total", "counter", help);                                       \
	buf_printf(out, "poold_%s_total %llu\n", #name, (unsigned long long)driver->stats.name);
	DAEMON_COUNTERS(COUNTER)
#undef COUNTER
	metrics_head(out, "log_lines_dropped", "_total", "counter",
		     "log lines that nobody took in time");
	buf_printf(out, "poold_log_lines_dropped_total %llu\n", (unsigned long long)log_dropped());
	metrics_head(out, "buffers_refused", "_total", "counter",
		     "times the memory limit refused a buffer");
	buf_printf(out, "poold_buffers_refused_total %llu\n",
		   (unsigned long long)driver->loop->store.refused);
	metrics_head(out, "connections", "", "gauge", "open connections");
	buf_printf(out, "poold_connections %u\n", driver->stats.connections_open);
	metrics_head(out, "buffer_bytes", "", "gauge", "bytes of buffers in use");
	buf_printf(out, "poold_buffer_bytes %zu\n", driver->loop->store.bytes);
	metrics_head(out, "held_bytes", "", "gauge",
		     "bytes of buffers that are held, by what they are held for; what is on its "
		     "way from a client to a worker counts twice");
	buf_printf(out, "poold_held_bytes{kind=\"requests\"} %zu\n", driver->calls.kept);
	buf_printf(out, "poold_held_bytes{kind=\"output\"} %zu\n", driver->loop->outboxes.bytes);
	metrics_head(out, "uptime_seconds", "", "gauge", "time since the daemon's start");
	buf_printf(out, "poold_uptime_seconds %.3f\n",
		   (double)usec_sub(loop_now(driver->loop), driver->started) / 1e6);
	metrics_head(out, "info", "", "gauge", "always 1; the version is in the label");
	buf_printf(out, "poold_info{version=\"%s\"} 1\n", POOLD_VERSION);
}

void metrics_write(const struct driver *driver, struct buf *out)
{
	write_daemon(driver, out);
	write_pool_counters(driver, out);
	write_errors(driver, out);
	write_pool_gauges(driver, out);
	write_hists(driver, out);
	metrics_write_recovery(driver, out);
}
