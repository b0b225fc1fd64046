#include "daemon/io/driver/operator.h"

#include "daemon/io/driver/notify.h"
#include "daemon/io/driver/state.h"
#include "daemon/io/driver/step.h"
#include "daemon/io/driver/submit.h"
#include "daemon/io/worker/forkserver.h"

#include <inttypes.h>
#include <stdio.h>

static enum errcode verdict_on(struct driver *driver, const struct engine_event *event)
{
	struct driver_step step = {.event = *event};

	driver_step(driver, &step);
	return step.verdict;
}

enum errcode operator_set_breaker(struct driver *driver, uint32_t pool, struct bytes method,
				  enum breaker_state state, uint32_t uid, int32_t pid)
{
	struct engine_event event = {.type = EVENT_BREAKER};

	event.manual.pool = pool;
	event.manual.method = method;
	event.manual.state = state;
	event.manual.uid = uid;
	event.manual.pid = pid;
	return verdict_on(driver, &event);
}

enum errcode operator_cancel_recovery(struct driver *driver, uint64_t id)
{
	struct engine_event event = {.type = EVENT_RECOVERY_CANCEL, .recovery = id};

	return verdict_on(driver, &event);
}

void operator_cancel_request(struct driver *driver, struct call *call, uint32_t uid)
{
	const char *pool = driver_pool_config(driver, call->pool)->name;
	const struct log_field fields[] = {{"pool", pool}};

	log_event(LOG_LEVEL_NOTICE, NULL, fields, ARRAY_SIZE(fields),
		  "request %" PRIu64 " is cancelled by an operator, uid %" PRIu32, call->number,
		  uid);
	call->is_cancelled_by_operator = true;
	driver_cancel(driver, call);
}

enum errcode operator_close_session(struct driver *driver, uint32_t user, struct bytes name)
{
	struct engine_event event = {.type = EVENT_SESSION_CLOSE,
				     .close = {.session = name, .user = user}};

	return verdict_on(driver, &event);
}

enum errcode operator_restart(struct driver *driver, uint32_t pool)
{
	struct engine_event event = {.type = EVENT_RESTART, .pool = pool};

	/* The new workers are to run what is on disk now. */
	if (driver_pool_config(driver, pool)->prefork)
		forkserver_renew(&driver->forkservers[pool]);
	return verdict_on(driver, &event);
}

enum errcode operator_resize(struct driver *driver, uint32_t pool, unsigned min, unsigned max)
{
	struct engine_event event = {.type = EVENT_RESIZE, .pool = pool};
	enum errcode code;
	char text[128];

	event.size.min = min;
	event.size.max = max;
	code = verdict_on(driver, &event);
	snprintf(text, sizeof(text), "the pool has %u to %u workers now, until the daemon restarts",
		 min, max);
	if (code == ERR_NONE)
		notify_config(driver, LOG_LEVEL_NOTICE, pool, "resized", text);
	return code;
}

enum errcode operator_set_drained(struct driver *driver, uint32_t pool, bool drained)
{
	struct engine_event event = {.type = drained ? EVENT_DRAIN : EVENT_RESUME, .pool = pool};
	enum errcode code = verdict_on(driver, &event);

	if (code == ERR_NONE && drained)
		notify_config(driver, LOG_LEVEL_NOTICE, pool, "drained",
			      "an operator took the pool out of service");
	else if (code == ERR_NONE)
		notify_config(driver, LOG_LEVEL_NOTICE, pool, "resumed",
			      "an operator put the pool back into service");
	return code;
}

enum errcode operator_kill(struct driver *driver, uint32_t worker, int signal)
{
	struct engine_event event = {.type = EVENT_KILL, .worker = worker};
	struct worker_view view;

	engine_view_worker(driver->engine, worker, &view);
	event.life = view.life;
	event.signal = signal;
	return verdict_on(driver, &event);
}
