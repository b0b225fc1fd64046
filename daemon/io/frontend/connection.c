#include "daemon/io/frontend/connection.h"

#include "daemon/io/admin/admin.h"
#include "daemon/io/admin/control.h"
#include "daemon/io/driver/driver.h"
#include "daemon/io/driver/failure.h"
#include "daemon/io/frontend/peer.h"
#include "daemon/io/frontend/request_parse.h"
#include "protocol/envelope.h"
#include "protocol/method.h"
#include "protocol/read.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ERROR_MAX ((size_t)128 * 1024)

/* What is told to come again later, without anything being known, is told to wait so long. */
#define REFUSED_FOR (100 * USEC_PER_MSEC)

static struct connection *of_link(void *owner)
{
	return owner;
}

/* --- answers --- */

static void pause_if_full(struct connection *connection)
{
	const struct config_daemon *limits = &connection->driver->config->daemon;

	if (connection->link.out.bytes > limits->output_max) {
		link_fail(&connection->link, LINK_END_STALLED);
	} else if (connection->link.out.bytes > limits->output_pause) {
		link_set_reading(&connection->link, false);
	}
}

void connection_answer(struct connection *connection, uint32_t msgid, struct chunk *chunk,
		       struct bytes value)
{
	uint8_t head[ENVELOPE_HEAD_MAX];

	if (connection->gone)
		return;
	link_put(&connection->link, head, envelope_put_result(head, msgid));
	link_put_shared(&connection->link, chunk, value);
	pause_if_full(connection);
}

void connection_answer_error(struct connection *connection, uint32_t msgid,
			     const struct error *error)
{
	uint8_t head[ENVELOPE_HEAD_MAX];
	struct buf buf;

	if (connection->gone)
		return;
	buf_init(&buf, ERROR_MAX);
	buf_put(&buf, head, envelope_put_error(head, msgid));
	if (connection->errors_map)
		error_pack_map(&buf, error);
	else
		error_pack_stock(&buf, error);
	pack_nil(&buf);
	if (buf_error(&buf) == 0)
		link_put(&connection->link, buf.data, buf.len);
	else
		link_fail(&connection->link, LINK_END_NO_MEMORY);
	buf_free(&buf);
	pause_if_full(connection);
}

void connection_refuse(struct connection *connection, uint32_t msgid, enum errcode code,
		       const char *format, ...)
{
	char message[512];
	struct error error = failure_error(connection->driver, code);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	error.message = message;
	error.retryable = errcode_info(code)->category == ERRCAT_resource;
	if (error.retryable)
		error.retry_after = REFUSED_FOR;
	connection->driver->stats.requests_refused++;
	connection_answer_error(connection, msgid, &error);
}

void connection_notify(struct connection *connection, const char *method, struct bytes params)
{
	struct bytes name = {(const uint8_t *)method, strlen(method)};
	uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX];

	if (connection->gone)
		return;
	link_put(&connection->link, head, envelope_put_notification(head, name));
	link_put(&connection->link, params.data, params.len);
	pause_if_full(connection);
}

void connection_part(struct connection *connection, uint32_t msgid, struct chunk *chunk,
		     struct bytes value)
{
	static const struct bytes name = {(const uint8_t *)"poold.chunk", 11};
	uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX + 6];
	size_t len;

	if (connection->gone)
		return;
	len = envelope_put_notification(head, name);
	head[len++] = 0x92; /* [msgid, value] */
	len += envelope_put_id(head + len, msgid);
	link_put(&connection->link, head, len);
	link_put_shared(&connection->link, chunk, value);
	pause_if_full(connection);
}

/* --- requests --- */

static struct call *open_call(struct connection *connection, uint32_t msgid)
{
	struct driver *driver = connection->driver;
	unsigned in_flight_max = driver->config->daemon.in_flight_max;
	struct call *call;

	if (connection->control_only) {
		connection_refuse(
			connection, msgid, ERR_queue_full,
			"all connections are taken; this one is kept for control and health");
		return NULL;
	}
	if (connection->calls.len >= in_flight_max) {
		connection_refuse(connection, msgid, ERR_queue_full,
				  "this connection has %u requests in flight, the most it may have",
				  in_flight_max);
		return NULL;
	}
	call = call_open(&driver->calls, connection, msgid);
	if (!call) {
		connection_refuse(connection, msgid, ERR_queue_full,
				  "the daemon has %u requests in hand, the most it may have",
				  driver->calls.capacity);
		return NULL;
	}
	list_push_back(&connection->calls, &call->in_connection);
	return call;
}

