#include "daemon/core/engine_internal.h"

/* Reports that an attempt failed in the pool `from` and that the request goes on in its pool. */
static struct effect *emit_retry(struct engine *engine, const struct request *request,
				 const struct failure *failure, uint32_t from)
{
	struct effect *effect = engine_emit(engine, EFFECT_RETRY);

	engine_fill_failure(engine, request, failure, from, effect);
	effect->pool = request->run.pool;
	return effect;
}

/* --- the request's recovery --- */

static COLD struct effect *emit_recovery(struct engine *engine, const struct request *request,
					 bool began, enum recovery_result result)
{
	const struct recovery *recovery = request->recovery;
	struct effect *effect = engine_emit(engine, EFFECT_RECOVERY);

	effect->pool = request->run.pool;
	effect->request = engine_slot_of(engine, request);
	effect->recovery.id = recovery->id;
	effect->recovery.cause = recovery->cause;
	effect->recovery.strategy = recovery->strategy;
	effect->recovery.has_begun = began;
	effect->recovery.result = result;
	effect->recovery.duration = usec_sub(engine->now, recovery->started);
	return effect;
}

void engine_close_recovery(struct engine *engine, struct request *request,
			   enum recovery_result result)
{
	if (!request->recovery)
		return;
	emit_recovery(engine, request, false, result);
	recoveries_end(&engine->recoveries, request->recovery, result, engine->now);
	request->recovery = NULL;
}

/* Begins or continues the request's recovery, after a failure in the pool `from`. */
static void go_on_recovery(struct engine *engine, struct request *request,
			   const struct failure *failure, uint32_t from)
{
	if (!request->recovery) {
		request->recovery = recoveries_begin(
			&engine->recoveries, request, &engine->policy, failure->code,
			engine_severity(engine, request, failure, from), engine->now);
		emit_recovery(engine, request, true, RECOVERY_SUCCEEDED)->pool = from;
	}
	request->recovery->attempts++;
}

void engine_report_retry(struct engine *engine, struct request *request,
			 const struct failure *failure, uint32_t from)
{
	go_on_recovery(engine, request, failure, from);
	emit_retry(engine, request, failure, from);
}

void engine_return_token(struct engine *engine, struct request *request)
{
	if (request->run.has_token)
		budget_return(&engine->pools[request->run.pool].budget, engine->now);
	request->run.has_token = false;
}

/* Takes a token from the retry budget of the request's pool.  A request that has certainly not run
 * needs no token, unless the worker refused it.  False: no token is left. */
static bool pays(struct engine *engine, struct request *request, struct failure *failure)
{
	struct pool *pool = &engine->pools[request->run.pool];

	if (!request->run.may_have_run && !failure->is_from_worker)
		return true;
	if (budget_take(&pool->budget, engine->now)) {
		request->run.has_token = true;
		return true;
	}
	failure->budget_spent = true;
	if (pool->stats.budget_spent++ == 0 ||
	    usec_sub(engine->now, pool->budget_reported) >= USEC_PER_SEC) {
		pool->budget_reported = engine->now;
		engine_incident(engine, pool, NULL, ERR_retry_budget_exhausted);
	}
	return false;
}

/* --- failures --- */

/* The time until which a retry may begin: the request's deadline, or the limit of its recovery,
 * which runs already or would begin now, if that is earlier. */
static usec_t until(const struct engine *engine, const struct request *request,
		    const struct failure *failure)
{
	usec_t limit;

	if (request->recovery)
		return usec_min(request->deadline, request->recovery->until);
	limit = recovery_limit(engine_severity(engine, request, failure, request->run.pool),
			       request->priority);
	return usec_min(request->deadline, usec_add(engine->now, limit));
}

/* The typical run of the request's method; of the pool, where that is unknown. */
static usec_t typical_run(const struct pool *pool, const struct request *request)
{
	usec_t run = runs_own_typical(&pool->runs, request->run.entry);

	return run > 0 ? run : pool->typical_run;
}

