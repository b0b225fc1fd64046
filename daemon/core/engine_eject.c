#include "daemon/core/engine_internal.h"

#include <limits.h>

/*
 * Ejection: one bad worker among good ones gets no work for a while.
 *
 * A worker is ejected after EJECT_AFTER counted failures in a row, or when it stands out from its
 * siblings (siblings.h), for EJECT_FOR, which doubles with each ejection up to EJECT_FOR_MAX.  A
 * third ejection of a life within EJECTED_WITHIN replaces the worker.  The number of ejections is
 * the slot's: it outlives the process, and goes to the process that comes for an ejected one as
 * well.  It is forgotten when the worker has worked for WELL_FOR since its last trial went well;
 * that of an empty slot after EMPTY_FOR.
 */
#define EJECT_AFTER    5
#define EJECT_FOR      USEC_PER_SEC
#define EJECT_FOR_MAX  (60 * USEC_PER_SEC)
#define EJECTED_WITHIN (60 * USEC_PER_SEC)
#define WELL_FOR       (60 * USEC_PER_SEC)
#define EMPTY_FOR      (600 * USEC_PER_SEC)

_Static_assert(SIBLINGS_METHODS == 1 + RUNS_METHODS_MAX && SIBLINGS_NOT == RUNS_OTHER,
	       "the methods of a pool have one numbering");

/* --- how workers do --- */

static void count_success(struct worker *worker, usec_t now)
{
	worker->failures = 0;
	worker->goes_last = worker->on_probation = false;
	if (worker->ejections == 0)
		return;
	if (worker->well_since == 0)
		worker->well_since = now;
	else if (usec_sub(now, worker->well_since) >= WELL_FOR)
		worker->ejections = 0;
}

void engine_count_failure(struct worker *worker)
{
	worker->failures++;
	if (worker->failures >= EJECT_AFTER || worker->on_probation)
		worker->eject_pending = true;
}

/* The method by which the request is compared; RUNS_OTHER: it is not.  A request that comes to the
 * worker because of its session is left out: what the session keeps there may be the reason. */
static unsigned method_of(const struct pool *pool, const struct worker *worker,
			  const struct request *request)
{
	const struct session *session = request->session;

	if (session && session->is_bound && session_is_at(session, worker->index, worker->life))
		return RUNS_OTHER;
	/* The method may have become known meanwhile, by this result or by that of a sibling. */
	if (request->run.entry == RUNS_OTHER)
		return runs_find(&pool->runs, request->method);
	return request->run.entry;
}

void engine_judge_result(struct engine *engine, struct worker *worker,
			 const struct request *request)
{
	struct pool *pool = engine_pool_of(engine, worker);

	siblings_count(&pool->siblings, worker->shares, method_of(pool, worker, request),
		       worker->index, false, engine->now);
	count_success(worker, engine->now);
}

/* The slot's next life, or the one that comes for this one elsewhere, goes on where this one ends:
 * `at_once`: it is ejected when it becomes READY. */
static void bequeath(struct pool *pool, struct worker *worker, bool at_once, usec_t now)
{
	worker->bad_at = now;
	pool->bequeathed = worker->ejections;
	pool->bequeaths_at_once = at_once;
}

/* The worker has failed at a request of that method, while its siblings mostly do not. */
static void suspect(struct engine *engine, struct worker *worker, unsigned method, bool fatal)
{
	struct pool *pool = engine_pool_of(engine, worker);
	bool sure = siblings_stands_out(&pool->siblings, worker->shares, method, worker->index,
					SIBLINGS_SURE, USEC_INFINITY);

	if (sure || worker->on_probation)
		worker->eject_pending = true;
	/* It is replaced at once.  If it was of no use at all, its successor may be like it. */
	if (fatal && !worker->was_useful) {
		worker->ejections++;
		siblings_expel(&pool->siblings, worker->shares);
		bequeath(pool, worker, true, engine->now);
	}
}

static void count_error(struct engine *engine, struct worker *worker, const struct request *request,
			bool fatal)
{
	struct pool *pool = engine_pool_of(engine, worker);
	unsigned method = method_of(pool, worker, request);

	worker->goes_last = true;
	siblings_count(&pool->siblings, worker->shares, method, worker->index, true, engine->now);
	siblings_set_run(&pool->siblings, method, runs_typical(&pool->runs, method));
	if (siblings_stands_out(&pool->siblings, worker->shares, method, worker->index,
				SIBLINGS_SUSPICIOUS, worker->tried_since))
		suspect(engine, worker, method, fatal);
}

