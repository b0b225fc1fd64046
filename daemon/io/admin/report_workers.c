#include "daemon/io/admin/report_workers.h"

#include "daemon/core/engine_view.h"
#include "daemon/io/base/pack_named.h"

#include <stdio.h>

/* Time since then, in µs. */
static usec_t elapsed(const struct driver *driver, usec_t since)
{
	return usec_sub(loop_now(driver->loop), since);
}

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

/* How the last life ended, and what it said: after a failed start for whoever may call the pool;
 * one that was at work may speak of requests. */
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
	pack_named_str(out, "pool", driver_pool_config(driver, worker->pool)->name);
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