static struct recovery_case facts_of(struct engine *engine, struct request *request,
				     const struct failure *failure)
{
	const struct pool *pool = &engine->pools[request->run.pool];
	struct recovery_case facts = {
		.policy = &engine->policy,
		.code = failure->code,
		.may_run_again = request->is_idempotent || !request->run.may_have_run,
		.has_retryable = failure->has_retryable,
		.is_retryable = failure->is_retryable,
		.has_begun_stream = request->has_streamed,
		.is_restartable = request->is_restartable,
		.retries = request->run.retries,
		.attempts = request_runs(request),
		.max_attempts = request->max_attempts,
		.crashes = request->run.crashes,
		.max_crash_retries = pool->settings.max_crash_retries,
		.typical_run = typical_run(pool, request),
		.now = engine->now,
		.until = until(engine, request, failure),
	};

	/* A retry_after from the worker overrides the backoff. */
	facts.delay =
		failure->is_from_worker && failure->retry_after != USEC_INFINITY
			? failure->retry_after
			: policy_delay(&engine->policy, failure->code, &pool->settings.backoff,
				       request->run.retries + 1, request->delay, &engine->prng);
	return facts;
}

/* Whether the breaker would admit the retry now.  Takes no permit. */
static bool is_willing(const struct engine *engine, const struct request *request)
{
	return !request->run.circuit || circuit_is_willing(request->run.circuit, engine->now);
}

bool engine_goes_down(const struct engine *engine, const struct request *request, enum errcode code)
{
	unsigned asked = engine->pools[request->home].settings.fallback_on;
	bool named = asked & 1u << errcode_info(code)->category;

	if (request->run.level >= engine_last_level(engine, request))
		return false;
	switch (policy_row(&engine->policy, code)->fails_over) {
	case FAILOVER_YES:
		return true;
	case FAILOVER_IDEMPOTENT:
		return request->is_idempotent || named;
	case FAILOVER_ASKED:
		return named;
	case FAILOVER_NO:
	case FAILOVER_COUNT_:
		break;
	}
	return false;
}

/* Whether the request has taken so many workers down that it may be tried on just one more, and a
 * later pool of its chain would be that one: it has better prospects there. */
static bool saves_last_worker(struct engine *engine, const struct request *request,
			      enum errcode code)
{
	unsigned most = engine->pools[request->run.pool].settings.max_crash_retries;

	if (request->run.crashes == 0 || request->run.crashes < most ||
	    !engine_goes_down(engine, request, code))
		return false;
	for (unsigned level = request->run.level + 1; level <= engine_last_level(engine, request);
	     level++)
		if (engine_pool_at(engine, request, level)->settings.adapter != POOL_STATIC &&
		    engine_would_take(engine, request, level))
			return true;
	return false;
}

/* Retries in the same pool.  False: policy, breaker or budget do not allow it. */
static bool retry(struct engine *engine, struct request *request, struct failure *failure)
{
	struct recovery_case facts = facts_of(engine, request, failure);

	if (recovery_judge(&facts) != RECOVERY_RETRY || !is_willing(engine, request) ||
	    saves_last_worker(engine, request, failure->code) || !pays(engine, request, failure))
		return false;
	go_on_recovery(engine, request, failure, request->run.pool);
	request->run.retries++;
	request->delay = facts.delay;
	request->due = usec_add(engine->now, facts.delay);
	request_note_tried(request, request->run.worker, engine->workers[request->run.worker].life);
	engine->pools[request->run.pool].stats.retried++;
	window_retried(engine->pools[request->run.pool].window, engine->now);
	emit_retry(engine, request, failure, request->run.pool)->failed.delay = facts.delay;
	if (facts.delay == 0)
		engine_enqueue(engine, request, true);
	else
		engine_arm_request(engine, request);
	return true;
}

/* Moves the request to a later level of its chain.  False: none may or does accept it. */
static bool fail_over(struct engine *engine, struct request *request, struct failure *failure)
{
	struct pool *from = &engine->pools[request->run.pool];
	unsigned level = request->run.level;
	usec_t retry_after;

	if (!engine_goes_down(engine, request, failure->code))
		return false;
	if (engine_descend(engine, request, level + 1, failure->was_attempted ? failure : NULL,
			   &retry_after)) {
		engine_count_failover(engine, from);
		return true;
	}
	engine_move_to_level(engine, request, level);
	if (!failure->was_attempted)
		failure->retry_after = usec_min(failure->retry_after, retry_after);
	return false;
}

