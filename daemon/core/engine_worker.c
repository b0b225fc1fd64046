#include "daemon/core/engine_internal.h"

#include <signal.h>

/* A worker that closed its channel is given this long to end by itself, so that its own exit status
 * is the one reported. */
#define CLOSE_GRACE (100 * USEC_PER_MSEC)

/* A life that lasted this long was worth its start even if nobody asked it anything. */
#define FRUITFUL_LIFE	 (10 * USEC_PER_SEC)

#define PINGS_MISSED_MAX 3

static struct effect *emit_for(struct engine *engine, struct worker *worker, enum effect_type type)
{
	struct effect *effect = engine_emit(engine, type);

	effect->pool = worker->pool;
	effect->worker = worker->index;
	effect->life = worker->life;
	return effect;
}

static void emit_kill(struct engine *engine, struct worker *worker, enum effect_type type,
		      int signal)
{
	struct effect *effect = emit_for(engine, worker, type);

	effect->kill.signal = signal;
	effect->kill.cause = worker->cause;
}

/* --- starting --- */

static void spawn(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);

	if (worker->life > 0)
		worker->restarts++;
	worker_reset_life(worker, engine->now);
	pool_move_worker(pool, worker, WORKER_INITIALIZING, engine->now);
	pool->stats.worker_starts++;
	engine_arm_worker(engine, worker);
	emit_for(engine, worker, EFFECT_SPAWN);
}

void engine_start_one(struct engine *engine, struct pool *pool)
{
	usec_t delay = pool_restart_delay(pool);
	struct list_node *node;

	list_for_each (node, &pool->states[WORKER_TERMINATED]) {
		struct worker *worker = list_entry(node, struct worker, in_state);

		if (worker->wanted)
			continue;
		if (delay == 0) {
			spawn(engine, worker);
			return;
		}
		worker->wanted = true;
		worker->restart_at = engine->now + delay;
		pool->starts_pending++;
		engine_arm_worker(engine, worker);
		return;
	}
}

void engine_refill(struct engine *engine, struct pool *pool)
{
	unsigned wanted = pool->settings.workers_min;
	unsigned free_slots;

	if (pool->stopping)
		return;
	if (pool->failed_starts >= POOL_FAILED_STARTS && wanted > 1)
		wanted = 1;
	free_slots = pool->states[WORKER_TERMINATED].len - pool->starts_pending;
	for (; free_slots > 0 && pool_live(pool) + pool->starts_pending < wanted; free_slots--)
		engine_start_one(engine, pool);
}

static void restart_due(struct engine *engine, struct worker *worker)
{
	worker->wanted = false;
	engine_pool_of(engine, worker)->starts_pending--;
	spawn(engine, worker);
}

/* --- ending --- */

static void send_step(struct engine *engine, struct worker *worker)
{
	usec_t grace = engine_pool_of(engine, worker)->settings.kill_grace;

	emit_kill(engine, worker, EFFECT_SIGNAL, worker->step_signal);
	worker->step_at =
		worker->step_signal == SIGKILL ? USEC_INFINITY : usec_add(engine->now, grace);
	worker->step_signal = SIGKILL;
	engine_arm_worker(engine, worker);
}

static void end_by(struct engine *engine, struct worker *worker, int signal)
{
	worker->step_signal = signal;
	send_step(engine, worker);
}

/* The next signal follows only if it is still there after `grace`. */
static void end_after(struct engine *engine, struct worker *worker, usec_t grace, int signal)
{
	worker->step_signal = signal;
	worker->step_at = usec_add(engine->now, grace);
	engine_arm_worker(engine, worker);
}

