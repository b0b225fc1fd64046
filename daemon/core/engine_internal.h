/*
 * What the files of the engine share; only they and tests may include it.
 *
 * The engine is one state machine in two wings.  Each wing has modules of its own, whose headers
 * know nothing of the engine, and files of the engine that use these modules:
 *
 *	requests	request queue recovery session key breaker budget failover;
 *			engine_request, _attempt, _hold, _stall, _place, _recover, _breaker,
 *			_chain, _leave, _session, _late
 *	workers		worker worker_input pool siblings;
 *			engine_input, _worker, _scaling, _health, _eject
 *
 * engine.c calls both.  It handles the event, and at its end the work that the wings have
 * deferred: it continues requests (engine_defer), dispatches queues of pools
 * (engine_mark_pool_dirty) and updates the levels of chains (levels_moved).  Timers of workers
 * (engine_touch) are set later, when somebody asks for the next one.  The wings work together mostly
 * in this way.  They call only these functions of each other directly (tests/lint/wings.sh):
 *
 *	requests call workers
 *		engine_terminate, _finish_drain		an attempt overran or was given up
 *		engine_judge_result, _judge_error	the worker has answered
 *		engine_count_failure			an attempt overran, and the worker stays
 *		engine_update_room			the worker got an attempt
 *		engine_start_one, _refill		the queue needs workers
 *		engine_ping				the breaker has opened
 *		engine_incident				the retry budget is spent
 *
 *	workers call requests
 *		engine_take_answer, _unsent, _chunk	a worker reports on an attempt
 *		engine_take_recalled			a worker gives an attempt back
 *		engine_take_hold			a client does not read an attempt's parts
 *		engine_settle_attempts			the worker's process ended
 *		engine_take_back, _unpark		requests that wait there must go elsewhere
 *		engine_unbind_sessions			the worker's process ended
 *		engine_fail_queue			the pool can get no worker
 *		engine_wants_probe, _early_probe	a breaker waits for a worker that answers
 */
#ifndef POOLD_CORE_ENGINE_INTERNAL_H
#define POOLD_CORE_ENGINE_INTERNAL_H

#include "daemon/core/engine_inspect.h"
#include "daemon/core/worker_input.h"

struct engine {
	usec_t now; /* time of the event being handled */
	struct request *requests;
	struct worker *workers;
	struct pool *pools;
	uint32_t requests_max;
	uint32_t requests_per_user; /* 0: no limit */
	uint32_t worker_count;
	uint32_t pool_count;
	uint32_t open_requests;
	struct lanes lanes;   /* of the queues of all pools */
	struct shares shares; /* of what is limited for each user */
	struct heap request_timers;
	struct heap worker_timers;
	struct heap circuit_timers;
	struct heap chain_timers;
	struct policy policy;
	struct prng prng;
	struct sessions sessions;
	struct keys keys;
	struct recoveries recoveries;
	struct list deferred;	 /* requests that are continued at the end of the event */
	struct list dirty_pools; /* pools whose queues are dispatched then */
	struct list touched;	 /* workers whose timers are set before one is needed */
	/*
	 * The event as its worker's input, and the worker's state before it: a cell of the table in
	 * worker_input.h.  INPUT_COUNT_: the event concerned no worker.  For tests and core dumps.
	 */
	enum worker_input input;
	enum worker_state input_state;
	bool has_chains;
	bool has_touched_pools; /* this event may have changed other pools than its own */
	bool levels_moved;	/* something changed that the levels of chains depend on */
	bool is_health_due;	/* this event may have changed the health of a pool */
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

/* Appends an effect of that type, which names no worker and is zero otherwise, and returns it. */
struct effect *engine_emit(struct engine *engine, enum effect_type type);

static inline struct pool *engine_pool_of(struct engine *engine, const struct worker *worker)
{
	return &engine->pools[worker->pool];
}

static inline uint32_t engine_slot_of(const struct engine *engine, const struct request *request)
{
	return (uint32_t)(request - engine->requests);
}

/* The number in the pool's window of a method with that entry in the pool's runs. */
static inline unsigned engine_window_method(unsigned entry)
{
	return entry < WINDOW_METHODS ? entry : WINDOW_OTHER_METHODS;
}

/* Counts the time for which the request has waited because of that. */
static inline void engine_count_wait(struct engine *engine, struct request *request,
				     enum window_wait cause)
{
	usec_t span = engine->now - request->waits_from;

