#include "daemon/io/observe/metrics.h"

#include "daemon/core/engine_view.h"
#include "daemon/io/base/log.h"
#include "daemon/io/observe/metrics_pools.h"
#include "daemon/io/observe/metrics_recovery.h"
#include "daemon/io/worker/guard.h"

static void write_counters(const struct driver *driver, struct metrics_text *text)
{
#define COUNTER(name, help) metrics_single(text, METRIC_##name, driver->stats.name);
	DAEMON_COUNTERS(COUNTER)
#undef COUNTER
	metrics_begin(text, METRIC_stalled_seconds);
	metrics_put_time(text, NO_LABELS, driver->stats.stalled_ms * USEC_PER_MSEC);
	metrics_single(text, METRIC_log_lines_dropped, log_dropped());
	metrics_single(text, METRIC_buffers_refused, driver->loop->store.refused);
}

/* What ends before it comes to a pool. */
static void write_door(const struct driver *driver, struct metrics_text *text)
{
	const struct daemon_stats *stats = &driver->stats;

	metrics_begin(text, METRIC_refusals);
	for (unsigned code = ERR_NONE + 1; code < ERR_COUNT_; code++) {
		const struct errinfo *info = errcode_info((enum errcode)code);

		metrics_put(text, LABELS(info->name, errcategory_name(info->category)),
			    stats->refusals[code]);
	}
	metrics_begin(text, METRIC_connections_ended);
	for (unsigned end = 0; end < CALLER_END_COUNT_; end++)
		metrics_put(text, LABELS(caller_end_name((enum caller_end)end)), stats->ends[end]);
}

static void write_limits(const struct driver *driver, struct metrics_text *text)
{
	metrics_single(text, METRIC_connections, driver->stats.connections_open);
	metrics_single(text, METRIC_connections_max, driver->config->daemon.connections_max);
	metrics_single(text, METRIC_requests_open, driver_open_requests(driver));
	metrics_single(text, METRIC_requests_max, driver->calls.capacity);
	metrics_single(text, METRIC_buffer_bytes, driver->loop->store.bytes);
	metrics_single(text, METRIC_buffer_max_bytes, driver->loop->store.bytes_max);
	metrics_begin(text, METRIC_held_bytes);
	metrics_put(text, LABELS("requests"), driver->calls.kept);
	metrics_put(text, LABELS("output"), driver->loop->outboxes.bytes);
}

static void write_state(const struct driver *driver, struct metrics_text *text)
{
	metrics_begin(text, METRIC_uptime_seconds);
	metrics_put_time(text, NO_LABELS, usec_sub(loop_now(driver->loop), driver->started));
	metrics_single(text, METRIC_ready, driver->has_started);
	metrics_single(text, METRIC_draining, driver_is_stopping(driver));
	metrics_single(text, METRIC_guard, guard_is_alive(driver->guard));
	metrics_begin(text, METRIC_info);
	metrics_put(text, LABELS(POOLD_VERSION), 1);
}

void metrics_write(const struct driver *driver, enum metrics_format format, struct buf *out)
{
	struct metrics_text text = {.out = out, .format = format};

	write_counters(driver, &text);
	write_door(driver, &text);
	write_limits(driver, &text);
	write_state(driver, &text);
	metrics_write_pools(driver, &text);
	metrics_write_workers(driver, &text);
	metrics_write_recovery(driver, &text);
	metrics_end(&text);
}
