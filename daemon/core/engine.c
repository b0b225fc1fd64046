#include "daemon/core/engine_internal.h"

#include <string.h>

/* The engine and its tables stand one after the other in the caller's memory, each aligned for
 * anything. */
#define ALIGNMENT _Alignof(max_align_t)

static size_t aligned(size_t size)
{
	return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static uint32_t count_workers(const struct engine_settings *settings)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < settings->pool_count; i++)
		count += settings->pools[i].workers_max;
	return count;
}

/*
 * One event touches each request at most three times (cancel at a worker, answer, or send anew),
 * each worker at most four (close, two signals, start) and each pool once.
 */
static uint32_t count_effects(const struct engine_settings *settings)
{
	return 3 * settings->requests_max + (4 + WORKER_ATTEMPTS_MAX) * count_workers(settings) +
	       settings->pool_count + 16;
}

struct layout {
	size_t requests, workers, attempts, pools, request_timers, worker_timers, effects, end;
};

static void lay_out(const struct engine_settings *settings, struct layout *ret)
{
	size_t workers = count_workers(settings);
	size_t at = aligned(sizeof(struct engine));

	ret->requests = at;
	at += aligned(settings->requests_max * sizeof(struct request));
	ret->workers = at;
	at += aligned(workers * sizeof(struct worker));
	ret->attempts = at;
	at += aligned(workers * WORKER_ATTEMPTS_MAX * sizeof(struct attempt));
	ret->pools = at;
	at += aligned(settings->pool_count * sizeof(struct pool));
	ret->request_timers = at;
	at += aligned(settings->requests_max * sizeof(struct heap_place));
	ret->worker_timers = at;
	at += aligned(workers * sizeof(struct heap_place));
	ret->effects = at;
	at += aligned(count_effects(settings) * sizeof(struct effect));
	ret->end = at;
}

size_t engine_size(const struct engine_settings *settings)
{
	struct layout layout;

	lay_out(settings, &layout);
	return layout.end;
}

static void init_pools(struct engine *engine, const struct engine_settings *settings,
		       struct attempt *attempts)
{
	struct worker *worker = engine->workers;

	for (uint32_t i = 0; i < settings->pool_count; i++) {
		struct worker *first = worker;

		for (unsigned n = 0; n < settings->pools[i].workers_max; n++, worker++) {
			uint32_t slot = (uint32_t)(worker - engine->workers);

			worker_init(worker, slot, i, attempts + (size_t)slot * WORKER_ATTEMPTS_MAX);
		}
		pool_init(&engine->pools[i], i, &settings->pools[i], first);
		engine->pools[i].health_since = engine->now;
	}
}

struct engine *engine_init(void *memory, const struct engine_settings *settings, usec_t now)
{
	struct engine *engine = memory;
	char *base = memory;
	struct layout at;

	lay_out(settings, &at);
	*engine = (struct engine){
		.now = now,
		.requests = (void *)(base + at.requests),
		.workers = (void *)(base + at.workers),
		.pools = (void *)(base + at.pools),
		.requests_max = settings->requests_max,
		.worker_count = count_workers(settings),
		.pool_count = settings->pool_count,
		.drain_timeout = settings->drain_timeout,
		.drain_until = USEC_INFINITY,
		.effects = (void *)(base + at.effects),
		.effect_max = count_effects(settings),
	};
	heap_init(&engine->request_timers, (void *)(base + at.request_timers),
		  settings->requests_max);
	heap_init(&engine->worker_timers, (void *)(base + at.worker_timers), engine->worker_count);
	for (uint32_t i = 0; i < engine->requests_max; i++) {
		engine->requests[i] = (struct request){.state = REQUEST_FREE};
		heap_entry_init(&engine->requests[i].timer);
	}
	init_pools(engine, settings, (void *)(base + at.attempts));
	for (uint32_t i = 0; i < engine->pool_count; i++)
		engine_refill(engine, &engine->pools[i]);
	return engine;
}

struct effect *engine_emit(struct engine *engine, enum effect_type type)
{
	struct effect *effect;

	assert(engine->effect_end < engine->effect_max);
	effect = &engine->effects[engine->effect_end++];
	memset(effect, 0, sizeof(*effect));
	effect->type = type;
	return effect;
}

bool engine_next_effect(struct engine *engine, struct effect *ret)
{
	if (engine->effect_first == engine->effect_end) {
		engine->effect_first = engine->effect_end = 0;
		return false;
	}
	*ret = engine->effects[engine->effect_first++];
	return true;
}

static void begin_stop(struct engine *engine)
{
	if (engine->stopping) {
		if (!engine->stopped)
			engine->drain_until = engine->now;
		return;
	}
	engine->stopping = true;
	engine->drain_until = usec_add(engine->now, engine->drain_timeout);
	for (uint32_t i = 0; i < engine->pool_count; i++)
		engine->pools[i].stopping = true;
}

