#include "daemon/io/frontend/connection.h"

#include "daemon/core/outcome_code.h"
#include "daemon/io/admin/admin.h"
#include "daemon/io/admin/control.h"
#include "daemon/io/driver/credit.h"
#include "daemon/io/driver/failure.h"
#include "daemon/io/driver/refusal.h"
#include "daemon/io/driver/span.h"
#include "daemon/io/driver/state.h"
#include "daemon/io/driver/submit.h"
#include "daemon/io/frontend/frontend.h"
#include "daemon/io/frontend/peer.h"
#include "daemon/io/frontend/request_parse.h"
#include "daemon/io/frontend/users.h"
#include "protocol/envelope.h"
#include "protocol/method.h"
#include "protocol/read.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ERROR_MAX ((size_t)128 * 1024)

/* A longer answer that lies nowhere in a chunk is copied in one piece, if there is memory for it. */
#define COPIED_MAX ((size_t)64 * 1024)

/* A client with more unread output than this gets its events later, from what the daemon keeps: so a
 * thousand of them that never read need little memory. */
#define EVENTS_UNREAD_MAX ((size_t)64 * 1024)

/* How long a caller is asked to wait before it tries again when nothing better is known. */
#define REFUSED_FOR (100 * USEC_PER_MSEC)

static struct connection *of_link(void *owner)
{
	return owner;
}

/* --- answers --- */

static struct connection *of_caller(struct caller *caller)
{
	return container_of(caller, struct connection, caller);
}

/* So many bytes may wait for it to be read before it has too much unread: output_pause, or its share
 * of the memory if that is less. */
static size_t unread_max(const struct connection *connection)
{
	size_t share = chunk_share(&connection->driver->loop->store);
	size_t pause = connection->driver->config->daemon.output_pause;

	return pause < share ? pause : share;
}

/*
 * A connection with too much unread is not read, and its queued requests wait; one that holds more
 * than its share of the memory is not read either, but its requests run, which gives memory back.
 * Both end at half of it.
 */
static void settle(struct connection *connection)
{
	struct link *link = &connection->link;
	size_t unread = unread_max(connection);
	size_t share = chunk_share(&connection->driver->loop->store);
	size_t held = connection->caller.kept + outbox_held(&link->out);

	if (connection->is_gone)
		return;
	connection->has_unread = link->out.bytes > (connection->has_unread ? unread / 2 : unread);
	connection->is_over = held > (connection->is_over ? share / 2 : share);
	link_set_reading(link, !connection->has_unread && !connection->is_over);
	driver_hold_caller(connection->driver, &connection->caller, connection->has_unread);
	/* What others give back makes its share larger. */
	if (connection->is_over || (connection->has_unread && unread == share))
		link_await_memory(link);
}

/* Something was put. */
static void after_put(struct connection *connection)
{
	connection->caller.put = connection->link.written + connection->link.out.bytes;
	settle(connection);
}

/* The last guard, for what nothing holds back: all but the answers to its calls, of which only as
 * many come as run at the same time. */
static void end_if_over(struct connection *connection)
{
	if (connection->link.out.bytes > connection->driver->config->daemon.output_max)
		link_fail(&connection->link, LINK_END_STALLED);
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

static void answer_no_memory(struct connection *connection, uint32_t msgid);

static void answer(struct caller *caller, uint32_t msgid, struct chunk *chunk, struct bytes value)
{
	struct connection *connection = of_caller(caller);
	uint8_t head[ENVELOPE_HEAD_MAX];
	struct chunk *copy = NULL;

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
	link_put(&connection->link, head, envelope_put_result(head, msgid));
	link_put_shared(&connection->link, chunk, value);
	chunk_unref(copy);
	after_put(connection);
}

static void answer_error(struct caller *caller, uint32_t msgid, const struct error *error)
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
	after_put(connection);
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
	after_put(connection);
	end_if_over(connection);
}

