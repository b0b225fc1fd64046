#include "daemon/core/engine_internal.h"

static struct pool *pool_of(struct engine *engine, const struct circuit *circuit)
{
	return &engine->pools[circuit->pool];
}

struct circuit *engine_circuit(struct engine *engine, struct pool *pool, struct bytes method)
{
	struct circuit *circuit;

	if (pool->settings.adapter == POOL_STATIC)
		return NULL;
	if (!pool->settings.breaker_per_method || method.len == 0 || method.len > NAME_LEN_MAX)
		return &pool->circuits[0];
	circuit = pool_find_circuit(pool, method);
	if (!circuit)
		circuit = pool_add_circuit(pool, method, prng_next(&engine->prng), engine->now);
	return circuit ? circuit : &pool->circuits[0];
}

/* --- changes --- */

static void emit_change(struct engine *engine, const struct circuit *circuit,
			struct breaker_change change)
{
	struct effect *effect = engine_emit(engine, EFFECT_BREAKER);

	effect->pool = circuit->pool;
	effect->breaker.change = change;
	effect->breaker.circuit = (uint32_t)(circuit - pool_of(engine, circuit)->circuits);
}

/* Pings the idle workers that started since the breaker opened: an answer allows an early probe. */
static void probe_workers(struct engine *engine, struct pool *pool, usec_t since)
{
	struct list_node *node;

	list_for_each (node, &pool->states[WORKER_READY]) {
		struct worker *worker = list_entry(node, struct worker, in_state);

		if (worker->ping_sent == 0 && worker->started >= since)
			engine_ping(engine, worker);
	}
}

/* Handles a change of the breaker: sets its timer, reports the change, and fails its requests in
 * the queue if it has opened. */
static COLD void take_change(struct engine *engine, struct circuit *circuit,
			     struct breaker_change change)
{
	struct pool *pool = pool_of(engine, circuit);

	heap_set(&engine->circuit_timers, &circuit->timer, breaker_deadline(&circuit->breaker));
	if (change.reason == BREAKER_BECAUSE_NONE)
		return;
	circuit->reason = change.reason;
	if (change.reason != BREAKER_BECAUSE_MANUAL)
		circuit->changed_by = (struct circuit_operator){0};
	engine->levels_moved = true;
	emit_change(engine, circuit, change);
	if (change.to == BREAKER_OPEN || change.to == BREAKER_FORCED_OPEN)
		engine_fail_queue(engine, pool, circuit, ERR_circuit_open);
	if (change.to == BREAKER_OPEN)
		probe_workers(engine, pool, circuit->breaker.since);
	engine_mark_pool_dirty(engine, pool);
}

/* --- requests --- */

bool engine_admit(struct engine *engine, struct request *request)
{
	struct circuit *circuit = request->run.circuit;
	struct breaker_change change;
	enum breaker_verdict verdict;

	assert(circuit && !request->run.has_permit);
	verdict = breaker_admit(&circuit->breaker, engine->now, &request->run.permit, &change);
	if (verdict == BREAKER_ADMIT_PROBE || change.reason != BREAKER_BECAUSE_NONE)
		take_change(engine, circuit, change);
	request->run.has_permit = verdict != BREAKER_ADMIT_NO;
	return request->run.has_permit;
}

void engine_outcome(struct engine *engine, struct request *request, enum outcome outcome)
{
	struct circuit *circuit = request->run.circuit;
	usec_t duration = usec_sub(engine->now, request->run.sent);
	struct breaker_change change;

	if (!request->run.has_permit)
		return;
	request->run.has_permit = false;
	if (outcome == OUTCOME_SUCCESS)
		change = breaker_success(&circuit->breaker, request->run.permit, engine->now,
					 duration);
	else if (outcome == OUTCOME_FAILURE)
		change = breaker_failure(&circuit->breaker, request->run.permit, engine->now,
					 duration);
	else
		change = breaker_neutral(&circuit->breaker, request->run.permit, engine->now);
	if (circuit->breaker.state == BREAKER_CLOSED && change.reason == BREAKER_BECAUSE_NONE)
		return;
	take_change(engine, circuit, change);
}

/* --- time, workers, operators --- */

void engine_circuit_due(struct engine *engine, struct circuit *circuit)
{
	take_change(engine, circuit, breaker_tick(&circuit->breaker, engine->now));
}

bool engine_wants_probe(const struct pool *pool)
{
	for (unsigned i = 0; i < pool->circuit_count; i++)
		if (pool->circuits[i].breaker.state == BREAKER_OPEN)
			return pool->settings.breaker.early_probe;
	return false;
}

void engine_early_probe(struct engine *engine, const struct worker *worker)
{
	struct pool *pool = &engine->pools[worker->pool];

	for (unsigned i = 0; i < pool->circuit_count; i++) {
		struct circuit *circuit = &pool->circuits[i];

		if (circuit->breaker.state == BREAKER_OPEN)
			take_change(engine, circuit,
				    breaker_early_probe(&circuit->breaker, worker->started,
							engine->now));
	}
}

static struct breaker_change change_manually(struct breaker *breaker, enum breaker_state state,
					     usec_t now)
{
	switch (state) {
	case BREAKER_FORCED_OPEN:
		return breaker_force_open(breaker, now);
	case BREAKER_DISABLED:
		return breaker_disable(breaker, now);
	case BREAKER_OBSERVING:
		return breaker_observe(breaker, now);
	case BREAKER_CLOSED:
	case BREAKER_OPEN:
	case BREAKER_HALF_OPEN:
	case BREAKER_STATE_COUNT_:
		break;
	}
	return breaker_reset(breaker, now);
}

void engine_breaker_manual(struct engine *engine, const struct engine_event *event)
{
	struct pool *pool = &engine->pools[event->manual.pool];
	struct circuit *circuit = NULL;

	assert(event->manual.pool < engine->pool_count);
	if (pool->settings.adapter != POOL_STATIC && event->manual.method.len <= NAME_LEN_MAX)
		circuit = pool_find_circuit(pool, event->manual.method);
	if (circuit) {
		circuit->changed_by = (struct circuit_operator){
			.uid = event->manual.uid, .pid = event->manual.pid, .at = engine->now};
		take_change(engine, circuit,
			    change_manually(&circuit->breaker, event->manual.state, engine->now));
	}
	engine_emit(engine, EFFECT_DONE)->code = circuit ? ERR_NONE : ERR_invalid_request;
}
