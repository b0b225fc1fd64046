#include "daemon/core/engine_internal.h"

/* --- queueing and sending --- */

void engine_enqueue(struct engine *engine, struct request *request, bool front)
{
	struct pool *pool = &engine->pools[request->run.pool];

	engine_count_wait(engine, request, WAIT_RETRY);
	if (engine_is_barred(request)) {
		engine_bar(engine, request);
		return;
	}
	if (request->is_held) {
		engine_set_aside(engine, request);
		return;
	}
	request_move(request, REQUEST_QUEUED);
	pool->delayed--;
	pool_enqueue(pool, request, front ? QUEUE_FRONT : QUEUE_BACK);
	window_queued(pool->window, engine->now, pool->queue.len);
	/* The first one that waits may show that a worker is wanted. */
	engine->levels_moved |= pool->queue.len == 1 && pool_at_work(pool) == 0;
	/* Another one that comes back to where nobody is looks for a place elsewhere. */
	if (front && pool->is_deserted) {
		pool->leave_at = engine->now;
		engine->levels_moved = true;
	}
	engine_plan_leave(engine, request);
	engine_arm_request(engine, request);
	engine_mark_pool_dirty(engine, pool);
}

void engine_count_queue_wait(struct engine *engine, struct request *request)
{
	const struct pool *pool = &engine->pools[request->run.pool];
	usec_t until = pool_at_work(pool) == 0 ? engine->now : pool->manned_since;

	if (until > request->waits_from) {
		window_waited(pool->window, engine->now, WAIT_START, until - request->waits_from);
		request->waits_from = until;
	}
	engine_count_wait(engine, request, WAIT_BUSY);
}

static usec_t attempt_due(const struct engine *engine, const struct pool *pool)
{
	if (pool->settings.attempt_timeout == 0)
		return USEC_INFINITY;
	return usec_add(engine->now, pool->settings.attempt_timeout);
}

static void count_sending(struct engine *engine, struct pool *pool, struct request *request)
{
	request->run.attempts++;
	request->run.has_token = false;
	request->run.sent = engine->now;
	request->run.attempt_due = attempt_due(engine, pool);
	if (request->run.attempts == 1) {
		request->run.first_sent = engine->now;
		window_wait(pool->window, engine->now, usec_sub(engine->now, request->submitted));
	}
	pool->running++;
	pool->stats.attempts++;
}

static void emit_send(struct engine *engine, const struct pool *pool, const struct request *request,
		      const struct worker *worker)
{
	struct effect *effect = engine_emit(engine, EFFECT_SEND);

	effect->pool = pool->index;
	effect->request = engine_slot_of(engine, request);
	effect->worker = worker->index;
	effect->life = worker->life;
	effect->send.id = request->run.attempt->id;
	effect->send.attempt = request->run.attempts;
	effect->send.deadline = usec_min(request->deadline, request->run.attempt_due);
	effect->send.priority = request->rank;
	effect->send.is_stream = request->is_stream;
	effect->send.session =
		request->session ? engine_session_slot(engine, request->session) : NO_SLOT;
}

static void send_request(struct engine *engine, struct request *request, struct worker *worker)
{
	struct pool *pool = &engine->pools[request->run.pool];

	if (pool->manned_since > request->waits_from)
		engine_count_queue_wait(engine, request);
	else
		engine_count_wait(engine, request, WAIT_BUSY);
	pool_take(pool, request);
	request_move(request, REQUEST_SENT);
	request->run.attempt = worker_add_attempt(worker, request, engine->now);
	worker_expect(worker, request->run.attempt, pool_expected_run(pool, request));
	request->run.worker = worker->index;
	count_sending(engine, pool, request);
	forecast_sent(pool, request, engine->now);
	engine_arm_request(engine, request);
	pool_place_worker(pool, worker, engine->now);
	engine_update_room(engine, worker);
	engine_touch(engine, worker);
	if (request->has_streamed) {
		request->has_streamed = false;
		engine_emit(engine, EFFECT_RESTART)->request = engine_slot_of(engine, request);
	}
	emit_send(engine, pool, request, worker);
}

/* Refuses the request at the head of the queue. */
static COLD void refuse(struct engine *engine, struct request *request, enum errcode code)
{
	struct failure failure = engine_failure(request, code);

	/* If the breaker opened just now, engine_fail_queue has already deferred this request. */
	if (request->is_deferred)
		return;
	engine_detach(engine, request);
	engine_failed(engine, request, &failure);
}