	if (span == 0)
		return;
	window_waited(engine->pools[request->run.pool].window, engine->now, cause, span);
	request->waits_from = engine->now;
}

/* Counts a request that goes on from the pool to a fallback. */
static inline void engine_count_failover(const struct engine *engine, struct pool *pool)
{
	pool->stats.failed_over++;
	window_failed_over(pool->window, engine->now);
}

/* Has the pool's queue dispatched at the end of the event. */
static inline void engine_mark_pool_dirty(struct engine *engine, struct pool *pool)
{
	if (!list_linked(&pool->in_dirty_pools))
		list_push_back(&engine->dirty_pools, &pool->in_dirty_pools);
}

/*
 * Has the worker's timer set anew before a timer is needed, as something that it depends on has
 * changed.  A worker is touched when an event names it, when its timer is due, when its state
 * changes (engine_move_worker), and when it gets, loses or gives up an attempt.
 */
static inline void engine_touch(struct engine *engine, struct worker *worker)
{
	if (!list_linked(&worker->in_touched))
		list_push_back(&engine->touched, &worker->in_touched);
}

/* Changes the worker's state (pool_move_worker) and touches the worker. */
static inline void engine_move_worker(struct engine *engine, struct worker *worker,
				      enum worker_state state)
{
	struct pool *pool = engine_pool_of(engine, worker);
	unsigned at_work = pool_at_work(pool);
	bool lacked = pool_lacks_workers(pool);

