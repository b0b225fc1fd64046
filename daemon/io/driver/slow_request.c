#include "daemon/io/driver/slow_request.h"

#include "daemon/io/driver/notify.h"
#include "daemon/io/driver/stack.h"
#include "daemon/io/driver/state.h"

#include <inttypes.h>
#include <stdio.h>

void slow_request_report(struct driver *driver, const struct effect *effect)
{
	const struct call *call = &driver->calls.calls[effect->request];
	const struct life *life = &driver->lives[effect->worker];
	char number[16], pid[16], request[24], text[256];
	struct log_field fields[] = {
		{"pool", driver_pool_config(driver, effect->pool)->name},
		{"worker", number},
		{"pid", pid},
		{"request", request},
	};

	snprintf(number, sizeof(number), "%u", driver_worker_number(driver, effect->worker));
	snprintf(pid, sizeof(pid), "%d", (int)life->last_pid);
	snprintf(request, sizeof(request), "%" PRIu64, call->number);
	snprintf(text, sizeof(text), "request %s, method %.*s, for %.1f s", request,
		 (int)(call->method.len < 100 ? call->method.len : 100),
		 (const char *)call->method.data, (double)effect->ran / USEC_PER_SEC);
	notify_log(driver, EVENT_KIND_worker, 0, LOG_LEVEL_WARNING, fields, ARRAY_SIZE(fields),
		   "worker is slow: %s", text);
	notify_worker_event(driver, effect->worker, "is slow", text, true);
	/* A worker that has named a signal for it writes its stacks, which follow as an event. */
	stack_ask(driver, effect->worker);
}
