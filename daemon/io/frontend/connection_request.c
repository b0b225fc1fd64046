#include "daemon/io/frontend/connection_request.h"

#include "daemon/io/admin/admin.h"
#include "daemon/io/admin/control.h"
#include "daemon/io/driver/credit.h"
#include "daemon/io/driver/state.h"
#include "daemon/io/driver/submit.h"
#include "daemon/io/frontend/connection.h"
#include "daemon/io/frontend/connection_answer.h"
#include "daemon/io/frontend/request_parse.h"
#include "protocol/envelope.h"
#include "protocol/method.h"
#include "protocol/read.h"

#include <errno.h>
#include <string.h>

/* What poold.hello answers takes less. */
#define HELLO_MAX ((size_t)128 * 1024)

/* What is refused while memory is short.  Returns why, or NULL. */
static const char *refused_for_memory(const struct connection *connection, enum priority priority)
{
	switch (chunk_level(&connection->driver->loop->store)) {
	case CHUNK_CROWDED:
		return priority == PRIORITY_SHEDDABLE
			       ? "85 % of memory_max is in use: no sheddable request is taken"
			       : NULL;
	case CHUNK_SCARCE:
		return priority != PRIORITY_CRITICAL
			       ? "92 % of memory_max is in use: only critical requests are taken"
			       : NULL;
	case CHUNK_LAST:
		return "95 % of memory_max is in use: no request is taken";
	case CHUNK_PLENTY:
	case CHUNK_LEVEL_COUNT_:
		break;
	}
	return NULL;
}

static struct call *open_call(struct connection *connection, const struct asked *asked,
			      enum priority priority)
{
	const char *why = refused_for_memory(connection, priority);
	struct driver *driver = connection->driver;
	unsigned in_flight_max = driver->config->daemon.in_flight_max;
	struct call *call;

	if (connection->is_control_only) {
		connection_refuse(
			connection, asked, ERR_queue_full,
			"all connections are taken; this one is kept for control and health");
		return NULL;
	}
	if (why) {
		connection_refuse(connection, asked, ERR_memory_limit, "%s", why);
		return NULL;
	}
	if (connection->caller.calls.len >= in_flight_max) {
		connection_refuse(connection, asked, ERR_queue_full,
				  "this connection has %u requests in flight, the most it may have",
				  in_flight_max);
		return NULL;
	}
	call = call_open(&driver->calls, &connection->caller, asked->msgid);
	if (!call)
		connection_refuse(connection, asked, ERR_queue_full,
				  "the daemon has %u requests in hand, the most it may have",
				  driver->calls.capacity);
	return call;
}

static void start_call(struct connection *connection, struct chunk *chunk, uint32_t msgid,
		       const struct parsed_call *parsed)
{
	struct asked asked = {.msgid = msgid,
			      .pool = NO_SLOT,
			      .method = parsed->method,
			      .trace = parsed->trace,
			      .tracestate = parsed->tracestate};
	struct driver *driver = connection->driver;
	uint32_t pool;
	struct call *call;

	if (driver_find_pool(driver, parsed->pool, &pool) < 0) {
		connection_refuse(connection, &asked, ERR_unknown_pool, "there is no pool %.*s",
				  (int)(parsed->pool.len < 64 ? parsed->pool.len : 64),
				  (const char *)parsed->pool.data);
		return;
	}
	asked.pool = pool;
	if (!rights_may_call(driver, &connection->caller, pool)) {
		char why[256];

		rights_say_why_not_call(driver, pool, why, sizeof(why));
		connection_refuse(connection, &asked, ERR_permission_denied, "%s", why);
		return;
	}
	if (driver_pool_config(driver, pool)->adapter == POOL_STATIC &&
	    !driver_static_answer(driver, pool, parsed->method)) {
		connection_refuse(connection, &asked, ERR_unknown_method,
				  "the pool has no answer for this method");
		return;
	}
	call = open_call(connection, &asked, parsed->options.priority);
	if (!call)
		return;
	call->pool = pool;
	call_keep(&driver->calls, call, chunk, parsed->args.len);
	call->method = parsed->method;
	call->args = parsed->args;
	trace_begin(driver, &call->trace, parsed->trace, parsed->tracestate);
	call->session = parsed->session;
	call->key = parsed->key;
	call->wants_meta = parsed->wants_meta;
	driver_submit(driver, call, &parsed->options);
	connection_settle(connection);
}

static void take_call(struct connection *connection, struct chunk *chunk,
		      const struct envelope *envelope)
{
	char why[REQUEST_WHY_SIZE];
	struct parsed_call parsed;

	if (request_parse_call(envelope->params, &parsed, why) < 0) {
		const struct asked asked = asked_of(envelope);

		connection_refuse(connection, &asked, ERR_invalid_request, "%s", why);
		return;
	}
	start_call(connection, chunk, envelope->id, &parsed);
}

static COLD void refuse_method(struct connection *connection, const struct envelope *envelope,
			       const char *hint)
{
	const struct asked asked = asked_of(envelope);

	connection_refuse(connection, &asked, ERR_unknown_method, "there is no method %.*s%s",
			  (int)(envelope->method.len < 64 ? envelope->method.len : 64),
			  (const char *)envelope->method.data, hint);
}

