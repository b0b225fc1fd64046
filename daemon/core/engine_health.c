#include "daemon/core/engine_internal.h"

#define PINGS_MISSED_MAX 3

/* Delay of the next check of a worker that is idle for too long while pool_may_end is false. */
#define IDLE_TURN (10 * USEC_PER_MSEC)

/* A run that nobody waits for may take this many times as long as nearly all runs of its method. */
#define USUAL_FACTOR 4

/* --- health checks --- */

void engine_ping(struct engine *engine, struct worker *worker)
{
	struct effect *effect;

	worker->ping_sent = engine->now;
	engine_touch(engine, worker);
	/* The answer to the last one may still come, and need not be the answer to another. */
	if (worker->ping_id != 0)
		return;
	effect = engine_emit(engine, EFFECT_PING);
	effect->pool = worker->pool;
	effect->worker = worker->index;
	effect->life = worker->life;
	worker->ping_id = worker->next_id++;
	effect->send.id = worker->ping_id;
}

static void miss_ping(struct engine *engine, struct worker *worker, enum errcode code)
{
	struct pool *pool = engine_pool_of(engine, worker);

	worker->health = HEALTH_UNHEALTHY;
	engine_incident(engine, pool, worker, code);
	if (++worker->pings_missed >= PINGS_MISSED_MAX) {
		engine_terminate(engine, worker, CAUSE_HEALTH);
		engine_refill(engine, pool);
		return;
	}
	if (worker->state == WORKER_READY)
		engine_move_worker(engine, worker, WORKER_DEGRADED);
	engine->levels_moved = true;
}

/* Makes a DEGRADED worker READY again, unless it is ejected. */
static COLD void recover(struct engine *engine, struct worker *worker)
{
	if (worker->state == WORKER_DEGRADED && worker->eject_until == 0)
		engine_move_worker(engine, worker, WORKER_READY);
	engine->levels_moved = true;
	engine_update_room(engine, worker);
}

void engine_take_pong(struct engine *engine, struct worker *worker, enum errcode code)
{
	struct pool *pool = engine_pool_of(engine, worker);

	worker->ping_sent = 0;
	worker->ping_id = 0;
	if (code != ERR_NONE && !pool->settings.any_pong) {
		miss_ping(engine, worker, ERR_health_check_failed);
		return;
	}
	worker->pings_missed = 0;
	worker->health = HEALTH_HEALTHY;
	recover(engine, worker);
	engine_early_probe(engine, worker);
	engine_mark_pool_dirty(engine, pool);
}

void engine_heard_instead(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);

	if (worker->ping_sent == 0 || !pool->settings.any_pong)
		return;
	worker->ping_sent = 0;
	worker->pings_missed = 0;
	worker->health = HEALTH_HEALTHY;
	recover(engine, worker);
	engine_mark_pool_dirty(engine, pool);
}

/* --- what is due --- */

static bool is_spare(const struct engine *engine, const struct worker *worker)
{
	const struct pool *pool = &engine->pools[worker->pool];

	return pool_live(pool) - pool->states[WORKER_INITIALIZING].len > pool_wanted(pool);
}

static usec_t idle_due(const struct engine *engine, const struct worker *worker)
{
	const struct pool_settings *settings = &engine->pools[worker->pool].settings;

	usec_t due;

	if (worker->state != WORKER_READY || !is_spare(engine, worker))
		return USEC_INFINITY;
	due = usec_add(worker->since, settings->idle_timeout);
	if (pool_may_end(&engine->pools[worker->pool]))
		return due;
	return usec_max(due, usec_add(engine->now, IDLE_TURN));
}

static usec_t ping_due(const struct engine *engine, const struct worker *worker)
{
	const struct pool_settings *settings = &engine->pools[worker->pool].settings;

	if (worker->ping_sent > 0)
		return usec_add(worker->ping_sent, settings->ping_timeout);
	return usec_add(worker->heard, settings->ping_interval);
}

