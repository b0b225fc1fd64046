#include "daemon/core/engine_internal.h"

/* --- starting --- */

static void spawn(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);
	usec_t lifetime = pool->settings.max_lifetime;

	if (worker->life > 0)
		worker->restarts++;
	worker_reset_life(worker, engine->now);
	engine_inherit(engine, worker);
	/* Up to 10 % less, at random: workers that start together must not end together. */
	if (lifetime > 0)
		worker->retire_at = usec_add(
			engine->now, lifetime - prng_between(&engine->prng, 0, lifetime / 10));
	engine_move_worker(engine, worker, WORKER_INITIALIZING);
	pool->stats.worker_starts++;
	engine_emit_for(engine, worker, EFFECT_SPAWN);
}

/* Whether a process is started in the empty slot rather than in the other one: slots with a history
 * of ejections come last, the one that was bad last at the very end; of the others the one that may
 * start sooner. */
static bool goes_first(const struct pool *pool, const struct worker *worker,
		       const struct worker *other, usec_t now)
{
	bool is_bad = engine_slot_is_bad(worker, now);

	if (is_bad != engine_slot_is_bad(other, now))
		return !is_bad;
	if (is_bad)
		return worker->bad_at < other->bad_at;
	return pool_restart_delay(pool, worker) < pool_restart_delay(pool, other);
}

/* Returns the empty slot for the next start, or NULL. */
static struct worker *free_slot(const struct pool *pool, usec_t now)
{
	struct worker *best = NULL;
	struct list_node *node;

	list_for_each (node, &pool->states[WORKER_TERMINATED]) {
		struct worker *worker = list_entry(node, struct worker, in_state);

		if (!worker->is_wanted && (!best || goes_first(pool, worker, best, now)))
			best = worker;
	}
	return best;
}

/* Starts a worker after its slot's restart delay.  There must be a free slot. */
static void start(struct engine *engine, struct pool *pool, bool replacement)
{
	struct worker *worker = free_slot(pool, engine->now);
	usec_t delay;

	assert(worker);
	delay = pool_restart_delay(pool, worker);
	worker->is_replacement = replacement;
	pool->replacements += replacement;
	/* A pool that kept no worker lacks them from now on, as one is under way. */
	engine->levels_moved |= pool_at_work(pool) == 0;
	if (delay == 0) {
		spawn(engine, worker);
		return;
	}
	worker->is_wanted = true;
	worker->restart_at = usec_add(engine->now, delay);
	pool->starts_pending++;
	engine_touch(engine, worker);
}

void engine_start_one(struct engine *engine, struct pool *pool)
{
	if (pool_may_start(pool, false))
		start(engine, pool, false);
}

void engine_unwant(struct engine *engine, struct worker *worker)
{
	engine_cancel_replacement(engine, worker);
	worker->is_wanted = false;
	engine_pool_of(engine, worker)->starts_pending--;
	engine->levels_moved = true;
	engine_touch(engine, worker);
}

/* Whether the pool has more workers than it may have, those that start included. */
static bool has_surplus(const struct pool *pool)
{
	return pool_live(pool) + pool->starts_pending > pool_ceiling(pool) + pool->replacements;
}

void engine_restart_due(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);

	/* It was to replace one of those that end anyway, a few at a time. */
	if (has_surplus(pool)) {
		engine_unwant(engine, worker);
		return;
	}
	worker->is_wanted = false;
	pool->starts_pending--;
	spawn(engine, worker);
}

void engine_refill(struct engine *engine, struct pool *pool)
{
	if (pool->is_stopping)
		return;
	while (pool_live(pool) + pool->starts_pending < pool_wanted(pool) &&
	       pool_may_start(pool, false))
		start(engine, pool, false);
	while (pool->to_replace > pool->replacements &&
	       pool->replacements + pool->leaving < pool_out_max(pool) &&
	       pool_may_start(pool, true))
		start(engine, pool, true);
}

/* --- replacing --- */

/* Sets the cause for which the worker is to be replaced; CAUSE_NONE: it is not to be. */
static void set_due_for(struct engine *engine, struct worker *worker, enum worker_cause cause)
{
	struct pool *pool = engine_pool_of(engine, worker);

	pool->to_replace -= worker->due_for != CAUSE_NONE;
	pool->to_replace += cause != CAUSE_NONE;
	worker->due_for = cause;
	engine_touch(engine, worker);
}

void engine_schedule_replacement(struct engine *engine, struct worker *worker,
				 enum worker_cause cause)
{
	struct pool *pool = engine_pool_of(engine, worker);
	bool works = worker->state == WORKER_READY || worker->state == WORKER_BUSY ||
		     worker->state == WORKER_DEGRADED;

	if (!works || worker->due_for != CAUSE_NONE || pool->is_stopping)
		return;
	set_due_for(engine, worker, cause);
	engine_refill(engine, pool);
}

static bool is_coming(const struct worker *worker)
{
	return worker->is_replacement &&
	       (worker->is_wanted || worker->state == WORKER_INITIALIZING);
}