/* POOL.METHOD params */
static void take_short_call(struct connection *connection, struct chunk *chunk,
			    const struct envelope *envelope)
{
	struct parsed_call parsed;

	if (request_parse_short(envelope->method, envelope->params, &parsed) < 0)
		refuse_method(connection, envelope, ": pools are called as POOL.METHOD");
	else
		start_call(connection, chunk, envelope->id, &parsed);
}

/* The answer that was packed, or why it could not be. */
static COLD void answer_packed(struct connection *connection, const struct asked *asked,
			       const struct buf *out)
{
	if (buf_error(out) == 0)
		connection_answer(connection, asked->msgid, (struct bytes){out->data, out->len});
	else
		connection_refuse(connection, asked, ERR_memory_limit,
				  buf_error(out) == -ENOMEM ? "there was no memory for the answer"
							    : "the answer does not fit");
}

static COLD void take_hello(struct connection *connection, const struct envelope *envelope)
{
	struct parsed_hello hello = {.wants_errors_map = connection->caller.wants_errors_map,
				     .wants_closing = connection->wants_closing};
	const struct asked asked = asked_of(envelope);
	char why[REQUEST_WHY_SIZE];
	struct buf out;

	if (request_parse_hello(envelope->params, &hello, why) < 0) {
		connection_refuse(connection, &asked, ERR_invalid_request, "%s", why);
		return;
	}
	connection->caller.wants_errors_map = hello.wants_errors_map;
	connection->wants_closing = hello.wants_closing;
	caller_set_name(&connection->caller, hello.client, hello.version);
	buf_init(&out, HELLO_MAX);
	admin_hello(connection->driver, connection->caller.wants_errors_map, &out);
	answer_packed(connection, &asked, &out);
	buf_free(&out);
}

static COLD void take_admin(struct connection *connection, enum method method,
			    const struct envelope *envelope)
{
	const struct asked asked = asked_of(envelope);
	char why[CONTROL_WHY_SIZE] = "";
	enum errcode code;
	struct buf out;

	buf_init(&out, connection->driver->config->daemon.output_max);
	code = admin_answer(connection->driver, &connection->caller, method, envelope->params, &out,
			    why);
	if (code == ERR_NONE)
		answer_packed(connection, &asked, &out);
	else
		connection_refuse(connection, &asked, code, "%s", why);
	connection_end_if_over(connection);
	buf_free(&out);
}

static bool has_prefix(struct bytes name, const char *prefix)
{
	size_t len = strlen(prefix);

	return name.len >= len && memcmp(name.data, prefix, len) == 0;
}

static void take_request(struct connection *connection, struct chunk *chunk,
			 const struct envelope *envelope)
{
	enum method method;

	if (call_find(&connection->driver->calls, &connection->caller, envelope->id)) {
		/* The peer could not tell the two answers apart: such a peer is not served. */
		connection->driver->stats.duplicate_ids++;
		connection_close(connection, CALLER_END_duplicate_id);
		return;
	}
	if (!has_prefix(envelope->method, "poold.")) {
		take_short_call(connection, chunk, envelope);
		return;
	}
	method = method_find(envelope->method);
	if (method == METHOD_call)
		take_call(connection, chunk, envelope);
	else if (method == METHOD_hello)
		take_hello(connection, envelope);
	else if (method != METHOD_NONE && method_info(method)->kind != METHOD_KIND_NOTE)
		take_admin(connection, method, envelope);
	else
		refuse_method(connection, envelope, "");
}

static COLD void take_cancel(struct connection *connection, struct bytes params)
{
	struct reader reader;
	uint32_t count;
	uint64_t msgid;
	struct call *call;

	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count != 1 || read_uint(&reader, &msgid) < 0 ||
	    msgid > UINT32_MAX)
		return;
	call = call_find(&connection->driver->calls, &connection->caller, (uint32_t)msgid);
	if (call)
		driver_cancel(connection->driver, call);
}

static COLD void take_malformed(struct connection *connection, const struct envelope *envelope,
				bool has_id)
{
	const struct asked asked = asked_of(envelope);

	connection->driver->stats.messages_malformed++;
	if (has_id)
		connection_refuse(connection, &asked, ERR_invalid_request,
				  "the message is not a MessagePack-RPC request");
	connection_finish(connection, CALLER_END_malformed);
}
void connection_take(struct connection *connection, struct chunk *chunk, struct bytes message)
{
	struct envelope envelope = {0};
	int r = envelope_read(message.data, message.len, &envelope);

	connection->active_at = loop_now(connection->driver->loop);
	if (r < 0 || envelope.type == ENVELOPE_RESPONSE)
		take_malformed(connection, &envelope, r == -EBADMSG);
	else if (envelope.type == ENVELOPE_REQUEST)
		take_request(connection, chunk, &envelope);
	else if (bytes_equal(envelope.method, "poold.cancel"))
		take_cancel(connection, envelope.params);
}
