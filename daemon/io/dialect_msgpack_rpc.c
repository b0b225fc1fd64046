/* A stock MessagePack-RPC server: it knows requests, and nothing of ours. */
#include "daemon/io/dialect.h"

#include "protocol/envelope.h"
#include "protocol/read.h"

/* There is no word for it: whoever takes connections can work. */
static void on_open(struct channel *channel)
{
	channel->handler->on_ready(channel, 1, false, false);
}

static void on_notification(struct channel *channel, struct chunk *chunk,
			    const struct envelope *envelope)
{
	(void)channel;
	(void)chunk;
	(void)envelope;
}

/* params are an array here: no arguments are an empty one, and what is none is the only element. */
static void send_request(struct channel *channel, const struct call *call,
			 const struct channel_request *request)
{
	uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX + 1];
	size_t len = envelope_put_request(head, request->id, call->method);
	struct reader reader;
	enum value_type kind;

	reader_init(&reader, call->args.data, call->args.len);
	kind = read_peek(&reader);
	if (kind == VALUE_NIL)
		head[len++] = 0x90;
	else if (kind != VALUE_ARRAY)
		head[len++] = 0x91;
	link_put(channel->link, head, len);
	if (kind != VALUE_NIL)
		link_put_shared(channel->link, call->chunk, call->args);
}

static void cancel(struct channel *channel, uint32_t id)
{
	(void)channel;
	(void)id;
}

static void shut_down(struct channel *channel)
{
	(void)channel;
}

static void end_session(struct channel *channel, struct bytes session, const char *reason)
{
	(void)channel;
	(void)session;
	(void)reason;
}

const struct dialect dialect_msgpack_rpc = {
	.name = "msgpack-rpc",
	.on_open = on_open,
	.on_notification = on_notification,
	.send = send_request,
	.cancel = cancel,
	.ping = channel_put_ping,
	.shutdown = shut_down,
	.end_session = end_session,
};