void engine_terminate(struct engine *engine, struct worker *worker, enum worker_cause cause)
{
	struct pool *pool = engine_pool_of(engine, worker);
	bool idle = list_empty(&worker->attempts) && worker->state != WORKER_INITIALIZING;

	if (worker->state == WORKER_TERMINATED) {
		if (worker->wanted && cause == CAUSE_STOPPING) {
			worker->wanted = false;
			pool->starts_pending--;
			engine_arm_worker(engine, worker);
		}
		return;
	}
	if (worker->state == WORKER_TERMINATING)
		return;
	pool_move_worker(pool, worker, WORKER_TERMINATING, engine->now);
	worker->cause = cause;
	/* Where the channel broke it may be at work on any of them: they wait for its end. */
	if (cause != CAUSE_PROTOCOL)
		engine_take_back(engine, worker);
	switch (cause) {
	case CAUSE_IDLE:
	case CAUSE_STOPPING:
		if (idle) {
			emit_kill(engine, worker, EFFECT_SHUTDOWN, 0);
			end_after(engine, worker, pool->settings.kill_grace, SIGTERM);
			return;
		}
		end_by(engine, worker, SIGTERM);
		return;
	case CAUSE_CLOSED:
		emit_kill(engine, worker, EFFECT_CLOSE, 0);
		end_after(engine, worker, CLOSE_GRACE, SIGKILL);
		return;
	case CAUSE_PROTOCOL:
		emit_kill(engine, worker, EFFECT_CLOSE, 0);
		end_by(engine, worker, SIGKILL);
		return;
	default:
		worker->health = HEALTH_UNHEALTHY;
		pool->stats.worker_kills++;
		end_by(engine, worker, SIGTERM);
		return;
	}
}

void engine_stop_idle(struct engine *engine, struct pool *pool)
{
	if (pool->queue.len > 0)
		return;
	for (unsigned i = 0; i < pool->settings.workers_max; i++)
		if (pool->workers[i].state != WORKER_BUSY)
			engine_terminate(engine, &pool->workers[i], CAUSE_STOPPING);
}

/* --- health and time --- */

static void ping(struct engine *engine, struct worker *worker)
{
	struct effect *effect = emit_for(engine, worker, EFFECT_PING);

	worker->ping_id = worker->next_id++;
	worker->ping_sent = engine->now;
	effect->send.id = worker->ping_id;
}

static void take_pong(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);

	worker->ping_sent = 0;
	worker->pings_missed = 0;
	worker->health = HEALTH_HEALTHY;
	if (worker->state == WORKER_DEGRADED)
		pool_move_worker(pool, worker, WORKER_READY, engine->now);
	engine_arm_worker(engine, worker);
	engine_dispatch(engine, pool);
}

static void miss_ping(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);

	worker->health = HEALTH_UNHEALTHY;
	if (++worker->pings_missed >= PINGS_MISSED_MAX) {
		engine_terminate(engine, worker, CAUSE_HEALTH);
		engine_refill(engine, pool);
		return;
	}
	if (worker->state == WORKER_READY)
		pool_move_worker(pool, worker, WORKER_DEGRADED, engine->now);
	/* The same one still stands: its answer may be late, and must come just once. */
	worker->ping_sent = engine->now;
	engine_arm_worker(engine, worker);
}

static bool is_spare(const struct engine *engine, const struct worker *worker)
{
	const struct pool *pool = &engine->pools[worker->pool];

	return pool_live(pool) > pool->settings.workers_min;
}

static usec_t idle_due(const struct engine *engine, const struct worker *worker)
{
	const struct pool_settings *settings = &engine->pools[worker->pool].settings;

	if (worker->state != WORKER_READY || !is_spare(engine, worker))
		return USEC_INFINITY;
	return usec_add(worker->since, settings->idle_timeout);
}

static usec_t ping_due(const struct engine *engine, const struct worker *worker)
{
	const struct pool_settings *settings = &engine->pools[worker->pool].settings;

	if (worker->ping_sent > 0)
		return usec_add(worker->ping_sent, settings->ping_timeout);
	return usec_add(worker->heard, settings->ping_interval);
}

/* When a worker must have given up what it was told to cancel: counted from when it came to it. */
static usec_t cancel_due(const struct engine *engine, const struct worker *worker)
{
	usec_t grace = engine->pools[worker->pool].settings.cancel_grace;
	usec_t due = USEC_INFINITY;
	struct list_node *node;

	if (worker->given_up == 0)
		return due;
	list_for_each (node, &worker->attempts) {
		struct attempt *attempt = list_entry(node, struct attempt, in_worker);
		usec_t from =
			attempt->given_up > attempt->begun ? attempt->given_up : attempt->begun;

		if (attempt->given_up > 0 && attempt->begun > 0 && usec_add(from, grace) < due)
			due = usec_add(from, grace);
	}
	return due;
}

