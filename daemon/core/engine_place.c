#include "daemon/core/engine_internal.h"

#include <string.h>

/*
 * Where a request is served: in its own pool, or in a later one of its chain.
 */

/* --- whether a pool accepts it --- */

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

enum errcode engine_unfit(const struct engine *engine, const struct request *request)
{
	return unfit_for(engine, request, &engine->pools[request->run.pool], request->run.circuit);
}

struct failure engine_refusal(struct engine *engine, const struct request *request,
			      enum errcode code)
{
	struct pool *pool = &engine->pools[request->run.pool];
	struct failure failure = engine_failure(request, code);
	usec_t left;

	if (code == ERR_queue_full) {
		if (!queue_user_has_room(&pool->queue, request->user))
			failure.over_share = OVER_QUEUE;
		failure.retry_after =
			forecast_retry_after(pool, request, &engine->prng, engine->now);
	} else if (errcode_info(code)->category == ERRCAT_resource || code == ERR_connect_failed) {
		failure.retry_after = pool_retry_after(pool);
	}
	/* It may be the breaker of another one with the same key, where its own pool has none. */
	if (code != ERR_circuit_open || !request->run.circuit)
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
		struct request *victim = pool_victim(pool, request->rank);

		if (!victim)
			return false;
		engine_detach(engine, victim);
		engine_defer(engine, victim, ERR_shed);
		/* The one behind it may be sent, even if the new one is not queued. */
		engine_mark_pool_dirty(engine, pool);
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
	enum errcode code = engine_unfit(engine, request);

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
	if (!queue_user_has_room(&pool->queue, request->user) || !make_room(engine, pool, request))
		return ERR_queue_full;
	engine_enqueue(engine, request, false);
	forecast_queued(pool, request, engine->now);
	return ERR_NONE;
}

/* --- the levels of its chain --- */

void engine_move_to_level(struct engine *engine, struct request *request, unsigned level)
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

/* Whether the request may be tried at that level: the pool there knows the method, and it is static
 * or it is safe to run the request there, for the client and for the workers. */
static bool may_try_level(const struct engine *engine, const struct request *request,
			  unsigned level)
{
	const struct pool_settings *settings = &engine_pool_at(engine, request, level)->settings;

	if (request->pool_skip & 1u << level)
		return false;
	if (request->deadline <= engine->now)
		return false;
	if (settings->adapter == POOL_STATIC)
		return !request->has_streamed;
	return (!request->run.may_have_run || request->is_idempotent) &&
	       (!request->has_streamed || request->is_restartable) &&
	       request->run.crashes <= settings->max_crash_retries &&
	       request_runs(request) < request->max_attempts;
}

unsigned engine_last_level(const struct engine *engine, const struct request *request)
{
	return request->no_fallback ? 0 : engine->pools[request->home].settings.fallback_count;
}

/* The parameters of try_levels. */
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
		struct pool *pool = engine_pool_at(engine, request, level);
		enum errcode code;

		if (pool->is_deserted != descent->is_last_resort ||
		    !may_try_level(engine, request, level))
			continue;
		engine_move_to_level(engine, request, level);
		code = engine_unfit(engine, request);
		if (code == ERR_NONE && descent->failure) {
			engine_report_retry(engine, request, descent->failure, descent->from);
			descent->failure->was_reported = true;
			descent->failure = NULL;
		}
		if (code == ERR_NONE)
			code = take_place(engine, request);
		if (code == ERR_NONE) {
			pool->stats.taken_over++;
			return true;
		}
		descent->retry_after = usec_min(descent->retry_after,
						engine_refusal(engine, request, code).retry_after);
	}
	return false;
}

bool engine_descend(struct engine *engine, struct request *request, unsigned level,
		    struct failure *failure, usec_t *ret_retry_after)
{
	struct descent descent = {.level = level,
				  .from = request->run.pool,
				  .failure = failure,
				  .retry_after = USEC_INFINITY};
	bool is_accepted = try_levels(engine, request, &descent);

	if (!is_accepted) {
		descent.is_last_resort = true;
		is_accepted = try_levels(engine, request, &descent);
	}
	*ret_retry_after = descent.retry_after;
	return is_accepted;
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
	struct failure failure;
	usec_t retry_after;

	if (home && code == ERR_NONE)
		return;
	if (home)
		failure = engine_refusal(engine, request, code);
	if (engine_descend(engine, request, 1, NULL, &retry_after)) {
		engine_count_failover(engine, &engine->pools[request->home]);
		return;
	}
	/* No fallback accepted it: try the home pool, whatever its share. */
	engine_move_to_level(engine, request, 0);
	if (!home) {
		code = take_place(engine, request);
		if (code == ERR_NONE)
			return;
		failure = engine_refusal(engine, request, code);
	}
	failure.retry_after = usec_min(failure.retry_after, retry_after);
	engine_answer_error(engine, request, &failure);
}

/* --- from a queue to a fallback --- */

/* Whether that pool has a place for the request in its queue, from which it would be served in time. */
static bool has_place(const struct engine *engine, const struct request *request,
		      const struct pool *pool)
{
	struct request there = *request;

	there.run.entry = runs_find(&pool->runs, request->method);
	return queue_has_room(&pool->queue, request->bytes) &&
	       queue_user_has_room(&pool->queue, request->user) &&
	       too_late(engine, pool, &there) == ERR_NONE;
}

bool engine_would_take(struct engine *engine, const struct request *request, unsigned level)
{
	struct pool *pool = engine_pool_at(engine, request, level);

	return may_try_level(engine, request, level) && pool_serves(pool) &&
	       unfit_for(engine, request, pool, engine_circuit(engine, pool, request->method)) ==
		       ERR_NONE &&
	       (pool->settings.adapter == POOL_STATIC || has_place(engine, request, pool));
}

bool engine_move_down(struct engine *engine, struct request *request, unsigned level)
{
	struct pool *from = &engine->pools[request->run.pool];
	const struct request was = *request;

	engine_detach(engine, request);
	/* The token is given back only when the request has really gone. */
	request->run.has_token = false;
	engine_move_to_level(engine, request, level);
	if (take_place(engine, request) == ERR_NONE) {
		if (was.run.has_token)
			budget_return(&from->budget, engine->now);
		engine_count_failover(engine, from);
		engine_pool_at(engine, request, level)->stats.taken_over++;
		return true;
	}
	engine_move_to_level(engine, request, was.run.level);
	request->run = was.run;
	request->delay = was.delay;
	memcpy(request->tried, was.tried, sizeof(request->tried));
	engine_enqueue(engine, request, true);
	return false;
}