void engine_failed(struct engine *engine, struct request *request, const struct failure *failure)
{
	struct failure reported = *failure;
	bool can_recover = request->recovery || !list_empty(&engine->recoveries.spare);

	if (failure->was_attempted)
		request->last = reported;
	engine->recoveries.refused += failure->was_attempted && !can_recover;
	if (can_recover && failure->was_attempted && retry(engine, request, &reported))
		return;
	if ((can_recover || !failure->was_attempted) && fail_over(engine, request, &reported))
		return;
	/* A retry was refused: report the failure of the attempt before, not the refusal. */
	if (!failure->was_attempted && request->last.code != ERR_NONE &&
	    failure->code != ERR_deadline_exceeded) {
		reported = request->last;
		reported.was_reported = true;
		/* But it may have run since that failure. */
		if (reported.executed == EXECUTED_NO)
			reported.executed = failure->executed;
	}
	engine_answer_error(engine, request, &reported);
}

void engine_try_again(struct engine *engine, struct request *request)
{
	enum errcode code = engine_unfit(engine, request);
	struct failure failure;

	if (code == ERR_NONE) {
		engine_enqueue(engine, request, true);
		return;
	}
	failure = engine_refusal(engine, request, code);
	engine_failed(engine, request, &failure);
}

void engine_end_recovery(struct engine *engine, struct request *request,
			 enum recovery_result result)
{
	struct failure reported = request->last;

	reported.was_reported = true;
	reported.executed = reported.executed == EXECUTED_YES ? EXECUTED_YES : engine_ran(request);
	engine_detach(engine, request);
	engine_close_recovery(engine, request, result);
	engine_answer_error(engine, request, &reported);
}

void engine_recovery_cancel(struct engine *engine, uint64_t id)
{
	struct recovery *recovery = recoveries_find(&engine->recoveries, id);

	if (recovery) {
		/* The requests behind it in the queue may be sent now. */
		engine_mark_pool_dirty(engine, &engine->pools[recovery->request->run.pool]);
		engine_end_recovery(engine, recovery->request, RECOVERY_CANCELLED);
	}
	engine_emit(engine, EFFECT_DONE)->code = recovery ? ERR_NONE : ERR_invalid_request;
}

/* --- deferred to the end of the event --- */

void engine_defer(struct engine *engine, struct request *request, enum errcode refused)
{
	request->is_deferred = true;
	request->refused = refused;
	list_push_back(&engine->deferred, &request->in_queue);
}

void engine_resume(struct engine *engine, struct request *request)
{
	enum errcode code = request->refused;
	struct failure failure;

	list_remove(&engine->deferred, &request->in_queue);
	request->is_deferred = false;
	if (request->is_barred || engine_has_answer(request)) {
		engine_go_on(engine, request);
		return;
	}
	if (code == ERR_NONE) {
		if (engine_take_turn(engine, request))
			engine_place(engine, request);
		return;
	}
	failure = engine_refusal(engine, request, code);
	if (request->state == REQUEST_WAITING) {
		/* It fails with the error of what it waited for; another pool would not help. */
		engine_begin(engine, request);
		engine_answer_error(engine, request, &failure);
		return;
	}
	engine_failed(engine, request, &failure);
}

static void fail_line(struct engine *engine, struct list *line, const struct circuit *circuit,
		      enum errcode code)
{
	struct list_node *node, *after;

	list_for_each_safe (node, after, line) {
		struct request *request = list_entry(node, struct request, in_queue);

		if (circuit && request->run.circuit != circuit)
			continue;
		engine_detach(engine, request);
		engine_defer(engine, request, code);
	}
}

void engine_fail_queue(struct engine *engine, struct pool *pool, const struct circuit *circuit,
		       enum errcode code)
{
	for (unsigned i = 0; i < PRIORITY_COUNT_; i++)
		fail_line(engine, &pool->queue.classes[i].requests, circuit, code);
	for (unsigned i = 0; i < pool->slots; i++)
		fail_line(engine, &pool->workers[i].parked, circuit, code);
	fail_line(engine, &pool->held, circuit, code);
}
