#include "daemon/io/admin/report.h"

#include "daemon/core/engine_view.h"
#include "daemon/io/admin/problem.h"
#include "daemon/io/admin/report_window.h"
#include "daemon/io/base/pack_named.h"
#include "daemon/io/config/config_word.h"
#include "daemon/io/worker/guard.h"

#include <inttypes.h>
#include <stdio.h>
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

void report_pack_process(const struct caller *caller, struct buf *out)
{
	pack_str(out, "uid");
	if (caller->uid == RIGHTS_NO_UID)
		pack_nil(out);
	else
		pack_uint(out, caller->uid);
	pack_str(out, "pid");
	if (caller->pid <= 0)
		pack_nil(out);
	else
		pack_int(out, caller->pid);
}

/* What is wrong with the daemon itself; the key is there only while something is. */
static void pack_own_reasons(const struct driver *driver, const struct caller *caller,
			     struct buf *out)
{
	if (problem_count(driver, caller, PROBLEM_NO_POOL) == 0)
		return;
	pack_str(out, "reasons");
	problems_pack_texts(driver, caller, PROBLEM_NO_POOL, false, out);
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
		problems_pack_texts(driver, caller, i, false, out);
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
	problems_pack_texts(driver, caller, index, false, out);
	pack_str(out, "advice");
	problems_pack_texts(driver, caller, index, true, out);
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

/* --- pools --- */

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
	pack_named_whole_ms(out, "since_ms", elapsed(driver, view.roll.since));
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
	problems_pack_texts(driver, caller, index, false, out);
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

/* --- workers --- */

static void pack_running(const struct driver *driver, struct buf *out, uint32_t worker)
{
	struct attempt_view attempts[WORKER_ATTEMPTS_MAX];
	unsigned count = engine_view_attempts(driver->engine, worker, attempts);

	pack_str(out, "running");
	pack_array(out, count);
	for (unsigned i = 0; i < count; i++) {
		const struct call *call = &driver->calls.calls[attempts[i].request];

		pack_map(out, 3);
		pack_named_uint(out, "request", call->number);
		pack_str(out, "method");
		pack_text(out, call->method);
		pack_named_ms(out, "run_ms", elapsed(driver, attempts[i].sent));
	}
}

static void pack_last_exit(struct buf *out, const struct life *life)
{
	char text[LIFE_EXIT_MAX];

	life_describe_exit(life, text);
	pack_str(out, text);
}

/* How the last life ended, and what it said: after a failed start for whoever may call the pool; one
 * that was at work may speak of requests. */
static void pack_last_words(const struct driver *driver, const struct caller *caller,
			    struct buf *out, uint32_t pool, const struct life *life)
{
	bool may_control = rights_may_control_pool(driver, caller, pool);
	bool may_call = rights_may_call(driver, caller, pool);

	pack_str(out, "last_exit");
	if (life->last_end[0] && may_call)
		pack_last_exit(out, life);
	else
		pack_nil(out);
	pack_str(out, "last_stderr");
	if (life->last_stderr.len > 0 && (may_control || (may_call && !life->was_ready)))
		pack_text(out, life->last_stderr);
	else
		pack_nil(out);
}

static void pack_memory(struct buf *out, const struct life *life, bool is_measured)
{
	pack_str(out, "rss_bytes");
	if (!is_measured)
		pack_nil(out);
	else
		pack_uint(out, life->process.pid > 0 ? process_rss(life->process.pid) : 0);
}

static void pack_worker(const struct driver *driver, const struct caller *caller, struct buf *out,
			uint32_t index, const struct worker_view *worker, bool is_measured)
{
	const struct life *life = &driver->lives[index];
	bool is_alive = worker->state != WORKER_TERMINATED;

	pack_map(out, 19);
	pack_named_str(out, "pool", pool_name(driver, worker->pool));
	pack_named_uint(out, "worker", worker->number);
	pack_str(out, "pid");
	pack_int(out, life->process.pid);
	pack_named_str(out, "state", worker_state_name(worker->state));
	pack_named_str(out, "health", worker_health_name(worker->health));
	pack_named_whole_ms(out, "since_ms", elapsed(driver, worker->since));
	pack_named_whole_ms(out, "uptime_ms", is_alive ? elapsed(driver, worker->started) : 0);
	pack_named_whole_ms(out, "heard_ms", is_alive ? elapsed(driver, worker->heard) : 0);
	pack_named_uint(out, "in_flight", worker->in_flight);
	pack_named_uint(out, "served", worker->served);
	pack_named_uint(out, "failed", worker->failed);
	pack_named_uint(out, "restarts", worker->restarts);
	pack_last_words(driver, caller, out, worker->pool, life);
	pack_str(out, "last_out_of_memory");
	if (life->knows_memory)
		pack_bool(out, life->last_out_of_memory);
	else
		pack_nil(out);
	pack_named_uint(out, "output_dropped", life->output.dropped);
	pack_memory(out, life, is_measured);
	pack_str(out, "steps");
	steps_pack(&life->steps, out, loop_now(driver->loop));
	pack_running(driver, out, index);
}

void report_workers(const struct driver *driver, const struct caller *caller, unsigned measured,
		    struct buf *out)
{
	struct worker_view worker;
	uint32_t count = 0;

	for (uint32_t i = 0; i < engine_worker_count(driver->engine); i++) {
		engine_view_worker(driver->engine, i, &worker);
		count += worker.is_shown;
	}
	pack_array(out, count);
	for (uint32_t i = 0; i < engine_worker_count(driver->engine); i++) {
		engine_view_worker(driver->engine, i, &worker);
		if (!worker.is_shown)
			continue;
		pack_worker(driver, caller, out, i, &worker, measured > 0);
		measured -= measured > 0;
	}
}

/* --- stats --- */

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
		pack_str(out, pool_name(driver, i));
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
