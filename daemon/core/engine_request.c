#include "daemon/core/engine_internal.h"

/* --- the answer --- */

/* Removes the request from timers, lists and counts.  The caller then emits the effect that returns
 * its slot. */
static void finish(struct engine *engine, struct request *request)
{
	struct pool *pool = &engine->pools[request->run.pool];

	assert(request->state == REQUEST_DELAYED || request->state == REQUEST_WAITING);
	assert(!request->run.has_permit);
	if (request->waits_from != engine->now)
		engine_count_wait(engine, request,
				  request->state == REQUEST_WAITING ? WAIT_TURN : WAIT_RETRY);
	if (request->state == REQUEST_DELAYED)
		pool->delayed--;
	if (request->is_deferred) {
		list_remove(&engine->deferred, &request->in_queue);
		request->is_deferred = false;
	}
	heap_remove(&engine->request_timers, &request->timer);
	engine_return_token(engine, request);
	request_move(request, REQUEST_DONE);
	engine->open_requests--;
	if (engine->requests_per_user > 0)
		shares_drop(&engine->shares, SHARES_DAEMON, request->user);
}

/* Whether most requests of a pool fail has changed. */
static COLD void note_failing(struct engine *engine)
{
	/* This sets the pool's timer as well, and has its health judged. */
	engine->levels_moved = true;
	engine->has_touched_pools = true;
}

/* The entry of the request's method in the runs of its pool, where none of its attempts may be. */
static unsigned entry_of(const struct engine *engine, const struct request *request)
{
	return runs_find(&engine->pools[request->run.pool].runs, request->method);
}

/* Counts the end of a request that got no result: a refusal tells nothing of how long requests take,
 * and one that was cancelled or wrong itself nothing of the pool. */
static void count_end(struct engine *engine, const struct request *request,
		      enum window_outcome outcome, enum errcode code)
{
	struct pool *pool = &engine->pools[request->run.pool];
	unsigned method = engine_window_method(entry_of(engine, request));

	window_count(pool->window, engine->now, method, outcome, code);
	if (outcome != WINDOW_REFUSED)
		hist_add(&pool->stats.total_time, usec_sub(engine->now, request->submitted));
	if (outcome == WINDOW_FAILED && errcode_info(code)->category != ERRCAT_request &&
	    failing_count(&pool->failing, engine->now, request->user, request->client, code))
		note_failing(engine);
}

static void count_result(struct engine *engine, const struct request *request,
			 enum result_source source)
{
	struct pool *pool = &engine->pools[request->run.pool];

	pool->stats.succeeded++;
	if (request->run.level > 0)
		pool->stats.degraded++;
	hist_add(&pool->stats.total_time, usec_sub(engine->now, request->submitted));
	if (source == RESULT_WORKER)
		window_answered(pool->window, engine_window_method(request->run.entry));
	else
		window_count(pool->window, engine->now,
			     engine_window_method(entry_of(engine, request)), WINDOW_ANSWERED,
			     ERR_NONE);
	if (failing_succeed(&pool->failing, engine->now, request->user, request->client))
		note_failing(engine);
}

/* How a request has ended that failed: the pool refused it unless a worker had it, or it waited in
 * vain for all its time. */
static enum window_outcome counted_as(const struct engine *engine, const struct request *request)
{
	return request->run.attempts == 0 && engine->now < request->deadline ? WINDOW_REFUSED
									     : WINDOW_FAILED;
}

/* Whether the answer is made without state that a worker kept and never returned.  A static answer
 * never has that; it leaves the report that the state is lost to the next worker's answer. */
static COLD bool lacks_state(struct session *session, enum result_source source)
{
	bool is_lost = session->has_lost_state;

	if (source == RESULT_STATIC)
		return is_lost || session_is_kept(session);
	session->has_lost_state = false;
	return is_lost;
}

/* How the request ends: with this failure, or with a result (NULL). */
static struct outcome_code outcome_with(const struct request *request,
					const struct failure *failure, bool is_gone)
{
	struct outcome_code_case facts = {
		.is_gone = is_gone,
		.has_begun_answer = request->has_streamed,
		.attempts = request->run.attempts,
		.retries = request->run.retries,
		.level = request->run.level,
	};

	if (failure) {
		facts.code = failure->code;
		facts.is_from_worker = failure->is_from_worker;
		facts.was_attempted = failure->was_attempted;
		facts.executed = failure->executed;
	}
	return outcome_code_of(&facts);
}

