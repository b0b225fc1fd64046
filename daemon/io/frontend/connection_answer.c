#include "daemon/io/frontend/connection_answer.h"

#include "daemon/core/outcome_code.h"
#include "daemon/io/driver/failure.h"
#include "daemon/io/driver/refusal.h"
#include "daemon/io/driver/span.h"
#include "daemon/io/driver/state.h"
#include "daemon/io/frontend/connection.h"
#include "protocol/envelope.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ERROR_MAX ((size_t)128 * 1024)

/* A longer answer that lies nowhere in a chunk is copied in one piece, if there is memory for it. */
#define COPIED_MAX ((size_t)64 * 1024)

/* A client with more unread output than this gets its events later, from what the daemon keeps: so a
 * thousand of them that never read need little memory. */
#define EVENTS_UNREAD_MAX ((size_t)64 * 1024)

/* How long a caller is asked to wait before it tries again when nothing better is known. */
#define REFUSED_FOR (100 * USEC_PER_MSEC)

static struct connection *of_caller(struct caller *caller)
{
	return container_of(caller, struct connection, caller);
}

static COLD void answer_error(struct caller *caller, uint32_t msgid, const struct error *error)
{
	struct connection *connection = of_caller(caller);
	uint8_t head[ENVELOPE_HEAD_MAX];
	struct buf buf;

	if (connection->is_gone)
		return;
	buf_init(&buf, ERROR_MAX);
	buf_put(&buf, head, envelope_put_error(head, msgid));
	if (caller->wants_errors_map)
		error_pack_map(&buf, error);
	else
		error_pack_stock(&buf, error);
	pack_nil(&buf);
	if (buf_error(&buf) == 0)
		link_put(&connection->link, buf.data, buf.len);
	else
		link_fail(&connection->link, LINK_END_NO_MEMORY);
	buf_free(&buf);
	connection_after_put(connection);
}

struct asked asked_of(const struct envelope *envelope)
{
	return (struct asked){.msgid = envelope->id, .pool = NO_SLOT, .method = envelope->method};
}

/* The client gets the error alone; whoever reads the reports, also what was asked. */
static COLD void refuse_with(struct connection *connection, const struct asked *asked,
			     struct error *error)
{
	struct driver *driver = connection->driver;
	struct trace trace;

	error->is_retryable = errcode_info(error->code)->category == ERRCAT_resource;
	if (error->is_retryable)
		error->retry_after = REFUSED_FOR;
	answer_error(&connection->caller, asked->msgid, error);
	error->method = asked->method;
	error->outcome =
		outcome_code_text((struct outcome_code){OUTCOME_BY_DAEMON, OUTCOME_AT_QUEUE});
	error->arrived_ms = loop_wall_ms();
	trace_begin(driver, &trace, asked->trace, asked->tracestate);
	trace_fill(&trace, error);
	if (asked->pool != NO_SLOT)
		error->pool = driver_pool_config(driver, asked->pool)->name;
	refusal_report(driver, &connection->caller, asked->pool, error);
	span_of_refusal(driver, &connection->caller, asked->pool, &trace, error);
	connection_end_if_over(connection);
}

void connection_refuse(struct connection *connection, const struct asked *asked, enum errcode code,
		       const char *format, ...)
{
	char message[512];
	struct error error = failure_error(connection->driver, code);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	error.message = message;
	refuse_with(connection, asked, &error);
}

/* There is no memory for the answer to a call, or of the daemon itself. */
static COLD void answer_no_memory(struct connection *connection, uint32_t msgid)
{
	struct driver *driver = connection->driver;
	struct call *call = call_find(&driver->calls, &connection->caller, msgid);
	struct error error = failure_error(driver, ERR_memory_limit);

	error.message = "there was no memory for the answer";
	if (!call) {
		refuse_with(connection, &(struct asked){.msgid = msgid, .pool = NO_SLOT}, &error);
		return;
	}
	error.outcome =
		outcome_code_text((struct outcome_code){OUTCOME_BY_DAEMON, OUTCOME_AT_REPLY});
	trace_fill(&call->trace, &error);
	call->lost = ERR_memory_limit;
	answer_error(&connection->caller, msgid, &error);
	error.request = call->number;
	error.method = call->method;
	error.pool = driver_pool_config(driver, call->pool)->name;
	refusal_report_lost(driver, &connection->caller, &error);
}