void engine_cancel_replacement(struct engine *engine, struct worker *worker)
{
	set_due_for(engine, worker, CAUSE_NONE);
	engine_pool_of(engine, worker)->replacements -= is_coming(worker);
	worker->is_replacement = false;
}

/* Whether `worker` is replaced before `other`: one that is not BUSY first, else the older one. */
static bool goes_before(const struct worker *worker, const struct worker *other)
{
	bool busy = worker->state == WORKER_BUSY;

	if (!other || busy != (other->state == WORKER_BUSY))
		return !other || !busy;
	return worker->started < other->started;
}

static struct worker *next_to_replace(const struct pool *pool)
{
	struct worker *next = NULL;

	for (unsigned i = 0; i < pool->slots; i++)
		if (pool->workers[i].due_for != CAUSE_NONE && goes_before(&pool->workers[i], next))
			next = &pool->workers[i];
	return next;
}

/* The replacement of the worker is READY: drains the worker. */
static void replace(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);
	enum worker_cause cause = worker->due_for;

	worker->is_replaced = true;
	pool->leaving++;
	pool->stats.worker_replacements++;
	engine_drain(engine, worker, cause);
}

/* Returns the worker that is ended first when the pool has too many. */
static struct worker *next_surplus(const struct pool *pool)
{
	static const enum worker_state order[] = {WORKER_INITIALIZING, WORKER_DEGRADED,
						  WORKER_READY, WORKER_BUSY};

	for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
		struct list_node *node;

		/* The last one in the list entered the state first, or failed last. */
		for (node = list_last(&pool->states[order[i]]);
		     node && node != &pool->states[order[i]].head; node = node->prev) {
			struct worker *worker = list_entry(node, struct worker, in_state);

			if (!is_coming(worker))
				return worker;
		}
	}
	return NULL;
}

/* Returns the slot whose pending start is due last, replacements excepted. */
static struct worker *next_pending(const struct pool *pool)
{
	struct worker *last = NULL;
	struct list_node *node;

	list_for_each (node, &pool->states[WORKER_TERMINATED]) {
		struct worker *worker = list_entry(node, struct worker, in_state);

		if (worker->is_wanted && !worker->is_replacement &&
		    (!last || worker->restart_at > last->restart_at))
			last = worker;
	}
	return last;
}

void engine_trim(struct engine *engine, struct pool *pool)
{
	while (has_surplus(pool)) {
		struct worker *worker = next_pending(pool);

		if (worker)
			engine_unwant(engine, worker);
		else if (pool_may_end(pool))
			engine_drain(engine, next_surplus(pool), CAUSE_SURPLUS);
		else
			return;
	}
}

void engine_take_over(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);
	struct worker *old;

	if (!worker->is_replacement)
		return;
	worker->is_replacement = false;
	pool->replacements--;
	/* If other workers have died meanwhile, the new one takes the place of one of them. */
	if (pool_live(pool) + pool->starts_pending > pool_wanted(pool) + pool->replacements) {
		old = next_to_replace(pool);
		if (old)
			replace(engine, old);
	}
	engine_trim(engine, pool);
}

/* --- the rolling restart --- */

static void notify_roll(struct engine *engine, const struct pool *pool)
{
	struct effect *effect = engine_emit(engine, EFFECT_ROLL);

	effect->pool = pool->index;
	effect->roll = pool->roll;
}

static void end_roll(struct engine *engine, struct pool *pool, enum roll_state state,
		     enum errcode reason)
{
	pool->roll.state = state;
	pool->roll.reason = reason;
	pool->roll.since = engine->now;
	for (unsigned i = 0; i < pool->slots; i++)
		pool->workers[i].is_rolling = false;
	notify_roll(engine, pool);
}

void engine_note_gone(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);

	pool->leaving -= worker->is_replaced;
	worker->is_replaced = false;
	if (!worker->is_rolling)
		return;
	worker->is_rolling = false;
	if (--pool->roll.left == 0)
		end_roll(engine, pool, ROLL_DONE, ERR_NONE);
	else
		notify_roll(engine, pool);
}

/* Cancels or ends the replacements that no worker is left for. */
static void drop_replacements(struct engine *engine, struct pool *pool)
{
	for (unsigned i = 0; i < pool->slots && pool->replacements > pool->to_replace; i++) {
		struct worker *worker = &pool->workers[i];

		if (!is_coming(worker))
			continue;
		if (worker->is_wanted)
			engine_unwant(engine, worker);
		else
			engine_terminate(engine, worker, CAUSE_IDLE);
	}
}

/* The rolling restart does not replace the worker any more; but max_requests still may. */
static void keep(struct engine *engine, struct worker *worker)
{
	uint64_t most = engine_pool_of(engine, worker)->settings.max_requests;
	bool has_served_most =
		most > 0 && worker->served >= most && worker->state != WORKER_INITIALIZING;

	set_due_for(engine, worker, has_served_most ? CAUSE_SERVED : CAUSE_NONE);
}

