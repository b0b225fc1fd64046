#include "daemon/io/admin/report.h"

#include "daemon/core/engine_view.h"
#include "daemon/io/admin/problem.h"
#include "daemon/io/admin/report_window.h"
#include "daemon/io/base/pack_named.h"
#include "daemon/io/worker/guard.h"

#include <string.h>
#include <unistd.h>

static struct bytes text_of(const char *text)
{
	return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static const char *pool_name(const struct driver *driver, uint32_t pool)
{
	return driver_pool_config(driver, pool)->name;
}

/* Time since then, in µs. */
static usec_t elapsed(const struct driver *driver, usec_t since)
{
	return usec_sub(loop_now(driver->loop), since);
}

/* What is wrong with the daemon itself; the key is there only while something is. */
static void pack_own_reasons(const struct driver *driver, const struct caller *caller,
			     struct buf *out)
{
	if (problem_count(driver, caller, PROBLEM_NO_POOL) == 0)
		return;
	pack_str(out, "reasons");
	problems_pack_texts(driver, caller, PROBLEM_NO_POOL, out);
}

enum pool_health report_overall(const struct driver *driver)
{
	enum pool_health worst =
		driver->loop->is_short || !guard_is_alive(driver->guard) ? POOL_DEGRADED : POOL_OK;

	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		struct pool_view pool;

		engine_view_pool(driver->engine, i, &pool);
		if (pool.health > worst)
			worst = pool.health;
	}
	return worst;
}

void report_progress(const struct driver *driver, struct buf *out)
{
	bool is_waiting = false;

	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		struct pool_view pool;

		engine_view_pool(driver->engine, i, &pool);
		if (pool.at_work >= pool.workers_min)
			continue;
		buf_printf(out, "%s%s (%u of %u ready)",
			   is_waiting ? ", " : "waiting for workers of ", pool_name(driver, i),
			   pool.at_work, pool.workers_min);
		is_waiting = true;
	}
	if (!is_waiting)
		buf_printf(out, "ready");
}

void report_health(const struct driver *driver, const struct caller *caller, struct buf *out)
{
	uint32_t count = engine_pool_count(driver->engine);

	pack_map(out, 5u + (problem_count(driver, caller, PROBLEM_NO_POOL) > 0));
	pack_named_str(out, "status", pool_health_name(report_overall(driver)));
	pack_own_reasons(driver, caller, out);
	pack_named_bool(out, "ready", driver->has_started);
	pack_named_bool(out, "draining", engine_stopping(driver->engine));
	pack_named_bool(out, "guard", guard_is_alive(driver->guard));
	pack_str(out, "pools");
	pack_map(out, count);
	for (uint32_t i = 0; i < count; i++) {
		struct pool_view pool;

		engine_view_pool(driver->engine, i, &pool);
		pack_str(out, pool_name(driver, i));
		pack_map(out, 2);
		pack_named_str(out, "status", pool_health_name(pool.health));
		pack_str(out, "reasons");
		problems_pack_texts(driver, caller, i, out);
	}
}

/* --- status --- */

static void pack_worker_counts(struct buf *out, const struct pool_view *pool)
{
	unsigned ending = pool->states[WORKER_DRAINING] + pool->states[WORKER_TERMINATING];

	pack_map(out, 7);
	pack_named_uint(out, "min", pool->workers_min);
	pack_named_uint(out, "max", pool->workers_max);
	pack_named_uint(out, "ready", pool->states[WORKER_READY]);
	pack_named_uint(out, "busy", pool->states[WORKER_BUSY]);
	pack_named_uint(out, "starting", pool->states[WORKER_INITIALIZING]);
	pack_named_uint(out, "stopping", ending);
	pack_named_uint(out, "total", pool->live + ending);
}

struct bytes report_last_words(const struct driver *driver, uint32_t pool)
{
	const struct start_fault *fault = &driver->start_faults[pool];
	const struct life *life = &driver->lives[fault->worker];

	/* One that was at work may speak of requests. */
	return fault->text[0] && !life->was_ready ? life->last_stderr : (struct bytes){0};
}

/* Where the pool's requests start now: at which level of its chain, and which pool that is. */
#define SERVED_PAIRS 2
static void pack_served(const struct driver *driver, struct buf *out, uint32_t index,
			unsigned level)
{
	pack_named_uint(out, "level", level);
	pack_named_str(out, "served_by",
		       pool_name(driver, engine_chain_pool(driver->engine, index, level)));
}

/* Why the last start of the pool failed, and what its worker said last: for whoever may call it. */
static void pack_start_fault(const struct driver *driver, const struct caller *caller,
			     struct buf *out, uint32_t pool)
{
	const char *text = driver->start_faults[pool].text;
	struct bytes words = report_last_words(driver, pool);
	bool is_shown = rights_may_call(driver, caller, pool);

	pack_str(out, "start_fault");
	if (is_shown && *text)
		pack_str(out, text);
	else
		pack_nil(out);
	pack_str(out, "start_stderr");
	if (is_shown && words.len > 0)
		pack_text(out, words);
	else
		pack_nil(out);
}

/* What fails of a pool most of whose requests do: the text for who may read it. */
static void pack_last_failure(const struct driver *driver, const struct caller *caller,
			      struct buf *out, uint32_t index)
{
	const struct last_failure *last = &driver->last_failures[index];
	struct pool_view pool;
	bool is_known;

