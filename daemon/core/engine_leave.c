#include "daemon/core/engine_internal.h"

/*
 * A queued request leaves its pool for one further down its chain while it waits there in vain:
 * when no worker of the pool is at work, or when the time that is left is just enough for the
 * fallback.  If no fallback would take it, it keeps its place in the queue and asks again later.
 */

/* A request leaves for a static answer so long before its deadline; the timer may be that late. */
#define LEAVE_BEFORE (10 * USEC_PER_MSEC)

/* It asks again as long as the next time is at least so far away. */
#define ASK_AGAIN USEC_PER_MSEC

/* The typical run of the request in that pool, or else in its own; 0: unknown. */
static usec_t run_at(const struct engine *engine, const struct request *request,
		     const struct pool *pool)
{
	usec_t run;

	if (pool->settings.adapter == POOL_STATIC)
		return 0;
	run = runs_typical(&pool->runs, runs_find(&pool->runs, request->method));
	if (run == 0)
		run = runs_typical(&engine->pools[request->run.pool].runs, request->run.entry);
	return run > 0 ? run : pool->typical_run;
}

/* How long before its deadline the request leaves for that pool. */
static usec_t margin(const struct engine *engine, const struct request *request,
		     const struct pool *pool)
{
	usec_t run = run_at(engine, request, pool);

	return usec_add(LEAVE_BEFORE, usec_add(run, run / 2));
}

/* Why the request would leave its pool for one where no worker is at work. */
static enum errcode why_deserted(const struct pool *pool)
{
	return pool->settings.adapter == POOL_SOCKET ? ERR_connect_failed : ERR_pool_unavailable;
}

/* Whether the request can still finish at that level in time. */
static bool is_time_enough(struct engine *engine, const struct request *request, unsigned level)
{
	return run_at(engine, request, engine_pool_at(engine, request, level)) <
	       usec_sub(request->deadline, engine->now);
}

/* Whether so little time is left that the request leaves for that level now. */
static bool is_time(struct engine *engine, const struct request *request, unsigned level)
{
	return usec_sub(request->deadline, engine->now) <=
	       margin(engine, request, engine_pool_at(engine, request, level));
}

void engine_plan_leave(struct engine *engine, struct request *request)
{
	const struct pool *pool = &engine->pools[request->run.pool];
	usec_t left = usec_sub(request->deadline, engine->now);
	usec_t in = USEC_INFINITY;

	request->leave_at = USEC_INFINITY;
	if (!engine->has_chains || left / 4 < ASK_AGAIN)
		return;
	if (pool->lacking_since > 0 && engine_goes_down(engine, request, why_deserted(pool)))
		in = left / 2;
	for (unsigned level = request->run.level + 1;
	     level <= engine_last_level(engine, request) &&
	     engine_goes_down(engine, request, ERR_queue_timeout);
	     level++) {
		usec_t before = margin(engine, request, engine_pool_at(engine, request, level));

		/* If there is not even that much time, it waits at least for a part of it. */
		in = usec_min(in, usec_max(usec_sub(left, before), left / 4));
	}
	if (in != USEC_INFINITY)
		request->leave_at = usec_add(engine->now, in);
}

/* The request leaves its queue for the first level of its chain that can serve it in time, if it is
 * time for that or its own pool `lacks` workers.  False: it stays. */
static bool leave(struct engine *engine, struct request *request, bool lacks)
{
	unsigned last = engine_last_level(engine, request);

	for (unsigned level = request->run.level + 1; level <= last; level++) {
		if (!is_time_enough(engine, request, level) ||
		    !engine_would_take(engine, request, level))
			continue;
		/* It waits for this level rather than go to a later one. */
		if (!lacks && !is_time(engine, request, level))
			return false;
		if (engine_move_down(engine, request, level))
			return true;
	}
	return false;
}

void engine_leave_due(struct engine *engine, struct request *request)
{
	const struct pool *pool = &engine->pools[request->run.pool];
	bool lacks =
		pool->lacking_since > 0 && engine_goes_down(engine, request, why_deserted(pool));

	if ((lacks || engine_goes_down(engine, request, ERR_queue_timeout)) &&
	    leave(engine, request, lacks))
		return;
	engine_plan_leave(engine, request);
	engine_arm_request(engine, request);
}

/* Plans anew when each request of the line leaves; `now`: it leaves at once if it can.  Returns how
 * many have left. */
static unsigned leave_line(struct engine *engine, struct pool *pool, struct list *line, bool now)
{
	struct list_node *node, *after;
	unsigned left = line->len;

	list_for_each_safe (node, after, line) {
		struct request *request = list_entry(node, struct request, in_queue);

		if (!now || !engine_goes_down(engine, request, why_deserted(pool)) ||
		    !leave(engine, request, true)) {
			engine_plan_leave(engine, request);
			engine_arm_request(engine, request);
		}
	}
	return left - line->len;
}

unsigned engine_leave_queue(struct engine *engine, struct pool *pool, bool now)
{
	unsigned left = 0;

	for (unsigned i = 0; i < PRIORITY_COUNT_; i++)
		left += leave_line(engine, pool, &pool->queue.classes[i].requests, now);
	for (unsigned i = 0; pool->queue.parked > 0 && i < pool->slots; i++)
		left += leave_line(engine, pool, &pool->workers[i].parked, now);
	return left;
}