void engine_answer_result(struct engine *engine, struct request *request, enum result_source source,
			  const struct engine_event *event)
{
	struct effect *effect;

	finish(engine, request);
	engine_close_recovery(engine, request, RECOVERY_SUCCEEDED);
	count_result(engine, request, source);
	effect = engine_emit(engine, EFFECT_RESULT);
	effect->pool = request->run.pool;
	effect->request = engine_slot_of(engine, request);
	effect->result.source = source;
	effect->result.level = request->run.level;
	effect->result.key = effect->result.session = NO_SLOT;
	effect->result.outcome = outcome_with(request, NULL, false);
	if (source == RESULT_STORED)
		effect->result.key = (uint32_t)(request->key - engine->keys.slots);
	if (request->session && source != RESULT_STORED)
		effect->result.has_lost_state = lacks_state(request->session, source);
	if (source == RESULT_WORKER) {
		effect->worker = request->run.worker;
		if (request->session && event->answer.has_state)
			effect->result.session = engine_session_slot(engine, request->session);
		if (request->key &&
		    keys_succeed(&engine->keys, request->key, event->answer.bytes, engine->now))
			effect->result.key = (uint32_t)(request->key - engine->keys.slots);
	}
	engine_leave(engine, request, NULL);
}

/*
 * Whether the same request may succeed later: as the worker reports, else by the error code.  A
 * request that ran to its end would fail again, and a session that has ended does not come back.
 */
static bool is_retryable(const struct engine *engine, const struct failure *failure)
{
	enum errcode code = failure->code;

	if (failure->is_from_worker)
		return failure->is_retryable;
	if (failure->executed == EXECUTED_YES)
		return false;
	switch (errcode_info(code)->category) {
	case ERRCAT_session:
		return code == ERR_session_limit;
	case ERRCAT_request:
		return false;
	case ERRCAT_initialization:
	case ERRCAT_connection:
	case ERRCAT_communication:
	case ERRCAT_timeout:
	case ERRCAT_resource:
	case ERRCAT_health_check:
	case ERRCAT_application:
	case ERRCAT_system:
	case ERRCAT_COUNT_:
		break;
	}
	return policy_row(&engine->policy, code)->strategy != STRATEGY_ABANDON ||
	       code == ERR_queue_timeout || code == ERR_shutting_down;
}

enum errseverity engine_severity(const struct engine *engine, const struct request *request,
				 const struct failure *failure, uint32_t from)
{
	const struct pool *pool = &engine->pools[from];
	struct policy_context context = {
		.attempts = request->run.attempts,
		.is_of_all_workers = failure->was_attempted && !failure->is_from_worker &&
				     pool_at_work(pool) == 0,
		.priority = request->priority,
		.has_severity = failure->has_severity,
		.severity = failure->severity,
	};

	return policy_severity(&engine->policy, failure->code, &context);
}

void engine_fill_failure(const struct engine *engine, const struct request *request,
			 const struct failure *failure, uint32_t from, struct effect *effect)
{
	effect->request = engine_slot_of(engine, request);
	if (request->run.attempts > 0)
		effect->worker = request->run.worker;
	effect->failed.failure = *failure;
	effect->failed.failure.is_retryable = is_retryable(engine, failure);
	effect->failed.severity = engine_severity(engine, request, failure, from);
	effect->failed.strategy = policy_row(&engine->policy, failure->code)->strategy;
	effect->failed.has_worker = request->run.attempts > 0;
	effect->failed.from = from;
	effect->failed.outcome = outcome_with(request, failure, false);
}