void engine_judge_error(struct engine *engine, struct worker *worker, const struct request *request,
			enum errcode code, bool fatal)
{
	if (code == ERR_exception || fatal)
		count_error(engine, worker, request, fatal);
	if (policy_row(&engine->policy, code)->counts_worker)
		engine_count_failure(worker);
}

/* --- the slot's history --- */

bool engine_slot_is_bad(const struct worker *worker, usec_t now)
{
	return worker->ejections > 0 && usec_sub(now, worker->bad_at) < EMPTY_FOR;
}

void engine_inherit(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);

	if (!engine_slot_is_bad(worker, engine->now))
		worker->ejections = 0;
	if (pool->bequeathed > worker->ejections) {
		worker->ejections = pool->bequeathed;
		worker->bad_at = engine->now;
	}
	worker->begins_ejected = pool->bequeaths_at_once;
	worker->on_probation = worker->ejections > 0;
	pool->bequeathed = 0;
	pool->bequeaths_at_once = false;
}

/* --- ejecting, and back --- */

/* Ends the worker's ejection: it serves again, on probation. */
static void call_back(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);

	worker->eject_until = 0;
	worker->on_probation = true;
	worker->tried_since = engine->now;
	pool->ejected--;
	if (worker->pings_missed == 0)
		engine_move_worker(engine, worker, WORKER_READY);
	engine_touch(engine, worker);
	engine_update_room(engine, worker);
	engine_mark_pool_dirty(engine, pool);
}

static void call_back_all(struct engine *engine, struct pool *pool)
{
	for (unsigned i = 0; i < pool->slots && pool->ejected > 0; i++)
		if (pool->workers[i].eject_until > 0)
			call_back(engine, &pool->workers[i]);
}

bool engine_end_ejection(struct engine *engine, struct worker *worker)
{
	if (worker->eject_until == 0 || worker->eject_until > engine->now)
		return false;
	call_back(engine, worker);
	return true;
}

static bool is_third_of_late(const struct worker *worker, usec_t now)
{
	return worker->ejected[0] > 0 && usec_sub(now, worker->ejected[0]) < EJECTED_WITHIN;
}

static usec_t span(const struct worker *worker)
{
	usec_t span = EJECT_FOR;

	for (unsigned i = 1; i < worker->ejections && span < EJECT_FOR_MAX; i++)
		span *= 2;
	return usec_min(span, EJECT_FOR_MAX);
}

/* Gives the worker no work for the span of the slot's ejections so far. */
static void set_aside(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);

	worker->eject_until = usec_add(engine->now, span(worker));
	worker->health = HEALTH_UNHEALTHY;
	pool->ejected++;
	pool->stats.ejections++;
	engine_move_worker(engine, worker, WORKER_DEGRADED);
	engine_unpark(engine, worker, UINT_MAX);
	engine->levels_moved = true;
}

static COLD void eject(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);

	worker->eject_pending = worker->on_probation = false;
	worker->failures = 0;
	siblings_expel(&pool->siblings, worker->shares);
	if (is_third_of_late(worker, engine->now)) {
		bequeath(pool, worker, false, engine->now);
		engine_terminate(engine, worker, CAUSE_EJECTED);
		engine_refill(engine, pool);
		return;
	}
	if (!pool_may_eject(pool))
		return;
	worker->ejections++;
	worker->well_since = 0;
	worker->ejected[0] = worker->ejected[1];
	worker->ejected[1] = worker->bad_at = engine->now;
	set_aside(engine, worker);
}

void engine_go_on_ejection(struct engine *engine, struct worker *worker)
{
	if (worker->begins_ejected && worker->state == WORKER_READY &&
	    pool_may_eject(engine_pool_of(engine, worker)))
		set_aside(engine, worker);
	worker->begins_ejected = false;
}

void engine_update_room(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);

	if (worker->eject_pending && worker->state == WORKER_READY)
		eject(engine, worker);
	if (worker->state == WORKER_READY || worker->room_list == &pool->open)
		engine_unpark(engine, worker, worker->concurrency - worker->attempts.len);
}

void engine_call_back_needed(struct engine *engine, struct pool *pool)
{
	if (pool_needs_ejected(pool))
		call_back_all(engine, pool);
}