static enum errcode timeout_of(const struct request *request)
{
	return request->run.may_have_run ? ERR_deadline_exceeded : ERR_queue_timeout;
}

/* Handles the head of the queue: sends, refuses or parks it.  False: it must wait for a worker. */
static bool dispatch_one(struct engine *engine, struct pool *pool, struct request *request)
{
	struct worker *worker;

	if (request->deadline <= engine->now) {
		refuse(engine, request, timeout_of(request));
		return true;
	}
	if (request->recovery && request->recovery->until <= engine->now) {
		engine_end_recovery(engine, request, RECOVERY_EXPIRED);
		return true;
	}
	/* After most events.  One with a session may have to be parked. */
	if (!request->session && !pool_has_room(pool))
		return false;
	if (pool_has_lost_session(pool, request)) {
		refuse(engine, request, ERR_session_lost);
		return true;
	}
	worker = pool_pick(pool, request);
	if (!worker) {
		worker = pool_bound_worker(pool, request);
		if (worker)
			queue_park(&pool->queue, request, &worker->parked);
		return worker != NULL;
	}
	if (!forecast_may_send(pool, request, engine->now))
		refuse(engine, request, timeout_of(request));
	else if (engine_admit(engine, request))
		send_request(engine, request, worker);
	else
		refuse(engine, request, ERR_circuit_open);
	return true;
}

/* Unparks one request of a ready worker, which is idle if the request that was unparked before was
 * refused or shed.  False: no ready worker has a parked request. */
static bool call_forward(struct engine *engine, struct pool *pool)
{
	const struct list *ready = &pool->states[WORKER_READY];
	struct list_node *node;

	if (pool->queue.parked == 0)
		return false;
	list_for_each (node, ready) {
		struct worker *worker = list_entry(node, struct worker, in_state);

		if (!list_empty(&worker->parked)) {
			engine_unpark(engine, worker, 1);
			return true;
		}
	}
	return false;
}

static void send_queue(struct engine *engine, struct pool *pool)
{
	struct request *request;

	while ((request = queue_peek(&pool->queue)))
		if (!dispatch_one(engine, pool, request))
			return;
}

void engine_dispatch(struct engine *engine, struct pool *pool)
{
	do
		send_queue(engine, pool);
	while (call_forward(engine, pool));
	if (pool_wants_more(pool))
		engine_start_one(engine, pool);
	/* More workers are busy now, so spares may be missing. */
	if (pool->settings.spares > 0)
		engine_refill(engine, pool);
}

/* --- parked requests --- */

void engine_unpark(struct engine *engine, struct worker *worker, unsigned count)
{
	struct pool *pool = engine_pool_of(engine, worker);
	struct list_node *node = list_first(&worker->parked), *before;

	if (!node || count == 0)
		return;
	while (--count > 0 && node->next != &worker->parked.head)
		node = node->next;
	/* Backwards, because each one goes before the others. */
	for (; node != &worker->parked.head; node = before) {
		before = node->prev;
		queue_unpark(&pool->queue, list_entry(node, struct request, in_queue));
	}
	engine_mark_pool_dirty(engine, pool);
}

/* --- the end of an attempt --- */

/* Asks the worker to cancel the attempt, or to give it back. */
static void ask(struct engine *engine, const struct worker *worker, enum effect_type type,
		const struct attempt *attempt)
{
	struct effect *effect = engine_emit(engine, type);

	effect->worker = worker->index;
	effect->life = worker->life;
	effect->send.id = attempt->id;
}

void engine_give_up_attempt(struct engine *engine, struct request *request)
{
	struct worker *worker = &engine->workers[request->run.worker];
	const struct attempt *attempt = request->run.attempt;

	if (attempt->begun > 0)
		runs_learn_longer(&engine_pool_of(engine, worker)->runs, attempt->entry,
				  attempt_ran(attempt, engine->now));
	if (attempt->is_late)
		forecast_late(engine_pool_of(engine, worker), worker, attempt, engine->now);
	if (!worker->channel_broken)
		ask(engine, worker, EFFECT_CANCEL, attempt);
	worker_give_up_attempt(worker, request->run.attempt, engine->now);
	engine_leave_run(request, request->run.attempt);
	engine_touch(engine, worker);
}

/* The request's attempt has ended: the request is DELAYED. */
static void release(struct engine *engine, struct request *request)
{
	struct pool *pool = &engine->pools[request->run.pool];

	pool->running--;
	pool->delayed++;
	request->run.attempt = NULL;
	request->due = request->waits_from = engine->now;
	request_move(request, REQUEST_DELAYED);
}