static void answer_restart(struct caller *caller, uint32_t msgid)
{
	static const struct bytes name = {(const uint8_t *)"poold.restart", 13};
	struct connection *connection = of_caller(caller);

	if (connection->is_gone)
		return;
	put_notification(connection, name, 1, msgid);
	after_put(connection);
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
	after_put(connection);
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

static const struct caller_ops caller_ops = {
	.answer = answer,
	.error = answer_error,
	.part = answer_part,
	.restart = answer_restart,
	.event = send_event,
	.view = view,
};

/* What a request asked for that does not become a call, as far as that is known. */
struct asked {
	uint32_t msgid;
	uint32_t pool; /* NO_SLOT: none that exists */
	struct bytes method;
	struct bytes trace; /* these two: as the client gave them */
	struct bytes tracestate;
};

static struct asked asked_of(const struct envelope *envelope)
{
	return (struct asked){.msgid = envelope->id, .pool = NO_SLOT, .method = envelope->method};
}

/* The client gets the error alone; whoever reads the reports, also what was asked. */
static void refuse_with(struct connection *connection, const struct asked *asked,
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
	end_if_over(connection);
}

/* Refuses a request that does not become a call. */
PRINTF_LIKE(4, 5)
static void refuse(struct connection *connection, const struct asked *asked, enum errcode code,
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
static void answer_no_memory(struct connection *connection, uint32_t msgid)
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

/* --- requests --- */

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
		refuse(connection, asked, ERR_queue_full,
		       "all connections are taken; this one is kept for control and health");
		return NULL;
	}
	if (why) {
		refuse(connection, asked, ERR_memory_limit, "%s", why);
		return NULL;
	}
	if (connection->caller.calls.len >= in_flight_max) {
		refuse(connection, asked, ERR_queue_full,
		       "this connection has %u requests in flight, the most it may have",
		       in_flight_max);
		return NULL;
	}
	call = call_open(&driver->calls, &connection->caller, asked->msgid);
	if (!call)
		refuse(connection, asked, ERR_queue_full,
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
		refuse(connection, &asked, ERR_unknown_pool, "there is no pool %.*s",
		       (int)(parsed->pool.len < 64 ? parsed->pool.len : 64),
		       (const char *)parsed->pool.data);
		return;
	}
	asked.pool = pool;
	if (!rights_may_call(driver, &connection->caller, pool)) {
		char why[256];

		rights_say_why_not_call(driver, pool, why, sizeof(why));
		refuse(connection, &asked, ERR_permission_denied, "%s", why);
		return;
	}
	if (driver_pool_config(driver, pool)->adapter == POOL_STATIC &&
	    !driver_static_answer(driver, pool, parsed->method)) {
		refuse(connection, &asked, ERR_unknown_method,
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
	settle(connection);
}

static void take_call(struct connection *connection, struct chunk *chunk,
		      const struct envelope *envelope)
{
	const struct asked asked = asked_of(envelope);
	char why[REQUEST_WHY_SIZE];
	struct parsed_call parsed;

	if (request_parse_call(envelope->params, &parsed, why) < 0)
		refuse(connection, &asked, ERR_invalid_request, "%s", why);
	else
		start_call(connection, chunk, envelope->id, &parsed);
}

/* POOL.METHOD params */
static void take_short_call(struct connection *connection, struct chunk *chunk,
			    const struct envelope *envelope)
{
	const struct asked asked = asked_of(envelope);
	struct parsed_call parsed;

	if (request_parse_short(envelope->method, envelope->params, &parsed) < 0)
		refuse(connection, &asked, ERR_unknown_method,
		       "there is no method %.*s: pools are called as POOL.METHOD",
		       (int)(envelope->method.len < 64 ? envelope->method.len : 64),
		       (const char *)envelope->method.data);
	else
		start_call(connection, chunk, envelope->id, &parsed);
}

static void take_hello(struct connection *connection, const struct envelope *envelope)
{
	struct parsed_hello hello = {.wants_errors_map = connection->caller.wants_errors_map,
				     .wants_closing = connection->wants_closing};
	const struct asked asked = asked_of(envelope);
	char why[REQUEST_WHY_SIZE];
	struct buf out;

	if (request_parse_hello(envelope->params, &hello, why) < 0) {
		refuse(connection, &asked, ERR_invalid_request, "%s", why);
		return;
	}
	connection->caller.wants_errors_map = hello.wants_errors_map;
	connection->wants_closing = hello.wants_closing;
	caller_set_name(&connection->caller, hello.client, hello.version);
	buf_init(&out, ERROR_MAX);
	admin_hello(connection->driver, connection->caller.wants_errors_map, &out);
	if (buf_error(&out) == 0)
		answer(&connection->caller, envelope->id, NULL, (struct bytes){out.data, out.len});
	buf_free(&out);
}

static void take_admin(struct connection *connection, enum method method,
		       const struct envelope *envelope)
{
	const struct asked asked = asked_of(envelope);
	char why[CONTROL_WHY_SIZE] = "the answer does not fit";
	enum errcode code;
	struct buf out;

	buf_init(&out, connection->driver->config->daemon.output_max);
	code = admin_answer(connection->driver, &connection->caller, method, envelope->params, &out,
			    why);
	if (code == ERR_NONE && buf_error(&out) < 0)
		code = ERR_memory_limit;
	if (code == ERR_NONE)
		answer(&connection->caller, envelope->id, NULL, (struct bytes){out.data, out.len});
	else
		refuse(connection, &asked, code, "%s", why);
	end_if_over(connection);
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
	const struct asked asked = asked_of(envelope);
	enum method method = METHOD_NONE;

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
		refuse(connection, &asked, ERR_unknown_method, "there is no method %.*s",
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
	call = call_find(&connection->driver->calls, &connection->caller, (uint32_t)msgid);
	if (call)
		driver_cancel(connection->driver, call);
}

static void take_malformed(struct connection *connection, const struct envelope *envelope,
			   bool has_id)
{
	const struct asked asked = asked_of(envelope);

	connection->driver->stats.messages_malformed++;
	if (has_id)
		refuse(connection, &asked, ERR_invalid_request,
		       "the message is not a MessagePack-RPC request");
	connection_finish(connection, CALLER_END_malformed);
}

static void on_message(void *owner, struct chunk *chunk, struct bytes message)
{
	struct connection *connection = of_link(owner);
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

/* --- the end --- */

/* What a request gets of which only the beginning came; ERR_NONE: no answer. */
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

static enum caller_end caller_end_of(enum link_end end)
{
	switch (end) {
	case LINK_END_TOO_LARGE:
		return CALLER_END_too_large;
	case LINK_END_NO_MEMORY:
		return CALLER_END_memory;
	case LINK_END_MALFORMED:
		return CALLER_END_malformed;
	case LINK_END_STALLED:
		return CALLER_END_stalled;
	case LINK_END_ERROR:
		return CALLER_END_reset;
	case LINK_END_OF_FILE:
		break;
	}
	return CALLER_END_closed;
}

/* Refuses the request of which only the beginning is there, unless one with its id is in flight.
 * False: it has no id. */
static bool refuse_begun_with(struct connection *connection, struct bytes begun, enum errcode code,
			      const char *why)
{
	struct asked asked = {.pool = NO_SLOT};

	if (request_begun(begun, &asked.msgid, &asked.method) < 0)
		return false;
	if (!call_find(&connection->driver->calls, &connection->caller, asked.msgid))
		refuse(connection, &asked, code, "%s", why);
	return true;
}

static void on_end(void *owner, enum link_end end, int error, struct bytes begun)
{
	struct connection *connection = of_link(owner);
	struct driver *driver = connection->driver;
	enum errcode code = end_code(end);

	(void)error;
	if (end == LINK_END_STALLED)
		driver->stats.connections_stalled++;
	if (code == ERR_NONE && end == LINK_END_OF_FILE && connection->is_ending) {
		connection_finish(connection, CALLER_END_shutdown);
		return;
	}
	if (code == ERR_NONE) {
		connection_close(connection, caller_end_of(end));
		return;
	}
	if (code != ERR_memory_limit)
		driver->stats.messages_malformed++;
	(void)refuse_begun_with(connection, begun, code, errcode_info(code)->text);
	connection_finish(connection, caller_end_of(end));
}

static bool refuse_begun(struct connection *connection, struct bytes begun)
{
	bool has_id =
		refuse_begun_with(connection, begun, ERR_memory_limit,
				  "memory is short, and this request had not come to its end");

	connection->driver->stats.requests_unfinished += has_id;
	return has_id;
}

static bool on_no_memory(void *owner, struct bytes begun, bool by_system)
{
	/* What others have is waited for; who holds too much meanwhile, the frontend finds. */
	return by_system && refuse_begun(of_link(owner), begun);
}

static void on_drained(void *owner)
{
	settle(of_link(owner));
}

static void on_written(void *owner)
{
	struct connection *connection = of_link(owner);

	if (connection->is_gone)
		return;
	connection->active_at = loop_now(connection->driver->loop);
	connection->caller.taken = connection->link.written;
	driver_caller_took(connection->driver, &connection->caller);
	settle(connection);
}

static void on_memory(void *owner)
{
	settle(of_link(owner));
}

static void on_free(struct link *link)
{
	struct connection *connection = container_of(link, struct connection, link);
	struct frontend *frontend = connection->frontend;

	list_remove(&frontend->connections, &connection->in_connections);
	frontend->control_connections -= connection->is_control_only;
	users_leave(&frontend->users, connection->user);
	frontend->driver->stats.connections_open--;
	free(connection);
	frontend->on_place(frontend->owner);
}

static const struct link_handler link_handler = {
	.on_message = on_message,
	.on_end = on_end,
	.on_no_memory = on_no_memory,
	.on_drained = on_drained,
	.on_written = on_written,
	.on_memory = on_memory,
	.on_free = on_free,
};

static void identify(struct connection *connection, int fd)
{
	const struct driver *driver = connection->driver;
	struct peer peer = peer_of(fd, driver->rights.groups, driver->rights.group_count);
	int pidfd = -1;

	connection->caller.uid = peer.uid;
	connection->caller.pid = peer.pid;
	connection->caller.client = (uint32_t)driver->stats.connections_accepted;
	connection->caller.groups = peer.groups;
	if (rights_has_claim(driver, &connection->caller))
		pidfd = peer_pidfd(fd, &peer);
	rights_decide(driver, &connection->caller, pidfd);
	if (pidfd >= 0)
		close(pidfd);
}

int connection_open(struct frontend *frontend, int fd, struct connection **ret)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	struct driver *driver = frontend->driver;
	int r;

	if (!connection)
		return -ENOMEM;
	caller_init(&connection->caller, &caller_ops);
	connection->frontend = frontend;
	connection->driver = driver;
	connection->opened_at = connection->active_at = loop_now(driver->loop);
	identify(connection, fd);
	connection->user = users_enter(&frontend->users, connection->caller.uid);
	if (!connection->user) {
		free(connection);
		return -ENOMEM;
	}
	r = link_open(&connection->link, driver->loop, stream_of_socket(fd), FRAMING_MSGPACK,
		      driver->config->daemon.message_max, &link_handler, connection);
	if (r < 0) {
		users_leave(&frontend->users, connection->user);
		free(connection);
		return r;
	}
	connection->link.kept = &connection->caller.kept;
	connection->link.stall_timeout = driver->config->daemon.stall_timeout;
	list_push_back(&frontend->connections, &connection->in_connections);
	driver_join(driver, &connection->caller);
	driver->stats.connections_open++;
	driver->stats.connections_accepted++;
	*ret = connection;
	return 0;
}

void connection_refuse_begun(struct connection *connection)
{
	struct link *link = &connection->link;

	if (refuse_begun(connection, link_begun(link)))
		link_skip_begun(link);
	else if (link->in_len < LINK_BEGUN_MAX)
		link_trim_begun(link);
	else
		connection_finish(connection, CALLER_END_memory);
}

/* It asks nothing more, and gets no answer any more. */
static void leave(struct connection *connection, enum caller_end end)
{
	bool was_gone = connection->is_gone;

	connection->is_gone = true;
	driver_leave(connection->driver, &connection->caller);
	if (!was_gone)
		refusal_report_end(connection->driver, &connection->caller, end);
}

void connection_close(struct connection *connection, enum caller_end end)
{
	leave(connection, end);
	link_close(&connection->link);
}

void connection_notify_closing(struct connection *connection)
{
	static const struct bytes name = {(const uint8_t *)"poold.closing", 13};
	uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX];
	struct buf params;

	if (connection->is_gone || !connection->wants_closing)
		return;
	buf_init(&params, 64);
	pack_array(&params, 1);
	pack_map(&params, 1);
	pack_str(&params, "grace_ms");
	pack_uint(&params, FRONTEND_GRACE_MS);
	if (buf_error(&params) == 0) {
		link_put(&connection->link, head, envelope_put_notification(head, name));
		link_put(&connection->link, params.data, params.len);
		after_put(connection);
	}
	buf_free(&params);
}

void connection_end(struct connection *connection)
{
	if (connection->is_gone)
		return;
	connection->is_ending = true;
	(void)shutdown(connection->link.stream.in, SHUT_RD);
	link_drain(&connection->link);
	if (!connection->is_gone)
		connection_finish(connection, CALLER_END_shutdown);
}

void connection_finish(struct connection *connection, enum caller_end end)
{
	leave(connection, end);
	link_close_when_written(&connection->link);
}
