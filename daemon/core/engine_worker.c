#include "daemon/core/engine_internal.h"

#include <limits.h>
#include <signal.h>

/* A worker that closed its channel is given this long to end by itself, so that its own exit status
 * is the one reported. */
#define CLOSE_GRACE (100 * USEC_PER_MSEC)

/* A process that lived this long does not count as fruitless even if it answered nothing, or
 * nothing but that it had failed. */
#define FRUITFUL_LIFE (10 * USEC_PER_SEC)

struct effect *engine_emit_for(struct engine *engine, const struct worker *worker,
			       enum effect_type type)
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
	struct effect *effect = engine_emit_for(engine, worker, type);

	effect->kill.signal = signal;
	effect->kill.cause = worker->cause;
}

/* --- ending --- */

void engine_signal_due(struct engine *engine, struct worker *worker)
{
	usec_t grace = engine_pool_of(engine, worker)->settings.kill_grace;

	emit_kill(engine, worker, EFFECT_SIGNAL, worker->step_signal);
	worker->step_at =
		worker->step_signal == SIGKILL ? USEC_INFINITY : usec_add(engine->now, grace);
	worker->step_signal = SIGKILL;
	engine_touch(engine, worker);
}

static void end_by(struct engine *engine, struct worker *worker, int signal)
{
	worker->step_signal = signal;
	engine_signal_due(engine, worker);
}

/* Sends the signal after `grace`, unless the worker has ended by then. */
static void end_after(struct engine *engine, struct worker *worker, usec_t grace, int signal)
{
	worker->step_signal = signal;
	worker->step_at = usec_add(engine->now, grace);
	engine_touch(engine, worker);
}

/* The worker gets no more requests: those that must wait for it return to the pool's queue. */
static void leave_work(struct engine *engine, struct worker *worker, enum worker_state to)
{
	struct pool *pool = engine_pool_of(engine, worker);

	engine_cancel_replacement(engine, worker);
	pool->ejected -= worker->eject_until > 0;
	worker->eject_until = 0;
	engine_move_worker(engine, worker, to);
	engine_unpark(engine, worker, UINT_MAX);
	engine_call_back_needed(engine, pool);
	engine->levels_moved = true;
}

/* Returns the error code of a start that fails because the worker is ended before it is READY. */
static enum errcode start_failure(enum worker_cause cause)
{
	return cause == CAUSE_INIT_TIMEOUT ? ERR_init_timeout : ERR_init_failed;
}

static void terminate(struct engine *engine, struct worker *worker, enum worker_cause cause,
		      int signal)
{
	struct pool *pool = engine_pool_of(engine, worker);
	bool idle = list_empty(&worker->attempts) && worker->state != WORKER_INITIALIZING;

	if (worker->state == WORKER_TERMINATED) {
		if (worker->is_wanted && cause == CAUSE_STOPPING)
			engine_unwant(engine, worker);
		return;
	}
	if (worker->state == WORKER_TERMINATING)
		return;
	if (worker->state == WORKER_INITIALIZING && !worker_cause_is_planned(cause))
		engine_start_failed(engine, worker, start_failure(cause));
	leave_work(engine, worker, WORKER_TERMINATING);
	worker->cause = cause;
	/* After a protocol error any of its requests may be running: they wait for its end. */
	if (cause != CAUSE_PROTOCOL)
		engine_take_back(engine, worker);
	switch (cause) {
	case CAUSE_IDLE:
	case CAUSE_STOPPING:
	case CAUSE_EJECTED:
	case CAUSE_MEMORY:
	case CAUSE_SERVED:
	case CAUSE_AGED:
	case CAUSE_GROWN:
	case CAUSE_ROLLED:
	case CAUSE_SURPLUS:
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
		end_by(engine, worker, signal);
		return;
	}
}

void engine_terminate(struct engine *engine, struct worker *worker, enum worker_cause cause)
{
	terminate(engine, worker, cause, SIGTERM);
}

void engine_end_manual(struct engine *engine, struct worker *worker, int signal)
{
	if (worker->state == WORKER_TERMINATING)
		end_by(engine, worker, signal);
	else
		terminate(engine, worker, CAUSE_OPERATOR, signal);
}

/* --- draining --- */

