#include "daemon/core/engine_internal.h"

/*
 * A client that reads more slowly than it is answered holds back its own requests, and nobody
 * else's: those that are queued stand aside (HELD) until it has read, and a worker that sends it a
 * stream may pause, while no clock runs against that worker.
 */

/* --- requests that are not sent yet --- */

static void stand_aside(struct engine *engine, struct request *request)
{
	request_move(request, REQUEST_HELD);
	list_push_back(&engine->pools[request->run.pool].held, &request->in_queue);
	engine_arm_request(engine, request);
}

void engine_set_aside(struct engine *engine, struct request *request)
{
	engine->pools[request->run.pool].delayed--;
	stand_aside(engine, request);
}

static void leave_queue(struct engine *engine, struct request *request)
{
	struct pool *pool = &engine->pools[request->run.pool];

	engine_count_queue_wait(engine, request);
	pool_dequeue(pool, request);
	engine->levels_moved |= pool_at_work(pool) == 0;
	stand_aside(engine, request);
}

static void come_back(struct engine *engine, struct request *request)
{
	struct pool *pool = &engine->pools[request->run.pool];

	engine_count_wait(engine, request, WAIT_CLIENT);
	list_remove(&pool->held, &request->in_queue);
	request_move(request, REQUEST_QUEUED);
	pool_enqueue(pool, request, QUEUE_RETURN);
	engine->levels_moved |= pool_at_work(pool) == 0;
	engine_plan_leave(engine, request);
	engine_arm_request(engine, request);
}

/* Whether others wait for its answer, as they have the same key: they may be of clients that read. */
static bool is_awaited(const struct request *request)
{
	return request->key && request->key->leader == request &&
	       waiting_first(&request->key->waiting);
}

void engine_hold(struct engine *engine, uint32_t slot, bool held)
{
	struct request *request = &engine->requests[slot];

	assert(slot < engine->requests_max);
	if (request->state == REQUEST_FREE || request->state == REQUEST_DONE)
		return;
	held = held && !is_awaited(request);
	request->is_held = held;
	if (held && request->state == REQUEST_QUEUED)
		leave_queue(engine, request);
	else if (!held && request->state == REQUEST_HELD)
		come_back(engine, request);
	engine_mark_pool_dirty(engine, &engine->pools[request->run.pool]);
}

/* --- attempts that send a stream --- */

static usec_t attempt_due(const struct engine *engine, const struct attempt *attempt)
{
	const struct request *request = attempt->request;
	usec_t timeout = engine->pools[request->run.pool].settings.attempt_timeout;

	if (timeout == 0 || attempt->held_since > 0)
		return USEC_INFINITY;
	return usec_add(usec_add(attempt->begun, attempt->held), timeout);
}

/* Nothing goes on at the worker: the requests in its line go elsewhere, as behind a slow one. */
static void move_line(struct engine *engine, struct worker *worker)
{
	struct pool *pool = engine_pool_of(engine, worker);

	worker->is_slow = true;
	engine_take_back(engine, worker);
	pool_place_worker(pool, worker, engine->now);
	engine_mark_pool_dirty(engine, pool);
}

void engine_take_hold(struct engine *engine, struct worker *worker, uint32_t id, bool held)
{
	struct attempt *attempt = worker_find_attempt(worker, id);

	if (!attempt || !attempt->request || attempt->begun == 0)
		return;
	worker_hold_attempt(worker, attempt, held, engine->now);
	attempt->request->run.attempt_due = attempt_due(engine, attempt);
	engine_arm_request(engine, attempt->request);
	if (!held) {
		if (worker->ping_sent > 0)
			worker->ping_sent = engine->now;
	} else if (worker->state == WORKER_BUSY && worker_is_held(worker)) {
		move_line(engine, worker);
	}
}
