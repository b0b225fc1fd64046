#include "daemon/io/admin/report.h"

#include "daemon/io/base/pack_named.h"
#include "daemon/io/config/config_word.h"

#include <unistd.h>

static const struct {
	unsigned bit;
	const char *text;
	const char *advice;
} troubles[] = {
	{TROUBLE_START_FAILED, "its workers fail to start; one is tried now and then",
	 "see poolctl errors for why; run the pool's command, or reach its server, by hand"},
	{TROUBLE_NO_WORKER, "no worker is ready", "see poolctl workers for what they wait for"},
	{TROUBLE_BELOW_MINIMUM, "fewer workers than its minimum are at work",
	 "see poolctl workers for which are missing and how they ended"},
	{TROUBLE_QUEUE_FULL, "its queue is full; requests are refused",
	 "raise workers, or have its clients ask less"},
	{TROUBLE_UNHEALTHY, "a worker misses its health checks or fails too often",
	 "see poolctl workers; it will be replaced if that goes on"},
	{TROUBLE_CIRCUIT_OPEN, "its circuit breaker lets nothing through",
	 "see poolctl errors for why it opened; it tries again by itself"},
	{TROUBLE_PROBING, "its circuit breaker lets only a few probes through",
	 "wait: it closes when they succeed"},
	{TROUBLE_FALLBACK, "requests are served by a fallback, some at least",
	 "see poolctl events and breakers; they return by themselves"},
	{TROUBLE_DRAINED, "it was taken out of service by hand",
	 "poolctl resume puts it back, when whoever did it is done"},
	{TROUBLE_STOPPING, "the daemon is stopping", "wait for its end, or start it again"},
};

static void pack_texts(struct buf *out, unsigned mask, bool advice)
{
	uint32_t count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(troubles); i++)
		count += (mask & troubles[i].bit) != 0;
	pack_array(out, count);
	for (size_t i = 0; i < ARRAY_SIZE(troubles); i++)
		if (mask & troubles[i].bit)
			pack_str(out, advice ? troubles[i].advice : troubles[i].text);
}

static const char *pool_name(const struct driver *driver, uint32_t pool)
{
	return driver_pool_config(driver, pool)->name;
}

enum pool_health report_overall(const struct driver *driver)
{
	enum pool_health worst = POOL_OK;

	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		enum pool_health health = pool_judge(engine_pool(driver->engine, i));

		if (health > worst)
			worst = health;
	}
	return worst;
}

void report_progress(const struct driver *driver, struct buf *out)
{
	bool waits = false;

	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		const struct pool *pool = engine_pool(driver->engine, i);
		unsigned working = pool->states[WORKER_READY].len + pool->states[WORKER_BUSY].len;

		if (working >= pool->settings.workers_min)
			continue;
		buf_printf(out, "%s%s (%u of %u ready)", waits ? ", " : "waiting for workers of ",
			   pool_name(driver, i), working, pool->settings.workers_min);
		waits = true;
	}
	if (!waits)
		buf_printf(out, "ready");
}

void report_health(const struct driver *driver, struct buf *out)
{
	uint32_t count = engine_pool_count(driver->engine);

	pack_map(out, 4);
	pack_named_str(out, "status", pool_health_name(report_overall(driver)));
	pack_str(out, "ready");
	pack_bool(out, driver_is_ready(driver));
	pack_str(out, "draining");
	pack_bool(out, engine_stopping(driver->engine));
	pack_str(out, "pools");
	pack_map(out, count);
	for (uint32_t i = 0; i < count; i++) {
		const struct pool *pool = engine_pool(driver->engine, i);

		pack_str(out, pool_name(driver, i));
		pack_map(out, 2);
		pack_named_str(out, "status", pool_health_name(pool_judge(pool)));
		pack_str(out, "reasons");
		pack_texts(out, pool_troubles(pool), false);
	}
}

/* --- status --- */

