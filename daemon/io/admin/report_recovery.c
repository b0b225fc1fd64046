#include "daemon/io/admin/report_recovery.h"

#include "daemon/io/base/pack_named.h"
#include "daemon/io/driver/notify.h"

static const char *pool_name(const struct driver *driver, uint32_t pool)
{
	return driver_pool_config(driver, pool)->name;
}

static usec_t age(const struct driver *driver, usec_t since)
{
	return usec_sub(loop_now(driver->loop), since);
}

/* --- breakers --- */

static void pack_window(struct buf *out, const struct breaker_snapshot *snapshot)
{
	pack_named_uint(out, "calls", snapshot->window.calls);
	pack_named_uint(out, "failures", snapshot->window.failures);
	pack_named_uint(out, "slow", snapshot->window.slow);
	pack_str(out, "failure_percent");
	pack_double(out, snapshot->failure_permille / 10.0);
}

static void pack_open_left(const struct driver *driver, struct buf *out,
			   const struct breaker_snapshot *snapshot)
{
	usec_t until = snapshot->open_until;

	pack_str(out, "open_left_ms");
	if (snapshot->state == BREAKER_OPEN)
		pack_uint(out, usec_sub(until, loop_now(driver->loop)) / USEC_PER_MSEC);
	else
		pack_nil(out);
}

static void pack_breaker(const struct driver *driver, struct buf *out,
			 const struct circuit *circuit)
{
	struct breaker_snapshot snapshot =
		breaker_snapshot(&circuit->breaker, loop_now(driver->loop));

	pack_map(out, 17);
	pack_named_str(out, "pool", pool_name(driver, circuit->pool));
	pack_named_text(out, "method", name_text(&circuit->method));
	pack_named_str(out, "state", breaker_state_name(snapshot.state));
	pack_named_str(out, "reason", breaker_reason_name(circuit->reason));
	pack_named_whole_ms(out, "since_ms", age(driver, snapshot.since));
	pack_named_uint(out, "run", snapshot.run);
	pack_window(out, &snapshot);
	pack_open_left(driver, out, &snapshot);
	pack_named_uint(out, "probes", snapshot.probes);
	pack_named_uint(out, "opened", snapshot.opened);
	pack_named_uint(out, "would_open", snapshot.would_open);
	pack_named_uint(out, "rejected", snapshot.rejected);
	pack_named_uint(out, "late", snapshot.late);
	pack_str(out, "by");
	notify_pack_operator(driver, out, &circuit->operator);
}

static bool has_breaker(const struct pool *pool)
{
	return pool->settings.adapter != POOL_STATIC;
}

void report_breakers(const struct driver *driver, struct buf *out)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		const struct pool *pool = engine_pool(driver->engine, i);

		count += has_breaker(pool) ? pool->circuit_count : 0;
	}
	pack_array(out, count);
	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		const struct pool *pool = engine_pool(driver->engine, i);

		for (unsigned n = 0; has_breaker(pool) && n < pool->circuit_count; n++)
			pack_breaker(driver, out, &pool->circuits[n]);
	}
}

/* --- recoveries --- */

static void pack_recovery(const struct driver *driver, struct buf *out,
			  const struct recovery *recovery)
{
	const struct request *request = recovery->request;
	const struct call *call = &driver->calls.calls[engine_slot(driver->engine, request)];

	pack_map(out, 12);
	pack_named_uint(out, "id", recovery->id);
	pack_named_uint(out, "request", call->number);
	pack_named_str(out, "pool", pool_name(driver, request->run.pool));
	pack_named_text(out, "method", call->method);
	pack_named_str(out, "cause", errcode_name(recovery->cause));
	pack_named_str(out, "category", errcategory_name(recovery->category));
	pack_named_str(out, "strategy", errstrategy_name(recovery->strategy));
	pack_named_str(out, "severity", errseverity_name(recovery->severity));
	pack_named_uint(out, "attempts", recovery->attempts);
	pack_named_whole_ms(out, "age_ms", age(driver, recovery->started));
	pack_named_whole_ms(out, "left_ms", usec_sub(recovery->until, loop_now(driver->loop)));
	pack_named_str(out, "state", request_state_name(request->state));
}

