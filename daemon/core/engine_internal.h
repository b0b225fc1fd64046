/*
 * What the files of the engine share, and nobody else but tests.
 *
 * The engine is one state machine in two wings, each with rooms (headers of their own, which know
 * nothing of the engine) and the files of the engine that work with them:
 *
 *	requests	request queue recovery session key breaker budget failover;
 *			engine_request, _attempt, _recover, _breaker, _chain, _session
 *	workers		worker worker_input pool;
 *			engine_input, _worker, _scaling, _health
 *
 * engine.c stands above both: it takes the event, and settles at the end what the wings have put
 * off: requests that go on (engine_defer), pools whose queues are looked at
 * (engine_mark_pool_dirty), workers whose timers are set (engine_touch), levels of chains
 * (levels_moved).  This is how most of what one wing does reaches the other.  What they call of
 * each other directly is this, and nothing else (tests/lint/wings.sh):
 *
 *	requests call workers
 *		engine_terminate, _finish_drain		an attempt overran or was given up
 *		engine_count_worker			an attempt failed or succeeded at the worker
 *		engine_update_room			the worker has an attempt more
 *		engine_start_one, _refill		the queue needs workers
 *		engine_ping				the breaker has opened
 *		engine_incident				the retry budget is spent
 *
 *	workers call requests
 *		engine_take_answer, _unsent, _chunk	what a worker says of an attempt
 *		engine_settle_attempts			its life is over
 *		engine_take_back, _unpark		it does not come to requests that wait at it
 *		engine_unbind_sessions			the same, for its sessions
 *		engine_fail_queue			the pool can't get a worker
 *		engine_wants_probe, _early_probe	a breaker waits for a worker that answers
 */
#ifndef POOLD_CORE_ENGINE_INTERNAL_H
#define POOLD_CORE_ENGINE_INTERNAL_H

#include "daemon/core/engine_inspect.h"
#include "daemon/core/worker_input.h"

struct engine {
	usec_t now; /* of the event being taken */
	struct request *requests;
	struct worker *workers;
	struct pool *pools;
	uint32_t requests_max;
	uint32_t worker_count;
	uint32_t pool_count;
	uint32_t open_requests;
	struct heap request_timers;
	struct heap worker_timers;
	struct heap circuit_timers;
	struct heap chain_timers;
	struct policy policy;
	struct prng prng;
	struct sessions sessions;
	struct keys keys;
	struct recoveries recoveries;
	struct list deferred;	 /* requests that go on at the end of the event */
	struct list dirty_pools; /* pools whose queues are looked at then */
	struct list touched;	 /* workers whose timers are set then */
	/* What the event was to its worker, and in which state that was: a cell of the table of
	 * worker_input.h.  INPUT_COUNT_: it was no worker's.  For tests and core dumps. */
	enum worker_input input;
	enum worker_state input_state;
	bool has_chains;
	bool may_move_requests; /* this event has moved a request on that another pool may have */
	bool levels_moved;	/* something changed that the levels of chains depend on */
	bool is_stopping;
	bool has_stopped;
	usec_t drain_timeout;
	usec_t drain_until; /* USEC_INFINITY while not draining */
	struct effect *effects;
	uint32_t effect_first;
	uint32_t effect_end;
	uint32_t effect_max;
};

/* --- engine.c --- */

/* Room for one more effect, zeroed but for its type; it names no worker. */
struct effect *engine_emit(struct engine *engine, enum effect_type type);

static inline struct pool *engine_pool_of(struct engine *engine, const struct worker *worker)
{
	return &engine->pools[worker->pool];
}

static inline uint32_t engine_slot_of(const struct engine *engine, const struct request *request)
{
	return (uint32_t)(request - engine->requests);
}

static inline void engine_mark_pool_dirty(struct engine *engine, struct pool *pool)
{
	if (!list_linked(&pool->in_dirty_pools))
		list_push_back(&engine->dirty_pools, &pool->in_dirty_pools);
}

/*
 * Something that the worker's timer depends on has changed: it is set anew at the end of the event.
 * Every worker is touched that an event names, whose timer is due, whose state changes
 * (engine_move_worker), or that gets, loses or gives up an attempt.
 */
static inline void engine_touch(struct engine *engine, struct worker *worker)
{
	if (!list_linked(&worker->in_touched))
		list_push_back(&engine->touched, &worker->in_touched);
}