static void pack_worker_counts(struct buf *out, const struct pool *pool)
{
	unsigned ending = pool->states[WORKER_DRAINING].len + pool->states[WORKER_TERMINATING].len;

	pack_map(out, 7);
	pack_named_uint(out, "min", pool->settings.workers_min);
	pack_named_uint(out, "max", pool->settings.workers_max);
	pack_named_uint(out, "ready", pool->states[WORKER_READY].len);
	pack_named_uint(out, "busy", pool->states[WORKER_BUSY].len);
	pack_named_uint(out, "starting", pool->states[WORKER_INITIALIZING].len);
	pack_named_uint(out, "stopping", ending);
	pack_named_uint(out, "total", pool_live(pool) + ending);
}

static uint64_t restarts(const struct pool *pool)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < pool->slots; i++)
		sum += pool->workers[i].restarts;
	return sum;
}

static void pack_pool_status(const struct driver *driver, struct buf *out, uint32_t index)
{
	const struct pool *pool = engine_pool(driver->engine, index);
	usec_t since = usec_sub(loop_now(driver->loop), pool->health_since);

	pack_map(out, 14);
	pack_named_str(out, "name", pool_name(driver, index));
	pack_named_str(out, "status", pool_health_name(pool_judge(pool)));
	pack_str(out, "reasons");
	pack_texts(out, pool_troubles(pool), false);
	pack_str(out, "advice");
	pack_texts(out, pool_troubles(pool), true);
	pack_named_uint(out, "since_ms", since / USEC_PER_MSEC);
	pack_str(out, "workers");
	pack_worker_counts(out, pool);
	pack_named_uint(out, "queued", pool->queue.len);
	pack_named_uint(out, "queue_max", pool->queue.len_max);
	pack_named_uint(out, "running", pool->running);
	pack_named_uint(out, "total", pool->stats.requests);
	pack_named_uint(out, "failed", pool->stats.failed);
	pack_named_ms(out, "p50_ms", hist_quantile(&pool->stats.total_time, 500));
	pack_named_ms(out, "p99_ms", hist_quantile(&pool->stats.total_time, 990));
	pack_named_uint(out, "restarts", restarts(pool));
}

struct sums {
	uint64_t queued, running, total, succeeded, failed, cancelled;
};

static struct sums sum_up(const struct driver *driver)
{
	struct sums sums = {0};

	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		const struct pool *pool = engine_pool(driver->engine, i);