void engine_answer_error(struct engine *engine, struct request *request,
			 const struct failure *failure)
{
	struct pool_stats *stats = &engine->pools[request->run.pool].stats;
	bool cancelled = failure->code == ERR_cancelled;
	struct effect *effect;

	finish(engine, request);
	engine_close_recovery(engine, request, cancelled ? RECOVERY_CANCELLED : RECOVERY_FAILED);
	if (cancelled) {
		count_end(engine, request, WINDOW_CANCELLED, ERR_NONE);
		stats->cancelled++;
	} else {
		count_end(engine, request, counted_as(engine, request), failure->code);
		stats->failed++;
	}
	stats->errors[failure->code]++;
	effect = engine_emit(engine, EFFECT_ERROR);
	effect->pool = request->run.pool;
	engine_fill_failure(engine, request, failure, request->run.pool, effect);
	engine_leave(engine, request, failure);
}

enum executed engine_ran(const struct request *request)
{
	/* While it is at a worker, it may have begun without our knowledge: the message that says
	 * so may be on its way. */
	if (request->state == REQUEST_SENT || request->run.may_have_run)
		return EXECUTED_MAYBE;
	/* Another one with its key may be running, which is the same to who asks with a key. */
	if (request->state == REQUEST_WAITING && request->key && request->key->run)
		return EXECUTED_MAYBE;
	return EXECUTED_NO;
}

struct failure engine_failure(const struct request *request, enum errcode code)
{
	return (struct failure){
		.code = code, .executed = engine_ran(request), .retry_after = USEC_INFINITY};
}

/* --- time --- */

static usec_t due_at(const struct request *request)
{
	usec_t limit = request->deadline;

	if (request->recovery)
		limit = usec_min(limit, request->recovery->until);
	switch (request->state) {
	case REQUEST_WAITING:
	case REQUEST_HELD:
		return limit;
	case REQUEST_QUEUED:
		return usec_min(limit, request->leave_at);
	case REQUEST_DELAYED:
		return usec_min(limit, request->due);
	case REQUEST_SENT:
		return usec_min(request->deadline, request->run.attempt_due);
	case REQUEST_FREE:
	case REQUEST_DONE:
	case REQUEST_STATE_COUNT_:
		break;
	}
	return USEC_INFINITY;
}

void engine_arm_request(struct engine *engine, struct request *request)
{
	usec_t due = due_at(request);

	if (request->timer.index == HEAP_NONE || request->timer.at != due)
		heap_set(&engine->request_timers, &request->timer, due);
}

void engine_detach(struct engine *engine, struct request *request)
{
	struct pool *pool = &engine->pools[request->run.pool];

	switch (request->state) {
	case REQUEST_SENT:
		engine_give_up_attempt(engine, request);
		engine_outcome(engine, request, OUTCOME_NEUTRAL);
		request->run.attempt = NULL;
		request->waits_from = engine->now;
		pool->running--;
		engine_finish_drain(engine, &engine->workers[request->run.worker]);
		break;
	case REQUEST_QUEUED:
		engine_count_queue_wait(engine, request);
		pool_dequeue(pool, request);
		engine->levels_moved |= pool->queue.len == 0 && pool_at_work(pool) == 0;
		break;
	case REQUEST_HELD:
		engine_count_wait(engine, request, WAIT_CLIENT);
		list_remove(&pool->held, &request->in_queue);
		break;
	case REQUEST_FREE:
	case REQUEST_WAITING:
	case REQUEST_DELAYED:
	case REQUEST_DONE:
	case REQUEST_STATE_COUNT_:
		return;
	}
	engine_begin(engine, request);
}

/* The deadline of a request that is at no worker is reached. */
static COLD void expire_waiting(struct engine *engine, struct request *request)
{
	enum executed executed = engine_ran(request);
	struct failure failure = engine_failure(
		request, executed == EXECUTED_NO ? ERR_queue_timeout : ERR_deadline_exceeded);
	bool was_waiting = request->state == REQUEST_WAITING;

	failure.has_waited = was_waiting && !request->is_barred;
	engine_detach(engine, request);
	if (was_waiting)
		engine_answer_error(engine, request, &failure);
	else
		engine_failed(engine, request, &failure);
}

/* Whether a worker gets time to cancel an attempt that timed out, instead of being ended: it serves
 * other requests at the same time. */
static bool is_spared(const struct worker *worker)
{
	return worker->concurrency > 1 && !worker->channel_broken &&
	       worker_is_needed(worker, true) && worker->state != WORKER_TERMINATING;
}