/* Also while nothing stands behind the head: so that nothing is put there any more. */
static usec_t slow_due(const struct engine *engine, const struct worker *worker)
{
	const struct pool *pool = &engine->pools[worker->pool];
	struct list_node *node = list_first(&worker->attempts);

	if (worker->slow || pool->settings.prefetch == 0)
		return USEC_INFINITY;
	return usec_add(list_entry(node, struct attempt, in_worker)->begun, pool_slow_after(pool));
}

static usec_t earlier(usec_t a, usec_t b)
{
	return a < b ? a : b;
}

void engine_arm_worker(struct engine *engine, struct worker *worker)
{
	usec_t due = USEC_INFINITY;

	switch (worker->state) {
	case WORKER_TERMINATED:
		due = worker->wanted ? worker->restart_at : USEC_INFINITY;
		break;
	case WORKER_INITIALIZING:
		due = usec_add(worker->started,
			       engine_pool_of(engine, worker)->settings.init_timeout);
		break;
	case WORKER_READY:
	case WORKER_DEGRADED:
		due = earlier(idle_due(engine, worker), ping_due(engine, worker));
		break;
	case WORKER_BUSY:
		due = earlier(cancel_due(engine, worker), slow_due(engine, worker));
		break;
	case WORKER_TERMINATING:
		due = worker->step_at;
		break;
	case WORKER_STATE_COUNT_:
		break;
	}
	heap_set(&engine->worker_timers, &worker->timer, due);
}

static void idle_worker_due(struct engine *engine, struct worker *worker)
{
	if (idle_due(engine, worker) <= engine->now) {
		engine_terminate(engine, worker, CAUSE_IDLE);
	} else if (ping_due(engine, worker) > engine->now) {
		/* It was a spare one when its timer was set. */
		engine_arm_worker(engine, worker);
	} else if (worker->ping_sent > 0) {
		miss_ping(engine, worker);
	} else {
		ping(engine, worker);
		engine_arm_worker(engine, worker);
	}
}

static void busy_worker_due(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);

	if (cancel_due(engine, worker) <= engine->now) {
		engine_terminate(engine, worker, CAUSE_CANCELLED);
		engine_refill(engine, pool);
	} else {
		worker->slow = true;
		engine_take_back(engine, worker);
		pool_place_worker(pool, worker, engine->now);
		engine_arm_worker(engine, worker);
	}
	engine_dispatch(engine, pool);
}

void engine_worker_due(struct engine *engine, struct worker *worker)
{
	switch (worker->state) {
	case WORKER_TERMINATED:
		restart_due(engine, worker);
		break;
	case WORKER_INITIALIZING:
		engine_terminate(engine, worker, CAUSE_INIT_TIMEOUT);
		engine_refill(engine, engine_pool_of(engine, worker));
		break;
	case WORKER_READY:
	case WORKER_DEGRADED:
		idle_worker_due(engine, worker);
		break;
	case WORKER_BUSY:
		busy_worker_due(engine, worker);
		break;
	case WORKER_TERMINATING:
		send_step(engine, worker);
		break;
	case WORKER_STATE_COUNT_:
		break;
	}
}

/* --- what workers say --- */

void engine_worker_ready(struct engine *engine, struct worker *worker,
			 const struct engine_event *event)
{
	struct pool *pool = engine_pool_of(engine, worker);
	unsigned concurrency = event->ready.concurrency;

	if (worker->state == WORKER_TERMINATING)
		return;
	if (worker->state != WORKER_INITIALIZING) {
		engine_worker_broke(engine, worker, ERR_protocol_violation);
		return;
	}
	worker->concurrency = concurrency < 1			  ? 1
			      : concurrency > WORKER_ATTEMPTS_MAX ? WORKER_ATTEMPTS_MAX
								  : concurrency;
	worker->announces = event->ready.announces;
	worker->batches = event->ready.batches;
	worker->health = HEALTH_HEALTHY;
	worker->ready_once = true;
	pool->failed_starts = 0;
	pool_move_worker(pool, worker, WORKER_READY, engine->now);
	engine_arm_worker(engine, worker);
	engine_refill(engine, pool);
	engine_dispatch(engine, pool);
}

void engine_worker_began(struct engine *engine, struct worker *worker, uint32_t id)
{
	struct attempt *attempt = worker_find_attempt(worker, id);

	if (!attempt || attempt->announced) {
		engine_worker_broke(engine, worker, ERR_protocol_violation);
		return;
	}
	attempt->announced = true;
	if (attempt->begun == 0)
		attempt->begun = engine->now;
}