		sums.queued += pool->queue.len;
		sums.running += pool->running;
		sums.total += pool->stats.requests;
		sums.succeeded += pool->stats.succeeded;
		sums.failed += pool->stats.failed;
		sums.cancelled += pool->stats.cancelled;
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

void report_status(const struct driver *driver, struct buf *out)
{
	uint32_t count = engine_pool_count(driver->engine);
	usec_t uptime = usec_sub(loop_now(driver->loop), driver->started);

	pack_map(out, 10);
	pack_named_str(out, "status", pool_health_name(report_overall(driver)));
	pack_named_str(out, "version", POOLD_VERSION);
	pack_str(out, "pid");
	pack_int(out, getpid());
	pack_named_uint(out, "uptime_ms", uptime / USEC_PER_MSEC);
	pack_str(out, "draining");
	pack_bool(out, engine_stopping(driver->engine));
	pack_named_uint(out, "connections", driver->stats.connections_open);
	pack_named_uint(out, "connections_max", driver->config->daemon.connections_max);
	pack_str(out, "requests");
	pack_sums(driver, out);
	pack_str(out, "memory");
	pack_map(out, 2);
	pack_named_uint(out, "buffers", driver->loop->store.bytes);
	pack_named_uint(out, "max", driver->loop->store.bytes_max);
	pack_str(out, "pools");
	pack_array(out, count);
	for (uint32_t i = 0; i < count; i++)
		pack_pool_status(driver, out, i);
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

static void pack_latencies(struct buf *out, const struct pool_stats *stats)
{
	pack_str(out, "latency_ms");
	pack_map(out, 3);
	pack_latency(out, "queue", &stats->queue_time);
	pack_latency(out, "run", &stats->run_time);
	pack_latency(out, "total", &stats->total_time);
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

/* A slot that never held a process is nothing to show, nor is one whose worker was not wanted any
 * more. */
static bool is_shown(const struct worker *worker)
{
	bool done = worker->state == WORKER_TERMINATED && !worker->wanted &&
		    (worker_cause_is_replacement(worker->cause) || worker->cause == CAUSE_SURPLUS);

	return worker->life > 0 && !done;
}

unsigned report_count(const struct pool *pool, enum worker_state state)
{
	unsigned count = 0;

	for (unsigned i = 0; i < pool->slots; i++)
		count += pool->workers[i].state == state && is_shown(&pool->workers[i]);
	return count;
}

static void pack_pool_workers(struct buf *out, const struct pool *pool)
{
	pack_str(out, "workers");
	pack_map(out, WORKER_STATE_COUNT_ + 4);
	pack_named_uint(out, "min", pool->settings.workers_min);
	pack_named_uint(out, "max", pool->settings.workers_max);
	pack_named_uint(out, "bound", pool->workers_bound);
	pack_named_uint(out, "spares", pool->settings.spares);
	for (unsigned i = 0; i < WORKER_STATE_COUNT_; i++)
		pack_named_uint(out, worker_state_name((enum worker_state)i),
				report_count(pool, (enum worker_state)i));
}

void report_pack_roll(const struct driver *driver, uint32_t index, struct buf *out)
{
	struct pool_view pool;

	engine_view_pool(driver->engine, index, &pool);
	if (pool.roll.state == ROLL_NONE) {
		pack_nil(out);
		return;
	}
	pack_map(out, 5);
	pack_named_str(out, "state", roll_state_name(pool.roll.state));
	pack_named_uint(out, "total", pool.roll.total);
	pack_named_uint(out, "left", pool.roll.left);
	pack_str(out, "reason");
	if (pool.roll.reason == ERR_NONE)
		pack_nil(out);
	else
		pack_str(out, errcode_name(pool.roll.reason));
	pack_named_whole_ms(out, "since_ms", usec_sub(loop_now(driver->loop), pool.roll.since));
}

static void pack_pool_limits(struct buf *out, const struct config_pool *config)
{
	pack_str(out, "limits");
	pack_map(out, 4);
	pack_named_uint(out, "timeout_ms", config->timeout / USEC_PER_MSEC);
	pack_named_uint(out, "timeout_max_ms", config->timeout_max / USEC_PER_MSEC);
	pack_named_uint(out, "prefetch", config->prefetch);
	pack_str(out, "idempotent");
	pack_bool(out, config->idempotent);
}

static void pack_pool(const struct driver *driver, struct buf *out, uint32_t index)
{
	const struct pool *pool = engine_pool(driver->engine, index);
	const struct config_pool *config = driver_pool_config(driver, index);

	pack_map(out, 14);
	pack_named_str(out, "name", config->name);
	pack_named_str(out, "adapter", pool_adapter_name(config->adapter));
	pack_named_str(out, "dialect", option_word(OPTION_DIALECT, config->dialect));
	pack_named_str(out, "command",
		       config->adapter == POOL_SOCKET ? config->address : config->command);
	pack_named_str(out, "status", pool_health_name(pool_judge(pool)));
	pack_str(out, "reasons");
	pack_texts(out, pool_troubles(pool), false);
	pack_pool_workers(out, pool);
	pack_str(out, "queue");
	pack_map(out, 4);
	pack_named_uint(out, "length", pool->queue.len);
	pack_named_uint(out, "max", pool->queue.len_max);
	pack_named_uint(out, "bytes", pool->queue.bytes);
	pack_named_uint(out, "bytes_max", pool->queue.bytes_max);
	pack_named_uint(out, "running", pool->running);
	pack_str(out, "drained");
	pack_bool(out, pool->drained > 0);
	pack_str(out, "roll");
	report_pack_roll(driver, index, out);
	pack_pool_limits(out, config);
	pack_str(out, "counters");
	pack_map(out, pool_counter_count);
	pack_pool_counters(out, &pool->stats);
	pack_latencies(out, &pool->stats);
}

void report_pools(const struct driver *driver, struct buf *out)
{
	uint32_t count = engine_pool_count(driver->engine);

	pack_array(out, count);
	for (uint32_t i = 0; i < count; i++)
		pack_pool(driver, out, i);
}

/* --- workers --- */

static void pack_running(const struct driver *driver, struct buf *out, const struct worker *worker)
{
	usec_t now = loop_now(driver->loop);
	uint32_t count = 0;
	struct list_node *node;

	list_for_each (node, &worker->attempts)
		count += list_entry(node, struct attempt, in_worker)->request != NULL;
	pack_str(out, "running");
	pack_array(out, count);
	list_for_each (node, &worker->attempts) {
		const struct attempt *attempt = list_entry(node, struct attempt, in_worker);
		const struct call *call;

		if (!attempt->request)
			continue;
		call = &driver->calls.calls[engine_slot(driver->engine, attempt->request)];
		pack_map(out, 3);
		pack_named_uint(out, "request", call->number);
		pack_str(out, "method");
		pack_text(out, call->method);
		pack_named_ms(out, "run_ms", usec_sub(now, attempt->sent));
	}
}

static void pack_worker(const struct driver *driver, struct buf *out, uint32_t index)
{
	const struct worker *worker = engine_worker(driver->engine, index);
	const struct life *life = &driver->lives[index];
	usec_t now = loop_now(driver->loop);
	bool lives = worker->state != WORKER_TERMINATED;

	pack_map(out, 19);
	pack_named_str(out, "pool", pool_name(driver, worker->pool));
	pack_named_uint(out, "worker", driver_worker_number(driver, index));
	pack_str(out, "pid");
	pack_int(out, life->process.pid);
	pack_named_str(out, "state", worker_state_name(worker->state));
	pack_named_str(out, "health", worker_health_name(worker->health));
	pack_named_uint(out, "since_ms", usec_sub(now, worker->since) / USEC_PER_MSEC);
	pack_named_uint(out, "uptime_ms",
			lives ? usec_sub(now, worker->started) / USEC_PER_MSEC : 0);
	pack_named_uint(out, "heard_ms", lives ? usec_sub(now, worker->heard) / USEC_PER_MSEC : 0);
	pack_named_uint(out, "in_flight", worker->attempts.len);
	pack_named_uint(out, "served", worker->served);
	pack_named_uint(out, "failed", worker->failed);
	pack_named_uint(out, "restarts", worker->restarts);
	pack_str(out, "last_exit");
	if (life->last_end[0])
		pack_str(out, life->last_end);
	else
		pack_nil(out);
	pack_str(out, "last_out_of_memory");
	if (life->knows_memory)
		pack_bool(out, life->last_out_of_memory);
	else
		pack_nil(out);
	pack_named_text(out, "last_stderr", life->last_stderr);
	pack_named_uint(out, "output_dropped", life->output.dropped);
	pack_named_uint(out, "rss_bytes",
			life->process.pid > 0 ? process_rss(life->process.pid) : 0);
	pack_str(out, "steps");
	steps_pack(&life->steps, out, now);
	pack_running(driver, out, worker);
}

void report_workers(const struct driver *driver, struct buf *out)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < engine_worker_count(driver->engine); i++)
		count += is_shown(engine_worker(driver->engine, i));
	pack_array(out, count);
	for (uint32_t i = 0; i < engine_worker_count(driver->engine); i++)
		if (is_shown(engine_worker(driver->engine, i)))
			pack_worker(driver, out, i);
}

/* --- stats --- */

static void pack_errors(struct buf *out, const struct pool_stats *stats)
{
	uint32_t count = 0;

	for (unsigned code = ERR_NONE + 1; code < ERR_COUNT_; code++)
		count += stats->errors[code] > 0;
	pack_str(out, "errors");
	pack_map(out, count);
	for (unsigned code = ERR_NONE + 1; code < ERR_COUNT_; code++)
		if (stats->errors[code] > 0)
			pack_named_uint(out, errcode_name((enum errcode)code), stats->errors[code]);
}

void report_stats(const struct driver *driver, struct buf *out)
{
	uint32_t count = engine_pool_count(driver->engine);

	pack_map(out, 2);
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
		const struct pool *pool = engine_pool(driver->engine, i);

		pack_str(out, pool_name(driver, i));
		pack_map(out, pool_counter_count + 4);
		pack_pool_counters(out, &pool->stats);
		pack_named_uint(out, "queued", pool->queue.len);
		pack_named_uint(out, "running", pool->running);
		pack_errors(out, &pool->stats);
		pack_latencies(out, &pool->stats);
	}
}
