/* JSON-RPC 2.0, one object a line: what tool servers and language servers use. */
#include "daemon/io/worker/dialects.h"

#include "daemon/io/base/json.h"
#include "daemon/io/config/config.h"
#include "daemon/io/worker/dialect_shared.h"
#include "protocol/read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* JSON-RPC's own code for an unknown method. */
#define METHOD_NOT_FOUND (-32601)

/* null, as it is in MessagePack. */
#define NIL 0xc0

/* The bytes of a message without arguments never exceed this, whatever a method is called. */
#define SMALL_MAX ((size_t)8 * 1024)

struct rpc_message {
	bool is_2_0;
	struct bytes id; /* these are empty where there is none */
	struct bytes method;
	struct bytes params;
	struct bytes result;
	struct bytes error; /* also where it is null: some libraries write that beside a result */
};

/* --- from the worker --- */

static int read_member(struct reader *reader, struct rpc_message *message)
{
	struct bytes key, text;

	if (read_str(reader, &key) < 0)
		return -EPROTO;
	if (bytes_equal(key, "jsonrpc")) {
		message->is_2_0 = read_str(reader, &text) == 0 && bytes_equal(text, "2.0");
		return message->is_2_0 ? 0 : -EPROTO;
	}
	if (bytes_equal(key, "method")) {
		if (read_nil(reader) == 0)
			return 0;
		return read_str(reader, &message->method) < 0 || message->method.len == 0 ? -EPROTO
											  : 0;
	}
	if (bytes_equal(key, "id"))
		return read_value(reader, &message->id);
	if (bytes_equal(key, "params"))
		return read_value(reader, &message->params);
	if (bytes_equal(key, "result"))
		return read_value(reader, &message->result);
	if (bytes_equal(key, "error"))
		return read_nil(reader) == 0 ? 0 : read_value(reader, &message->error);
	return read_value(reader, &text);
}

/* Returns NULL, or what is wrong with it. */
static const char *read_message(struct bytes value, struct rpc_message *ret)
{
	struct reader reader;
	uint32_t count;

	*ret = (struct rpc_message){0};
	reader_init(&reader, value.data, value.len);
	if (read_peek(&reader) == VALUE_ARRAY)
		return "it sent a batch, which the daemon did not ask for";
	if (read_map(&reader, &count) < 0)
		return "its message is not JSON-RPC 2.0";
	while (count-- > 0)
		if (read_member(&reader, ret) < 0)
			return "its message is not JSON-RPC 2.0";
	return ret->is_2_0 ? NULL : "its message is not JSON-RPC 2.0";
}

/* {code, message, data}; `number` is room for the code as a text. */
static int read_error(struct bytes value, struct worker_error *ret, char number[static 24])
{
	struct reader reader;
	struct bytes key, other;
	bool has_code = false;
	int64_t code = 0;
	uint32_t count;

	*ret = (struct worker_error){.code = ERR_exception, .retry_after = USEC_INFINITY};
	reader_init(&reader, value.data, value.len);
	if (read_map(&reader, &count) < 0)
		return -EPROTO;
	while (count-- > 0) {
		int r;

		if (read_str(&reader, &key) < 0)
			return -EPROTO;
		if (bytes_equal(key, "code")) {
			r = read_int(&reader, &code);
			has_code = true;
		} else if (bytes_equal(key, "message")) {
			r = read_nil(&reader) == 0 ? 0 : read_str(&reader, &ret->message);
		} else {
			r = read_value(&reader, bytes_equal(key, "data") ? &ret->data : &other);
		}
		if (r < 0)
			return -EPROTO;
	}
	if (code == METHOD_NOT_FOUND)
		ret->code = ERR_unknown_method;
	ret->type.data = (const uint8_t *)number;
	ret->type.len = (size_t)snprintf(number, 24, "%" PRId64, code);
	return has_code ? 0 : -EPROTO;
}

/* Whether it is a result or an error: an error may stand beside a result that is null. */
static bool is_answer(const struct rpc_message *message)
{
	if (message->error.len == 0)
		return message->result.len > 0;
	return message->result.len == 0 || message->result.data[0] == NIL;
}