/* The request's deadline passed while it was at a worker.  That is no fault of the pool, nor of the
 * worker, which may go on for a while (engine_health.c). */
static COLD void expire_sent(struct engine *engine, struct request *request)
{
	struct attempt *attempt = request->run.attempt;
	/* What must not run twice has left the queue for good, unless the worker gives it back. */
	bool has_waited = attempt->begun == 0 && request->is_idempotent;
	struct failure failure =
		engine_failure(request, has_waited ? ERR_queue_timeout : ERR_deadline_exceeded);

	attempt->is_late = true;
	engine_detach(engine, request);
	request->run.may_have_run = true;
	engine_failed(engine, request, &failure);
}

/* The attempt has used up the pool's own time limit for it: the worker is at fault. */
static COLD void expire_attempt(struct engine *engine, struct request *request)
{
	struct worker *worker = &engine->workers[request->run.worker];
	struct attempt *attempt = request->run.attempt;
	struct failure failure = engine_failure(request, ERR_attempt_timeout);

	failure.was_attempted = true;
	engine_count_attempt(engine, request, failure.code, false);
	engine_detach(engine, request);
	request->run.may_have_run = true;
	worker->failed++;
	attempt->has_overrun = true;
	if (is_spared(worker)) {
		if (policy_row(&engine->policy, failure.code)->counts_worker)
			engine_count_failure(worker);
	} else {
		failure.cause = CAUSE_OVERRUN;
		engine_terminate(engine, worker, CAUSE_OVERRUN);
		engine_refill(engine, engine_pool_of(engine, worker));
	}
	engine_failed(engine, request, &failure);
}

/* Whether the attempt has run for as long as the pool lets one run: attempt_timeout, or where there
 * is none the pool's usual time limit of a request, at whose end the request's own is over too. */
static bool is_over_limit(const struct engine *engine, const struct request *request)
{
	const struct pool_settings *settings = &engine->pools[request->run.pool].settings;
	const struct attempt *attempt = request->run.attempt;
	usec_t limit =
		settings->attempt_timeout > 0 ? settings->attempt_timeout : settings->timeout;

	return limit > 0 && attempt->begun > 0 && attempt->held_since == 0 &&
	       attempt_ran(attempt, engine->now) >= limit;
}

/* Whether the attempt has time left.  The timeout counts from the start at the worker, which may be
 * later than the sending. */
static bool has_time(struct engine *engine, struct request *request)
{
	usec_t timeout = engine->pools[request->run.pool].settings.attempt_timeout;
	const struct attempt *attempt = request->run.attempt;
	usec_t begun = attempt->begun;

	if (request->deadline <= engine->now)
		return false;
	request->run.attempt_due =
		usec_add(begun > 0 ? usec_add(begun, attempt->held) : engine->now, timeout);
	return request->run.attempt_due > engine->now;
}

void engine_request_due(struct engine *engine, struct request *request)
{
	struct pool *pool = &engine->pools[request->run.pool];

	if (request->state == REQUEST_SENT) {
		if (has_time(engine, request))
			engine_arm_request(engine, request);
		else if (is_over_limit(engine, request))
			expire_attempt(engine, request);
		else
			expire_sent(engine, request);
	} else if (request->deadline <= engine->now) {
		expire_waiting(engine, request);
	} else if (request->recovery && request->recovery->until <= engine->now) {
		engine_end_recovery(engine, request, RECOVERY_EXPIRED);
	} else if (request->state == REQUEST_QUEUED) {
		engine_leave_due(engine, request);
	} else {
		engine_try_again(engine, request);
	}
	/* The requests behind it in the queue may be sent now. */
	engine_mark_pool_dirty(engine, pool);
}

/* --- coming and going --- */

