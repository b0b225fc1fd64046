#include "daemon/core/engine_internal.h"

/*
 * The daemon stood still: its process was stopped, its container paused, or its machine was too
 * busy to run it.  In that time nobody could hear the workers, so no limit of the daemon's own may
 * count it.  Deadlines of clients are not moved: their clocks went on.
 */

/* 0 stands for "not yet".  None is moved behind the present: it has happened. */
static void move_past(const struct engine *engine, usec_t *at, usec_t stall)
{
	if (*at > 0)
		*at = usec_min(engine->now, usec_add(*at, stall));
}

static void move_attempt(struct engine *engine, struct attempt *attempt, usec_t stall)
{
	struct request *request = attempt->request;

	move_past(engine, &attempt->sent, stall);
	move_past(engine, &attempt->begun, stall);
	move_past(engine, &attempt->given_up, stall);
	move_past(engine, &attempt->held_since, stall);
	if (!request)
		return;
	request->run.attempt_due = usec_add(request->run.attempt_due, stall);
	engine_arm_request(engine, request);
}

static void move_worker(struct engine *engine, struct worker *worker, usec_t stall)
{
	struct list_node *node;

	list_for_each (node, &worker->attempts)
		move_attempt(engine, list_entry(node, struct attempt, in_worker), stall);
	move_past(engine, &worker->freed, stall);
	move_past(engine, &worker->heard, stall);
	move_past(engine, &worker->ping_sent, stall);
	if (worker->state == WORKER_INITIALIZING) {
		worker->started = usec_min(engine->now, usec_add(worker->started, stall));
		worker->retire_at = usec_add(worker->retire_at, stall);
	}
	if (worker->state == WORKER_TERMINATING)
		worker->step_at = usec_add(worker->step_at, stall);
	engine_touch(engine, worker);
}

void engine_stall(struct engine *engine, usec_t stall)
{
	for (uint32_t i = 0; i < engine->worker_count; i++)
		if (engine->workers[i].state != WORKER_TERMINATED)
			move_worker(engine, &engine->workers[i], stall);
}