	engine_view_pool(driver->engine, index, &pool);
	if (!pool.is_failing) {
		pack_nil(out);
		return;
	}
	is_known = last->code == pool.failing_code;
	pack_map(out, 6);
	pack_named_whole_ms(out, "since_ms", elapsed(driver, pool.failing_since));
	pack_named_uint(out, "failed", pool.recent.failed);
	pack_named_uint(out, "succeeded", pool.recent.succeeded);
	pack_named_str(out, "code", errcode_name(pool.failing_code));
	pack_named_text(out, "type", text_of(is_known ? last->type : ""));
	pack_named_text(out, "text",
			text_of(is_known && rights_may_see(driver, caller, &last->audience)
					? last->text
					: ""));
}

static void pack_pool_status(const struct driver *driver, const struct caller *caller,
			     struct buf *out, uint32_t index)
{
	const struct pool_stats *stats = engine_pool_stats(driver->engine, index);
	struct pool_workers_view workers;
	struct pool_view pool;

	engine_view_pool(driver->engine, index, &pool);
	engine_view_pool_workers(driver->engine, index, &workers);
	pack_map(out, 19 + SERVED_PAIRS);
	pack_named_str(out, "name", pool_name(driver, index));
	pack_named_str(out, "status", pool_health_name(pool.health));
	pack_str(out, "reasons");
	problems_pack_texts(driver, caller, index, out);
	pack_str(out, "advice");
	problems_pack_advice(driver, caller, index, out);
	pack_str(out, "problems");
	problems_pack(driver, caller, index, out);
	pack_named_whole_ms(out, "since_ms", elapsed(driver, pool.health_since));
	pack_str(out, "workers");
	pack_worker_counts(out, &pool);
	pack_named_uint(out, "queued", pool.queued);
	pack_named_uint(out, "queue_max", pool.queue_max);
	pack_named_uint(out, "running", pool.running);
	pack_named_uint(out, "total", stats->requests);
	pack_named_uint(out, "failed", stats->failed);
	pack_named_ms(out, "p50_ms", hist_quantile(&stats->total_time, 500));
	pack_named_ms(out, "p99_ms", hist_quantile(&stats->total_time, 990));
	report_pack_window(driver, out, index, "last_minute", WINDOW_NOW);
	pack_named_uint(out, "restarts", workers.restarts);
	pack_served(driver, out, index, pool.level);
	pack_start_fault(driver, caller, out, index);
	pack_str(out, "failing");
	pack_last_failure(driver, caller, out, index);
}

struct sums {
	uint64_t queued, running, total, succeeded, failed, cancelled;
};

static struct sums sum_up(const struct driver *driver)
{
	struct sums sums = {0};

	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		const struct pool_stats *stats = engine_pool_stats(driver->engine, i);
		struct pool_view pool;

		engine_view_pool(driver->engine, i, &pool);
		sums.queued += pool.queued;
		sums.running += pool.running;
		sums.total += stats->requests;
		sums.succeeded += stats->succeeded;
		sums.failed += stats->failed;
		sums.cancelled += stats->cancelled;
	}
	return sums;
}

static void pack_sums(const struct driver *driver, struct buf *out)
{
	struct sums sums = sum_up(driver);

	pack_map(out, 6);
	pack_named_uint(out, "queued", sums.queued);
	pack_named_uint(out, "running", sums.running);
	pack_named_uint(out, "total", sums.total);
	pack_named_uint(out, "succeeded", sums.succeeded);
	pack_named_uint(out, "failed", sums.failed);
	pack_named_uint(out, "cancelled", sums.cancelled);
}

void report_status(const struct driver *driver, const struct caller *caller, struct buf *out)
{
	uint32_t count = engine_pool_count(driver->engine);

	pack_map(out, 15u + (problem_count(driver, caller, PROBLEM_NO_POOL) > 0));
	pack_named_str(out, "status", pool_health_name(report_overall(driver)));
	pack_own_reasons(driver, caller, out);
	pack_str(out, "problems");
	problems_pack(driver, caller, PROBLEM_NO_POOL, out);
	pack_named_str(out, "version", POOLD_VERSION);
	pack_str(out, "pid");
	pack_int(out, getpid());
	pack_named_whole_ms(out, "uptime_ms", elapsed(driver, driver->started));
	pack_named_bool(out, "draining", engine_stopping(driver->engine));
	pack_named_bool(out, "guard", guard_is_alive(driver->guard));
	pack_named_uint(out, "connections", driver->stats.connections_open);
	pack_named_uint(out, "connections_max", driver->config->daemon.connections_max);
	pack_str(out, "requests");
	pack_sums(driver, out);
	pack_str(out, "memory");
	pack_map(out, 2);
	pack_named_uint(out, "buffers", driver->loop->store.bytes);
	pack_named_uint(out, "max", driver->loop->store.bytes_max);
	report_pack_peaks(driver, out);
	pack_named_uint(out, "errors_since_ms", driver->errors.pools.since_ms);
	pack_named_uint(out, "refusals_since_ms", driver->errors.door.since_ms);
	pack_str(out, "pools");
	pack_array(out, count);
	for (uint32_t i = 0; i < count; i++)
		pack_pool_status(driver, caller, out, i);
}