static void take_answer(struct channel *channel, uint32_t id, const struct channel_answer *answer)
{
	progress_end(&channel->progress, id);
	dialect_take_answer(channel, id, answer);
}

static void take_response(struct channel *channel, struct chunk *chunk,
			  const struct rpc_message *message)
{
	struct channel_answer answer = {.chunk = chunk, .result = message->result};
	struct reader reader;
	char number[24];
	uint64_t id;

	reader_init(&reader, message->id.data, message->id.len);
	answer.has_failed = message->error.len > 0;
	if (message->id.len == 0 || read_uint(&reader, &id) < 0 || id > UINT32_MAX)
		dialect_broken(channel, ERR_protocol_violation,
			       "its answer has no id, or one of its own");
	else if (!is_answer(message))
		dialect_broken(channel, ERR_protocol_violation,
			       "its answer must have a result or an error");
	else if (answer.has_failed && read_error(message->error, &answer.error, number) < 0)
		dialect_broken(channel, ERR_protocol_violation, "its error is not one of JSON-RPC");
	else
		take_answer(channel, (uint32_t)id, &answer);
}

static void put_line(struct channel *channel, struct buf *buf)
{
	buf_put(buf, "\n", 1);
	if (buf_error(buf) == 0)
		link_put(channel->link, buf->data, buf->len);
	else
		link_fail(channel->link, LINK_END_NO_MEMORY);
}

/*
 * Answers a request of the worker.  The daemon says that it lives, as the Model Context Protocol has
 * both sides do; it takes no other requests from workers: those are answered with an error, and the
 * worker may go on.
 */
static void answer_request(struct channel *channel, const struct rpc_message *request)
{
	struct buf buf;

	if (!dialect_may_refuse(channel))
		return;
	buf_init(&buf, SMALL_MAX);
	buf_printf(&buf, "{\"jsonrpc\":\"2.0\",\"id\":");
	if (json_from_value(request->id, &buf) && buf_error(&buf) != -ENOMEM) {
		dialect_broken(channel, ERR_protocol_violation, "its request has a huge id");
	} else {
		if (bytes_equal(request->method, "ping"))
			buf_printf(&buf, ",\"result\":{}}");
		else
			buf_printf(&buf, ",\"error\":{\"code\":%d,\"message\":\"%s\"}}",
				   METHOD_NOT_FOUND, dialect_refusal);
		put_line(channel, &buf);
	}
	buf_free(&buf);
}

/* A notification about the progress of a request is a part of its answer. */
static bool take_progress(struct channel *channel, const struct rpc_message *message)
{
	const char *name = channel->pool->progress_notification;
	struct buf part;
	uint32_t id;

	if (!*name || !bytes_equal(message->method, name))
		return false;
	buf_init(&part, UINT32_MAX);
	id = progress_take(&channel->progress, message->params, &part);
	if (id != 0 && buf_error(&part) < 0)
		channel->handler->on_lost(channel, id, true);
	else if (id != 0)
		channel->handler->on_part(channel, id, NULL, (struct bytes){part.data, part.len});
	buf_free(&part);
	return id != 0;
}

static void take_notification(struct channel *channel, const struct rpc_message *message)
{
	if (!take_progress(channel, message))
		dialect_take_notification(channel, message->method);
}

static void take_message(struct channel *channel, struct chunk *chunk, struct bytes value)
{
	struct rpc_message message;
	const char *why = read_message(value, &message);

	if (why)
		dialect_broken(channel, ERR_protocol_violation, why);
	else if (message.method.len == 0)
		take_response(channel, chunk, &message);
	else if (message.id.len > 0)
		answer_request(channel, &message);
	else
		take_notification(channel, &message);
}

static bool is_blank(struct bytes line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r')
			return false;
	return true;
}

static void on_message(struct channel *channel, struct chunk *chunk, struct bytes line)
{
	struct bytes value;

	if (is_blank(line))
		return;
	chunk = dialect_read_json(channel, line, &value);
	if (chunk)
		take_message(channel, chunk, value);
	chunk_unref(chunk);
}

/* --- to the worker --- */

