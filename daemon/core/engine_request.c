#include "daemon/core/engine_internal.h"
#include "daemon/core/recovery.h"

/* Takes the request out of wherever it stands; its slot will be the caller's with the effect that
 * follows. */
static void finish(struct engine *engine, struct request *request)
{
	struct pool *pool = &engine->pools[request->pool];

	if (request->state == REQUEST_QUEUED)
		queue_remove(&pool->queue, request);
	else if (request->state == REQUEST_SENT)
		pool->running--;
	request->attempt = NULL;
	heap_remove(&engine->request_timers, &request->timer);
	request_move(request, REQUEST_DONE);
	engine->open_requests--;
	hist_add(&pool->stats.total_time, usec_sub(engine->now, request->submitted));
}

/* Whether the same request may do better later, as far as the code alone tells. */
static bool is_retryable(enum errcode code)
{
	return errcode_info(code)->strategy != STRATEGY_ABANDON || code == ERR_queue_timeout ||
	       code == ERR_shutting_down;
}

/* Answers with an error of the daemon's own; the caller may add to what it returns. */
static struct effect *fail(struct engine *engine, struct request *request, enum errcode code,
			   enum executed executed)
{
	struct pool *pool = &engine->pools[request->pool];
	struct effect *effect;

	finish(engine, request);
	if (code == ERR_cancelled)
		pool->stats.cancelled++;
	else
		pool->stats.failed++;
	pool->stats.errors[code]++;
	effect = engine_emit(engine, EFFECT_ERROR);
	effect->pool = request->pool;
	effect->request = engine_slot_of(engine, request);
	effect->worker = request->worker;
	effect->error.code = code;
	effect->error.executed = executed;
	effect->error.retryable = is_retryable(code);
	effect->error.has_worker = request->attempts > 0;
	effect->error.retry_after = USEC_INFINITY;
	return effect;
}

static enum executed ran_before(const struct request *request)
{
	return request->may_have_run ? EXECUTED_MAYBE : EXECUTED_NO;
}

/* A refusal by the pool as it stands now says when to come again. */
static void refuse(struct engine *engine, struct request *request, enum errcode code)
{
	struct effect *effect = fail(engine, request, code, ran_before(request));

	effect->error.retry_after = pool_retry_after(&engine->pools[request->pool]);
}

/* While a worker has it, news that it began may be under way, whatever stood before it in line. */
static enum executed ran_by_now(const struct request *request)
{
	return request->state == REQUEST_SENT ? EXECUTED_MAYBE : ran_before(request);
}

static bool is_unavailable(const struct pool *pool)
{
	return pool->failed_starts >= POOL_FAILED_STARTS &&
	       (pool_troubles(pool) & TROUBLE_NO_WORKER);
}

/* Finds room in the queue, if need be at the cost of a request of lower priority. */
static bool make_room(struct engine *engine, struct pool *pool, const struct request *request)
{
	while (!queue_has_room(&pool->queue, request->bytes)) {
		struct request *victim = queue_victim(&pool->queue, request->priority);

		if (!victim)
			return false;
		refuse(engine, victim, ERR_shed);
	}
	return true;
}

static void open_request(struct engine *engine, struct request *request,
			 const struct engine_event *event)
{
	assert(request->state == REQUEST_FREE || request->state == REQUEST_DONE);
	*request = (struct request){
		.state = REQUEST_FREE,
		.priority = event->submit.priority,
		.idempotent = event->submit.idempotent,
		.pool = event->submit.pool,
		.max_attempts = event->submit.max_attempts,
		.bytes = event->submit.bytes,
		.submitted = engine->now,
		.deadline = usec_add(engine->now, event->submit.timeout),
	};
	heap_entry_init(&request->timer);
	engine->open_requests++;
}

void engine_submit(struct engine *engine, const struct engine_event *event)
{
	struct request *request = &engine->requests[event->request];
	struct pool *pool = &engine->pools[event->submit.pool];

	assert(event->request < engine->requests_max && event->submit.pool < engine->pool_count);
	open_request(engine, request, event);
	pool->stats.requests++;
	if (engine->stopping) {
		fail(engine, request, ERR_shutting_down, EXECUTED_NO);
	} else if (is_unavailable(pool)) {
		refuse(engine, request, ERR_pool_unavailable);
	} else if (!make_room(engine, pool, request)) {
		refuse(engine, request, ERR_queue_full);
	} else {
		queue_push(&pool->queue, request);
		request_move(request, REQUEST_QUEUED);
		heap_set(&engine->request_timers, &request->timer, request->deadline);
		engine_dispatch(engine, pool);
	}
}

