#include "daemon/core/engine_internal.h"

#include <string.h>

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

static struct effect *emit_recovery(struct engine *engine, const struct request *request,
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

/* --- placing a request --- */

/* Whether the pool is drained for this request: requests that a client sent to the pool before the
 * drain are still completed. */
static bool is_shut_out(const struct pool *pool, const struct request *request)
{
	return pool->drained > 0 &&
	       (request->home != pool->index || request->submitted >= pool->drained);
}

/* Why the pool, with that circuit for the request, does not accept it now; ERR_NONE: it does. */
static enum errcode unfit_for(const struct engine *engine, const struct request *request,
			      const struct pool *pool, const struct circuit *circuit)
{
	if (is_shut_out(pool, request))
		return ERR_pool_unavailable;
	if (circuit && !circuit_is_willing(circuit, engine->now))
		return ERR_circuit_open;
	if (pool_is_unavailable(pool))
		return pool->settings.adapter == POOL_SOCKET ? ERR_connect_failed
							     : ERR_pool_unavailable;
	return ERR_NONE;
}

/* Why the request's pool does not accept it now; ERR_NONE: it does. */
static enum errcode unfit(const struct engine *engine, const struct request *request)
{
	return unfit_for(engine, request, &engine->pools[request->run.pool], request->run.circuit);
}

/* The failure of a request that its pool refused with `code`; with retry_after if it is known. */
static struct failure refusal(struct engine *engine, const struct request *request,
			      enum errcode code)
{
	struct pool *pool = &engine->pools[request->run.pool];
	struct failure failure = engine_failure(request, code);
	usec_t left;

	if (code == ERR_queue_full)
		failure.retry_after =
			forecast_retry_after(pool, request, &engine->prng, engine->now);
	else if (errcode_info(code)->category == ERRCAT_resource || code == ERR_connect_failed)
		failure.retry_after = pool_retry_after(pool);
	if (code != ERR_circuit_open)
		return failure;
	/* 0 if the requests in the queue will take the free leases: then the time is unknown. */
	left = breaker_time_left(&request->run.circuit->breaker, engine->now);
	if (left > 0)
		failure.retry_after = left;
	return failure;
}

/* Makes room in the queue; sheds requests of lower priority if needed.  False: it is full. */
static bool make_room(struct engine *engine, struct pool *pool, const struct request *request)
{
	while (!queue_has_room(&pool->queue, request->bytes)) {
		struct request *victim = pool_victim(pool, request->priority);

		if (!victim)
			return false;
		engine_detach(engine, victim);
		engine_defer(engine, victim, ERR_shed);
	}
	return true;
}

/* Why the request would come too late in its pool's queue; ERR_NONE: it would not. */
static enum errcode too_late(const struct engine *engine, const struct pool *pool,
			     const struct request *request)
{
	switch (forecast_judge(pool, request, engine->now)) {
	case FORECAST_IN_TIME:
		return ERR_NONE;
	case FORECAST_FULL:
		return ERR_queue_full;
	case FORECAST_HOPELESS:
		break;
	}
	return ERR_queue_timeout;
}

/* Queues the request in its pool, or answers it if the pool is static.  Returns ERR_NONE, or why
 * the pool refuses it. */
static enum errcode take_place(struct engine *engine, struct request *request)
{
	struct pool *pool = &engine->pools[request->run.pool];
	enum errcode code = unfit(engine, request);

	if (code == ERR_circuit_open)
		breaker_reject(&request->run.circuit->breaker);
	if (code != ERR_NONE)
		return code;
	if (pool->settings.adapter == POOL_STATIC) {
		engine_answer_result(engine, request, RESULT_STATIC, NULL);
		return ERR_NONE;
	}
	request->run.entry = runs_find(&pool->runs, request->method);
	code = too_late(engine, pool, request);
	if (code == ERR_queue_full)
		engine_note_refusal(engine, pool);
	if (code != ERR_NONE)
		return code;
	if (!make_room(engine, pool, request))
		return ERR_queue_full;
	engine_enqueue(engine, request, false);
	forecast_queued(pool, request, engine->now);
	return ERR_NONE;
}

void engine_return_token(struct engine *engine, struct request *request)
{
	if (request->run.has_token)
		budget_return(&engine->pools[request->run.pool].budget, engine->now);
	request->run.has_token = false;
}

/* Moves the request to that level of its chain; retries and delay start from 0 there. */
static void move_to_level(struct engine *engine, struct request *request, unsigned level)
{
	struct pool *pool;

	engine_return_token(engine, request);
	engine->pools[request->run.pool].delayed--;
	request->run.level = level;
	request->run.pool = engine_chain_pool(engine, request->home, level);
	pool = &engine->pools[request->run.pool];
	pool->delayed++;
	request->run.circuit = engine_circuit(engine, pool, request->method);
	request->run.retries = 0;
	request->delay = 0;
	request->run.was_counted = false;
	for (unsigned i = 0; i < REQUEST_TRIED_MAX; i++)
		request->tried[i].life = 0;
}

static bool is_static(const struct engine *engine, uint32_t pool)
{
	return engine->pools[pool].settings.adapter == POOL_STATIC;
}

/* Whether the request may be tried at that level: the pool there knows the method, and it is static
 * or it is safe to run the request there, for the client and for the workers. */
static bool may_try_level(const struct engine *engine, const struct request *request,
			  unsigned level)
{
	uint32_t pool = engine_chain_pool(engine, request->home, level);

	if (request->pool_skip & 1u << level)
		return false;
	if (request->deadline <= engine->now)
		return false;
	if (is_static(engine, pool))
		return !request->has_streamed;
	return (!request->run.may_have_run || request->is_idempotent) &&
	       (!request->has_streamed || request->is_restartable) &&
	       request->run.crashes <= engine->pools[pool].settings.max_crash_retries &&
	       request_runs(request) < request->max_attempts;
}

unsigned engine_last_level(const struct engine *engine, const struct request *request)
{
	return request->no_fallback ? 0 : engine->pools[request->home].settings.fallback_count;
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

/* The parameters of `descend`. */
struct descent {
	unsigned level;		 /* the first one to try */
	uint32_t from;		 /* the pool where the request was before */
	struct failure *failure; /* of the attempt before, for EFFECT_RETRY; NULL: none failed */
	bool is_last_resort;	 /* tries the pools that lack workers, else the others */
	usec_t retry_after;	 /* the soonest of the pools that refused; USEC_INFINITY: unknown */
};

static bool try_levels(struct engine *engine, struct request *request, struct descent *descent)
{
	for (unsigned level = descent->level; level <= engine_last_level(engine, request);
	     level++) {
		struct pool *pool = &engine->pools[engine_chain_pool(engine, request->home, level)];
		enum errcode code;

		if (pool->is_deserted != descent->is_last_resort ||
		    !may_try_level(engine, request, level))
			continue;
		move_to_level(engine, request, level);
		code = unfit(engine, request);
		if (code == ERR_NONE && descent->failure) {
			go_on_recovery(engine, request, descent->failure, descent->from);
			emit_retry(engine, request, descent->failure, descent->from);
			descent->failure->was_reported = true;
			descent->failure = NULL;
		}
		if (code == ERR_NONE)
			code = take_place(engine, request);
		if (code == ERR_NONE) {
			pool->stats.taken_over++;
			return true;
		}
		descent->retry_after =
			usec_min(descent->retry_after, refusal(engine, request, code).retry_after);
	}
	return false;
}

/* Tries the levels from descent->level on, those that lack workers last; true: one accepted the
 * request. */
static bool descend(struct engine *engine, struct request *request, struct descent *descent)
{
	descent->from = request->run.pool;
	descent->retry_after = USEC_INFINITY;
	descent->is_last_resort = false;
	if (try_levels(engine, request, descent))
		return true;
	descent->is_last_resort = true;
	return try_levels(engine, request, descent);
}

/* Whether the request starts at its home pool.  While the pool has failed over, only its share of
 * the requests does, and the probes of its breaker. */
static bool starts_at_home(struct engine *engine, const struct request *request)
{
	struct pool *pool = &engine->pools[request->home];

	if (!pool->heads_chain || request->no_fallback)
		return true;
	if (pool->is_deserted)
		return false;
	if (pool->failover.state == FAILOVER_HOME)
		return true;
	if (request->run.circuit && request->run.circuit->breaker.state == BREAKER_HALF_OPEN)
		return true;
	/* Then this also makes the step, whose level is to be reported. */
	engine->levels_moved |= failover_deadline(&pool->failover) <= engine->now;
	return failover_takes(&pool->failover, engine->now);
}

void engine_place(struct engine *engine, struct request *request)
{
	bool home = starts_at_home(engine, request);
	enum errcode code = home ? take_place(engine, request) : ERR_NONE;
	struct descent descent = {.level = 1};
	struct failure failure;

	if (home && code == ERR_NONE)
		return;
	if (home)
		failure = refusal(engine, request, code);
	if (descend(engine, request, &descent)) {
		engine->pools[request->home].stats.failed_over++;
		return;
	}
	/* No fallback accepted it: try the home pool, whatever its share. */
	move_to_level(engine, request, 0);
	if (!home) {
		code = take_place(engine, request);
		if (code == ERR_NONE)
			return;
		failure = refusal(engine, request, code);
	}
	failure.retry_after = usec_min(failure.retry_after, descent.retry_after);
	engine_answer_error(engine, request, &failure);
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
		.typical_run = pool->typical_run,
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

/* Whether that pool has a place for the request in its queue, from which it would be served in time. */
static bool has_place(const struct engine *engine, const struct request *request,
		      const struct pool *pool)
{
	struct request there = *request;

	there.run.entry = runs_find(&pool->runs, request->method);
	return queue_has_room(&pool->queue, request->bytes) &&
	       too_late(engine, pool, &there) == ERR_NONE;
}

bool engine_would_take(struct engine *engine, const struct request *request, unsigned level)
{
	struct pool *pool = &engine->pools[engine_chain_pool(engine, request->home, level)];

	return may_try_level(engine, request, level) && pool_serves(pool) &&
	       unfit_for(engine, request, pool, engine_circuit(engine, pool, request->method)) ==
		       ERR_NONE &&
	       (pool->settings.adapter == POOL_STATIC || has_place(engine, request, pool));
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
		if (!is_static(engine, engine_chain_pool(engine, request->home, level)) &&
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
	struct descent descent = {.level = level + 1,
				  .failure = failure->was_attempted ? failure : NULL};

	if (!engine_goes_down(engine, request, failure->code))
		return false;
	if (descend(engine, request, &descent)) {
		from->stats.failed_over++;
		return true;
	}
	move_to_level(engine, request, level);
	if (!failure->was_attempted)
		failure->retry_after = usec_min(failure->retry_after, descent.retry_after);
	return false;
}

bool engine_move_down(struct engine *engine, struct request *request, unsigned level)
{
	struct pool *from = &engine->pools[request->run.pool];
	const struct request was = *request;

	engine_detach(engine, request);
	/* The token is given back only when the request has really gone. */
	request->run.has_token = false;
	move_to_level(engine, request, level);
	if (take_place(engine, request) == ERR_NONE) {
		if (was.run.has_token)
			budget_return(&from->budget, engine->now);
		from->stats.failed_over++;
		engine->pools[engine_chain_pool(engine, request->home, level)].stats.taken_over++;
		return true;
	}
	move_to_level(engine, request, was.run.level);
	request->run = was.run;
	request->delay = was.delay;
	memcpy(request->tried, was.tried, sizeof(request->tried));
	engine_enqueue(engine, request, true);
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
	enum errcode code = unfit(engine, request);
	struct failure failure;

	if (code == ERR_NONE) {
		engine_enqueue(engine, request, true);
		return;
	}
	failure = refusal(engine, request, code);
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
	if (code == ERR_NONE) {
		if (engine_take_turn(engine, request))
			engine_place(engine, request);
		return;
	}
	failure = refusal(engine, request, code);
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
		fail_line(engine, &pool->queue.classes[i], circuit, code);
	for (unsigned i = 0; i < pool->slots; i++)
		fail_line(engine, &pool->workers[i].parked, circuit, code);
}