/* Nil and the empty array: servers whose params are objects refuse []. */
static bool is_no_argument(struct bytes args)
{
	struct reader reader;
	uint32_t count;

	reader_init(&reader, args.data, args.len);
	return read_nil(&reader) == 0 || (read_array(&reader, &count) == 0 && count == 0);
}

/* An array or a map is put as it is, nothing for no argument, and any other value as the only
 * element. */
static const char *put_params(struct buf *buf, struct bytes args)
{
	struct reader reader;
	enum value_type type;
	const char *why;
	bool alone;

	if (is_no_argument(args))
		return NULL;
	reader_init(&reader, args.data, args.len);
	type = read_peek(&reader);
	alone = type != VALUE_ARRAY && type != VALUE_MAP;
	buf_printf(buf, ",\"params\":%s", alone ? "[" : "");
	why = json_from_value(args, buf);
	buf_printf(buf, "%s", alone ? "]" : "");
	return why;
}

static const char *put_request(struct channel *channel, const struct channel_request *request,
			       struct bytes args)
{
	const char *why;
	struct buf buf;

	chunk_buf_init(&buf, UINT32_MAX);
	buf_printf(&buf, "{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":", request->id);
	why = json_from_text(request->method, &buf);
	if (!why)
		why = put_params(&buf, args);
	buf_printf(&buf, "}\n");
	return dialect_put_buf(channel, &buf, why);
}

/* In a pool whose workers report progress: a token that the caller chose itself never reaches the
 * worker, where it could be that of another request. */
static const char *put_with_token(struct channel *channel, const struct channel_request *request)
{
	struct bytes args = request->args;
	const char *why = NULL;
	struct buf buf;

	buf_init(&buf, UINT32_MAX);
	if (progress_put_args(args, request->id, request->is_stream, &buf)) {
		args = (struct bytes){buf.data, buf.len};
		if (buf_error(&buf) < 0 ||
		    (request->is_stream &&
		     progress_begin(&channel->progress, request->id, request->args) < 0))
			why = dialect_no_memory;
	}
	if (!why)
		why = put_request(channel, request, args);
	if (why)
		progress_end(&channel->progress, request->id);
	buf_free(&buf);
	return why;
}

/* Whether it asks for the handshake, which was made already: a second one would have many servers
 * refuse everybody's requests. */
static bool is_handshake(const struct channel *channel, const struct channel_request *request)
{
	return channel->is_ready && *channel->pool->ready_then &&
	       bytes_equal(request->method, channel->pool->ready_call);
}

static const char *send_request(struct channel *channel, const struct channel_request *request)
{
	if (is_handshake(channel, request)) {
		assert(channel->kept_count < ARRAY_SIZE(channel->kept));
		channel->kept[channel->kept_count++] = request->id;
		return NULL;
	}
	if (*channel->pool->progress_notification)
		return put_with_token(channel, request);
	return put_request(channel, request, request->args);
}

/* A notification with these params, which are JSON; "": none. */
static void put_notification(struct channel *channel, const char *method, const char *params)
{
	struct buf buf;

	buf_init(&buf, SMALL_MAX);
	buf_printf(&buf, "{\"jsonrpc\":\"2.0\",\"method\":");
	/* A name from the configuration is UTF-8. */
	(void)json_from_text((struct bytes){(const uint8_t *)method, strlen(method)}, &buf);
	buf_printf(&buf, "%s%s}", *params ? ",\"params\":" : "", params);
	put_line(channel, &buf);
	buf_free(&buf);
}

static void notify(struct channel *channel, const char *method)
{
	put_notification(channel, method, "");
}

static void cancel(struct channel *channel, uint32_t id)
{
	char params[64];

	if (!*channel->pool->cancel_notification)
		return;
	snprintf(params, sizeof(params), "{\"requestId\":%u}", id);
	put_notification(channel, channel->pool->cancel_notification, params);
}

const struct dialect dialect_jsonrpc = {
	.framing = FRAMING_LINE,
	.batches = true,
	.on_open = dialect_greet,
	.on_message = on_message,
	.on_no_memory = dialect_lose_json,
	.on_skipped = dialect_skip_json,
	.send = send_request,
	.ping = dialect_ping,
	.shutdown = dialect_end_input,
	.cancel = cancel,
	.notify = notify,
};