static void open_request(struct engine *engine, struct request *request,
			 const struct engine_event *event)
{
	assert(request->state == REQUEST_FREE || request->state == REQUEST_DONE);
	*request = (struct request){
		.state = REQUEST_FREE,
		.priority = event->submit.priority,
		.rank = event->submit.priority,
		.is_idempotent = event->submit.is_idempotent,
		.no_fallback = event->submit.no_fallback,
		.is_stream = event->submit.is_stream,
		.is_restartable = event->submit.is_restartable,
		.is_held = event->submit.is_held,
		.client = event->submit.client,
		.user = event->submit.user,
		.home = event->submit.pool,
		.run.pool = event->submit.pool,
		.pool_skip = event->submit.skip,
		.max_attempts = event->submit.max_attempts,
		.bytes = event->submit.bytes,
		.method = event->submit.method,
		.key_name = event->submit.key,
		.submitted = engine->now,
		.waits_from = engine->now,
		.deadline = usec_add(engine->now, event->submit.timeout),
	};
	heap_entry_init(&request->timer);
	engine->open_requests++;
	if (engine->requests_per_user > 0)
		shares_add(&engine->shares, SHARES_DAEMON, request->user);
	engine->pools[request->run.pool].stats.requests++;
}

void engine_begin(struct engine *engine, struct request *request)
{
	if (request->state == REQUEST_WAITING)
		engine_count_wait(engine, request, WAIT_TURN);
	request_move(request, REQUEST_DELAYED);
	request->due = engine->now;
	engine->pools[request->run.pool].delayed++;
}

/* Whether its user has more requests than one may have, this one included. */
static bool is_over_share(const struct engine *engine, const struct request *request)
{
	return engine->requests_per_user > 0 &&
	       shares_count(&engine->shares, SHARES_DAEMON, request->user) >
		       engine->requests_per_user;
}

/* Answers a request that is not let in. */
static COLD void turn_away(struct engine *engine, struct request *request, enum errcode code)
{
	struct failure failure = engine_failure(request, code);

	if (code == ERR_queue_full) {
		failure.over_share = OVER_DAEMON;
		failure.retry_after = pool_retry_after(&engine->pools[request->run.pool]);
	}
	engine_begin(engine, request);
	engine_answer_error(engine, request, &failure);
}

void engine_submit(struct engine *engine, const struct engine_event *event)
{
	struct request *request = &engine->requests[event->request];
	struct pool *pool = &engine->pools[event->submit.pool];

	assert(event->request < engine->requests_max && event->submit.pool < engine->pool_count);
	open_request(engine, request, event);
	request->run.circuit = engine_circuit(engine, pool, event->submit.method);
	if (engine->is_stopping)
		turn_away(engine, request, ERR_shutting_down);
	else if (is_over_share(engine, request))
		turn_away(engine, request, ERR_queue_full);
	else if (engine_enter(engine, request, event))
		engine_place(engine, request);
}

static bool is_open(const struct request *request)
{
	return request->state != REQUEST_FREE && request->state != REQUEST_DONE;
}

void engine_cancel(struct engine *engine, uint32_t slot, bool gone)
{
	struct request *request = &engine->requests[slot];
	struct pool *pool = &engine->pools[request->run.pool];
	struct failure failure;
	struct effect *drop;

	assert(slot < engine->requests_max);
	if (!is_open(request))
		return;
	failure = engine_failure(request, ERR_cancelled);
	if (!engine_transfer_attempt(engine, request))
		engine_detach(engine, request);
	if (!gone) {
		engine_answer_error(engine, request, &failure);
	} else {
		finish(engine, request);
		engine_close_recovery(engine, request, RECOVERY_CANCELLED);
		count_end(engine, request, WINDOW_CANCELLED, ERR_NONE);
		pool->stats.cancelled++;
		drop = engine_emit(engine, EFFECT_DROP);
		drop->request = slot;
		if (request->run.attempts > 0)
			drop->worker = request->run.worker;
		drop->outcome = outcome_with(request, &failure, true);
		engine_leave(engine, request, &failure);
	}
	engine_mark_pool_dirty(engine, pool);
}

void engine_fail_all(struct engine *engine)
{
	for (uint32_t i = 0; i < engine->requests_max && engine->open_requests > 0; i++) {
		struct request *request = &engine->requests[i];
		struct failure failure;

		if (!is_open(request))
			continue;
		failure = engine_failure(request, ERR_shutting_down);
		engine_detach(engine, request);
		engine_answer_error(engine, request, &failure);
	}
}