/* The chunk for bytes that lie elsewhere and would take much memory to copy; NULL: its share does not
 * allow that, or there is no memory. */
static struct chunk *copy_large(struct connection *connection, struct bytes value)
{
	struct chunk_store *store = &connection->driver->loop->store;
	struct chunk *chunk = chunk_new_for(
		store, value.len, link_held(&connection->link) + value.len, store->bytes_max);

	if (chunk)
		memcpy(chunk->data, value.data, value.len);
	return chunk;
}

static void answer(struct caller *caller, uint32_t msgid, const struct caller_answer *answer)
{
	struct connection *connection = of_caller(caller);
	struct chunk *chunk = answer->chunk, *copy = NULL;
	struct bytes value = answer->value;
	uint8_t head[ENVELOPE_HEAD_MAX];
	struct bytes begin = {head, envelope_put_result(head, msgid)};

	if (connection->is_gone)
		return;
	if (!chunk && value.len > COPIED_MAX) {
		copy = copy_large(connection, value);
		if (!copy) {
			answer_no_memory(connection, msgid);
			return;
		}
		chunk = copy;
		value.data = copy->data;
	}
	if (answer->before.len > 0) {
		link_put(&connection->link, begin.data, begin.len);
		begin = answer->before;
	}
	link_put_message(&connection->link, begin, chunk, value, answer->behind);
	chunk_unref(copy);
	connection_after_put(connection);
}

void connection_answer(struct connection *connection, uint32_t msgid, struct bytes value)
{
	answer(&connection->caller, msgid, &(struct caller_answer){.value = value});
}

/* Writes the notification up to the message id, the first of its `count` params. */
static void put_notification(struct connection *connection, struct bytes name, uint8_t count,
			     uint32_t msgid)
{
	uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX + 6];
	size_t len = envelope_put_notification(head, name);

	head[len++] = (uint8_t)(0x90 | count); /* an array of so many */
	len += envelope_put_id(head + len, msgid);
	link_put(&connection->link, head, len);
}

static void answer_part(struct caller *caller, uint32_t msgid, struct chunk *chunk,
			struct bytes value)
{
	static const struct bytes name = {(const uint8_t *)"poold.chunk", 11};
	struct connection *connection = of_caller(caller);

	if (connection->is_gone)
		return;
	put_notification(connection, name, 2, msgid);
	link_put_shared(&connection->link, chunk, value);
	connection_after_put(connection);
	connection_end_if_over(connection);
}

static void answer_restart(struct caller *caller, uint32_t msgid)
{
	static const struct bytes name = {(const uint8_t *)"poold.restart", 13};
	struct connection *connection = of_caller(caller);

	if (connection->is_gone)
		return;
	put_notification(connection, name, 1, msgid);
	connection_after_put(connection);
}

static bool send_event(struct caller *caller, struct bytes map)
{
	static const struct bytes name = {(const uint8_t *)"poold.event", 11};
	struct connection *connection = of_caller(caller);
	uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX + 1];
	size_t len;

	if (connection->is_gone || connection->link.out.bytes > EVENTS_UNREAD_MAX)
		return false;
	len = envelope_put_notification(head, name);
	head[len++] = 0x91; /* [map] */
	link_put(&connection->link, head, len);
	link_put(&connection->link, map.data, map.len);
	connection_after_put(connection);
	return true;
}

static void view(struct caller *caller, struct caller_view *ret)
{
	const struct connection *connection = of_caller(caller);

	*ret = (struct caller_view){
		.since = connection->opened_at,
		.active = connection->active_at,
		.in = connection->link.received,
		.out = connection->link.written,
		.unread = connection->link.out.bytes,
		.pause = connection->has_unread ? CALLER_PAUSED_UNREAD
			 : connection->is_over	? CALLER_PAUSED_MEMORY
						: CALLER_READ,
		.is_control_only = connection->is_control_only,
	};
}

const struct caller_ops connection_caller_ops = {
	.answer = answer,
	.error = answer_error,
	.part = answer_part,
	.restart = answer_restart,
	.event = send_event,
	.view = view,
};
