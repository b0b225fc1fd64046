#include "daemon/io/worker/dialect_rpc.h"

#include "daemon/io/worker/dialect_shared.h"

/* The bytes of a refusal never exceed this. */
#define REFUSAL_MAX ((size_t)1024)

static void take_response(struct channel *channel, struct chunk *chunk,
			  const struct envelope *envelope, const struct rpc_handler *handler)
{
	struct channel_answer answer = {.chunk = chunk, .result = envelope->result};

	answer.has_failed = envelope->error.data[0] != 0xc0;
	if (answer.has_failed)
		worker_error_read(envelope->error, &answer.error);
	handler->on_response(channel, envelope->id, &answer);
}

/* The daemon takes no requests from workers: the answer is an error, and the worker may go on. */
static void refuse_request(struct channel *channel, uint32_t id)
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