	pool_move_worker(pool, worker, state, engine->now);
	if (at_work == 0 && pool_at_work(pool) > 0)
		pool->manned_since = engine->now;
	engine->levels_moved |=
		(at_work == 0) != (pool_at_work(pool) == 0) || lacked != pool_lacks_workers(pool);
	engine->is_health_due = true;
	engine_touch(engine, worker);
}

/* ===== the wing of requests ===== */

/* --- engine_request.c: a request comes, goes, is answered --- */

void engine_submit(struct engine *engine, const struct engine_event *event);
COLD void engine_cancel(struct engine *engine, uint32_t slot, bool gone);

/* Handles the request's timer: its deadline, its retry or the time limit of its attempt is due. */
void engine_request_due(struct engine *engine, struct request *request);

/* Sets the request's timer to what is due next.  Called after each change of
 * the request's state. */
void engine_arm_request(struct engine *engine, struct request *request);

/* Makes the request DELAYED: takes it out of the queue, or separates it from its attempt, which the
 * worker is asked to cancel. */
void engine_detach(struct engine *engine, struct request *request);

/* Answers a DELAYED or WAITING request with a result, or with an error. */
void engine_answer_result(struct engine *engine, struct request *request, enum result_source source,
			  const struct engine_event *event);
COLD void engine_answer_error(struct engine *engine, struct request *request,
			      const struct failure *failure);

/* Makes a new or WAITING request DELAYED, before it is placed. */
void engine_begin(struct engine *engine, struct request *request);

/* Returns the severity of a failure in the pool `from`. */
enum errseverity engine_severity(const struct engine *engine, const struct request *request,
				 const struct failure *failure, uint32_t from);

/* Fills in what EFFECT_ERROR and EFFECT_RETRY report of a failure in the pool `from`. */
void engine_fill_failure(const struct engine *engine, const struct request *request,
			 const struct failure *failure, uint32_t from, struct effect *effect);

/* Returns a failure that the daemon itself causes, not an attempt. */
struct failure engine_failure(const struct request *request, enum errcode code);

/* Returns whether the request's code may have run by now, as far as the engine can know. */
enum executed engine_ran(const struct request *request);

/* Answers every open request with shutting_down. */
COLD void engine_fail_all(struct engine *engine);

/* --- engine_attempt.c: queue, worker, answer --- */

/* The request leaves the queue: counts what it waited for there, a worker that had to start or busy
 * ones. */
void engine_count_queue_wait(struct engine *engine, struct request *request);

/* Puts a DELAYED request into its pool's queue, at the end of its priority class or (`front`)
 * at its head. */
void engine_enqueue(struct engine *engine, struct request *request, bool front);

/* Sends the pool's queued requests to workers with room; starts workers if that would help. */
void engine_dispatch(struct engine *engine, struct pool *pool);

/* Gives up the request's attempt; the worker is asked to cancel it unless its channel is broken. */
void engine_give_up_attempt(struct engine *engine, struct request *request);

/* Handles the worker's answer to the attempt, a result or an error. */
void engine_take_answer(struct engine *engine, struct worker *worker, struct attempt *attempt,
			const struct engine_event *event);

/* Handles that the attempt could not be sent to the worker; `code` says why. */
void engine_take_unsent(struct engine *engine, struct worker *worker, struct attempt *attempt,
			enum errcode code);

/* Handles a part of the answer to the attempt; `dropped`: there was no memory for it. */
void engine_take_chunk(struct engine *engine, struct attempt *attempt, bool dropped);

/* Counts a failed attempt of the request at its breaker. */
void engine_count_attempt(struct engine *engine, struct request *request, enum errcode code,
			  bool fatal);

/* The worker's process has ended: every request in flight there is tried again or answered. */
void engine_settle_attempts(struct engine *engine, struct worker *worker,
			    const struct engine_event *event);

/* Takes back each request in the worker's line that has not begun and may run twice; the worker is
 * asked to give back the others (EFFECT_RECALL). */
void engine_take_back(struct engine *engine, struct worker *worker);

/* The worker has given the attempt back, as it was asked to: the request never ran there. */
void engine_take_recalled(struct engine *engine, struct worker *worker, struct attempt *attempt);

/* Returns the first `count` requests that must wait for this worker to the pool's queue. */
void engine_unpark(struct engine *engine, struct worker *worker, unsigned count);

/* --- engine_hold.c: requests whose clients do not read --- */

/* The request's client has too much unread, or (`held` is false) has read it: see EVENT_HOLD.  The
 * first request of a key is not held while others wait for its answer. */
COLD void engine_hold(struct engine *engine, uint32_t slot, bool held);

/* Makes a DELAYED request that is held HELD, instead of queueing it. */
COLD void engine_set_aside(struct engine *engine, struct request *request);

/* Handles EVENT_WORKER_HELD for attempt `id`: while it is held, neither its time limit nor the
 * worker's grace passes, and the requests behind it go elsewhere if nothing else runs there. */
COLD void engine_take_hold(struct engine *engine, struct worker *worker, uint32_t id, bool held);

/* --- engine_stall.c: the daemon stood still --- */

/* Moves the limits on workers and their attempts by the time in which nobody could hear them. */
COLD void engine_stall(struct engine *engine, usec_t stall);

/* --- engine_recover.c: from a failure to a retry, another pool, or the answer --- */

/* A DELAYED request failed or was refused: decides between a retry, another pool and the answer. */
COLD void engine_failed(struct engine *engine, struct request *request,
			const struct failure *failure);

/* Gives back the token of the request's retry, if that has not been sent. */
void engine_return_token(struct engine *engine, struct request *request);

/* The delay before the request's retry is over: returns it to the queue, unless its pool has
 * stopped taking requests. */
void engine_try_again(struct engine *engine, struct request *request);

/* The time limit of the request's recovery is over, or an operator ended it: answers with
 * the original error. */
COLD void engine_end_recovery(struct engine *engine, struct request *request,
			      enum recovery_result result);

/*
 * The request, DELAYED or WAITING and in no list, is continued at the end of the event (by
 * engine_resume): it is placed anew, or fails by `refused` unless that is ERR_NONE.  So the
 * handling of one request never runs within the handling of another.
 */
COLD void engine_defer(struct engine *engine, struct request *request, enum errcode refused);
void engine_resume(struct engine *engine, struct request *request);

/* Fails, by `code`, every request that is queued in the pool and uses this circuit (NULL: any). */
COLD void engine_fail_queue(struct engine *engine, struct pool *pool, const struct circuit *circuit,
			    enum errcode code);

/* Whether the request may go down its chain because of `code`: it has later levels, and the
 * policy's row or the pool's fallback_on allows it. */
bool engine_goes_down(const struct engine *engine, const struct request *request,
		      enum errcode code);

/* Ends the recovery of a request that is over, if it has one. */
void engine_close_recovery(struct engine *engine, struct request *request,
			   enum recovery_result result);

/* The request goes on in its pool after an attempt failed in the pool `from`: reports that, as a part
 * of its recovery. */
COLD void engine_report_retry(struct engine *engine, struct request *request,
			      const struct failure *failure, uint32_t from);

COLD void engine_recovery_cancel(struct engine *engine, uint64_t id);

/* --- engine_place.c: the pool that serves a request --- */

/* The pool at that level of the request's chain. */
static inline struct pool *engine_pool_at(const struct engine *engine,
					  const struct request *request, unsigned level)
{
	return &engine->pools[engine_chain_pool(engine, request->home, level)];
}

/* Finds a place for a new DELAYED request in its pool or further down the chain, or answers it. */
void engine_place(struct engine *engine, struct request *request);

/* Finds one at the levels from `level` on, those that lack workers last.  `failure` is of the attempt
 * before, and is reported when one accepts the request; NULL: none failed.  False: none accepts it;
 * *ret_retry_after is the soonest time that one of them named, or USEC_INFINITY. */
bool engine_descend(struct engine *engine, struct request *request, unsigned level,
		    struct failure *failure, usec_t *ret_retry_after);

/* Why the request's pool does not accept it now; ERR_NONE: it does. */
enum errcode engine_unfit(const struct engine *engine, const struct request *request);

/* The failure of a request that its pool refused with `code`; with retry_after if it is known. */
COLD struct failure engine_refusal(struct engine *engine, const struct request *request,
				   enum errcode code);

/* Moves the request to that level of its chain; retries and delay start from 0 there. */
void engine_move_to_level(struct engine *engine, struct request *request, unsigned level);

/* The last level of the chain that the request may be served at. */
unsigned engine_last_level(const struct engine *engine, const struct request *request);

/* Whether the pool at that level would accept the request now, and serves. */
bool engine_would_take(struct engine *engine, const struct request *request, unsigned level);

/* Moves a QUEUED request to that level, where engine_would_take.  False: the pool there has refused
 * it after all, and the request is at the head of its own queue. */
bool engine_move_down(struct engine *engine, struct request *request, unsigned level);

/* --- engine_breaker.c --- */

/* Returns the circuit that requests for that method use in the pool; NULL: none. */
struct circuit *engine_circuit(struct engine *engine, struct pool *pool, struct bytes method);

/* Whether the breaker admits the request; if so, the request gets a permit. */
bool engine_admit(struct engine *engine, struct request *request);

enum outcome {
	OUTCOME_SUCCESS = 0,
	OUTCOME_FAILURE,
	OUTCOME_NEUTRAL
};

/* Gives the request's permit back to the breaker with the outcome, if the request has one. */
void engine_outcome(struct engine *engine, struct request *request, enum outcome outcome);

void engine_circuit_due(struct engine *engine, struct circuit *circuit);
COLD void engine_breaker_manual(struct engine *engine, const struct engine_event *event);

/* The worker has answered a health check.  A breaker that opened before the worker started may
 * then probe early. */
void engine_early_probe(struct engine *engine, const struct worker *worker);

/* Whether a breaker of the pool waits for a health check, which is then to be made at once. */
bool engine_wants_probe(const struct pool *pool);

/* --- engine_leave.c: queued requests that leave for a fallback --- */

/* Plans when the QUEUED request leaves its pool if it still waits then. */
void engine_plan_leave(struct engine *engine, struct request *request);

/* The time has come: moves the request, or plans anew if no fallback takes it. */
void engine_leave_due(struct engine *engine, struct request *request);

/* The pool lacks workers: plans anew for its whole queue; `now`: who can leave does so at once.
 * Returns how many have left. */
unsigned engine_leave_queue(struct engine *engine, struct pool *pool, bool now);

/* --- engine_chain.c: levels of chains --- */

/* Computes anew which pools lack workers, and which have not refused a request for its wait lately.
 * Requests that wait for workers in vain leave them. */
COLD void engine_watch_pools(struct engine *engine);

/* The pool refuses a request for what it would wait there. */
COLD void engine_note_refusal(struct engine *engine, struct pool *pool);

/* Computes the levels of all chains anew, and reports those that changed. */
COLD void engine_update_levels(struct engine *engine);
void engine_chain_due(struct engine *engine, struct pool *pool);

/* --- engine_session.c: sessions and keys --- */

/* Looks up the request's session and key.  Returns true when the request is DELAYED and to be
 * placed, false when it has been answered or waits. */
bool engine_enter(struct engine *engine, struct request *request, const struct engine_event *event);

/* The request's turn in its session has come: looks up its key.  Returns as engine_enter. */
bool engine_take_turn(struct engine *engine, struct request *request);

/* The request is over: continues the next request of its session and those that wait with its key.
 * `failure` is NULL when it succeeded. */
void engine_leave(struct engine *engine, struct request *request, const struct failure *failure);

/* The request's client is gone or has cancelled it: the first request that waits with the same key
 * takes over its running attempt.  Returns false when none waits. */
COLD bool engine_transfer_attempt(struct engine *engine, struct request *request);

/* The worker's process has ended: unbinds its sessions. */
void engine_unbind_sessions(struct engine *engine, const struct worker *worker);

/* Whether the session can have a state of that many bytes; makes room for it if necessary. */
COLD bool engine_fits_state(struct engine *engine, struct session *session, uint64_t bytes);

/* Binds the session to the worker, where a request of it succeeded as the event says. */
COLD void engine_bind(struct engine *engine, struct session *session, const struct worker *worker,
		      const struct engine_event *event);

COLD void engine_session_close(struct engine *engine, uint32_t user, struct bytes name);
COLD void engine_names_due(struct engine *engine);

/* The key of the WAITING or new request has succeeded: answers with what is stored, or with an
 * error if that is lost. */
COLD void engine_answer_again(struct engine *engine, struct request *request);

/* The run that held the key or session has ended: those that wait for that go on. */
void engine_key_go_on(struct engine *engine, struct key *key);
void engine_session_go_on(struct engine *engine, struct session *session);

/* --- engine_late.c: runs that outlive their request --- */

/* The request has given up its attempt: the run holds the request's key and session until it ends. */
void engine_leave_run(struct request *request, struct attempt *attempt);

/* Whether a run that the request has given up still holds its key or its session. */
bool engine_is_barred(const struct request *request);

/* Whether the request's key has succeeded: with its answer the request is over. */
bool engine_has_answer(const struct request *request);

/* Makes a DELAYED request WAITING until that run has ended, instead of queueing it. */
COLD void engine_bar(struct engine *engine, struct request *request);

/* That run has ended: the request is queued now, or gets its answer if the run succeeded. */
void engine_go_on(struct engine *engine, struct request *request);

/* A run that was given up has ended.  `unknown`: by this error, so that it may have succeeded;
 * ERR_NONE: it has not.  With the worker's answer: if it is a result, it is the key's answer, and
 * the session has the state. */
COLD void engine_late_end(struct engine *engine, struct attempt *attempt, enum errcode unknown);
COLD void engine_late_answer(struct engine *engine, struct worker *worker, struct attempt *attempt,
			     const struct engine_event *event);

/* ===== the wing of workers ===== */

/* --- engine_input.c: what comes to a worker --- */

/* Handles an event that names a worker, by the table of worker_input.h. */
void engine_take_worker_event(struct engine *engine, const struct engine_event *event);

/* Handles the worker's timer, by the same table. */
void engine_worker_due(struct engine *engine, struct worker *worker);

/* --- engine_worker.c: the workers' side --- */

COLD void engine_worker_ready(struct engine *engine, struct worker *worker,
			      const struct engine_event *event);
void engine_worker_began(struct engine *engine, struct worker *worker, uint32_t id);
void engine_worker_chunk(struct engine *engine, struct worker *worker,
			 const struct engine_event *event);
void engine_worker_answered(struct engine *engine, struct worker *worker,
			    const struct engine_event *event);
COLD void engine_send_failed(struct engine *engine, struct worker *worker, uint32_t id,
			     enum errcode code);
COLD void engine_worker_broke(struct engine *engine, struct worker *worker, enum errcode code);
COLD void engine_worker_exited(struct engine *engine, struct worker *worker,
			       const struct engine_event *event);
COLD void engine_spawn_failed(struct engine *engine, struct worker *worker, enum errcode code);
COLD void engine_pressure(struct engine *engine, struct worker *worker);

/* Begins to end the worker.  `cause` decides what it gets first: a shutdown message,
 * SIGTERM or SIGKILL. */
COLD void engine_terminate(struct engine *engine, struct worker *worker, enum worker_cause cause);

/* Sends the signal to the worker at once, and SIGKILL after kill_grace; also to one that is
 * already being ended. */
COLD void engine_end_manual(struct engine *engine, struct worker *worker, int signal);

/* Ends the worker for `cause` when the requests that it has begun are over; at once if there are
 * none.  Requests that it has not begun are taken back. */
COLD void engine_drain(struct engine *engine, struct worker *worker, enum worker_cause cause);

/* Ends a DRAINING worker if it has no more requests to finish. */
void engine_finish_drain(struct engine *engine, struct worker *worker);

/* Ends a worker that did not give up an attempt in time, for CAUSE_OVERRUN or CAUSE_CANCELLED.  If
 * other requests run there at the same time, the worker finishes them first. */
void engine_end_stubborn(struct engine *engine, struct worker *worker);

/* Sends the next signal to a worker that is being ended. */
void engine_signal_due(struct engine *engine, struct worker *worker);

/* While the daemon stops: ends the workers of the pool that no request needs. */
void engine_stop_idle(struct engine *engine, struct pool *pool);

/* Appends an effect that names the worker, and returns it. */
struct effect *engine_emit_for(struct engine *engine, const struct worker *worker,
			       enum effect_type type);

/* Reports a failure that concerns no request.  `worker` may be NULL. */
COLD void engine_incident(struct engine *engine, const struct pool *pool,
			  const struct worker *worker, enum errcode code);

/* --- engine_scaling.c: how many workers a pool has, and which of them go --- */

/* Starts as many workers as the pool lacks, each after the pool's restart delay, and replacements
 * for those that are to be replaced. */
void engine_refill(struct engine *engine, struct pool *pool);

/* Starts one more worker if pool_may_start allows it. */
COLD void engine_start_one(struct engine *engine, struct pool *pool);
void engine_restart_due(struct engine *engine, struct worker *worker);

/* Cancels the pending start of an empty slot. */
void engine_unwant(struct engine *engine, struct worker *worker);

/* Schedules the replacement of the worker for `cause`, unless it is being ended or
 * has one already. */
COLD void engine_schedule_replacement(struct engine *engine, struct worker *worker,
				      enum worker_cause cause);

/* Ends the workers above the pool's ceiling: as many now as pool_may_end allows, the others when
 * these have ended. */
void engine_trim(struct engine *engine, struct pool *pool);

/* The worker has become READY: if it is a replacement, drains the worker that it replaces. */
void engine_take_over(struct engine *engine, struct worker *worker);

/* The worker gets no more requests: it is neither replaced nor a replacement any more. */
void engine_cancel_replacement(struct engine *engine, struct worker *worker);

/* The start of the worker has failed by `code`.  A rolling restart stops at the first replacement
 * that fails to start. */
COLD void engine_start_failed(struct engine *engine, struct worker *worker, enum errcode code);

/* Counts the end of the worker's process in replacements and the rolling restart. */
void engine_note_gone(struct engine *engine, struct worker *worker);

/* The daemon stops: no worker is replaced, and none starts unless queued requests need it. */
COLD void engine_stop_starting(struct engine *engine, struct pool *pool);

/* Requests of operators.  Each call emits a verdict, EFFECT_DONE. */
COLD void engine_restart(struct engine *engine, struct pool *pool);
COLD void engine_resize(struct engine *engine, struct pool *pool, unsigned min, unsigned max);
COLD void engine_set_drained(struct engine *engine, struct pool *pool, bool drained);
COLD void engine_kill(struct engine *engine, struct worker *worker, int signal);

/* Emits the verdict on an operator's request; ERR_NONE: it was accepted. */
COLD void engine_notify_verdict(struct engine *engine, enum errcode code);

/* --- engine_health.c: what is due for workers, pings --- */

/* Handles the timer of a READY or DEGRADED worker (check), or of a BUSY or DRAINING one (watch). */
void engine_check_due(struct engine *engine, struct worker *worker);
void engine_watch_due(struct engine *engine, struct worker *worker);

/* Sets the timer of each worker that was touched since the last call to the next time that is due for
 * it. */
void engine_arm_touched(struct engine *engine);

/* The worker has answered its health check, with an error unless `code` is ERR_NONE. */
COLD void engine_take_pong(struct engine *engine, struct worker *worker, enum errcode code);

/* The worker sent something else: where any answer to a health check passes, a program that knows no
 * health checks passes by that as well. */
void engine_heard_instead(struct engine *engine, struct worker *worker);

/* Sends a health check to the worker, or waits again for the answer to the last one. */
void engine_ping(struct engine *engine, struct worker *worker);

/* Whether the attempt at the head of the worker's line has become slow (pool_slow_after). */
bool engine_is_slow(const struct engine *engine, const struct worker *worker);

/* --- engine_eject.c: which workers are bad --- */

/* Counts an attempt that ended at the worker, without an answer, as the worker's failure. */
void engine_count_failure(struct worker *worker);

/* The worker has answered the request: counts that for or against the worker. */
void engine_judge_result(struct engine *engine, struct worker *worker,
			 const struct request *request);
void engine_judge_error(struct engine *engine, struct worker *worker, const struct request *request,
			enum errcode code, bool fatal);

/* Whether the slot has a bad history: its workers were ejected, and have not been well for long
 * enough since.  Other slots are to be used first. */
bool engine_slot_is_bad(const struct worker *worker, usec_t now);

/* A new life of the slot begins: it takes over the ejections of the slot, or those of a worker that
 * was replaced for them, whichever are more.  If there are any it is on probation. */
void engine_inherit(struct engine *engine, struct worker *worker);

/* The worker has become READY: it gets no work yet if the one before it said at its first request
 * that it is broken. */
void engine_go_on_ejection(struct engine *engine, struct worker *worker);

/* Ends the worker's ejection if its time is over.  Returns false if not. */
bool engine_end_ejection(struct engine *engine, struct worker *worker);

/* The worker may have room now: ejects it if that is pending and it is idle; otherwise returns
 * requests that must wait for this worker to the queue. */
void engine_update_room(struct engine *engine, struct worker *worker);

/* Ends the ejections in the pool if it needs these workers (pool_needs_ejected). */
void engine_call_back_needed(struct engine *engine, struct pool *pool);

#endif