static void stop_roll(struct engine *engine, struct pool *pool, enum errcode reason)
{
	if (pool->roll.state != ROLL_RUNNING)
		return;
	for (unsigned i = 0; i < pool->slots; i++)
		if (pool->workers[i].due_for == CAUSE_ROLLED)
			keep(engine, &pool->workers[i]);
	end_roll(engine, pool, ROLL_STOPPED, reason);
	drop_replacements(engine, pool);
}

void engine_start_failed(struct engine *engine, struct worker *worker, enum errcode code)
{
	struct pool *pool = engine_pool_of(engine, worker);

	if (!worker->is_replacement)
		return;
	pool->replacements -= is_coming(worker);
	worker->is_replacement = false;
	/* The old workers stay, so that this failure does not count as a failed start
	 * of the pool. */
	worker->is_excused = pool->roll.state == ROLL_RUNNING;
	/* One that was starting already when this rolling restart began is itself to be replaced: what
	 * was to be mended by the restart has failed. */
	if (!worker->is_rolling)
		stop_roll(engine, pool, code);
}

void engine_stop_starting(struct engine *engine, struct pool *pool)
{
	/* If requests are queued and no worker lives, one pending start is kept for them. */
	bool needs_one = pool->queue.len > 0 && pool_live(pool) == 0;

	stop_roll(engine, pool, ERR_shutting_down);
	for (unsigned i = 0; i < pool->slots; i++) {
		struct worker *worker = &pool->workers[i];

		set_due_for(engine, worker, CAUSE_NONE);
		if (worker->is_wanted && needs_one && !worker->is_replacement)
			needs_one = false;
		else if (worker->is_wanted)
			engine_unwant(engine, worker);
	}
	drop_replacements(engine, pool);
	/* It wants no worker any more, so that it may lack none. */
	engine->levels_moved = true;
	engine_mark_pool_dirty(engine, pool);
}

/* --- operators --- */

void engine_notify_verdict(struct engine *engine, enum errcode code)
{
	engine_emit(engine, EFFECT_DONE)->code = code;
}

static bool has_workers(const struct pool *pool)
{
	return pool->settings.adapter != POOL_STATIC;
}

static enum errcode refuse_operator(const struct engine *engine, const struct pool *pool)
{
	if (!has_workers(pool))
		return ERR_invalid_request;
	return engine->is_stopping ? ERR_shutting_down : ERR_NONE;
}

static void roll_worker(struct engine *engine, struct worker *worker)
{
	bool lives = worker->state != WORKER_TERMINATED && worker->state != WORKER_TERMINATING &&
		     worker->state != WORKER_DRAINING;

	if (lives) {
		set_due_for(engine, worker, CAUSE_ROLLED);
		worker->is_rolling = true;
	}
	engine_pool_of(engine, worker)->roll.left += worker->is_rolling;
	/* Start now and skip the restart delay: the operator wants to see the result. */
	if (worker->is_wanted) {
		worker->restart_at = engine->now;
		engine_touch(engine, worker);
	}
}

void engine_restart(struct engine *engine, struct pool *pool)
{
	enum errcode code = refuse_operator(engine, pool);

	engine_notify_verdict(engine, code);
	if (code != ERR_NONE)
		return;
	pool->roll = (struct roll){.state = ROLL_RUNNING, .since = engine->now};
	for (unsigned i = 0; i < pool->slots; i++)
		roll_worker(engine, &pool->workers[i]);
	pool->roll.total = pool->roll.left;
	if (pool->roll.left == 0)
		end_roll(engine, pool, ROLL_DONE, ERR_NONE);
	else
		notify_roll(engine, pool);
	engine_refill(engine, pool);
}

static enum errcode refuse_size(const struct engine *engine, const struct pool *pool, unsigned min,
				unsigned max)
{
	enum errcode code = refuse_operator(engine, pool);

	if (code == ERR_NONE && (max == 0 || min > max || max > pool->workers_bound))
		code = ERR_invalid_request;
	return code;
}

void engine_resize(struct engine *engine, struct pool *pool, unsigned min, unsigned max)
{
	enum errcode code = refuse_size(engine, pool, min, max);

	engine_notify_verdict(engine, code);
	if (code != ERR_NONE)
		return;
	pool->settings.workers_min = min;
	pool->settings.workers_max = max;
	engine_trim(engine, pool);
	engine_refill(engine, pool);
	/* Those that are idle may have become surplus: their timers are set anew. */
	for (unsigned i = 0; i < pool->slots; i++)
		if (pool->workers[i].state == WORKER_READY)
			engine_touch(engine, &pool->workers[i]);
	engine_mark_pool_dirty(engine, pool);
	engine->levels_moved = true;
}

void engine_set_drained(struct engine *engine, struct pool *pool, bool drained)
{
	if (drained && pool->drained == 0)
		pool->drained = engine->now;
	else if (!drained)
		pool->drained = 0;
	engine->levels_moved = true;
	engine_notify_verdict(engine, ERR_NONE);
}

void engine_kill(struct engine *engine, struct worker *worker, int signal)
{
	struct pool *pool = engine_pool_of(engine, worker);

	engine_notify_verdict(engine, ERR_NONE);
	engine_end_manual(engine, worker, signal);
	engine_refill(engine, pool);
	engine_mark_pool_dirty(engine, pool);
}
