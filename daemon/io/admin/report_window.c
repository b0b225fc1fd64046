#include "daemon/io/admin/report_window.h"

#include "daemon/core/engine_view.h"
#include "daemon/io/base/pack_named.h"

static const struct {
	const char *name;
	usec_t length;
} windows[] = {
	{"10s", 10 * USEC_PER_SEC},    {"1m", WINDOW_NOW},
	{"5m", 300 * USEC_PER_SEC},    {"15m", 900 * USEC_PER_SEC},
	{"start", WINDOW_SINCE_START},
};

static void pack_ms_or_nil(struct buf *out, const char *name, usec_t value, bool is_known)
{
	if (is_known) {
		pack_named_ms(out, name, value);
		return;
	}
	pack_str(out, name);
	pack_nil(out);
}

static void pack_quantiles(struct buf *out, const char *name, uint64_t count, usec_t p50,
			   usec_t p99)
{
	pack_str(out, name);
	pack_map(out, 3);
	pack_named_uint(out, "count", count);
	pack_ms_or_nil(out, "p50", p50, count > 0);
	pack_ms_or_nil(out, "p99", p99, count > 0);
}

static void pack_latency(struct buf *out, const char *name, const struct window *window, usec_t now,
			 usec_t length, enum window_time time)
{
	struct window_latency latency;

	window_latency(window, now, length, time, &latency);
	pack_quantiles(out, name, latency.count, latency.p50, latency.p99);
}

static void pack_codes(struct buf *out, const struct window *window, usec_t now, usec_t length)
{
	uint64_t codes[ERR_COUNT_];
	uint32_t count = 0;

	window_codes(window, now, length, codes);
	for (unsigned code = ERR_NONE + 1; code < ERR_COUNT_; code++)
		count += codes[code] > 0;
	pack_str(out, "errors");
	pack_map(out, count);
	for (unsigned code = ERR_NONE + 1; code < ERR_COUNT_; code++)
		if (codes[code] > 0)
			pack_named_uint(out, errcode_name((enum errcode)code), codes[code]);
}

/* What the counts are in a second, and which share is good.  The first second is taken as whole. */
static void pack_shares(struct buf *out, const struct window_counts *counts)
{
	uint64_t judged = counts->answered + counts->failed + counts->refused;
	double seconds = (double)usec_max(counts->span, USEC_PER_SEC) / 1e6;

	pack_str(out, "rate");
	pack_double(out, (double)(judged + counts->cancelled) / seconds);
	pack_str(out, "ok_percent");
	if (judged > 0)
		pack_double(out, 100.0 * (double)counts->answered / (double)judged);
	else
		pack_nil(out);
}

/* What is there now may be there since before the window. */
static void add_present(const struct driver *driver, uint32_t pool, struct window_counts *counts)
{
	struct pool_view view;

	engine_view_pool(driver->engine, pool, &view);
	if (view.queued > counts->queue_high)
		counts->queue_high = view.queued;
	if (view.states[WORKER_BUSY] > counts->busy_high)
		counts->busy_high = view.states[WORKER_BUSY];
}

static void pack_waits(struct buf *out, const struct window_counts *counts)
{
	pack_str(out, "waits");
	pack_map(out, WAIT_COUNT_);
	for (unsigned i = 0; i < WAIT_COUNT_; i++) {
		pack_str(out, window_wait_name((enum window_wait)i));
		pack_map(out, 2);
		pack_named_uint(out, "count", counts->waits[i]);
		pack_named_ms(out, "sum_ms", counts->waited[i]);
	}
}

void report_pack_window(const struct driver *driver, struct buf *out, uint32_t pool,
			const char *name, usec_t length)
{
	const struct window *window = engine_pool_window(driver->engine, pool);
	usec_t now = loop_now(driver->loop);
	struct window_counts counts;

	window_sum(window, now, length, &counts);
	add_present(driver, pool, &counts);
	pack_str(out, name);
	pack_map(out, 15);
	pack_named_whole_ms(out, "span_ms", counts.span);
	pack_named_uint(out, "answered", counts.answered);
	pack_named_uint(out, "failed", counts.failed);
	pack_named_uint(out, "refused", counts.refused);
	pack_named_uint(out, "cancelled", counts.cancelled);
	pack_named_uint(out, "retried", counts.retried);
	pack_named_uint(out, "failed_over", counts.failed_over);
	pack_shares(out, &counts);
	pack_codes(out, window, now, length);
	pack_waits(out, &counts);
	pack_named_uint(out, "queue_high", counts.queue_high);
	pack_named_uint(out, "busy_high", counts.busy_high);
	pack_named_whole_ms(out, "all_busy_ms", counts.all_busy);
	pack_str(out, "latency_ms");
	pack_map(out, WINDOW_TIMES_);
	pack_latency(out, "queue", window, now, length, WINDOW_WAIT);
	pack_latency(out, "run", window, now, length, WINDOW_RUN);
}