void engine_count_attempt(struct engine *engine, struct request *request, enum errcode code,
			  bool fatal)
{
	bool counts = policy_row(&engine->policy, code)->counts_breaker || fatal;

	/* The breaker counts one failure per request: the first, to detect an outage early. */
	engine_outcome(engine, request,
		       counts && !request->run.was_counted ? OUTCOME_FAILURE : OUTCOME_NEUTRAL);
	request->run.was_counted |= counts;
}

/* Whether the request's code ran, by the error that the worker sent: an exception comes from the
 * code, as does an answer that is too large; a rejection comes from the code or from before it.
 * Without a function, or arguments that it can get, nothing ran. */
static enum executed ran_to_error(const struct request *request, enum errcode code)
{
	if (code == ERR_exception || code == ERR_response_too_large)
		return EXECUTED_YES;
	return code == ERR_rejected || request->run.may_have_run ? EXECUTED_MAYBE : EXECUTED_NO;
}

static COLD void take_error(struct engine *engine, struct worker *worker, struct request *request,
			    const struct engine_event *event)
{
	enum errcode code = event->answer.code;
	struct failure failure;

	/* The daemon did not cancel this attempt: report it to the client as an exception. */
	if (code == ERR_cancelled)
		code = ERR_exception;
	failure = (struct failure){
		.code = code,
		.executed = ran_to_error(request, code),
		.was_attempted = true,
		.is_from_worker = true,
		.has_retryable = event->answer.has_retryable,
		.is_retryable = event->answer.is_retryable,
		.has_severity = event->answer.has_severity,
		.severity = event->answer.severity,
		.retry_after = event->answer.retry_after,
	};
	request->run.may_have_run |= failure.executed != EXECUTED_NO;
	worker->failed++;
	engine_judge_error(engine, worker, request, code, event->answer.is_fatal);
	engine_count_attempt(engine, request, code, event->answer.is_fatal);
	engine_failed(engine, request, &failure);
}

/* The request ran, but there is no room for the session's state that it returned, or no memory for
 * its answer: `code` says which. */
static COLD void refuse_answer(struct engine *engine, struct request *request, enum errcode code)
{
	struct failure failure = {.code = code,
				  .executed = EXECUTED_YES,
				  .was_attempted = true,
				  .retry_after = USEC_INFINITY};

	engine_outcome(engine, request, OUTCOME_SUCCESS);
	request->run.may_have_run = true;
	if (request->key)
		keys_lose(&engine->keys, request->key, engine->now);
	engine_answer_error(engine, request, &failure);
}

static void take_result(struct engine *engine, struct worker *worker, struct request *request,
			const struct engine_event *event)
{
	struct pool *pool = engine_pool_of(engine, worker);

	budget_success(&pool->budget, engine->now);
	engine_judge_result(engine, worker, request);
	if (request->session && event->answer.has_state &&
	    !engine_fits_state(engine, request->session, event->answer.state)) {
		refuse_answer(engine, request, ERR_session_limit);
		return;
	}
	if (request->session)
		engine_bind(engine, request->session, worker, event);
	engine_outcome(engine, request, OUTCOME_SUCCESS);
	engine_answer_result(engine, request, RESULT_WORKER, event);
}

/* Gives the request's method figures of its own, now that it is known that there is such a one. */
static void note_method(struct pool *pool, struct request *request, enum errcode code)
{
	bool is_known = code == ERR_NONE || (pool->settings.errors_name_methods &&
					     errcode_info(code)->category == ERRCAT_application);

	if (request->run.entry == RUNS_OTHER && request->method.len > 0 && is_known)
		request->run.entry = runs_note(&pool->runs, request->method);
}

/* What a run teaches that nobody waited for any more, and what any other does. */
static enum batch_kind late_kind(const struct attempt *attempt, const struct engine_event *event)
{
	return event->answer.code == ERR_NONE && attempt->entry != RUNS_OTHER ? BATCH_LATE_RESULT
									      : BATCH_NOTHING;
}

static enum batch_kind kind_of(const struct engine_event *event)
{
	if (event->answer.code == ERR_NONE)
		return event->answer.is_dropped ? BATCH_NOTHING : BATCH_RESULT;
	return BATCH_ERROR;
}