/*
 * Returns until when an attempt that was given up may run on: cancel_grace after it began or was
 * given up, whichever is later; and if its request was only late or cancelled, four times as long
 * as nearly all runs of its method.  A process that has answered nothing yet, and a method that has
 * had no result, have the pool's usual time limit of a request.
 */
static usec_t allowed_until(const struct pool *pool, const struct worker *worker,
			    const struct attempt *attempt)
{
	const struct pool_settings *settings = &pool->settings;
	usec_t begun = usec_add(attempt->begun, attempt->held);
	usec_t from = usec_max(usec_max(attempt->given_up, attempt->begun), worker->freed);
	usec_t until = usec_add(from, settings->cancel_grace);
	usec_t usual = usec_mul(runs_high(&pool->runs, attempt->entry), USUAL_FACTOR);

	if (attempt->has_overrun)
		return until;
	if (worker->served == 0 || runs_typical(&pool->runs, attempt->entry) == 0)
		usual = usec_max(usual, settings->timeout);
	if (settings->attempt_timeout > 0)
		usual = usec_min(usual, settings->attempt_timeout);
	return usec_max(until, usec_add(begun, usual));
}

/* Returns when the worker must have given up what it was asked to cancel. */
static usec_t cancel_due(const struct engine *engine, const struct worker *worker)
{
	const struct pool *pool = &engine->pools[worker->pool];
	usec_t due = USEC_INFINITY;
	struct list_node *node;

	/* Who is paused for a client that does not read can't give anything up. */
	if (worker->given_up == 0 || worker_is_held(worker))
		return due;
	list_for_each (node, &worker->attempts) {
		struct attempt *attempt = list_entry(node, struct attempt, in_worker);

		if (attempt->given_up > 0 && attempt->begun > 0)
			due = usec_min(due, allowed_until(pool, worker, attempt));
	}
	return due;
}

/* Returns when the attempt at the head becomes slow.  Also while none waits behind it, so that no
 * request is put there any more. */
static usec_t slow_due(const struct engine *engine, const struct worker *worker)
{
	const struct pool *pool = &engine->pools[worker->pool];
	struct list_node *node = list_first(&worker->attempts);

	if (worker->is_slow || pool->settings.prefetch == 0)
		return USEC_INFINITY;
	return usec_add(list_entry(node, struct attempt, in_worker)->begun, pool_slow_after(pool));
}

/* Returns when the worker's lifetime is over; USEC_INFINITY if it is to be replaced anyway. */
static usec_t life_due(const struct engine *engine, const struct worker *worker)
{
	if (worker->due_for != CAUSE_NONE || engine->is_stopping)
		return USEC_INFINITY;
	return worker->retire_at;
}

/* Returns the next attempt that is to be reported as slow; NULL: there is none. */
static struct attempt *next_slow(const struct engine *engine, const struct worker *worker)
{
	const struct pool *pool = &engine->pools[worker->pool];
	struct attempt *next = NULL;
	struct list_node *node;

	if (pool->settings.slow_after == 0)
		return NULL;
	list_for_each (node, &worker->attempts) {
		struct attempt *attempt = list_entry(node, struct attempt, in_worker);

		if (attempt->request && attempt->begun > 0 && !attempt->was_slow_reported &&
		    (!next || attempt->begun < next->begun))
			next = attempt;
	}
	return next;
}

static usec_t slow_report_due(const struct engine *engine, const struct worker *worker)
{
	const struct attempt *attempt = next_slow(engine, worker);

	if (!attempt)
		return USEC_INFINITY;
	return usec_add(attempt->begun, engine->pools[worker->pool].settings.slow_after);
}

static void notify_slow(struct engine *engine, struct worker *worker)
{
	struct attempt *attempt = next_slow(engine, worker);
	struct effect *effect = engine_emit_for(engine, worker, EFFECT_SLOW);

	attempt->was_slow_reported = true;
	effect->request = engine_slot_of(engine, attempt->request);
	effect->ran = usec_sub(engine->now, attempt->begun);
}

