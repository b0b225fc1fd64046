/*
 * packet4-json and packet4-msgpack: a length of four bytes, then {"id", "command", "args"} to the
 * worker and {"id", "success", "result" | "error"} from it, one request at a time.
 */
#include "daemon/io/worker/dialects.h"

#include "daemon/io/base/json.h"
#include "daemon/io/worker/dialect_shared.h"
#include "protocol/read.h"

#include <errno.h>

struct reply {
	bool has_id;
	uint32_t id;
	bool has_success;
	bool success;
	struct bytes result; /* empty: there is none */
	struct bytes error;
};

static const uint8_t nil = 0xc0;

/* --- from the worker --- */

static int read_id(struct reader *reader, struct reply *reply)
{
	uint64_t id;

	/* A worker that could not read the request knows no id. */
	if (read_peek(reader) == VALUE_NIL)
		return read_nil(reader);
	if (reply->has_id || read_uint(reader, &id) < 0 || id > UINT32_MAX)
		return -EPROTO;
	reply->has_id = true;
	reply->id = (uint32_t)id;
	return 0;
}

static int read_success(struct reader *reader, struct reply *reply)
{
	if (reply->has_success)
		return -EPROTO;
	reply->has_success = true;
	return read_bool(reader, &reply->success);
}

static int read_member(struct reader *reader, struct reply *reply)
{
	struct bytes key, value, *place = &value;

	if (read_str(reader, &key) < 0)
		return -EPROTO;
	if (bytes_equal(key, "id"))
		return read_id(reader, reply);
	if (bytes_equal(key, "success"))
		return read_success(reader, reply);
	if (bytes_equal(key, "result"))
		place = &reply->result;
	else if (bytes_equal(key, "error"))
		place = &reply->error;
	if (place != &value && place->len > 0)
		return -EPROTO;
	return read_value(reader, place);
}

/* Returns NULL, or what is wrong with it. */
static const char *read_reply(struct bytes message, struct reply *ret)
{
	struct reader reader;
	uint32_t count;

	*ret = (struct reply){0};
	reader_init(&reader, message.data, message.len);
	if (read_map(&reader, &count) < 0)
		return "its message is not a map";
	while (count-- > 0)
		if (read_member(&reader, ret) < 0)
			return "its message is not an answer";
	/* It can't be guessed which request is meant: it may be a late answer to an earlier one. */
	if (!ret->has_id)
		return "its answer has no id";
	return ret->has_success ? NULL : "its answer does not say whether it succeeded";
}

/* Whether the result is {"error": ...} and nothing else. */
static bool is_error_in_disguise(struct bytes result, struct bytes *ret_error)
{
	struct reader reader;
	struct bytes key;
	uint32_t count;

	reader_init(&reader, result.data, result.len);
	return read_map(&reader, &count) == 0 && count == 1 && read_str(&reader, &key) == 0 &&
	       bytes_equal(key, "error") && read_value(&reader, ret_error) == 0;
}

static void take_reply(struct channel *channel, struct chunk *chunk, struct bytes message)
{
	struct channel_answer answer = {.chunk = chunk};
	struct reply reply;
	const char *why = read_reply(message, &reply);

	if (why) {
		dialect_broken(channel, ERR_protocol_violation, why);
		return;
	}
	answer.result = reply.result.len > 0 ? reply.result : (struct bytes){&nil, 1};
	answer.has_failed = !reply.success || is_error_in_disguise(answer.result, &reply.error);
	if (answer.has_failed)
		worker_error_read(reply.error.len > 0 ? reply.error : (struct bytes){&nil, 1},
				  &answer.error);
	dialect_take_answer(channel, reply.id, &answer);
}

static void on_msgpack(struct channel *channel, struct chunk *chunk, struct bytes message)
{
	if (skip_value(message.data, message.len, message.len) != message.len || message.len == 0)
		dialect_broken(channel, ERR_decode_error,
			       "its message is not one MessagePack value");
	else
		take_reply(channel, chunk, message);
}

static void on_json(struct channel *channel, struct chunk *chunk, struct bytes message)
{
	struct bytes value;

	chunk = dialect_read_json(channel, message, &value);
	if (chunk)
		take_reply(channel, chunk, value);
	chunk_unref(chunk);
}

/* The message comes with its length before it. */
static bool lose_json(struct channel *channel, struct bytes begun)
{
	size_t head = begun.len < FRAMING_HEAD ? begun.len : FRAMING_HEAD;

	return dialect_lose_json(channel, (struct bytes){begun.data + head, begun.len - head});
}

/* --- to the worker --- */

/* Arguments have names here: no arguments (nil, or an empty array) are {}. */
static struct bytes named_args(struct bytes args)
{
	static const uint8_t empty = 0x80;
	struct reader reader;
	uint32_t count;

	reader_init(&reader, args.data, args.len);
	if (read_peek(&reader) == VALUE_NIL || (read_array(&reader, &count) == 0 && count == 0))
		return (struct bytes){&empty, 1};
	return args;
}

static const char *send_msgpack(struct channel *channel, const struct channel_request *request)
{
	struct bytes args = named_args(request->args);
	struct buf *buf = &channel->scratch;
	uint8_t head[FRAMING_HEAD];

	buf_reset(buf);
	pack_map(buf, 3);
	pack_str(buf, "id");
	pack_uint(buf, request->id);
	pack_str(buf, "command");
	pack_str_len(buf, (const char *)request->method.data, request->method.len);
	pack_str(buf, "args");
	if (buf_error(buf) < 0)
		return dialect_no_memory;
	if (args.len > UINT32_MAX - buf->len)
		return "more than a length of four bytes can say";
	framing_put_head(head, (uint32_t)(buf->len + args.len));
	link_put(channel->link, head, sizeof(head));
	link_put(channel->link, buf->data, buf->len);
	link_put_shared(channel->link, request->chunk, args);
	return NULL;
}

static const char *put_json(struct buf *buf, const struct channel_request *request)
{
	const char *why;

	buf_printf(buf, "{\"id\":%u,\"command\":", request->id);
	why = json_from_text(request->method, buf);
	buf_printf(buf, ",\"args\":");
	if (!why)
		why = json_from_value(named_args(request->args), buf);
	buf_printf(buf, "}");
	return why;
}

static const char *send_json(struct channel *channel, const struct channel_request *request)
{
	uint8_t head[FRAMING_HEAD] = {0};
	const char *why;
	struct buf buf;
	size_t begin;

	chunk_buf_init(&buf, UINT32_MAX);
	begin = buf.len;
	buf_put(&buf, head, sizeof(head));
	why = put_json(&buf, request);
	if (buf_error(&buf) == 0)
		framing_put_head(buf.data + begin, (uint32_t)(buf.len - begin - sizeof(head)));
	return dialect_put_buf(channel, &buf, why);
}

const struct dialect dialect_packet4_json = {
	.framing = FRAMING_PACKET4,
	.on_open = dialect_greet,
	.on_message = on_json,
	.on_no_memory = lose_json,
	.on_skipped = dialect_skip_json,
	.send = send_json,
	.ping = dialect_ping,
	.shutdown = dialect_end_input,
};

const struct dialect dialect_packet4_msgpack = {
	.framing = FRAMING_PACKET4,
	.on_open = dialect_greet,
	.on_message = on_msgpack,
	.send = send_msgpack,
	.ping = dialect_ping,
	.shutdown = dialect_end_input,
};