static inline void engine_move_worker(struct engine *engine, struct worker *worker,
				      enum worker_state state)
{
	pool_move_worker(engine_pool_of(engine, worker), worker, state, engine->now);
	engine_touch(engine, worker);
}

/* ===== the wing of requests ===== */

/* --- engine_request.c: a request comes, goes, is answered --- */

void engine_submit(struct engine *engine, const struct engine_event *event);
void engine_cancel(struct engine *engine, uint32_t slot, bool gone);

/* Something is due for the request: its deadline, its retry, the end of its attempt's time. */
void engine_request_due(struct engine *engine, struct request *request);

/* Sets the request's timer to what is next for it; after every change of its state. */
void engine_arm_request(struct engine *engine, struct request *request);

/* Takes the request from wherever it stands to DELAYED: out of the queue, or loose from its
 * attempt, which the worker is asked to give up. */
void engine_detach(struct engine *engine, struct request *request);

/* Answers a DELAYED or WAITING request.  The effect may be added to. */
void engine_answer_result(struct engine *engine, struct request *request, enum result_source source,
			  const struct engine_event *event);
void engine_answer_error(struct engine *engine, struct request *request,
			 const struct failure *failure);

/* The request, new or waiting until now, is about to be placed: it is DELAYED, from now on. */
void engine_begin(struct engine *engine, struct request *request);

/* How grave a failure in the pool `from` is. */
enum errseverity engine_severity(const struct engine *engine, const struct request *request,
				 const struct failure *failure, uint32_t from);

/* Fills in what EFFECT_ERROR and EFFECT_RETRY say of a failure in the pool `from`. */
void engine_fill_failure(const struct engine *engine, const struct request *request,
			 const struct failure *failure, uint32_t from, struct effect *effect);

/* A failure of the daemon's own that is no attempt's. */
struct failure engine_failure(const struct request *request, enum errcode code);

/* Whether the request's code may have run by now, as far as anybody can know. */
enum executed engine_ran(const struct request *request);

/* Answers everything that is open anywhere with shutting_down. */
void engine_fail_all(struct engine *engine);

/* --- engine_attempt.c: queue, worker, answer --- */

/* Puts a DELAYED request into its pool's queue, at the end of its class or at the head. */
void engine_enqueue(struct engine *engine, struct request *request, bool front);

/* Sends as much of the pool's queue as finds a worker; starts workers if that would help. */
void engine_dispatch(struct engine *engine, struct pool *pool);

/* Gives up the request's attempt; the worker is asked to cancel it unless its channel is broken. */
void engine_give_up_attempt(struct engine *engine, struct request *request);

/* Takes the worker's good or bad answer to the attempt over to its request. */
void engine_take_answer(struct engine *engine, struct worker *worker, struct attempt *attempt,
			const struct engine_event *event);

/* The worker never heard of the attempt: it could not be said. */
void engine_take_unsent(struct engine *engine, struct worker *worker, struct attempt *attempt,
			enum errcode code);

/* A part of the answer to the attempt. */
void engine_take_chunk(struct engine *engine, struct attempt *attempt);

/* An attempt of the request failed by this code: its breaker counts that. */
void engine_count_attempt(struct engine *engine, struct request *request, enum errcode code,
			  bool fatal);

/* Its worker is gone: every attempt in flight there is tried again or answered. */
void engine_settle_attempts(struct engine *engine, struct worker *worker,
			    const struct engine_event *event);

/* Takes back what stands in the worker's line, has not begun and may run twice. */
void engine_take_back(struct engine *engine, struct worker *worker);

/* So many of those that wait for this very worker, the first ones, stand in the queue again. */
void engine_unpark(struct engine *engine, struct worker *worker, unsigned count);

/* --- engine_recover.c: from a failure to a retry, another pool, or the answer --- */

/* A DELAYED request failed or was refused. */
void engine_failed(struct engine *engine, struct request *request, const struct failure *failure);

/* The delay before its retry is over: it stands in the queue again, unless its pool has become one
 * that takes nothing. */
void engine_try_again(struct engine *engine, struct request *request);

/* Its recovery's time limit is over, or an operator ended it: the original error is the
 * answer. */
void engine_end_recovery(struct engine *engine, struct request *request,
			 enum recovery_result result);

/*
 * The request, DELAYED or WAITING and in no list, goes on at the end of the event: it is placed
 * anew, or fails by `refused` unless that is ERR_NONE.  So that what one request does never goes on
 * within what another does.
 */