/* Cuts a request loose from its attempt; the worker is told unless it can't listen. */
static void give_up_attempt(struct engine *engine, struct request *request)
{
	struct worker *worker = &engine->workers[request->worker];

	if (!worker->deaf) {
		struct effect *effect = engine_emit(engine, EFFECT_CANCEL);

		effect->worker = worker->index;
		effect->life = worker->life;
		effect->send.id = request->attempt->id;
	}
	worker_give_up_attempt(worker, request->attempt, engine->now);
	engine_arm_worker(engine, worker);
}

static void cancel(struct engine *engine, struct request *request, bool gone)
{
	enum executed executed = ran_by_now(request);

	if (request->state == REQUEST_SENT)
		give_up_attempt(engine, request);
	if (!gone) {
		fail(engine, request, ERR_cancelled, executed);
		return;
	}
	finish(engine, request);
	engine->pools[request->pool].stats.cancelled++;
	engine_emit(engine, EFFECT_DROP)->request = engine_slot_of(engine, request);
}

void engine_cancel(struct engine *engine, uint32_t slot, bool gone)
{
	struct request *request = &engine->requests[slot];

	assert(slot < engine->requests_max);
	if (request->state != REQUEST_QUEUED && request->state != REQUEST_SENT)
		return;
	cancel(engine, request, gone);
	/* What stood behind it in the queue may have a place where it had none. */
	engine_dispatch(engine, &engine->pools[request->pool]);
}

static void expire_queued(struct engine *engine, struct request *request)
{
	enum executed executed = ran_before(request);

	fail(engine, request, executed == EXECUTED_NO ? ERR_queue_timeout : ERR_deadline_exceeded,
	     executed);
}

void engine_expire(struct engine *engine, struct request *request)
{
	struct worker *worker = &engine->workers[request->worker];
	enum executed executed = ran_by_now(request);
	struct effect *effect;

	if (request->state == REQUEST_QUEUED) {
		expire_queued(engine, request);
		engine_dispatch(engine, &engine->pools[request->pool]);
		return;
	}
	if (request->attempt->begun == 0) {
		/* It stands behind another one: the worker is not to blame, and need not end for
		 * it. */
		give_up_attempt(engine, request);
		fail(engine, request, ERR_queue_timeout, executed);
		return;
	}
	give_up_attempt(engine, request);
	effect = fail(engine, request, ERR_attempt_timeout, executed);
	effect->error.cause = CAUSE_OVERRUN;
	worker->failed++;
	engine_terminate(engine, worker, CAUSE_OVERRUN);
	engine_refill(engine, engine_pool_of(engine, worker));
	engine_dispatch(engine, engine_pool_of(engine, worker));
}

static void send_request(struct engine *engine, struct request *request, struct worker *worker)
{
	struct pool *pool = &engine->pools[request->pool];
	struct effect *effect;

	queue_remove(&pool->queue, request);
	request_move(request, REQUEST_SENT);
	request->attempt = worker_add_attempt(worker, request, engine->now);
	request->worker = worker->index;
	request->attempts++;
	request->sent = engine->now;
	if (request->attempts == 1) {
		request->first_sent = engine->now;
		hist_add(&pool->stats.queue_time, usec_sub(engine->now, request->submitted));
	}
	pool->running++;
	pool->stats.attempts++;
	pool_place_worker(pool, worker, engine->now);
	engine_arm_worker(engine, worker);

	effect = engine_emit(engine, EFFECT_SEND);
	effect->pool = pool->index;
	effect->request = engine_slot_of(engine, request);
	effect->worker = worker->index;
	effect->life = worker->life;
	effect->send.id = request->attempt->id;
	effect->send.attempt = request->attempts;
	effect->send.deadline = request->deadline;
}

void engine_dispatch(struct engine *engine, struct pool *pool)
{
	struct request *request;

	while ((request = queue_peek(&pool->queue))) {
		struct worker *worker;

		if (request->deadline <= engine->now) {
			expire_queued(engine, request);
			continue;
		}
		worker = pool_pick(pool, request);
		if (!worker)
			break;
		send_request(engine, request, worker);
	}
	if (pool_wants_more(pool))
		engine_start_one(engine, pool);
}

/* What the worker's own error says of it: an exception comes from the code, a refusal from there or
 * from before it. */
static enum executed ran_to_error(const struct request *request, enum errcode code)
{
	if (code == ERR_exception || code == ERR_encode_error)
		return EXECUTED_YES;
	return code == ERR_rejected ? EXECUTED_MAYBE : ran_before(request);
}

