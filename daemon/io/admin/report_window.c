#include "daemon/io/admin/report_window.h"

#include "daemon/core/engine_view.h"
#include "daemon/io/base/pack_named.h"

static void pack_ms_or_nil(struct buf *out, const char *name, usec_t value, bool is_known)
{
	if (is_known) {
		pack_named_ms(out, name, value);
		return;
	}
	pack_str(out, name);
	pack_nil(out);
}

static void pack_latency(struct buf *out, const char *name, const struct window *window, usec_t now,
			 usec_t length, enum window_time time)
{
	struct window_latency latency;

	window_latency(window, now, length, time, &latency);
	pack_str(out, name);
	pack_map(out, 3);
	pack_named_uint(out, "count", latency.count);
	pack_ms_or_nil(out, "p50", latency.p50, latency.count > 0);
	pack_ms_or_nil(out, "p99", latency.p99, latency.count > 0);
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

void report_pack_window(const struct driver *driver, struct buf *out, uint32_t pool,
			const char *name, usec_t length)
{
	const struct window *window = engine_pool_window(driver->engine, pool);
	usec_t now = loop_now(driver->loop);
	struct window_counts counts;

	window_sum(window, now, length, &counts);
	pack_str(out, name);
	pack_map(out, 11);
	pack_named_whole_ms(out, "span_ms", counts.span);
	pack_named_uint(out, "answered", counts.answered);
	pack_named_uint(out, "failed", counts.failed);
	pack_named_uint(out, "refused", counts.refused);
	pack_named_uint(out, "cancelled", counts.cancelled);
	pack_named_uint(out, "retried", counts.retried);
	pack_named_uint(out, "failed_over", counts.failed_over);
	pack_shares(out, &counts);
	pack_codes(out, window, now, length);
	pack_str(out, "latency_ms");
	pack_map(out, WINDOW_TIMES_);
	pack_latency(out, "queue", window, now, length, WINDOW_WAIT);
	pack_latency(out, "run", window, now, length, WINDOW_RUN);
}

void report_pack_windows(const struct driver *driver, struct buf *out, uint32_t pool)
{
	static const struct {
		const char *name;
		usec_t length;
	} windows[] = {
		{"10s", 10 * USEC_PER_SEC},    {"1m", WINDOW_NOW},
		{"5m", 300 * USEC_PER_SEC},    {"15m", 900 * USEC_PER_SEC},
		{"start", WINDOW_SINCE_START},
	};

	pack_str(out, "windows");
	pack_map(out, ARRAY_SIZE(windows));
	for (size_t i = 0; i < ARRAY_SIZE(windows); i++)
		report_pack_window(driver, out, pool, windows[i].name, windows[i].length);
}