void engine_defer(struct engine *engine, struct request *request, enum errcode refused);
void engine_resume(struct engine *engine, struct request *request);

/* Finds a DELAYED request that has just come a place in its pool or further down the chain, or
 * answers it. */
void engine_place(struct engine *engine, struct request *request);

/* Everything that is queued in the pool and asks this circuit (NULL: any) fails by this code. */
void engine_fail_queue(struct engine *engine, struct pool *pool, const struct circuit *circuit,
		       enum errcode code);

/* The request is over: so is its recovery. */
void engine_close_recovery(struct engine *engine, struct request *request,
			   enum recovery_result result);

void engine_recovery_cancel(struct engine *engine, uint64_t id);

/* --- engine_breaker.c --- */

/* The circuit that requests for that method ask in the pool; NULL: none. */
struct circuit *engine_circuit(struct engine *engine, struct pool *pool, struct bytes method);

/* Whether the breaker lets the request through; then it has a permit. */
bool engine_admit(struct engine *engine, struct request *request);

enum outcome {
	OUTCOME_SUCCESS = 0,
	OUTCOME_FAILURE,
	OUTCOME_NEUTRAL
};

/* Gives the request's permit back, if it has one. */
void engine_outcome(struct engine *engine, struct request *request, enum outcome outcome);

void engine_circuit_due(struct engine *engine, struct circuit *circuit);
void engine_breaker_manual(struct engine *engine, const struct engine_event *event);

/* A worker that started since a breaker opened has answered a health check. */
void engine_early_probe(struct engine *engine, const struct worker *worker);

/* Whether a worker of the pool is to be asked at once if it lives, as a breaker waits for that. */
bool engine_wants_probe(const struct pool *pool);

/* --- engine_chain.c: levels of chains --- */

/* Works the levels of all chains out anew, and reports those that changed. */
void engine_update_levels(struct engine *engine);
void engine_chain_due(struct engine *engine, struct pool *pool);

/* --- engine_session.c: sessions and keys --- */

/* Finds the request its session and its key.  True: it is DELAYED and to be placed.  False: it has
 * been answered, or waits. */
bool engine_enter(struct engine *engine, struct request *request, const struct engine_event *event);

/* The request's turn has come: now its key.  As engine_enter. */
bool engine_take_turn(struct engine *engine, struct request *request);

/* The request is over: the next of its session, and those that wait with its key, go on.  `failure`
 * NULL: it succeeded. */
void engine_leave(struct engine *engine, struct request *request, const struct failure *failure);

/* Its client is gone or does not want it any more: the first that waits with the same key takes
 * over its running attempt.  False: none does. */
bool engine_transfer_attempt(struct engine *engine, struct request *request);

/* The life of the worker is over. */
void engine_unbind_sessions(struct engine *engine, const struct worker *worker);

/* Whether a state of so many bytes can be the session's; makes room if need be. */
bool engine_fits_state(struct engine *engine, struct session *session, uint64_t bytes);

/* A request of the session succeeded at that worker, as the event says. */
void engine_bind(struct engine *engine, struct session *session, const struct worker *worker,
		 const struct engine_event *event);

void engine_session_close(struct engine *engine, struct bytes name);
void engine_names_due(struct engine *engine);

/* ===== the wing of workers ===== */

/* --- engine_input.c: what comes to a worker --- */

/* An event that names a worker: reacts to it as the table of worker_input.h says. */
void engine_take_worker_event(struct engine *engine, const struct engine_event *event);

/* The worker's timer: the same. */
void engine_worker_due(struct engine *engine, struct worker *worker);

/* --- engine_worker.c: the workers' side --- */

void engine_worker_ready(struct engine *engine, struct worker *worker,
			 const struct engine_event *event);
void engine_worker_began(struct engine *engine, struct worker *worker, uint32_t id);
void engine_worker_chunk(struct engine *engine, struct worker *worker, uint32_t id);
void engine_worker_answered(struct engine *engine, struct worker *worker,
			    const struct engine_event *event);
void engine_send_failed(struct engine *engine, struct worker *worker, uint32_t id,
			enum errcode code);
void engine_worker_broke(struct engine *engine, struct worker *worker, enum errcode code);
void engine_worker_exited(struct engine *engine, struct worker *worker,
			  const struct engine_event *event);
void engine_spawn_failed(struct engine *engine, struct worker *worker, enum errcode code);
void engine_pressure(struct engine *engine, struct worker *worker);

