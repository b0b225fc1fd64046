#include "daemon/io/failure.h"

#include "daemon/io/connection.h"

#include <stdio.h>
#include <string.h>

#define MESSAGE_SIZE 512
#define DETAIL_MAX   ((size_t)64 * 1024)
#define DETAIL_TEXT  ((size_t)16 * 1024)

/* "30 s", "1.5 s", "250 ms": as people say it. */
static void describe_span(usec_t span, char *out, size_t size)
{
	if (span >= USEC_PER_SEC)
		snprintf(out, size, "%.3g s", (double)span / 1e6);
	else
		snprintf(out, size, "%.3g ms", (double)span / 1e3);
}

static void describe(const struct driver *driver, const struct call *call,
		     const struct effect *effect, char *out, size_t size)
{
	const struct request *request = engine_request(driver->engine, call->slot);
	const struct pool *pool = engine_pool(driver->engine, call->pool);
	const char *name = driver_pool_config(driver, call->pool)->name;
	const struct channel *channel = &driver->channels[request->worker];
	unsigned worker =
		effect->error.has_worker ? driver_worker_number(driver, request->worker) : 0;
	char span[32];

	describe_span(usec_sub(request->deadline, request->submitted), span, sizeof(span));
	switch (effect->error.code) {
	case ERR_attempt_timeout:
		snprintf(out, size, "no answer from worker %u in %s", worker, span);
		return;
	case ERR_queue_timeout:
		snprintf(out, size, "no worker of pool %s was free in %s", name, span);
		return;
	case ERR_worker_exited:
		snprintf(out, size, "worker %u ended while it had the request: %s", worker,
			 channel->last_end);
		return;
	case ERR_worker_killed:
		snprintf(out, size, "worker %u was %s: %s", worker,
			 effect->error.cause == CAUSE_NONE ? "killed from outside"
							   : worker_cause_text(effect->error.cause),
			 channel->last_end);
		return;
	case ERR_decode_error:
	case ERR_protocol_violation:
	case ERR_response_too_large:
		snprintf(out, size, "worker %u: %s", worker, channel->last_why);
		return;
	case ERR_queue_full:
		snprintf(out, size, "the queue of pool %s is full: %u requests, %llu bytes", name,
			 pool->queue.len, (unsigned long long)pool->queue.bytes);
		return;
	case ERR_pool_unavailable:
		snprintf(out, size, "no worker of pool %s can be started", name);
		return;
	default:
		snprintf(out, size, "%s", errcode_info(effect->error.code)->text);
		return;
	}
}

static void append(char *text, size_t size, const char *more)
{
	size_t len = strlen(text);

	snprintf(text + len, size - len, "%s", more);
}

/* The worker's own words for its error. */
static void quote_worker(const struct driver *driver, char *out, size_t size)
{
	const struct worker_error *said = &driver->answer->error;

	if (said->type.len > 0)
		snprintf(out, size, "%.*s: %.*s",
			 (int)(said->type.len < 100 ? said->type.len : 100),
			 (const char *)said->type.data,
			 (int)(said->message.len < size ? said->message.len : size),
			 (const char *)said->message.data);
	else
		snprintf(out, size, "%.*s",
			 (int)(said->message.len < size ? said->message.len : size),
			 (const char *)said->message.data);
}

/* How the worker came to its end, for those failures that come from it. */
static void pack_end(struct buf *detail, const struct channel *channel, const struct effect *effect)
{
	pack_map(detail, 2);
	pack_str(detail, "end");
	pack_str(detail, channel->last_end);
	pack_str(detail, "cause");
	pack_str(detail, worker_cause_name(effect->error.cause));
}

static void fill_worker(const struct driver *driver, const struct request *request,
			struct error *error)
{
	usec_t now = loop_now(driver->loop);

	error->worker = driver_worker_number(driver, request->worker);
	error->pid = (int)driver->channels[request->worker].last_pid;
	error->attempt = request->attempts;
	error->queued = usec_sub(request->first_sent, request->submitted);
	error->run = usec_sub(now, request->sent);
}

void failure_answer(struct driver *driver, const struct call *call, const struct effect *effect)
{
	const struct request *request = engine_request(driver->engine, call->slot);
	usec_t elapsed = usec_sub(loop_now(driver->loop), request->submitted);
	char message[MESSAGE_SIZE];
	struct buf detail;
	struct error error = {
		.code = effect->error.code,
		.severity = errcode_info(effect->error.code)->severity,
		.message = message,
		.retryable = effect->error.retryable,
		.retry_after = effect->error.retry_after,
		.executed = effect->error.executed,
		.request = call->number,
		.pool = driver_pool_config(driver, call->pool)->name,
		.adapter = "process",
		.method = call->method,
		.elapsed = elapsed,
		.queued = elapsed,
		.run = USEC_INFINITY,
	};

	buf_init(&detail, DETAIL_MAX);
	if (effect->error.has_worker)
		fill_worker(driver, request, &error);
	if (effect->error.from_worker && driver->answer) {
		quote_worker(driver, message, sizeof(message));
		worker_error_pack_detail(&detail, &driver->answer->error, DETAIL_TEXT);
	} else {
		describe(driver, call, effect, message, sizeof(message));
		if (effect->error.budget_spent)
			append(message, sizeof(message), "; the pool's retry budget is spent");
		if (errcode_info(error.code)->category == ERRCAT_connection)
			pack_end(&detail, &driver->channels[request->worker], effect);
	}
	if (buf_error(&detail) == 0)
		error.detail = (struct bytes){detail.data, detail.len};
	connection_answer_error(call->connection, call->msgid, &error);
	buf_free(&detail);
}