void engine_finish_drain(struct engine *engine, struct worker *worker)
{
	if (worker->state != WORKER_DRAINING)
		return;
	/* The worker may finish attempts that were given up only if its end is planned. */
	if (list_empty(&worker->attempts) ||
	    (!worker_cause_is_planned(worker->leaving) && !worker_is_needed(worker, false)))
		engine_terminate(engine, worker, worker->leaving);
}

void engine_drain(struct engine *engine, struct worker *worker, enum worker_cause cause)
{
	if (worker->state != WORKER_BUSY) {
		engine_terminate(engine, worker, cause);
		return;
	}
	worker->leaving = cause;
	leave_work(engine, worker, WORKER_DRAINING);
	engine_take_back(engine, worker);
	engine_finish_drain(engine, worker);
	engine_mark_pool_dirty(engine, engine_pool_of(engine, worker));
}

static bool has_overrun(const struct worker *worker)
{
	struct list_node *node;

	list_for_each (node, &worker->attempts)
		if (list_entry(node, struct attempt, in_worker)->has_overrun ||
		    list_entry(node, struct attempt, in_worker)->is_late)
			return true;
	return false;
}

void engine_end_stubborn(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);
	enum worker_cause cause = has_overrun(worker) ? CAUSE_OVERRUN : CAUSE_CANCELLED;

	if (worker->concurrency == 1 || !worker_is_needed(worker, true)) {
		engine_terminate(engine, worker, cause);
	} else if (worker->state == WORKER_DRAINING) {
		worker->leaving = cause;
	} else {
		engine_drain(engine, worker, cause);
	}
	engine_refill(engine, pool);
}

void engine_stop_idle(struct engine *engine, struct pool *pool)
{
	if (pool->queue.len > 0 || pool->delayed > 0 || pool->held.len > 0)
		return;
	for (unsigned i = 0; i < pool->slots; i++)
		if (!worker_is_needed(&pool->workers[i], false))
			engine_terminate(engine, &pool->workers[i], CAUSE_STOPPING);
}

/* --- what workers say --- */

void engine_worker_ready(struct engine *engine, struct worker *worker,
			 const struct engine_event *event)
{
	struct pool *pool = engine_pool_of(engine, worker);
	unsigned concurrency = event->ready.concurrency;

	worker->concurrency = concurrency < 1			  ? 1
			      : concurrency > WORKER_ATTEMPTS_MAX ? WORKER_ATTEMPTS_MAX
								  : concurrency;
	worker->batches = event->ready.batches;
	worker->pages = event->ready.pages && worker->concurrency == 1 && !worker->batches;
	worker->announces = event->ready.announces && !worker->pages;
	worker->recalls = event->ready.recalls;
	worker->start_memory = event->ready.memory;
	worker->health = HEALTH_HEALTHY;
	worker->was_ready = true;
	pool->failed_starts = pool->starts_in_vain = 0;
	pool->is_unusable = false;
	engine_move_worker(engine, worker, WORKER_READY);
	if (engine_wants_probe(pool))
		engine_ping(engine, worker);
	engine_take_over(engine, worker);
	engine_go_on_ejection(engine, worker);
	engine_refill(engine, pool);
	engine_mark_pool_dirty(engine, pool);
	engine->levels_moved = true;
}

void engine_worker_began(struct engine *engine, struct worker *worker, uint32_t id)
{
	struct attempt *attempt = worker_find_attempt(worker, id);

	if (!attempt || attempt->has_begun || worker->pages) {
		engine_worker_broke(engine, worker, ERR_protocol_violation);
		return;
	}
	attempt->has_begun = true;
	if (attempt->begun == 0)
		attempt->begun = engine->now;
}

/* Whether the worker's page agrees with its word that it has begun this attempt. */
static bool is_on_page(struct worker *worker, const struct attempt *attempt, uint64_t page)
{
	return !worker->pages ||
	       (worker_take_page(worker, page) && worker_has_reached(worker, attempt));
}

void engine_worker_chunk(struct engine *engine, struct worker *worker,
			 const struct engine_event *event)
{
	struct attempt *attempt = worker_find_attempt(worker, event->id);

	/* A worker may send parts only for a request that asked for a stream. */
	if (!attempt || (attempt->request && !attempt->request->is_stream) ||
	    !is_on_page(worker, attempt, event->page))
		engine_worker_broke(engine, worker, ERR_protocol_violation);
	else
		engine_take_chunk(engine, attempt, event->is_dropped);
	engine_heard_instead(engine, worker);
}