/* Begins to end the worker; `cause` says how gently. */
void engine_terminate(struct engine *engine, struct worker *worker, enum worker_cause cause);

/* Ends it by that signal first, at once; one that is being ended already gets it too. */
void engine_end_manual(struct engine *engine, struct worker *worker, int signal);

/* Ends the worker for `cause` when the requests that it has begun are through; at once if there are
 * none.  What it has not begun goes elsewhere. */
void engine_drain(struct engine *engine, struct worker *worker, enum worker_cause cause);

/* Requests of a worker that drains have come to an end: ends it if there is nothing to wait for. */
void engine_finish_drain(struct engine *engine, struct worker *worker);

/* It did not give up what it was to, an attempt that overran among it or not: it is ended, but not
 * before the others that it serves at the same time are through. */
void engine_end_stubborn(struct engine *engine, struct worker *worker);

/* The next signal to a worker that is being ended. */
void engine_signal_due(struct engine *engine, struct worker *worker);

/* While stopping: ends the workers of the pool that nothing waits for. */
void engine_stop_idle(struct engine *engine, struct pool *pool);

/* Makes an effect that concerns the worker. */
struct effect *engine_emit_for(struct engine *engine, const struct worker *worker,
			       enum effect_type type);

/* Something failed that is no request's. */
void engine_incident(struct engine *engine, const struct pool *pool, const struct worker *worker,
		     enum errcode code);

/* --- engine_scaling.c: how many workers a pool has, and which of them go --- */

/* Starts as many workers as the pool lacks, each after the pool's restart delay, and replacements
 * for those that are to be replaced. */
void engine_refill(struct engine *engine, struct pool *pool);

/* Starts one worker more than there are, if it may be. */
void engine_start_one(struct engine *engine, struct pool *pool);
void engine_restart_due(struct engine *engine, struct worker *worker);

/* The empty slot is not filled again after all. */
void engine_unwant(struct engine *engine, struct worker *worker);

/* The worker is to be replaced. */
void engine_schedule_replacement(struct engine *engine, struct worker *worker,
				 enum worker_cause cause);

/* Lets those go that are more than the pool may have, some now and the others when these are gone.
 */
void engine_trim(struct engine *engine, struct pool *pool);

/* The worker has got ready: whom it replaces leaves. */
void engine_take_over(struct engine *engine, struct worker *worker);

/* The worker gets no work any more: nobody replaces it, and it is no replacement. */
void engine_cancel_replacement(struct engine *engine, struct worker *worker);

/* A start has failed: a rolling restart ends with its first replacement that does. */
void engine_start_failed(struct engine *engine, struct worker *worker, enum errcode code);

/* The worker's life is over. */
void engine_note_gone(struct engine *engine, struct worker *worker);

/* The daemon stops: nothing is replaced, and nothing starts again but for what is queued. */
void engine_stop_starting(struct engine *engine, struct pool *pool);

/* What operators ask for; each has a verdict. */
void engine_restart(struct engine *engine, struct pool *pool);
void engine_resize(struct engine *engine, struct pool *pool, unsigned min, unsigned max);
void engine_set_drained(struct engine *engine, struct pool *pool, bool drained);
void engine_kill(struct engine *engine, struct worker *worker, int signal);

/* The verdict on what somebody asked for. */
void engine_notify_verdict(struct engine *engine, enum errcode code);

/* --- engine_health.c: what is due for workers, pings, ejection --- */

/* Something is due for a READY or DEGRADED worker, or for a BUSY or DRAINING one. */
void engine_check_due(struct engine *engine, struct worker *worker);
void engine_watch_due(struct engine *engine, struct worker *worker);

/* Sets the timers of the workers that this event has touched to what is next for each. */
void engine_arm_touched(struct engine *engine);

void engine_take_pong(struct engine *engine, struct worker *worker, enum errcode code);
void engine_ping(struct engine *engine, struct worker *worker);

/* The attempt at the head of the worker's line has taken long. */
bool engine_is_slow(const struct engine *engine, const struct worker *worker);

/* An attempt at the worker ended, counted as a failure of it or as a success. */
void engine_count_worker(struct worker *worker, bool failed);

/* Its line may have room now: ejects it if that is pending and it is idle; else requests that wait
 * for this worker go back into the queue. */
void engine_update_room(struct engine *engine, struct worker *worker);

/* Calls the ejected back if the pool can't do without them. */
void engine_call_back_needed(struct engine *engine, struct pool *pool);

#endif
