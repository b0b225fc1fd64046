#include "daemon/core/engine_view.h"

#include "daemon/core/engine_internal.h"

static const struct pool *pool_at(const struct engine *engine, uint32_t pool)
{
	assert(pool < engine->pool_count);
	return &engine->pools[pool];
}

static const struct worker *worker_at(const struct engine *engine, uint32_t worker)
{
	assert(worker < engine->worker_count);
	return &engine->workers[worker];
}

static const struct session *session_at(const struct engine *engine, uint32_t session)
{
	assert(session < sessions_slots(&engine->sessions.settings));
	return &engine->sessions.slots[session];
}

static uint32_t request_of(const struct engine *engine, const struct attempt *attempt)
{
	return attempt->request ? engine_slot_of(engine, attempt->request) : NO_SLOT;
}

/* --- pools --- */

static void view_workers(const struct pool *pool, struct pool_view *ret)
{
	for (unsigned i = 0; i < WORKER_STATE_COUNT_; i++)
		ret->states[i] = pool->states[i].len;
	ret->at_work = ret->states[WORKER_READY] + ret->states[WORKER_BUSY];
	ret->live = pool_live(pool);
	ret->workers_min = pool->settings.workers_min;
	ret->workers_max = pool->settings.workers_max;
	ret->workers_bound = pool->workers_bound;
	ret->spares = pool->settings.spares;
	ret->ceiling = pool_ceiling(pool);
	ret->failed_starts = pool->starts_in_vain;
	ret->is_unusable = pool->is_unusable;
}

void engine_view_pool(const struct engine *engine, uint32_t index, struct pool_view *ret)
{
	const struct pool *pool = pool_at(engine, index);
	bool is_static = pool->settings.adapter == POOL_STATIC;

	*ret = (struct pool_view){
		.adapter = pool->settings.adapter,
		.health = pool_judge(pool),
		.health_since = pool->health_since,
		.troubles = pool_troubles(pool),
		.outgrown = pool->outgrown,
		.queued = pool->queue.len,
		.is_full = !queue_has_room(&pool->queue, 1),
		.wait = forecast_wait(pool, PRIORITY_NORMAL, engine->now),
		.refused = forecast_recently_refused(pool, engine->now),
		.queue_max = pool->queue.len_max,
		.queued_bytes = pool->queue.bytes,
		.queue_bytes_max = pool->queue.bytes_max,
		.running = pool->running,
		.held = pool->held.len,
		.is_drained = pool->drained > 0,
		.level = pool->failover.level,
		.roll = pool->roll,
		.circuit_count = is_static ? 0 : pool->circuit_count,
		.breaker = pool->circuits[0].breaker.state,
		.is_failing = pool->failing.is_failing,
		.failing_since = pool->failing.since,
		.failing_code = failing_code(&pool->failing),
		.recent = failing_sum(&pool->failing),
	};
	for (unsigned i = 0; i < POOL_TROUBLE_COUNT; i++)
		ret->troubles_since[i] = pool->troubles.since[i];
	view_workers(pool, ret);
}

/* Whether the slot has a worker, or had one that the pool lacks now. */
static bool is_shown(const struct pool *pool, const struct worker *worker)
{
	bool done = worker->state == WORKER_TERMINATED && !worker->is_wanted &&
		    (worker_cause_is_replacement(worker->cause) || worker->cause == CAUSE_SURPLUS ||
		     pool_live(pool) >= pool_wanted(pool));

	return worker->life > 0 && !done;
}

void engine_view_pool_workers(const struct engine *engine, uint32_t index,
			      struct pool_workers_view *ret)
{
	const struct pool *pool = pool_at(engine, index);

	*ret = (struct pool_workers_view){.restarts = 0};
	for (unsigned i = 0; i < pool->slots; i++) {
		ret->states[pool->workers[i].state] += is_shown(pool, &pool->workers[i]);
		ret->restarts += pool->workers[i].restarts;
	}
}

const struct pool_stats *engine_pool_stats(const struct engine *engine, uint32_t pool)
{
	return &pool_at(engine, pool)->stats;
}

const struct window *engine_pool_window(const struct engine *engine, uint32_t pool)
{
	return pool_at(engine, pool)->window;
}

struct bytes engine_method_name(const struct engine *engine, uint32_t pool, unsigned method)
{
	return method < WINDOW_METHODS ? runs_name(&pool_at(engine, pool)->runs, method)
				       : (struct bytes){0};
}

uint32_t engine_retry_budget(const struct engine *engine, uint32_t pool, usec_t now)
{
	return budget_remaining(&pool_at(engine, pool)->budget, now);
}