static void answer_error(struct engine *engine, struct request *request,
			 const struct engine_event *event)
{
	enum errcode code = event->answer.code;
	struct effect *effect;

	/* Nobody asked it to cancel this one: to the client that is a failure like any other. */
	if (code == ERR_cancelled)
		code = ERR_exception;
	effect = fail(engine, request, code, ran_to_error(request, code));
	effect->error.from_worker = true;
	effect->error.retryable = event->answer.retryable;
	effect->error.retry_after = event->answer.retry_after;
}

void engine_take_answer(struct engine *engine, struct worker *worker, struct attempt *attempt,
			const struct engine_event *event)
{
	struct pool *pool = engine_pool_of(engine, worker);
	struct request *request = attempt->request;
	usec_t run = usec_sub(engine->now, attempt->begun ? attempt->begun : attempt->sent);

	worker_drop_attempt(worker, attempt, engine->now);
	if (!request) {
		pool->stats.late_answers++;
		return;
	}
	hist_add(&pool->stats.run_time, run);
	if (event->answer.code != ERR_NONE) {
		worker->failed++;
		answer_error(engine, request, event);
		return;
	}
	pool_learn_run(pool, run);
	budget_success(&pool->budget, engine->now);
	finish(engine, request);
	pool->stats.succeeded++;
	engine_emit(engine, EFFECT_RESULT)->request = engine_slot_of(engine, request);
}

static void requeue(struct engine *engine, struct request *request)
{
	struct pool *pool = &engine->pools[request->pool];

	pool->running--;
	request->attempt = NULL;
	request_move(request, REQUEST_QUEUED);
	queue_push_front(&pool->queue, request);
}

/* Why the attempts at a worker that is gone failed. */
static enum errcode death_code(const struct worker *worker, bool signalled)
{
	if (worker->broken_by != ERR_NONE)
		return worker->broken_by;
	return worker->cause != CAUSE_NONE || signalled ? ERR_worker_killed : ERR_worker_exited;
}

static void settle(struct engine *engine, struct worker *worker, struct attempt *attempt,
		   enum errcode code)
{
	struct pool *pool = engine_pool_of(engine, worker);
	struct request *request = attempt->request;
	bool ran = worker_may_have_run(worker, attempt);
	struct effect *effect;
	bool may_retry;

	worker_drop_attempt(worker, attempt, engine->now);
	if (!request)
		return;
	if (!ran) {
		requeue(engine, request);
		pool->stats.requeued++;
		return;
	}
	request->crashes++;
	request->may_have_run = true;
	may_retry =
		recovery_may_retry(request, code, EXECUTED_MAYBE, pool->settings.max_crash_retries);
	if (may_retry && budget_take(&pool->budget, engine->now)) {
		requeue(engine, request);
		pool->stats.retried++;
		return;
	}
	effect = fail(engine, request, code, EXECUTED_MAYBE);
	effect->error.cause = worker->cause;
	effect->error.budget_spent = may_retry;
	pool->stats.budget_spent += may_retry;
}

void engine_settle_attempts(struct engine *engine, struct worker *worker, bool signalled)
{
	enum errcode code = death_code(worker, signalled);
	struct list_node *node;

	/* From the last to the first, as each goes to the head of the queue, and so that none moves
	 * up in line meanwhile. */
	while ((node = list_last(&worker->attempts)))
		settle(engine, worker, list_entry(node, struct attempt, in_worker), code);
}

void engine_take_back(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);
	struct list_node *node, *before;

	for (node = list_last(&worker->attempts); node && node != &worker->attempts.head;
	     node = before) {
		struct attempt *attempt = list_entry(node, struct attempt, in_worker);
		struct request *request = attempt->request;

		before = node->prev;
		if (!request || attempt->begun != 0 || !request->idempotent)
			continue;
		give_up_attempt(engine, request);
		request->may_have_run = true;
		requeue(engine, request);
		pool->stats.moved++;
	}
}

void engine_fail_queue(struct engine *engine, struct pool *pool, enum errcode code)
{
	struct request *request;

	while ((request = queue_peek(&pool->queue)))
		refuse(engine, request, code);
}

void engine_fail_all(struct engine *engine)
{
	for (uint32_t i = 0; i < engine->requests_max && engine->open_requests > 0; i++) {
		struct request *request = &engine->requests[i];
		enum executed executed;

		if (request->state != REQUEST_QUEUED && request->state != REQUEST_SENT)
			continue;
		executed = ran_by_now(request);
		if (request->state == REQUEST_SENT)
			give_up_attempt(engine, request);
		fail(engine, request, ERR_shutting_down, executed);
	}
}
