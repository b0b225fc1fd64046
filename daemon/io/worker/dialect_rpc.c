#include "daemon/io/worker/dialect_rpc.h"

#include "daemon/io/worker/dialect_shared.h"
#include "protocol/read.h"

#include <errno.h>

/* The bytes of a refusal never exceed this. */
#define REFUSAL_MAX ((size_t)1024)

static void take_response(struct channel *channel, struct chunk *chunk,
			  const struct envelope *envelope, const struct rpc_handler *handler)
{
	struct channel_answer answer = {.chunk = chunk, .result = envelope->result};

	answer.has_failed = envelope->error.data[0] != 0xc0;
	if (answer.has_failed) {
		worker_error_read(envelope->error, &answer.error);
		answer.is_recalled = answer.error.is_recalled && channel->recalls;
	}
	handler->on_response(channel, envelope->id, &answer);
}

/* The daemon takes no requests from workers: the answer is an error, and the worker may go on. */
static COLD void refuse_request(struct channel *channel, uint32_t id)
{
	struct error error = error_make(ERR_unknown_method);
	uint8_t head[ENVELOPE_HEAD_MAX];
	struct buf buf;

	if (!dialect_may_refuse(channel))
		return;
	error.message = dialect_refusal;
	buf_init(&buf, REFUSAL_MAX);
	buf_put(&buf, head, envelope_put_error(head, id));
	error_pack_stock(&buf, &error);
	pack_nil(&buf);
	if (buf_error(&buf) == 0)
		link_put(channel->link, buf.data, buf.len);
	buf_free(&buf);
}

void rpc_take_message(struct channel *channel, struct chunk *chunk, struct bytes message,
		      const struct rpc_handler *handler)
{
	struct envelope envelope;

	if (envelope_read(message.data, message.len, &envelope) < 0)
		dialect_broken(channel, ERR_protocol_violation,
			       "its message is not MessagePack-RPC");
	else if (envelope.type == ENVELOPE_RESPONSE)
		take_response(channel, chunk, &envelope, handler);
	else if (envelope.type == ENVELOPE_REQUEST)
		refuse_request(channel, envelope.id);
	else
		handler->on_notification(channel, chunk, &envelope);
}

/* The id in [1, id, ...] or [2, "chunk", [id, ...]]. */
static int read_lost(struct bytes begun, uint64_t *ret_id, bool *ret_part)
{
	struct reader reader;
	struct bytes method;
	uint32_t count;
	uint64_t type;

	reader_init(&reader, begun.data, begun.len);
	if (read_array(&reader, &count) < 0 || read_uint(&reader, &type) < 0)
		return -EPROTO;
	*ret_part = type == ENVELOPE_NOTIFICATION;
	if (type == ENVELOPE_REQUEST)
		return -EPROTO;
	if (*ret_part && (read_str(&reader, &method) < 0 || !bytes_equal(method, "chunk") ||
			  read_array(&reader, &count) < 0))
		return -EPROTO;
	return read_uint(&reader, ret_id);
}

bool rpc_lose_message(struct channel *channel, struct bytes begun)
{
	uint64_t id;
	bool is_part;

	if (read_lost(begun, &id, &is_part) < 0 || id > UINT32_MAX)
		return false;
	channel->handler->on_lost(channel, (uint32_t)id, is_part);
	return true;
}

uint32_t rpc_find_id(struct bytes begun)
{
	uint64_t id;
	bool is_part;

	return read_lost(begun, &id, &is_part) < 0 || id > UINT32_MAX ? 0 : (uint32_t)id;
}