void engine_find_suspects(const struct engine *engine, uint32_t pool, usec_t now,
			  struct suspects *suspects)
{
	suspects_find(suspects, pool_at(engine, pool), now);
}

void engine_view_circuit(const struct engine *engine, uint32_t index, unsigned circuit, usec_t now,
			 struct circuit_view *ret)
{
	const struct pool *pool = pool_at(engine, index);
	const struct circuit *state = &pool->circuits[circuit];

	assert(circuit < pool->circuit_count);
	*ret = (struct circuit_view){
		.method = name_text(&state->method),
		.breaker = breaker_snapshot(&state->breaker, now),
		.reason = state->reason,
		.changed_by = state->changed_by,
	};
}

/* --- workers --- */

uint32_t engine_worker_pool(const struct engine *engine, uint32_t worker)
{
	return worker_at(engine, worker)->pool;
}

unsigned engine_worker_number(const struct engine *engine, uint32_t index)
{
	const struct worker *worker = worker_at(engine, index);

	return (unsigned)(worker - engine->pools[worker->pool].workers) + 1;
}

uint32_t engine_worker_slot(const struct engine *engine, uint32_t pool_index, uint64_t number)
{
	const struct pool *pool = pool_at(engine, pool_index);

	return number < 1 || number > pool->slots ? NO_SLOT : pool->workers[number - 1].index;
}

void engine_view_worker(const struct engine *engine, uint32_t index, struct worker_view *ret)
{
	const struct worker *worker = worker_at(engine, index);

	*ret = (struct worker_view){
		.pool = worker->pool,
		.number = engine_worker_number(engine, index),
		.life = worker->life,
		.state = worker->state,
		.health = worker->health,
		.cause = worker->cause,
		.is_shown = is_shown(&engine->pools[worker->pool], worker),
		.since = worker->since,
		.started = worker->started,
		.heard = worker->heard,
		.in_flight = worker->attempts.len,
		.served = worker->served,
		.failed = worker->failed,
		.restarts = worker->restarts,
		.start_memory = worker->start_memory,
	};
}

bool engine_find_attempt(const struct engine *engine, uint32_t index, uint32_t life, uint32_t id,
			 uint32_t *ret_request)
{
	const struct worker *worker = worker_at(engine, index);
	const struct attempt *attempt =
		worker->life == life ? worker_find_attempt(worker, id) : NULL;

	*ret_request = attempt ? request_of(engine, attempt) : NO_SLOT;
	return attempt != NULL;
}

bool engine_believes_page(const struct engine *engine, uint32_t index, uint32_t life, uint64_t page)
{
	const struct worker *worker = worker_at(engine, index);

	return worker->life != life || !worker->pages || worker->broken_by != ERR_NONE ||
	       worker_may_end_at(worker, page);
}

bool engine_takes_state(const struct engine *engine, uint32_t index, uint32_t id)
{
	const struct attempt *attempt = worker_find_attempt(worker_at(engine, index), id);

	if (!attempt)
		return false;
	return attempt->request ? attempt->request->session != NULL : attempt->session != NULL;
}

uint32_t engine_only_request(const struct engine *engine, uint32_t index)
{
	const struct worker *worker = worker_at(engine, index);

	if (worker->attempts.len != 1)
		return NO_SLOT;
	return request_of(engine,
			  list_entry(list_first(&worker->attempts), struct attempt, in_worker));
}

unsigned engine_view_attempts(const struct engine *engine, uint32_t index,
			      struct attempt_view ret[WORKER_ATTEMPTS_MAX])
{
	struct list_node *node;
	unsigned count = 0;

	list_for_each (node, &worker_at(engine, index)->attempts) {
		const struct attempt *attempt = list_entry(node, struct attempt, in_worker);

		if (attempt->request)
			ret[count++] =
				(struct attempt_view){request_of(engine, attempt), attempt->sent};
	}
	return count;
}

/* --- requests --- */

void engine_view_request(const struct engine *engine, uint32_t index, struct request_view *ret)
{
	const struct request *request = &engine->requests[index];

	assert(index < engine->requests_max);
	*ret = (struct request_view){
		.pool = request->run.pool,
		.state = request->state,
		.priority = request->priority,
		.worker = request->state == REQUEST_SENT ? request->run.worker : NO_SLOT,
		.has_begun = request->state == REQUEST_SENT && request->run.attempt &&
			     request->run.attempt->begun > 0,
		.attempts = request->run.attempts,
		.submitted = request->submitted,
		.deadline = request->deadline,
		.first_sent = request->run.first_sent,
		.sent = request->run.sent,
		.has_circuit = request->run.circuit != NULL,
		.breaker =
			request->run.circuit ? request->run.circuit->breaker.state : BREAKER_CLOSED,
	};
}