static void pack_counts(struct buf *out, const struct recovery_counts *counts)
{
	pack_named_uint(out, "initiated", counts->initiated);
	pack_named_uint(out, "succeeded", counts->succeeded);
	pack_named_uint(out, "failed", counts->failed);
	pack_named_uint(out, "cancelled", counts->cancelled);
}

static void pack_counters(struct buf *out, const struct recoveries *recoveries)
{
	pack_str(out, "counters");
	pack_map(out, 7);
	pack_counts(out, &recoveries->all);
	pack_named_uint(out, "refused", recoveries->refused);
	pack_named_uint(out, "active", recoveries->active.len);
	pack_named_uint(out, "max", recoveries->max);
}

static void pack_by_category(struct buf *out, const struct recoveries *recoveries)
{
	pack_str(out, "by_category");
	pack_map(out, ERRCAT_COUNT_);
	for (unsigned i = 0; i < ERRCAT_COUNT_; i++) {
		pack_str(out, errcategory_name((enum errcategory)i));
		pack_map(out, 4);
		pack_counts(out, &recoveries->by_category[i]);
	}
}

static void pack_by_strategy(struct buf *out, const struct recoveries *recoveries)
{
	pack_str(out, "by_strategy");
	pack_map(out, STRATEGY_COUNT_);
	for (unsigned i = 0; i < STRATEGY_COUNT_; i++) {
		pack_str(out, errstrategy_name((enum errstrategy)i));
		pack_map(out, 4);
		pack_counts(out, &recoveries->by_strategy[i]);
	}
}

void report_recoveries(const struct driver *driver, struct buf *out)
{
	const struct recoveries *recoveries = engine_recoveries(driver->engine);
	struct list_node *node;

	pack_map(out, 6);
	pack_str(out, "active");
	pack_array(out, recoveries->active.len);
	list_for_each (node, &recoveries->active)
		pack_recovery(driver, out, list_entry(node, struct recovery, in_list));
	pack_counters(out, recoveries);
	pack_named_ms(out, "mean_ms", hist_mean(&recoveries->duration));
	pack_named_ms(out, "p99_ms", hist_quantile(&recoveries->duration, 990));
	pack_by_category(out, recoveries);
	pack_by_strategy(out, recoveries);
}

/* --- sessions --- */

static void pack_session(const struct driver *driver, struct buf *out,
			 const struct session *session)
{
	usec_t ttl = engine_sessions(driver->engine)->settings.ttl;
	usec_t idle = session->turn ? 0 : age(driver, session->used);

	pack_map(out, 10);
	pack_named_text(out, "session", name_text(&session->name));
	pack_str(out, "pool");
	if (session->bound)
		pack_str(out, pool_name(driver, session->pool));
	else
		pack_nil(out);
	pack_str(out, "worker");
	if (session->bound)
		pack_uint(out, driver_worker_number(driver, session->worker));
	else
		pack_nil(out);
	pack_named_whole_ms(out, "age_ms", age(driver, session->created));
	pack_named_whole_ms(out, "idle_ms", idle);
	pack_named_whole_ms(out, "expires_ms", usec_sub(ttl, idle));
	pack_named_uint(out, "requests", session->served);
	pack_named_uint(out, "waiting", session->waiting.len);
	pack_named_uint(out, "state_bytes", session->state_bytes);
	pack_named_bool(out, "state_lost", session->state_lost);
}

static unsigned pack_list(const struct driver *driver, struct buf *out, const struct list *list,
			  unsigned max)
{
	struct list_node *node;
	unsigned count = 0;

	list_for_each (node, list) {
		if (count == max)
			break;
		pack_session(driver, out, list_entry(node, struct session, in_list));
		count++;
	}
	return count;
}

void report_sessions(const struct driver *driver, unsigned max, struct buf *out)
{
	const struct sessions *sessions = engine_sessions(driver->engine);
	unsigned open = sessions->busy.len + sessions->idle.len;
	unsigned reported = open < max ? open : max;

	pack_map(out, 4);
	pack_named_uint(out, "count", open);
	pack_named_uint(out, "max", sessions->settings.max);
	pack_named_uint(out, "tombstones", sessions->ended.len);
	pack_str(out, "sessions");
	pack_array(out, reported);
	reported -= pack_list(driver, out, &sessions->busy, reported);
	pack_list(driver, out, &sessions->idle, reported);
}