static void start_call(struct connection *connection, struct chunk *chunk, uint32_t msgid,
		       const struct parsed_call *parsed)
{
	struct driver *driver = connection->driver;
	uint32_t pool;
	struct call *call;

	if (driver_find_pool(driver, parsed->pool, &pool) < 0) {
		connection_refuse(connection, msgid, ERR_unknown_pool, "there is no pool %.*s",
				  (int)(parsed->pool.len < 64 ? parsed->pool.len : 64),
				  (const char *)parsed->pool.data);
		return;
	}
	if (driver_pool_config(driver, pool)->adapter == POOL_STATIC &&
	    !driver_has_answer(driver, pool, parsed->method)) {
		connection_refuse(connection, msgid, ERR_unknown_method,
				  "the pool has no answer for this method");
		return;
	}
	call = open_call(connection, msgid);
	if (!call)
		return;
	call->pool = pool;
	call->chunk = chunk_ref(chunk);
	call->method = parsed->method;
	call->args = parsed->args;
	call->trace = parsed->trace;
	call->session = parsed->session;
	call->key = parsed->key;
	call->with_meta = parsed->with_meta;
	driver_submit(driver, call, &parsed->options);
}

static void take_call(struct connection *connection, struct chunk *chunk,
		      const struct envelope *envelope)
{
	char why[REQUEST_WHY_SIZE];
	struct parsed_call parsed;

	if (request_parse_call(envelope->params, &parsed, why) < 0)
		connection_refuse(connection, envelope->id, ERR_invalid_request, "%s", why);
	else
		start_call(connection, chunk, envelope->id, &parsed);
}

/* POOL.METHOD params */
static void take_short_call(struct connection *connection, struct chunk *chunk,
			    const struct envelope *envelope)
{
	struct parsed_call parsed;

	if (request_parse_short(envelope->method, envelope->params, &parsed) < 0)
		connection_refuse(connection, envelope->id, ERR_unknown_method,
				  "there is no method %.*s: pools are called as POOL.METHOD",
				  (int)(envelope->method.len < 64 ? envelope->method.len : 64),
				  (const char *)envelope->method.data);
	else
		start_call(connection, chunk, envelope->id, &parsed);
}

static void take_hello(struct connection *connection, const struct envelope *envelope)
{
	char why[REQUEST_WHY_SIZE];
	struct buf *out = &connection->driver->scratch;

	if (request_parse_hello(envelope->params, &connection->errors_map, why) < 0) {
		connection_refuse(connection, envelope->id, ERR_invalid_request, "%s", why);
		return;
	}
	buf_init(out, ERROR_MAX);
	admin_hello(connection->driver, connection->errors_map, out);
	if (buf_error(out) == 0)
		connection_answer(connection, envelope->id, NULL,
				  (struct bytes){out->data, out->len});
	buf_free(out);
}

static void take_admin(struct connection *connection, enum method method,
		       const struct envelope *envelope)
{
	char why[CONTROL_WHY_SIZE] = "the answer does not fit";
	enum errcode code;
	struct buf out;

	buf_init(&out, connection->driver->config->daemon.output_max);
	code = admin_answer(connection, method, envelope->params, &out, why);
	if (code == ERR_NONE && buf_error(&out) < 0)
		code = ERR_memory_limit;
	if (code == ERR_NONE)
		connection_answer(connection, envelope->id, NULL,
				  (struct bytes){out.data, out.len});
	else
		connection_refuse(connection, envelope->id, code, "%s", why);
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
	enum method method = METHOD_NONE;

	if (call_find(&connection->driver->calls, connection, envelope->id)) {
		/* Two answers to one id would break the peer's own count: such a peer is not
		 * served. */
		connection->driver->stats.duplicate_ids++;
		connection_close(connection);
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
		connection_refuse(connection, envelope->id, ERR_unknown_method,
				  "there is no method %.*s",
				  (int)(envelope->method.len < 64 ? envelope->method.len : 64),
				  (const char *)envelope->method.data);
}

static void take_cancel(struct connection *connection, struct bytes params)
{
	struct reader reader;
	uint32_t count;
	uint64_t msgid;
	struct call *call;

	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count != 1 || read_uint(&reader, &msgid) < 0 ||
	    msgid > UINT32_MAX)
		return;
	call = call_find(&connection->driver->calls, connection, (uint32_t)msgid);
	if (call)
		driver_cancel(connection->driver, call, false);
}