void engine_take_answer(struct engine *engine, struct worker *worker, struct attempt *attempt,
			const struct engine_event *event)
{
	struct pool *pool = engine_pool_of(engine, worker);
	struct request *request = attempt->request;
	struct batch_run run = {
		.kind = request ? kind_of(event) : late_kind(attempt, event),
		.entry = attempt->entry,
		.begun = attempt->begun,
		.span = attempt->begun ? attempt_ran(attempt, engine->now)
				       : usec_sub(engine->now, attempt->sent),
		.expected = attempt->expected,
	};

	worker_drop_attempt(worker, attempt, engine->now);
	if (!request) {
		pool_measure(pool, worker, &run, engine->now);
		pool->stats.late_answers++;
		engine_late_answer(engine, worker, attempt, event);
		return;
	}
	note_method(pool, request, event->answer.code);
	window_run(pool->window, engine->now, engine_window_method(request->run.entry), run.span);
	release(engine, request);
	run.entry = request->run.entry;
	pool_measure(pool, worker, &run, engine->now);
	if (event->answer.is_dropped)
		refuse_answer(engine, request, ERR_memory_limit);
	else if (event->answer.code == ERR_NONE)
		take_result(engine, worker, request, event);
	else
		take_error(engine, worker, request, event);
}

void engine_take_unsent(struct engine *engine, struct worker *worker, struct attempt *attempt,
			enum errcode code)
{
	struct request *request = attempt->request;
	struct failure failure = {
		.code = code, .was_attempted = true, .retry_after = USEC_INFINITY};

	/* The worker does not know that it never gets what it was asked for, and may give it back. */
	worker->unsent += attempt->is_asked_back;
	worker_drop_attempt(worker, attempt, engine->now);
	if (!request) {
		engine_late_end(engine, attempt, ERR_NONE);
		return;
	}
	release(engine, request);
	request->run.unbegun++;
	failure.executed = request->run.may_have_run ? EXECUTED_MAYBE : EXECUTED_NO;
	engine_count_attempt(engine, request, code, false);
	engine_failed(engine, request, &failure);
}

/* The client can't have the part, as the daemon had no memory for it: that is the daemon's limit, and
 * the worker is well. */
static COLD void lose_chunk(struct engine *engine, struct request *request)
{
	struct failure failure;

	request->run.may_have_run = true;
	failure = engine_failure(request, ERR_memory_limit);
	failure.was_attempted = true;
	engine_detach(engine, request);
	engine_answer_error(engine, request, &failure);
}

void engine_take_chunk(struct engine *engine, struct attempt *attempt, bool dropped)
{
	struct request *request = attempt->request;
	struct effect *effect;

	/* A worker that sends a part of an answer has begun, even if it did not report that. */
	attempt->has_begun = true;
	if (attempt->begun == 0)
		attempt->begun = engine->now;
	if (!request)
		return;
	if (dropped) {
		lose_chunk(engine, request);
		return;
	}
	request->has_streamed = true;
	effect = engine_emit(engine, EFFECT_CHUNK);
	effect->request = engine_slot_of(engine, request);
	effect->pool = request->run.pool;
}

/* --- the worker has ended --- */

/* The error code of an attempt at a worker that has ended. */
static enum errcode death_code(const struct worker *worker, const struct attempt *attempt,
			       const struct engine_event *event)
{
	/* One answer was too large: the other attempts have lost their worker by that. */
	if (worker->broken_by == ERR_response_too_large && !worker_sent_too_much(worker, attempt))
		return ERR_worker_killed;
	if (worker->broken_by != ERR_NONE)
		return worker->broken_by;
	if (event->exit.is_connection)
		return ERR_peer_closed;
	return worker->cause != CAUSE_NONE || event->exit.is_signalled ? ERR_worker_killed
								       : ERR_worker_exited;
}

/* Requeue: it never started, as far as the daemon knows (`has_begun`: it may have).  If it was the
 * only request there (`suspect`), count it as a suspected crasher: parsing it may have killed the
 * worker.  False: it exceeds max_crash_retries. */
static bool goes_back(struct pool *pool, struct request *request, bool suspect, bool has_begun)
{
	if (suspect)
		request->run.crashes++;
	if (request->run.crashes > 0 && request->run.crashes - 1 > pool->settings.max_crash_retries)
		return false;
	request->run.unbegun += !has_begun;
	pool->stats.requeued++;
	return true;
}

/* Whether the worker was ended for the answer of another request, and had not begun this one before
 * it.  It may have begun it behind that answer, which nobody has read, so that only what may run
 * once more goes back. */