/* The drain has lasted long enough: what is left is answered, and every worker ended. */
static void hurry(struct engine *engine)
{
	engine->drain_until = USEC_INFINITY;
	engine_fail_all(engine);
	for (uint32_t i = 0; i < engine->worker_count; i++)
		engine_terminate(engine, &engine->workers[i], CAUSE_STOPPING);
}

/* One thing that is due at a time: so the effects of one event stay few, and the caller comes again
 * while more is due. */
static void take_timer(struct engine *engine)
{
	struct heap_entry *request = heap_first(&engine->request_timers);
	struct heap_entry *worker = heap_first(&engine->worker_timers);

	if (engine->drain_until <= engine->now)
		hurry(engine);
	else if (request && request->at <= engine->now)
		engine_expire(engine, container_of(request, struct request, timer));
	else if (worker && worker->at <= engine->now)
		engine_worker_due(engine, container_of(worker, struct worker, timer));
}

static void take_worker_event(struct engine *engine, const struct engine_event *event)
{
	struct worker *worker;

	assert(event->worker < engine->worker_count);
	worker = &engine->workers[event->worker];
	if (event->life != worker->life || worker->state == WORKER_TERMINATED)
		return;
	if (worker->deaf && event->type != EVENT_WORKER_EXITED)
		return;
	worker->heard = engine->now;
	switch (event->type) {
	case EVENT_WORKER_READY:
		engine_worker_ready(engine, worker, event);
		break;
	case EVENT_WORKER_BEGAN:
		engine_worker_began(engine, worker, event->id);
		break;
	case EVENT_WORKER_ANSWERED:
		engine_worker_answered(engine, worker, event);
		break;
	case EVENT_WORKER_BROKE:
		engine_worker_broke(engine, worker, event->code);
		break;
	case EVENT_WORKER_EXITED:
		engine_worker_exited(engine, worker, event);
		break;
	default:
		engine_spawn_failed(engine, worker);
		break;
	}
}

static void tell_health(struct engine *engine, struct pool *pool)
{
	enum pool_health health = pool_judge(pool);
	struct effect *effect;

	if (health == pool->health)
		return;
	effect = engine_emit(engine, EFFECT_HEALTH);
	effect->pool = pool->index;
	effect->health.was = pool->health;
	effect->health.is = health;
	pool->health = health;
	pool->health_since = engine->now;
}

#define ALL_POOLS UINT32_MAX

/* The one pool that an event concerns; the timer and a stop may concern any. */
static uint32_t concerned_pool(const struct engine *engine, const struct engine_event *event)
{
	switch (event->type) {
	case EVENT_SUBMIT:
		return event->submit.pool;
	case EVENT_CANCEL:
		return engine->requests[event->request].pool;
	case EVENT_TIMER:
	case EVENT_STOP:
		return ALL_POOLS;
	default:
		return engine->workers[event->worker].pool;
	}
}

static void tell_healths(struct engine *engine, const struct engine_event *event)
{
	uint32_t pool = concerned_pool(engine, event);

	if (pool != ALL_POOLS) {
		tell_health(engine, &engine->pools[pool]);
		return;
	}
	for (pool = 0; pool < engine->pool_count; pool++)
		tell_health(engine, &engine->pools[pool]);
}

/* Whatever ended the last request of a pool, an answer or its client, ends the pool's workers. */
static void stop_idle(struct engine *engine)
{
	for (uint32_t i = 0; i < engine->pool_count; i++)
		engine_stop_idle(engine, &engine->pools[i]);
}

static void tell_stopped(struct engine *engine)
{
	if (!engine->stopping || engine->stopped || engine->open_requests > 0)
		return;
	for (uint32_t i = 0; i < engine->worker_count; i++)
		if (engine->workers[i].state != WORKER_TERMINATED)
			return;
	engine->stopped = true;
	engine->drain_until = USEC_INFINITY;
	engine_emit(engine, EFFECT_STOPPED);
}

void engine_step(struct engine *engine, const struct engine_event *event)
{
	assert(event->now >= engine->now);
	assert(engine->effect_first == engine->effect_end);
	engine->now = event->now;
	engine->effect_first = engine->effect_end = 0;
	switch (event->type) {
	case EVENT_SUBMIT:
		engine_submit(engine, event);
		break;
	case EVENT_CANCEL:
		engine_cancel(engine, event->request, event->gone);
		break;
	case EVENT_TIMER:
		take_timer(engine);
		break;
	case EVENT_STOP:
		begin_stop(engine);
		break;
	default:
		take_worker_event(engine, event);
		break;
	}
	if (engine->stopping)
		stop_idle(engine);
	tell_healths(engine, event);
	tell_stopped(engine);
}

usec_t engine_deadline(const struct engine *engine)
{
	usec_t request = heap_next(&engine->request_timers);
	usec_t worker = heap_next(&engine->worker_timers);
	usec_t next = request < worker ? request : worker;

	return engine->drain_until < next ? engine->drain_until : next;
}

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
	return engine->stopping;
}

uint32_t engine_open_requests(const struct engine *engine)
{
	return engine->open_requests;
}

uint32_t engine_slot(const struct engine *engine, const struct request *request)
{
	return engine_slot_of(engine, request);
}
