#include "daemon/io/admin/report_recovery.h"

#include "daemon/core/engine_view.h"
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

static void pack_breaker(const struct driver *driver, const struct caller *caller, struct buf *out,
			 uint32_t pool, unsigned number)
{
	const struct breaker_snapshot *snapshot;
	struct circuit_view circuit;

	engine_view_circuit(driver->engine, pool, number, loop_now(driver->loop), &circuit);
	snapshot = &circuit.breaker;
	pack_map(out, 17);
	pack_named_str(out, "pool", pool_name(driver, pool));
	pack_named_text(out, "method", circuit.method);
	pack_named_str(out, "state", breaker_state_name(snapshot->state));
	pack_named_str(out, "reason", breaker_reason_name(circuit.reason));
	pack_named_whole_ms(out, "since_ms", age(driver, snapshot->since));
	pack_named_uint(out, "run", snapshot->run);
	pack_window(out, snapshot);
	pack_open_left(driver, out, snapshot);
	pack_named_uint(out, "probes", snapshot->probes);
	pack_named_uint(out, "opened", snapshot->opened);
	pack_named_uint(out, "would_open", snapshot->would_open);
	pack_named_uint(out, "rejected", snapshot->rejected);
	pack_named_uint(out, "late", snapshot->late);
	pack_str(out, "by");
	notify_pack_operator(driver, out, &circuit.changed_by,
			     rights_may_control_pool(driver, caller, pool));
}

static unsigned circuit_count(const struct driver *driver, uint32_t index)
{
	struct pool_view pool;

	engine_view_pool(driver->engine, index, &pool);
	return pool.circuit_count;
}

void report_breakers(const struct driver *driver, const struct caller *caller, struct buf *out)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++)
		count += circuit_count(driver, i);
	pack_array(out, count);
	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		unsigned circuits = circuit_count(driver, i);

		for (unsigned n = 0; n < circuits; n++)
			pack_breaker(driver, caller, out, i, n);
	}
}

/* --- recoveries --- */

static void pack_recovery(const struct driver *driver, struct buf *out, uint32_t slot)
{
	const struct call *call;
	struct recovery_view recovery;

	engine_view_recovery(driver->engine, slot, &recovery);
	call = &driver->calls.calls[recovery.request];
	pack_map(out, 12);
	pack_named_uint(out, "id", recovery.id);
	pack_named_uint(out, "request", call->number);
	pack_named_str(out, "pool", pool_name(driver, recovery.pool));
	pack_named_text(out, "method", call->method);
	pack_named_str(out, "cause", errcode_name(recovery.cause));
	pack_named_str(out, "category", errcategory_name(recovery.category));
	pack_named_str(out, "strategy", errstrategy_name(recovery.strategy));
	pack_named_str(out, "severity", errseverity_name(recovery.severity));
	pack_named_uint(out, "attempts", recovery.attempts);
	pack_named_whole_ms(out, "age_ms", age(driver, recovery.started));
	pack_named_whole_ms(out, "left_ms", usec_sub(recovery.until, loop_now(driver->loop)));
	pack_named_str(out, "state", request_state_name(recovery.state));
}

static void pack_counts(struct buf *out, const struct recovery_counts *counts)
{
	pack_named_uint(out, "initiated", counts->initiated);
	pack_named_uint(out, "succeeded", counts->succeeded);
	pack_named_uint(out, "failed", counts->failed);
	pack_named_uint(out, "cancelled", counts->cancelled);
}

static void pack_counters(struct buf *out, const struct recoveries_view *recoveries)
{
	pack_str(out, "counters");
	pack_map(out, 7);
	pack_counts(out, &recoveries->all);
	pack_named_uint(out, "refused", recoveries->refused);
	pack_named_uint(out, "active", recoveries->active);
	pack_named_uint(out, "max", recoveries->max);
}

static void pack_by_category(struct buf *out, const struct recoveries_view *recoveries)
{
	pack_str(out, "by_category");
	pack_map(out, ERRCAT_COUNT_);
	for (unsigned i = 0; i < ERRCAT_COUNT_; i++) {
		pack_str(out, errcategory_name((enum errcategory)i));
		pack_map(out, 4);
		pack_counts(out, &recoveries->by_category[i]);
	}
}

static void pack_by_strategy(struct buf *out, const struct recoveries_view *recoveries)
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
	struct recoveries_view recoveries;
	uint32_t slot = NO_SLOT;

	engine_view_recoveries(driver->engine, &recoveries);
	pack_map(out, 6);
	pack_str(out, "active");
	pack_array(out, recoveries.active);
	while ((slot = engine_next_recovery(driver->engine, slot)) != NO_SLOT)
		pack_recovery(driver, out, slot);
	pack_counters(out, &recoveries);
	pack_named_ms(out, "mean_ms", recoveries.duration_mean);
	pack_named_ms(out, "p99_ms", recoveries.duration_p99);
	pack_by_category(out, &recoveries);
	pack_by_strategy(out, &recoveries);
}

/* --- sessions --- */

/* Name and user, or two times nil. */
static void pack_session_owner(const struct driver *driver, const struct caller *caller,
			       struct buf *out, const struct session_view *session, bool is_shared)
{
	const struct audience owner = {.uid = session->user, .pool = NO_SLOT};
	bool is_shown = is_shared || rights_may_see(driver, caller, &owner);

	pack_named_text(out, "session", is_shown ? session->name : (struct bytes){0});
	pack_str(out, "uid");
	if (is_shown && !is_shared)
		pack_uint(out, session->user);
	else
		pack_nil(out);
}

static void pack_session(const struct driver *driver, const struct caller *caller, struct buf *out,
			 uint32_t slot, const struct sessions_view *all)
{
	struct session_view session;
	usec_t idle;

	engine_view_session(driver->engine, slot, &session);
	idle = session.is_busy ? 0 : age(driver, session.used);
	pack_map(out, 11);
	pack_session_owner(driver, caller, out, &session, all->is_shared);
	pack_str(out, "pool");
	if (session.is_bound)
		pack_str(out, pool_name(driver, session.pool));
	else
		pack_nil(out);
	pack_str(out, "worker");
	if (session.is_bound)
		pack_uint(out, engine_worker_number(driver->engine, session.worker));
	else
		pack_nil(out);
	pack_named_whole_ms(out, "age_ms", age(driver, session.created));
	pack_named_whole_ms(out, "idle_ms", idle);
	pack_named_whole_ms(out, "expires_ms", usec_sub(all->ttl, idle));
	pack_named_uint(out, "requests", session.served);
	pack_named_uint(out, "waiting", session.waiting);
	pack_named_uint(out, "state_bytes", session.state_bytes);
	pack_named_bool(out, "state_lost", session.has_lost_state);
}

void report_sessions(const struct driver *driver, const struct caller *caller, unsigned max,
		     struct buf *out)
{
	struct sessions_view sessions;
	uint32_t slot = NO_SLOT;
	unsigned reported;

	engine_view_sessions(driver->engine, &sessions);
	reported = sessions.open < max ? sessions.open : max;
	pack_map(out, 4);
	pack_named_uint(out, "count", sessions.open);
	pack_named_uint(out, "max", sessions.max);
	pack_named_uint(out, "tombstones", sessions.tombstones);
	pack_str(out, "sessions");
	pack_array(out, reported);
	for (unsigned i = 0; i < reported; i++) {
		slot = engine_next_session(driver->engine, slot);
		pack_session(driver, caller, out, slot, &sessions);
	}
}