static bool is_bystander(const struct worker *worker, const struct attempt *attempt)
{
	const struct request *request = attempt->request;

	return worker->broken_by == ERR_response_too_large && request && request->is_idempotent &&
	       !request->has_streamed && request_runs(request) < request->max_attempts &&
	       !worker_sent_too_much(worker, attempt) && !worker_has_begun(worker, attempt);
}

static void settle(struct engine *engine, struct worker *worker, struct attempt *attempt,
		   const struct engine_event *event, bool suspect)
{
	enum errcode code = death_code(worker, attempt, event);
	struct request *request = attempt->request;
	/* A request that has sent a part of its answer has begun, in any order of work. */
	bool ran = worker_may_have_run(worker, attempt) || (request && request->has_streamed);
	bool stands_by = is_bystander(worker, attempt);
	struct failure failure = {.code = code,
				  .executed = EXECUTED_MAYBE,
				  .was_attempted = true,
				  .cause = worker->cause,
				  .retry_after = USEC_INFINITY};

	worker_drop_attempt(worker, attempt, engine->now);
	if (!request) {
		engine_late_end(engine, attempt, ran ? code : ERR_NONE);
		return;
	}
	release(engine, request);
	if (stands_by) {
		request->run.may_have_run = request->run.outcome_unknown = true;
		ran = false;
	}
	if (!ran && goes_back(engine_pool_of(engine, worker), request, suspect, stands_by)) {
		engine_outcome(engine, request, OUTCOME_NEUTRAL);
		engine_enqueue(engine, request, true);
		return;
	}
	if (ran) {
		request->run.crashes++;
		request->run.may_have_run = request->run.outcome_unknown = true;
	} else {
		failure.executed = request->run.may_have_run ? EXECUTED_MAYBE : EXECUTED_NO;
	}
	/* An answer that is too large is no failure of the pool, whomever it took along. */
	if (worker->broken_by == ERR_response_too_large)
		engine_outcome(engine, request, OUTCOME_NEUTRAL);
	else
		engine_count_attempt(engine, request, code, false);
	engine_failed(engine, request, &failure);
}

void engine_settle_attempts(struct engine *engine, struct worker *worker,
			    const struct engine_event *event)
{
	bool alone = worker->attempts.len == 1 && worker->cause == CAUSE_NONE;
	struct list_node *node;

	/* From the last to the first: each goes to the head of the queue, and no attempt becomes
	 * the first at the worker meanwhile. */
	while ((node = list_last(&worker->attempts)))
		settle(engine, worker, list_entry(node, struct attempt, in_worker), event, alone);
}

/* Asks the worker, once, to give back what it has not begun.  The request stays there: unless the
 * worker confirms that it gives it back, it may run there. */
static void recall(struct engine *engine, struct worker *worker, struct attempt *attempt)
{
	if (attempt->is_asked_back || worker->channel_broken || !worker_gives_back(worker))
		return;
	attempt->is_asked_back = true;
	ask(engine, worker, EFFECT_RECALL, attempt);
}

/* The request leaves the line for the head of the queue. */
static void leave_line(struct engine *engine, struct worker *worker, struct request *request)
{
	request->run.unbegun++;
	engine_outcome(engine, request, OUTCOME_NEUTRAL);
	release(engine, request);
	engine_enqueue(engine, request, true);
	engine_pool_of(engine, worker)->stats.moved++;
}

/* Takes back a request without a word of the worker: it may run there all the same. */
static void take_back(struct engine *engine, struct worker *worker, struct request *request)
{
	assert(!request->key && !request->session);
	engine_give_up_attempt(engine, request);
	request->run.may_have_run = true;
	leave_line(engine, worker, request);
}

void engine_take_back(struct engine *engine, struct worker *worker)
{
	struct list_node *node, *before;

	for (node = list_last(&worker->attempts); node && node != &worker->attempts.head;
	     node = before) {
		struct attempt *attempt = list_entry(node, struct attempt, in_worker);
		struct request *request = attempt->request;

		before = node->prev;
		if (!request || attempt->begun != 0)
			continue;
		if (request->is_idempotent)
			take_back(engine, worker, request);
		else
			recall(engine, worker, attempt);
	}
}

void engine_take_recalled(struct engine *engine, struct worker *worker, struct attempt *attempt)
{
	struct request *request = attempt->request;

	worker_drop_attempt(worker, attempt, engine->now);
	if (request)
		leave_line(engine, worker, request);
	else
		engine_late_end(engine, attempt, ERR_NONE);
}