/* --- recoveries --- */

void engine_view_recoveries(const struct engine *engine, struct recoveries_view *ret)
{
	const struct recoveries *recoveries = &engine->recoveries;

	*ret = (struct recoveries_view){
		.active = recoveries->active.len,
		.max = recoveries->max,
		.refused = recoveries->refused,
		.all = recoveries->all,
		.duration_mean = hist_mean(&recoveries->duration),
		.duration_p99 = hist_quantile(&recoveries->duration, 990),
	};
	for (unsigned i = 0; i < ERRCAT_COUNT_; i++)
		ret->by_category[i] = recoveries->by_category[i];
	for (unsigned i = 0; i < STRATEGY_COUNT_; i++)
		ret->by_strategy[i] = recoveries->by_strategy[i];
}

/* Returns the list's node after `node`, or its first node for NULL.  NULL: there are no more. */
static struct list_node *next_in(const struct list *list, const struct list_node *node)
{
	if (!node)
		return list_first(list);
	return node->next == &list->head ? NULL : node->next;
}

uint32_t engine_next_recovery(const struct engine *engine, uint32_t recovery)
{
	const struct recoveries *all = &engine->recoveries;
	struct list_node *node =
		next_in(&all->active, recovery == NO_SLOT ? NULL : &all->slots[recovery].in_list);

	return node ? (uint32_t)(list_entry(node, struct recovery, in_list) - all->slots) : NO_SLOT;
}

void engine_view_recovery(const struct engine *engine, uint32_t index, struct recovery_view *ret)
{
	const struct recovery *recovery = &engine->recoveries.slots[index];

	assert(index < engine->recoveries.max && list_linked(&recovery->in_list));
	*ret = (struct recovery_view){
		.id = recovery->id,
		.request = engine_slot_of(engine, recovery->request),
		.pool = recovery->request->run.pool,
		.state = recovery->request->state,
		.cause = recovery->cause,
		.category = recovery->category,
		.strategy = recovery->strategy,
		.severity = recovery->severity,
		.attempts = recovery->attempts,
		.started = recovery->started,
		.until = recovery->until,
	};
}

/* --- sessions and keys --- */

void engine_view_sessions(const struct engine *engine, struct sessions_view *ret)
{
	const struct sessions *sessions = &engine->sessions;

	*ret = (struct sessions_view){
		.open = sessions->busy.len + sessions->idle.len,
		.max = sessions->settings.max,
		.tombstones = sessions->ended.len,
		.slots = sessions_slots(&sessions->settings),
		.bytes = sessions->bytes,
		.ttl = sessions->settings.ttl,
		.is_shared = sessions->settings.is_shared,
	};
}

uint32_t engine_next_session(const struct engine *engine, uint32_t session)
{
	const struct sessions *all = &engine->sessions;
	const struct session *last = session == NO_SLOT ? NULL : session_at(engine, session);
	struct list_node *node = NULL;

	if (!last || session_is_busy(last))
		node = next_in(&all->busy, last ? &last->in_list : NULL);
	if (!node)
		node = next_in(&all->idle, last && !session_is_busy(last) ? &last->in_list : NULL);
	return node ? engine_session_slot(engine, list_entry(node, struct session, in_list))
		    : NO_SLOT;
}

void engine_view_session(const struct engine *engine, uint32_t index, struct session_view *ret)
{
	const struct session *session = session_at(engine, index);

	*ret = (struct session_view){
		.name = name_text(&session->name),
		.user = session->name.user,
		.is_bound = session->is_bound,
		.pool = session->pool,
		.worker = session->worker,
		.is_busy = session_is_busy(session),
		.waiting = session->waiting.list.len,
		.served = session->served,
		.state_bytes = session->state_bytes,
		.has_lost_state = session->has_lost_state,
		.created = session->created,
		.used = session->used,
	};
}

struct bytes engine_session_name(const struct engine *engine, uint32_t session)
{
	return name_text(&session_at(engine, session)->name);
}

uint32_t engine_session_user(const struct engine *engine, uint32_t session)
{
	return session_at(engine, session)->name.user;
}

void engine_view_keys(const struct engine *engine, struct keys_view *ret)
{
	const struct keys *keys = &engine->keys;

	*ret = (struct keys_view){
		.used = keys->in_progress.len + keys->completed.len,
		.bytes = keys->bytes,
	};
}