static void take_malformed(struct connection *connection, const struct envelope *envelope,
			   bool has_id)
{
	connection->driver->stats.messages_malformed++;
	if (has_id)
		connection_refuse(connection, envelope->id, ERR_invalid_request,
				  "the message is not a MessagePack-RPC request");
	connection_finish(connection);
}

static void on_message(void *owner, struct chunk *chunk, struct bytes message)
{
	struct connection *connection = of_link(owner);
	struct envelope envelope = {0};
	int r = envelope_read(message.data, message.len, &envelope);

	if (r < 0 || envelope.type == ENVELOPE_RESPONSE)
		take_malformed(connection, &envelope, r == -EBADMSG);
	else if (envelope.type == ENVELOPE_REQUEST)
		take_request(connection, chunk, &envelope);
	else if (bytes_equal(envelope.method, "poold.cancel"))
		take_cancel(connection, envelope.params);
}

/* --- the end --- */

static enum errcode end_code(enum link_end end)
{
	switch (end) {
	case LINK_END_TOO_LARGE:
		return ERR_payload_too_large;
	case LINK_END_NO_MEMORY:
		return ERR_memory_limit;
	case LINK_END_MALFORMED:
		return ERR_invalid_request;
	case LINK_END_OF_FILE:
	case LINK_END_ERROR:
	case LINK_END_STALLED:
		break;
	}
	return ERR_NONE;
}

static void on_end(void *owner, enum link_end end, int error, struct bytes begun)
{
	struct connection *connection = of_link(owner);
	struct driver *driver = connection->driver;
	enum errcode code = end_code(end);
	uint32_t msgid;

	(void)error;
	if (end == LINK_END_STALLED)
		driver->stats.connections_stalled++;
	if (code == ERR_NONE) {
		connection_close(connection);
		return;
	}
	if (code != ERR_memory_limit)
		driver->stats.messages_malformed++;
	if (request_begun_id(begun, &msgid) == 0 && !call_find(&driver->calls, connection, msgid))
		connection_refuse(connection, msgid, code, "%s", errcode_info(code)->text);
	connection_finish(connection);
}

static void on_drained(void *owner)
{
	link_set_reading(&of_link(owner)->link, true);
}

static void on_free(struct link *link)
{
	struct connection *connection = container_of(link, struct connection, link);
	struct driver *driver = connection->driver;

	events_unsubscribe(&driver->events, connection);
	list_remove(&driver->connections, &connection->in_connections);
	driver->control_connections -= connection->control_only;
	free(connection);
	driver->on_place(driver->owner);
}

static const struct link_handler link_handler = {
	.on_message = on_message,
	.on_end = on_end,
	.on_drained = on_drained,
	.on_free = on_free,
};

int connection_open(struct driver *driver, int fd, bool control_only)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	struct peer peer = peer_of(fd, driver->has_admin_group, driver->admin_gid);
	int r;

	if (!connection)
		return -ENOMEM;
	connection->driver = driver;
	connection->control_only = control_only;
	connection->uid = peer.uid;
	connection->pid = peer.pid;
	connection->may_control = peer.uid == 0 || peer.uid == geteuid() || peer.in_group;
	list_init(&connection->calls);
	r = link_open(&connection->link, driver->loop, fd, FRAMING_MSGPACK,
		      driver->config->daemon.message_max, &link_handler, connection);
	if (r < 0) {
		free(connection);
		return r;
	}
	connection->link.stall_timeout = driver->config->daemon.stall_timeout;
	list_push_back(&driver->connections, &connection->in_connections);
	driver->control_connections += control_only;
	driver->stats.connections_accepted++;
	return 0;
}

/* Nobody is there to hear the answers to what it asked. */
static void cancel_calls(struct connection *connection)
{
	struct list_node *node;

	while ((node = list_first(&connection->calls)))
		driver_cancel(connection->driver, list_entry(node, struct call, in_connection),
			      true);
}

void connection_close(struct connection *connection)
{
	connection->gone = true;
	cancel_calls(connection);
	link_close(&connection->link);
}

void connection_finish(struct connection *connection)
{
	connection->gone = true;
	cancel_calls(connection);
	link_close_when_written(&connection->link);
}
