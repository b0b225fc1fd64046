#include "daemon/core/engine_internal.h"

/* A list of facts is as simple as its longest line, whatever a count of its branches says. */
/* NOLINTBEGIN(readability-function-cognitive-complexity) */

#define HOLD(fact)                                                                                 \
	do {                                                                                       \
		if (!(fact))                                                                       \
			return #fact;                                                              \
	} while (0)

static const char *check_queue(const struct pool *pool)
{
	const struct queue *queue = &pool->queue;
	uint64_t bytes = 0;
	unsigned len = 0;

	for (unsigned i = 0; i < PRIORITY_COUNT_; i++) {
		struct list_node *node;

		list_for_each (node, &queue->classes[i]) {
			struct request *request = list_entry(node, struct request, in_queue);

			HOLD(request->state == REQUEST_QUEUED);
			HOLD(request->priority == i);
			HOLD(request->pool == pool->index);
			bytes += request->bytes;
			len++;
		}
	}
	HOLD(queue->len == len);
	HOLD(queue->bytes == bytes);
	return NULL;
}

static const char *check_attempts(const struct engine *engine, const struct worker *worker,
				  unsigned *ret_running)
{
	struct list_node *node;
	unsigned given_up = 0;

	list_for_each (node, &worker->attempts) {
		struct attempt *attempt = list_entry(node, struct attempt, in_worker);

		if (attempt->given_up > 0) {
			HOLD(attempt->request == NULL);
			given_up++;
			continue;
		}
		HOLD(attempt->request != NULL);
		HOLD(attempt->request->state == REQUEST_SENT);
		HOLD(attempt->request->attempt == attempt);
		HOLD(attempt->request->worker == worker->index);
		(*ret_running)++;
	}
	HOLD(worker->given_up == given_up);
	HOLD(worker->attempts.len + worker->spare_attempts.len == WORKER_ATTEMPTS_MAX);
	HOLD(worker->attempts.len <=
	     worker->concurrency + engine->pools[worker->pool].settings.prefetch);
	return NULL;
}

static const char *check_worker(const struct engine *engine, const struct worker *worker,
				unsigned *ret_running)
{
	bool idle = list_empty(&worker->attempts);

	HOLD(list_linked(&worker->in_state));
	HOLD(worker->wanted ? worker->state == WORKER_TERMINATED : true);
	HOLD((worker->room_list != NULL) == list_linked(&worker->in_room));
	HOLD(worker->room_list ? worker->state == WORKER_BUSY : true);
	HOLD(worker->state == WORKER_BUSY ? !idle : true);
	HOLD(worker->state == WORKER_READY || worker->state == WORKER_INITIALIZING ||
			     worker->state == WORKER_TERMINATED
		     ? idle
		     : true);
	return check_attempts(engine, worker, ret_running);
}

static const char *check_pool(const struct engine *engine, const struct pool *pool)
{
	const char *wrong = check_queue(pool);
	unsigned running = 0, pending = 0, slots = 0;

	for (unsigned i = 0; !wrong && i < pool->settings.workers_max; i++) {
		wrong = check_worker(engine, &pool->workers[i], &running);
		pending += pool->workers[i].wanted;
	}
	if (wrong)
		return wrong;
	for (unsigned i = 0; i < WORKER_STATE_COUNT_; i++)
		slots += pool->states[i].len;
	HOLD(slots == pool->settings.workers_max);
	HOLD(pool->running == running);
	HOLD(pool->starts_pending == pending);
	HOLD(pool->queue.len > 0 ? list_empty(&pool->states[WORKER_READY]) : true);
	return NULL;
}

const char *engine_check(const struct engine *engine)
{
	uint32_t open = 0, inside = 0;

	for (uint32_t i = 0; i < engine->pool_count; i++) {
		const char *wrong = check_pool(engine, &engine->pools[i]);

		if (wrong)
			return wrong;
		inside += engine->pools[i].queue.len + engine->pools[i].running;
	}
	for (uint32_t i = 0; i < engine->requests_max; i++) {
		const struct request *request = &engine->requests[i];
		bool is_open = request->state == REQUEST_QUEUED || request->state == REQUEST_SENT;

		HOLD(is_open == (request->timer.index != HEAP_NONE));
		HOLD((request->state == REQUEST_QUEUED) == list_linked(&request->in_queue));
		HOLD((request->state == REQUEST_SENT) == (request->attempt != NULL));
		open += is_open;
	}
	HOLD(engine->open_requests == open);
	HOLD(inside == open);
	return NULL;
}

/* NOLINTEND(readability-function-cognitive-complexity) */
