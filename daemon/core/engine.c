#include "daemon/core/engine_internal.h"

#include <string.h>

/* --- effects --- */

struct effect *engine_emit(struct engine *engine, enum effect_type type)
{
	struct effect *effect;

	assert(engine->effect_end < engine->effect_max);
	effect = &engine->effects[engine->effect_end++];
	memset(effect, 0, sizeof(*effect));
	effect->type = type;
	effect->worker = NO_SLOT;
	return effect;
}

const struct effect *engine_next_effect(struct engine *engine)
{
	if (engine->effect_first == engine->effect_end)
		return NULL;
	return &engine->effects[engine->effect_first++];
}

static COLD void begin_stop(struct engine *engine)
{
	if (engine->is_stopping) {
		if (!engine->has_stopped)
			engine->drain_until = engine->now;
		return;
	}
	engine->is_stopping = true;
	engine->drain_until = usec_add(engine->now, engine->drain_timeout);
	for (uint32_t i = 0; i < engine->pool_count; i++) {
		engine->pools[i].is_stopping = true;
		engine_stop_starting(engine, &engine->pools[i]);
	}
}

/* The time for draining is over: answers every open request and ends every worker. */
static COLD void force_stop(struct engine *engine)
{
	engine->drain_until = USEC_INFINITY;
	engine_fail_all(engine);
	for (uint32_t i = 0; i < engine->worker_count; i++)
		engine_terminate(engine, &engine->workers[i], CAUSE_STOPPING);
}

static bool is_due(const struct engine *engine, const struct heap *heap)
{
	return heap_next(heap) <= engine->now;
}

/* Handles one timer that is due.  Only one, so that the effects of one event stay few: the caller
 * sends EVENT_TIMER again while more is due. */
static COLD void take_timer(struct engine *engine)
{
	engine_arm_touched(engine);
	if (engine->drain_until <= engine->now)
		force_stop(engine);
	else if (is_due(engine, &engine->request_timers))
		engine_request_due(engine, container_of(heap_first(&engine->request_timers),
							struct request, timer));
	else if (is_due(engine, &engine->worker_timers))
		engine_worker_due(engine, container_of(heap_first(&engine->worker_timers),
						       struct worker, timer));
	else if (is_due(engine, &engine->circuit_timers))
		engine_circuit_due(engine, container_of(heap_first(&engine->circuit_timers),
							struct circuit, timer));
	else if (is_due(engine, &engine->chain_timers))
		engine_chain_due(engine, container_of(heap_first(&engine->chain_timers),
						      struct pool, chain_timer));
	else
		engine_names_due(engine);
}

static COLD void notify_health(struct engine *engine, struct pool *pool)
{
	unsigned troubles = pool_troubles(pool);
	enum pool_health health;
	struct effect *effect;

	health = pool_note_troubles(pool, troubles, engine->now);
	if (health == pool->health)
		return;
	effect = engine_emit(engine, EFFECT_HEALTH);
	effect->pool = pool->index;
	effect->health.was = pool->health;
	effect->health.is = health;
	pool->health = health;
	pool->health_since = engine->now;
}

/* Whether the event by itself changes nothing of a pool's health but how full its queue is. */
static bool is_routine(enum event_type type)
{
	return type == EVENT_SUBMIT || type == EVENT_WORKER_ANSWERED;
}

#define ALL_POOLS UINT32_MAX

/* Returns the only pool whose health the event can change, or ALL_POOLS: with chains, for the timer
 * and a stop, and when a request of any pool was continued. */
static uint32_t concerned_pool(const struct engine *engine, const struct engine_event *event)
{
	if (engine->has_chains || engine->has_touched_pools || engine->is_stopping)
		return ALL_POOLS;
	switch (event->type) {
	case EVENT_SUBMIT:
		return event->submit.pool;
	case EVENT_BREAKER:
		return event->manual.pool;
	case EVENT_RESTART:
	case EVENT_RESIZE:
	case EVENT_DRAIN:
	case EVENT_RESUME:
		return event->pool;
	case EVENT_CANCEL:
	case EVENT_HOLD:
		return engine->requests[event->request].run.pool;
	case EVENT_RECOVERY_CANCEL:
	case EVENT_SESSION_CLOSE:
	case EVENT_TIMER:
	case EVENT_STALL:
	case EVENT_STOP:
		return ALL_POOLS;
	default:
		return engine->workers[event->worker].pool;
	}
}

/* Whether the pool's queue has become full, or is full no more. */
static bool has_queue_turned(const struct pool *pool)
{
	return queue_has_room(&pool->queue, 1) == !!(pool->troubles.mask & TROUBLE_QUEUE_FULL);
}

static void notify_healths(struct engine *engine, const struct engine_event *event)
{
	uint32_t pool = concerned_pool(engine, event);

	if (pool != ALL_POOLS) {
		if (engine->is_health_due || has_queue_turned(&engine->pools[pool]))
			notify_health(engine, &engine->pools[pool]);
		return;
	}
	for (pool = 0; pool < engine->pool_count; pool++)
		notify_health(engine, &engine->pools[pool]);
}

/* While the daemon stops: ends the workers of each pool that has no requests any more. */
static COLD void stop_idle(struct engine *engine)
{
	/* An open request can still come to any pool, by a chain or after its session or key. */
	bool wanted =
		engine->open_requests > 0 && (engine->has_chains || engine->sessions.busy.len > 0 ||
					      engine->keys.in_progress.len > 0);

	if (wanted)
		return;
	for (uint32_t i = 0; i < engine->pool_count; i++)
		engine_stop_idle(engine, &engine->pools[i]);
}

