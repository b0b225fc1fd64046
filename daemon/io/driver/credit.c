#include "daemon/io/driver/credit.h"

#include "daemon/io/driver/state.h"
#include "daemon/io/driver/step.h"

/* A worker learns of this much at a time that the client has taken. */
#define CREDIT_LEAST (FLOW_WINDOW / 4)

/* --- the worker's side --- */

/* Whether the worker may send no more parts of the request, as far as it knows. */
static bool is_exhausted(const struct flow *flow)
{
	return flow->unread + flow->owed >= FLOW_WINDOW;
}

/* A worker that knows no credit is not read while it is held, if it runs nothing else: else its
 * signs of life and what it says of other requests would not be heard either. */
static void pause(struct life *life, uint32_t id, bool paused)
{
	if (life->channel.takes_credit || life->concurrency > 1)
		return;
	life->paused_for = id;
	channel_pause(&life->channel, paused);
}

static void tell_engine(struct driver *driver, const struct flow *flow)
{
	struct driver_step step = {.event = {.type = EVENT_WORKER_HELD,
					     .worker = flow->worker,
					     .life = flow->life,
					     .id = flow->id,
					     .is_held = flow->is_held}};

	driver_step(driver, &step);
}

static bool may_be_held(const struct life *life)
{
	return life->channel.takes_credit || life->concurrency == 1;
}

/* Gives credit, and holds or lets go, as the numbers say. */
static void settle(struct driver *driver, struct flow *flow)
{
	struct life *life = flow_life(driver, flow);
	bool held;

	if (!life || !may_be_held(life))
		return;
	if (flow->owed >= CREDIT_LEAST) {
		channel_credit(&life->channel, flow->id, flow->owed);
		flow->owed = 0;
	}
	held = is_exhausted(flow);
	if (held == flow->is_held)
		return;
	flow->is_held = held;
	pause(life, flow->id, held);
	tell_engine(driver, flow);
}

/* --- parts --- */

void flow_took_part(struct driver *driver, struct life *life, uint32_t id, uint32_t slot,
		    uint64_t bytes)
{
	struct call *call = &driver->calls.calls[slot];
	struct flow *flow = &call->flow;

	/* It does not say what its peer takes. */
	if (call->caller->put == 0)
		return;
	flow->worker = life->worker;
	flow->life = life->number;
	flow->id = id;
	flow->unread += bytes;
	if (!list_linked(&flow->in_unread))
		list_push_back(&call->caller->unread, &flow->in_unread);
	if (flow->before_mark == 0) {
		flow->mark = call->caller->put;
		flow->before_mark = flow->unread;
	}
	settle(driver, flow);
}

/* Counts what the caller's peer has taken of the call's parts.  All that was put up to now is the
 * next to be waited for. */
static void count_taken(struct call *call)
{
	const struct caller *caller = call->caller;
	struct flow *flow = &call->flow;

	if (caller->taken < flow->mark)
		return;
	if (caller->taken == caller->put)
		flow->before_mark = flow->unread;
	flow->unread -= flow->before_mark;
	flow->owed += flow->before_mark;
	flow->mark = caller->put;
	flow->before_mark = flow->unread;
	if (flow->unread == 0)
		list_remove(&call->caller->unread, &flow->in_unread);
}

void driver_caller_took(struct driver *driver, struct caller *caller)
{
	events_caller_took(&driver->events, caller);
	/* What a step ends leaves the list, so the others are found from its front. */
	for (unsigned left = caller->unread.len; left > 0 && !list_empty(&caller->unread); left--) {
		struct list_node *node = list_first(&caller->unread);
		struct call *call = list_entry(node, struct call, flow.in_unread);

		list_remove(&caller->unread, node);
		list_push_back(&caller->unread, node);
		count_taken(call);
		settle(driver, &call->flow);
	}
}

/* --- requests that wait --- */

void driver_hold_caller(struct driver *driver, struct caller *caller, bool held)
{
	if (caller->is_held == held)
		return;
	caller->is_held = held;
	if (!list_linked(&caller->in_turned))
		list_push_back(&driver->turned_callers, &caller->in_turned);
}

static void hold_calls(struct driver *driver, struct caller *caller)
{
	/* As in driver_caller_took; after all of them the list is in its order again. */
	for (unsigned left = caller->calls.len; left > 0 && !list_empty(&caller->calls); left--) {
		struct list_node *node = list_first(&caller->calls);
		const struct call *call = list_entry(node, struct call, in_caller);
		struct driver_step step = {.event = {.type = EVENT_HOLD,
						     .request = call->slot,
						     .is_held = caller->is_held}};

		list_remove(&caller->calls, node);
		list_push_back(&caller->calls, node);
		driver_step(driver, &step);
	}
}

void flow_hold_callers(struct driver *driver)
{
	/* Those that turn meanwhile are dealt with in the next turn. */
	for (unsigned count = driver->turned_callers.len; count > 0; count--) {
		struct list_node *node = list_first(&driver->turned_callers);

		if (!node)
			return;
		list_remove(&driver->turned_callers, node);
		hold_calls(driver, list_entry(node, struct caller, in_turned));
	}
}