/* Returns cancel_due, but never for a worker that already drains because it missed that time. */
static usec_t patience_due(const struct engine *engine, const struct worker *worker)
{
	if (worker->state == WORKER_DRAINING && !worker_cause_is_planned(worker->leaving))
		return USEC_INFINITY;
	return cancel_due(engine, worker);
}

/* Returns when the worker's timer is due next. */
static usec_t next_due(const struct engine *engine, const struct worker *worker)
{
	usec_t due = USEC_INFINITY;

	switch (worker->state) {
	case WORKER_TERMINATED:
		due = worker->is_wanted ? worker->restart_at : USEC_INFINITY;
		break;
	case WORKER_INITIALIZING:
		due = usec_add(worker->started, engine->pools[worker->pool].settings.init_timeout);
		break;
	case WORKER_READY:
	case WORKER_DEGRADED:
		due = usec_min(idle_due(engine, worker), ping_due(engine, worker));
		if (worker->eject_until > 0)
			due = usec_min(due, worker->eject_until);
		due = usec_min(due, life_due(engine, worker));
		break;
	case WORKER_BUSY:
		due = usec_min(cancel_due(engine, worker), slow_due(engine, worker));
		due = usec_min(due, slow_report_due(engine, worker));
		due = usec_min(due, life_due(engine, worker));
		break;
	case WORKER_DRAINING:
		due = usec_min(patience_due(engine, worker), slow_report_due(engine, worker));
		break;
	case WORKER_TERMINATING:
		due = worker->step_at;
		break;
	case WORKER_STATE_COUNT_:
		break;
	}
	return due;
}

void engine_arm_touched(struct engine *engine)
{
	struct list_node *node;

	while ((node = list_first(&engine->touched))) {
		struct worker *worker = list_entry(node, struct worker, in_touched);

		list_remove(&engine->touched, node);
		heap_set(&engine->worker_timers, &worker->timer, next_due(engine, worker));
	}
}

/* Schedules the replacement of a worker whose lifetime is over.  Returns false when it is not. */
static bool retire_aged(struct engine *engine, struct worker *worker)
{
	if (life_due(engine, worker) > engine->now)
		return false;
	engine_schedule_replacement(engine, worker, CAUSE_AGED);
	return true;
}

void engine_check_due(struct engine *engine, struct worker *worker)
{
	if (retire_aged(engine, worker))
		return;
	if (engine_end_ejection(engine, worker))
		return;
	if (idle_due(engine, worker) <= engine->now) {
		engine_terminate(engine, worker, CAUSE_IDLE);
	} else if (ping_due(engine, worker) > engine->now) {
		return; /* The worker was a surplus one when its timer was set. */
	} else if (worker->ping_sent > 0) {
		/* No new ping is sent: the answer to the outstanding one may still come. */
		worker->ping_sent = engine->now;
		miss_ping(engine, worker, ERR_health_check_timeout);
	} else {
		engine_ping(engine, worker);
	}
}

void engine_watch_due(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);

	if (worker->state == WORKER_BUSY && retire_aged(engine, worker))
		return;
	if (patience_due(engine, worker) <= engine->now) {
		engine_end_stubborn(engine, worker);
	} else if (slow_report_due(engine, worker) <= engine->now) {
		notify_slow(engine, worker);
		return;
	} else if (worker->state == WORKER_BUSY) {
		worker->is_slow = true;
		engine_take_back(engine, worker);
		pool_place_worker(pool, worker, engine->now);
	}
	engine_mark_pool_dirty(engine, pool);
}

bool engine_is_slow(const struct engine *engine, const struct worker *worker)
{
	return !list_empty(&worker->attempts) && slow_due(engine, worker) <= engine->now;
}