/* Continues deferred requests and dispatches dirty pools until there are none left. */
static void settle(struct engine *engine)
{
	struct list_node *node;

	for (;;) {
		if ((node = list_first(&engine->deferred))) {
			engine->has_touched_pools = true;
			engine_resume(engine, list_entry(node, struct request, in_queue));
		} else if ((node = list_first(&engine->dirty_pools))) {
			list_remove(&engine->dirty_pools, node);
			engine_dispatch(engine, list_entry(node, struct pool, in_dirty_pools));
		} else {
			return;
		}
	}
}

/* Does all that the event has deferred, until nothing is left to do. */
static void settle_all(struct engine *engine)
{
	bool have_moved = false;

	for (;;) {
		settle(engine);
		if (engine->is_stopping) {
			stop_idle(engine);
			/* The end of one worker may have ended the ejection of another. */
			settle(engine);
		}
		if (!engine->levels_moved)
			break;
		engine->levels_moved = false;
		have_moved = true;
		engine_watch_pools(engine);
	}
	if (!have_moved)
		return;
	engine->is_health_due = true;
	engine_update_levels(engine);
}

static void notify_stopped(struct engine *engine)
{
	if (!engine->is_stopping || engine->has_stopped || engine->open_requests > 0)
		return;
	for (uint32_t i = 0; i < engine->worker_count; i++)
		if (engine->workers[i].state != WORKER_TERMINATED)
			return;
	engine->has_stopped = true;
	engine->drain_until = USEC_INFINITY;
	engine_emit(engine, EFFECT_STOPPED);
}

static struct pool *pool_named(struct engine *engine, const struct engine_event *event)
{
	assert(event->pool < engine->pool_count);
	return &engine->pools[event->pool];
}

void engine_step(struct engine *engine, const struct engine_event *event)
{
	assert(event->now >= engine->now);
	assert(engine->effect_first == engine->effect_end);
	engine->now = event->now;
	engine->effect_first = engine->effect_end = 0;
	engine->has_touched_pools = false;
	engine->is_health_due = !is_routine(event->type);
	engine->input = INPUT_COUNT_;
	switch (event->type) {
	case EVENT_SUBMIT:
		engine_submit(engine, event);
		break;
	case EVENT_CANCEL:
		engine_cancel(engine, event->request, event->is_gone);
		break;
	case EVENT_HOLD:
		engine_hold(engine, event->request, event->is_held);
		break;
	case EVENT_TIMER:
		take_timer(engine);
		break;
	case EVENT_STALL:
		engine_stall(engine, event->stall);
		break;
	case EVENT_BREAKER:
		engine_breaker_manual(engine, event);
		break;
	case EVENT_RECOVERY_CANCEL:
		engine_recovery_cancel(engine, event->recovery);
		break;
	case EVENT_SESSION_CLOSE:
		engine_session_close(engine, event->close.user, event->close.session);
		break;
	case EVENT_STOP:
		begin_stop(engine);
		break;
	case EVENT_RESTART:
		engine_restart(engine, pool_named(engine, event));
		break;
	case EVENT_RESIZE:
		engine_resize(engine, pool_named(engine, event), event->size.min, event->size.max);
		break;
	case EVENT_DRAIN:
	case EVENT_RESUME:
		engine_set_drained(engine, pool_named(engine, event), event->type == EVENT_DRAIN);
		break;
	default:
		engine_take_worker_event(engine, event);
		break;
	}
	settle_all(engine);
	notify_healths(engine, event);
	notify_stopped(engine);
}

usec_t engine_deadline(struct engine *engine)
{
	usec_t next;

	if (engine->has_stopped)
		return USEC_INFINITY;
	engine_arm_touched(engine);
	next = usec_min(heap_next(&engine->request_timers), heap_next(&engine->worker_timers));
	next = usec_min(next, heap_next(&engine->circuit_timers));
	next = usec_min(next, heap_next(&engine->chain_timers));
	next = usec_min(next, sessions_deadline(&engine->sessions));
	next = usec_min(next, keys_deadline(&engine->keys));
	return usec_min(next, engine->drain_until);
}

/* --- for reading --- */

uint32_t engine_pool_count(const struct engine *engine)
{
	return engine->pool_count;
}

const struct pool *engine_pool(const struct engine *engine, uint32_t pool)
{
	assert(pool < engine->pool_count);
	return &engine->pools[pool];
}

uint32_t engine_worker_count(const struct engine *engine)
{
	return engine->worker_count;
}

const struct worker *engine_worker(const struct engine *engine, uint32_t worker)
{
	assert(worker < engine->worker_count);
	return &engine->workers[worker];
}

const struct request *engine_request(const struct engine *engine, uint32_t request)
{
	assert(request < engine->requests_max);
	return &engine->requests[request];
}

bool engine_stopping(const struct engine *engine)
{
	return engine->is_stopping;
}

uint32_t engine_open_requests(const struct engine *engine)
{
	return engine->open_requests;
}

const struct session *engine_session(const struct engine *engine, uint32_t session)
{
	assert(session < sessions_slots(&engine->sessions.settings));
	return &engine->sessions.slots[session];
}

uint32_t engine_session_slot(const struct engine *engine, const struct session *session)
{
	return (uint32_t)(session - engine->sessions.slots);
}

uint32_t engine_chain_pool(const struct engine *engine, uint32_t pool, unsigned level)
{
	const struct pool_settings *settings = &engine->pools[pool].settings;

	assert(level <= settings->fallback_count);
	return level == 0 ? pool : settings->fallbacks[level - 1];
}
