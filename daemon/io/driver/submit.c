#include "daemon/io/driver/submit.h"

#include "daemon/io/driver/credit.h"
#include "daemon/io/driver/critical.h"
#include "daemon/io/driver/state.h"
#include "daemon/io/driver/step.h"

/* The levels of the pool's chain that have no answer for the method, as a mask. */
static uint32_t levels_without_answer(const struct driver *driver, const struct call *call)
{
	const struct config_pool *pool = driver_pool_config(driver, call->pool);
	uint32_t levels = 0;

	for (size_t i = 0; i < pool->fallback_count; i++) {
		uint32_t fallback = pool->fallbacks[i];

		if (driver_pool_config(driver, fallback)->adapter == POOL_STATIC &&
		    !driver_static_answer(driver, fallback, call->method))
			levels |= 1u << (i + 1);
	}
	return levels;
}

void driver_submit(struct driver *driver, struct call *call, const struct call_options *options)
{
	const struct config_pool *pool = driver_pool_config(driver, call->pool);
	struct driver_step step = {.event = {.type = EVENT_SUBMIT, .request = call->slot}};
	struct engine_event *event = &step.event;
	usec_t timeout = options->timeout > 0 ? options->timeout : pool->timeout;

	event->submit.pool = call->pool;
	event->submit.client = call->caller->client;
	event->submit.user = call->caller->uid;
	event->submit.priority = critical_allowed(driver, call->caller, options->priority);
	event->submit.is_idempotent =
		options->has_idempotent ? options->is_idempotent : pool->idempotent;
	event->submit.max_attempts = options->max_attempts > 0 ? options->max_attempts : UINT32_MAX;
	event->submit.bytes = call->args.len;
	event->submit.timeout = usec_min(timeout, pool->timeout_max);
	event->submit.no_fallback = options->no_fallback;
	event->submit.is_stream = options->is_stream;
	event->submit.is_restartable = options->is_restartable;
	event->submit.session_exists = options->session_exists;
	event->submit.is_held = call->caller->is_held;
	event->submit.session = call->session;
	event->submit.key = call->key;
	event->submit.method = call->method;
	event->submit.skip = levels_without_answer(driver, call);
	driver_step(driver, &step);
}

static void cancel(struct driver *driver, const struct call *call, bool gone)
{
	struct driver_step step = {
		.event = {.type = EVENT_CANCEL, .request = call->slot, .is_gone = gone}};

	driver_step(driver, &step);
}

void driver_cancel(struct driver *driver, const struct call *call)
{
	cancel(driver, call, false);
}

void driver_join(struct driver *driver, struct caller *caller)
{
	list_push_back(&driver->callers, &caller->in_callers);
}

void driver_leave(struct driver *driver, struct caller *caller)
{
	struct list_node *node;

	events_unsubscribe(&driver->events, caller);
	if (list_linked(&caller->in_callers))
		list_remove(&driver->callers, &caller->in_callers);
	if (list_linked(&caller->in_turned))
		list_remove(&driver->turned_callers, &caller->in_turned);
	while ((node = list_first(&caller->calls)))
		cancel(driver, list_entry(node, struct call, in_caller), true);
}