void engine_worker_answered(struct engine *engine, struct worker *worker,
			    const struct engine_event *event)
{
	struct pool *pool = engine_pool_of(engine, worker);
	struct attempt *attempt;

	if (worker->ping_sent > 0 && event->id == worker->ping_id) {
		take_pong(engine, worker);
		return;
	}
	attempt = worker_find_attempt(worker, event->id);
	if (!attempt) {
		engine_worker_broke(engine, worker, ERR_protocol_violation);
		return;
	}
	worker->served++;
	if (list_first(&worker->attempts) == &attempt->in_worker)
		worker->slow = false;
	worker->health = HEALTH_HEALTHY;
	pool->fruitless = 0;
	engine_take_answer(engine, worker, attempt, event);
	/* The next at the head may have run beside it for long. */
	if (!list_empty(&worker->attempts) && slow_due(engine, worker) <= engine->now)
		worker->slow = true;
	if (event->answer.fatal && worker->state != WORKER_TERMINATING) {
		engine_terminate(engine, worker, CAUSE_FATAL);
		engine_refill(engine, pool);
	}
	pool_place_worker(pool, worker, engine->now);
	engine_arm_worker(engine, worker);
	engine_dispatch(engine, pool);
}

void engine_worker_broke(struct engine *engine, struct worker *worker, enum errcode code)
{
	struct pool *pool = engine_pool_of(engine, worker);

	worker->deaf = true;
	/* An end of the channel may be the first news of an exit: only what lives on has closed it.
	 */
	worker->broken_by = code == ERR_peer_closed ? ERR_NONE : code;
	if (worker->state == WORKER_TERMINATING)
		return;
	if (code != ERR_peer_closed)
		pool->stats.worker_kills++;
	worker->health = HEALTH_UNHEALTHY;
	engine_terminate(engine, worker, code == ERR_peer_closed ? CAUSE_CLOSED : CAUSE_PROTOCOL);
	engine_refill(engine, pool);
	engine_dispatch(engine, pool);
}

/* --- what becomes of processes --- */

static bool was_asked_to_end(const struct worker *worker)
{
	return worker->cause == CAUSE_STOPPING || worker->cause == CAUSE_IDLE;
}

/* Keeps count of lives that led to nothing, which delay the next starts. */
static void weigh_life(struct engine *engine, struct worker *worker, bool unusable)
{
	struct pool *pool = engine_pool_of(engine, worker);

	if (was_asked_to_end(worker))
		return;
	if (!worker->ready_once) {
		pool->stats.worker_start_failures++;
		pool->failed_starts++;
	}
	if (unusable)
		pool->failed_starts = POOL_FAILED_STARTS;
	if (worker->served == 0 && usec_sub(engine->now, worker->started) < FRUITFUL_LIFE)
		pool->fruitless++;
	else
		pool->fruitless = 0;
}

static void life_over(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);

	pool_move_worker(pool, worker, WORKER_TERMINATED, engine->now);
	engine_arm_worker(engine, worker);
	if (pool->failed_starts >= POOL_FAILED_STARTS && (pool_troubles(pool) & TROUBLE_NO_WORKER))
		engine_fail_queue(engine, pool, ERR_pool_unavailable);
	engine_refill(engine, pool);
	engine_dispatch(engine, pool);
}

void engine_worker_exited(struct engine *engine, struct worker *worker,
			  const struct engine_event *event)
{
	struct pool *pool = engine_pool_of(engine, worker);

	if (worker->cause == CAUSE_CLOSED && worker->step_at == USEC_INFINITY) {
		/* It closed its channel, lived on, and had to be killed for it. */
		worker->broken_by = ERR_peer_closed;
		pool->stats.worker_kills++;
	} else if (worker->cause == CAUSE_CLOSED) {
		worker->cause = CAUSE_NONE;
	}
	if (worker->cause == CAUSE_NONE)
		pool->stats.worker_crashes++;
	engine_settle_attempts(engine, worker, event->exit.signalled);
	weigh_life(engine, worker, event->exit.unusable);
	life_over(engine, worker);
}

void engine_spawn_failed(struct engine *engine, struct worker *worker)
{
	weigh_life(engine, worker, false);
	life_over(engine, worker);
}
