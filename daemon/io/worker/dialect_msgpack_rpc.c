/* A stock MessagePack-RPC server: it knows requests and responses, and nothing of poold. */
#include "daemon/io/worker/dialects.h"

#include "daemon/io/worker/dialect_rpc.h"
#include "daemon/io/worker/dialect_shared.h"

static void on_notification(struct channel *channel, struct chunk *chunk,
			    const struct envelope *envelope)
{
	(void)chunk;
	dialect_take_notification(channel, envelope->method);
}

static void on_message(struct channel *channel, struct chunk *chunk, struct bytes message)
{
	static const struct rpc_handler handler = {.on_response = dialect_take_answer,
						   .on_notification = on_notification};

	rpc_take_message(channel, chunk, message, &handler);
}

static const char *send_request(struct channel *channel, const struct channel_request *request)
{
	uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX + 1];
	size_t len = envelope_put_request(head, request->id, request->method);
	bool empty;
	uint8_t array = dialect_array_head(request->args, &empty);

	if (array)
		head[len++] = array;
	link_put(channel->link, head, len);
	if (!empty)
		link_put_shared(channel->link, request->chunk, request->args);
	return NULL;
}

const struct dialect dialect_msgpack_rpc = {
	.framing = FRAMING_MSGPACK,
	.on_open = dialect_greet,
	.on_message = on_message,
	.on_no_memory = rpc_lose_message,
	.find_id = rpc_find_id,
	.send = send_request,
	.ping = dialect_ping,
	.shutdown = dialect_end_input,
};