/* The worker has one attempt less, and may have room. */
static void after_attempt(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);

	pool_place_worker(pool, worker, engine->now);
	engine_update_room(engine, worker);
	engine_finish_drain(engine, worker);
	engine_mark_pool_dirty(engine, pool);
}

/* Whether the worker's page says that it has begun the request which it gives back.  A higher id
 * there does not: what was given back is skipped. */
static bool is_denied_by_page(struct worker *worker, uint32_t id, uint64_t page)
{
	return worker->pages &&
	       (worker->page == id || page == id || !worker_take_page(worker, page));
}

/* The worker gives a request back.  Nobody may believe that of one that it was not asked for, or that
 * it has begun. */
static COLD void take_recalled(struct engine *engine, struct worker *worker,
			       const struct engine_event *event)
{
	struct attempt *attempt = worker_find_attempt(worker, event->id);

	if (!attempt && worker->unsent > 0) {
		worker->unsent--;
		return;
	}
	if (!attempt || !attempt->is_asked_back || attempt->has_begun ||
	    is_denied_by_page(worker, event->id, event->page)) {
		engine_worker_broke(engine, worker, ERR_protocol_violation);
		return;
	}
	engine_heard_instead(engine, worker);
	engine_take_recalled(engine, worker, attempt);
	after_attempt(engine, worker);
}

/* Whether the answer may be that of a request which was cancelled before its turn. */
static bool was_skipped(const struct attempt *attempt, const struct engine_event *event)
{
	return attempt->given_up > 0 &&
	       (event->answer.code == ERR_cancelled || event->answer.is_dropped);
}

void engine_worker_answered(struct engine *engine, struct worker *worker,
			    const struct engine_event *event)
{
	struct pool *pool = engine_pool_of(engine, worker);
	struct attempt *attempt;

	if (event->answer.is_recalled) {
		take_recalled(engine, worker, event);
		return;
	}
	if (worker->ping_id != 0 && event->id == worker->ping_id) {
		engine_take_pong(engine, worker, event->answer.code);
		return;
	}
	attempt = worker_find_attempt(worker, event->id);
	if (!attempt ||
	    (!was_skipped(attempt, event) && !is_on_page(worker, attempt, event->page))) {
		engine_worker_broke(engine, worker, ERR_protocol_violation);
		return;
	}
	engine_heard_instead(engine, worker);
	worker->served++;
	if (list_first(&worker->attempts) == &attempt->in_worker)
		worker->is_slow = false;
	worker->health = HEALTH_HEALTHY;
	/* A life whose every answer is a failure of its own leads to nothing. */
	if (event->answer.code != ERR_exception && !event->answer.is_fatal) {
		worker->was_useful = true;
		worker->fruitless = 0;
	}
	engine_take_answer(engine, worker, attempt, event);
	/* The attempt that is now at the head may have run for long at the same time. */
	if (engine_is_slow(engine, worker))
		worker->is_slow = true;
	if (event->answer.is_fatal && worker->state != WORKER_TERMINATING) {
		engine_terminate(engine, worker, CAUSE_FATAL);
		engine_refill(engine, pool);
	}
	pool_place_worker(pool, worker, engine->now);
	if (pool->settings.max_requests > 0 && worker->served >= pool->settings.max_requests)
		engine_schedule_replacement(engine, worker, CAUSE_SERVED);
	engine_update_room(engine, worker);
	engine_finish_drain(engine, worker);
	engine_mark_pool_dirty(engine, pool);
}

void engine_send_failed(struct engine *engine, struct worker *worker, uint32_t id,
			enum errcode code)
{
	struct attempt *attempt = worker_find_attempt(worker, id);

	if (!attempt)
		return;
	engine_take_unsent(engine, worker, attempt, code);
	after_attempt(engine, worker);
}

void engine_worker_broke(struct engine *engine, struct worker *worker, enum errcode code)
{
	struct pool *pool = engine_pool_of(engine, worker);

	worker->channel_broken = true;
	/* The end of the channel may be the first sign that the process exits.  Only if the process
	 * lives on has it closed the channel itself. */
	worker->broken_by = code == ERR_peer_closed ? ERR_NONE : code;
	if (worker->state == WORKER_TERMINATING)
		return;
	if (code != ERR_peer_closed)
		pool->stats.worker_kills++;
	worker->health = HEALTH_UNHEALTHY;
	engine_terminate(engine, worker, code == ERR_peer_closed ? CAUSE_CLOSED : CAUSE_PROTOCOL);
	engine_refill(engine, pool);
	engine_mark_pool_dirty(engine, pool);
}