void report_pack_earlier(const struct driver *driver, struct buf *out, uint32_t pool,
			 const char *name, usec_t ago)
{
	static const char *const names[] = {[WINDOW_WAIT] = "queue", [WINDOW_RUN] = "run"};
	const struct window *window = engine_pool_window(driver->engine, pool);
	usec_t now = loop_now(driver->loop);

	pack_str(out, name);
	pack_map(out, WINDOW_TIMES_);
	for (unsigned time = 0; time < WINDOW_TIMES_; time++) {
		struct window_latency latency;

		window_minute(window, now, ago, (enum window_time)time, &latency);
		pack_quantiles(out, names[time], latency.count, latency.p50, latency.p99);
	}
}

void report_pack_windows(const struct driver *driver, struct buf *out, uint32_t pool)
{
	pack_str(out, "windows");
	pack_map(out, ARRAY_SIZE(windows));
	for (size_t i = 0; i < ARRAY_SIZE(windows); i++)
		report_pack_window(driver, out, pool, windows[i].name, windows[i].length);
}

/* --- the daemon --- */

void report_pack_peaks(const struct driver *driver, struct buf *out)
{
	usec_t now = loop_now(driver->loop);

	pack_str(out, "peaks");
	pack_map(out, ARRAY_SIZE(windows));
	for (size_t i = 0; i < ARRAY_SIZE(windows); i++) {
		pack_str(out, windows[i].name);
		pack_map(out, 2);
		pack_named_uint(out, "connections",
				peak_read(&driver->connections_peak, now, windows[i].length,
					  driver->stats.connections_high));
		pack_named_uint(out, "buffers",
				peak_read(&driver->buffers_peak, now, windows[i].length,
					  driver->loop->store.bytes_high));
	}
}

/* --- methods --- */

static void pack_method_window(struct buf *out, const char *name,
			       const struct window_counts *counts,
			       const struct method_counts *method)
{
	pack_str(out, name);
	pack_map(out, 7);
	pack_named_uint(out, "answered", counts->answered);
	pack_named_uint(out, "failed", counts->failed);
	pack_named_uint(out, "refused", counts->refused);
	pack_named_uint(out, "cancelled", counts->cancelled);
	pack_shares(out, counts);
	pack_str(out, "latency_ms");
	pack_map(out, 1);
	pack_quantiles(out, "run", method->runs, method->p50, method->p99);
}

static void pack_method_windows(struct buf *out, const struct window *window, usec_t now,
				const usec_t spans[ARRAY_SIZE(windows)], unsigned number)
{
	pack_str(out, "windows");
	pack_map(out, ARRAY_SIZE(windows));
	for (size_t i = 0; i < ARRAY_SIZE(windows); i++) {
		struct method_counts method;
		struct window_counts counts;

		window_method(window, now, windows[i].length, number, &method);
		counts = (struct window_counts){
			.span = spans[i],
			.answered = method.outcomes[WINDOW_ANSWERED],
			.failed = method.outcomes[WINDOW_FAILED],
			.refused = method.outcomes[WINDOW_REFUSED],
			.cancelled = method.outcomes[WINDOW_CANCELLED],
		};
		pack_method_window(out, windows[i].name, &counts, &method);
	}
}

/* Whether anything is to be said of the method with that number. */
static bool is_known(const struct driver *driver, uint32_t pool, unsigned number)
{
	const struct window *window = engine_pool_window(driver->engine, pool);
	uint64_t ended = 0;
	struct method_counts all;

	if (number != WINDOW_OTHER_METHODS)
		return engine_method_name(driver->engine, pool, number).len > 0;
	window_method(window, loop_now(driver->loop), WINDOW_SINCE_START, number, &all);
	for (unsigned i = 0; i < WINDOW_OUTCOMES_; i++)
		ended += all.outcomes[i];
	return ended > 0;
}

static void pack_method(const struct driver *driver, struct buf *out, uint32_t pool,
			const usec_t spans[ARRAY_SIZE(windows)], unsigned number)
{
	pack_map(out, 3);
	pack_named_str(out, "pool", driver_pool_config(driver, pool)->name);
	pack_named_text(out, "method", engine_method_name(driver->engine, pool, number));
	pack_method_windows(out, engine_pool_window(driver->engine, pool), loop_now(driver->loop),
			    spans, number);
}

static void pack_methods(const struct driver *driver, struct buf *out, uint32_t pool)
{
	usec_t spans[ARRAY_SIZE(windows)];
	struct window_counts counts;

	for (size_t i = 0; i < ARRAY_SIZE(windows); i++) {
		window_sum(engine_pool_window(driver->engine, pool), loop_now(driver->loop),
			   windows[i].length, &counts);
		spans[i] = counts.span;
	}
	/* The others come last. */
	for (unsigned i = 1; i <= WINDOW_METHODS; i++)
		if (is_known(driver, pool, i % WINDOW_METHODS))
			pack_method(driver, out, pool, spans, i % WINDOW_METHODS);
}

void report_methods(const struct driver *driver, const struct caller *caller, struct buf *out)
{
	uint32_t count = 0, pools = engine_pool_count(driver->engine);

	for (uint32_t pool = 0; pool < pools; pool++)
		for (unsigned i = 0; i < WINDOW_METHODS && rights_may_call(driver, caller, pool);
		     i++)
			count += is_known(driver, pool, i);
	pack_array(out, count);
	for (uint32_t pool = 0; pool < pools; pool++)
		if (rights_may_call(driver, caller, pool))
			pack_methods(driver, out, pool);
}