/* --- what becomes of processes --- */

void engine_incident(struct engine *engine, const struct pool *pool, const struct worker *worker,
		     enum errcode code)
{
	struct effect *effect = engine_emit(engine, EFFECT_INCIDENT);

	effect->pool = pool->index;
	effect->incident = code;
	if (worker) {
		effect->worker = worker->index;
		effect->life = worker->life;
	}
}

/* Counts failed starts and lives that led to nothing, which delay the next starts. */
static void account_life(struct engine *engine, struct worker *worker, enum errcode code,
			 bool unusable)
{
	struct pool *pool = engine_pool_of(engine, worker);
	bool fruitless;

	if (worker_cause_is_planned(worker->cause))
		return;
	if (!worker->was_ready) {
		pool->stats.worker_start_failures++;
		pool->failed_starts += !worker->is_excused;
		pool->starts_in_vain += !worker->is_excused;
		engine_incident(engine, pool, worker, code);
	}
	if (unusable && !worker->is_excused) {
		pool->failed_starts = POOL_FAILED_STARTS;
		pool->is_unusable = true;
	}
	/* One whose answer was too large worked. */
	fruitless = !worker->was_useful && worker->broken_by != ERR_response_too_large &&
		    (worker->cause == CAUSE_OVERRUN || worker->cause == CAUSE_CANCELLED ||
		     usec_sub(engine->now, worker->started) < FRUITFUL_LIFE);
	if (worker->was_ready)
		worker->fruitless = fruitless ? worker->fruitless + 1 : 0;
}

/* What the worker may have run, now that it is known what it has begun last. */
static void take_last_page(struct worker *worker, uint64_t page)
{
	if (!worker_may_end_at(worker, page) || !worker_take_page(worker, page))
		worker->broken_by = ERR_protocol_violation;
}

static void life_over(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);

	leave_work(engine, worker, WORKER_TERMINATED);
	engine_note_gone(engine, worker);
	engine_trim(engine, pool);
	if (pool_is_unavailable(pool))
		engine_fail_queue(engine, pool, NULL,
				  pool->settings.adapter == POOL_SOCKET ? ERR_connect_failed
									: ERR_pool_unavailable);
	engine_refill(engine, pool);
	engine_mark_pool_dirty(engine, pool);
}

void engine_worker_exited(struct engine *engine, struct worker *worker,
			  const struct engine_event *event)
{
	struct pool *pool = engine_pool_of(engine, worker);

	if (worker->cause == CAUSE_CLOSED && worker->step_at == USEC_INFINITY) {
		/* The process closed its channel, did not exit, and had to be killed. */
		worker->broken_by = ERR_peer_closed;
		pool->stats.worker_kills++;
	} else if (worker->cause == CAUSE_CLOSED) {
		worker->cause = CAUSE_NONE;
	}
	if (worker->cause == CAUSE_NONE)
		pool->stats.worker_crashes++;
	if (worker->pages && worker->broken_by == ERR_NONE)
		take_last_page(worker, event->page);
	if (worker->state == WORKER_INITIALIZING)
		engine_start_failed(engine, worker, ERR_init_failed);
	/* First, so that the severity of its failures depends only on the workers that remain. */
	if (worker->state != WORKER_TERMINATING)
		leave_work(engine, worker, WORKER_TERMINATING);
	engine_unbind_sessions(engine, worker);
	engine_settle_attempts(engine, worker, event);
	account_life(engine, worker, start_failure(worker->cause), event->exit.is_unusable);
	life_over(engine, worker);
}

void engine_spawn_failed(struct engine *engine, struct worker *worker, enum errcode code)
{
	engine_start_failed(engine, worker, code);
	account_life(engine, worker, code, false);
	life_over(engine, worker);
}

void engine_pressure(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);

	/* The last worker stays: without it the pool could serve no request. */
	if (pool->states[WORKER_READY].len + pool->states[WORKER_BUSY].len < 2)
		return;
	engine_terminate(engine, worker, CAUSE_MEMORY);
	engine_refill(engine, pool);
}
