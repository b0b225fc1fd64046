/*
 * A dialect: how a worker speaks, and is spoken to.  Each is one file behind this table; the
 * channel takes the messages of MessagePack-RPC, which all dialects share, and brings it the
 * notifications; it turns them into calls of the channel's handler, and what the worker is told
 * into bytes.
 */
#ifndef POOLD_IO_DIALECT_H
#define POOLD_IO_DIALECT_H

#include "daemon/io/channel.h"
#include "protocol/envelope.h"

struct dialect {
	const char *name;
	/* The channel is open: the worker may be ready without saying so. */
	void (*on_open)(struct channel *channel);
	/* A notification from the worker.  The channel may be closed from here. */
	void (*on_notification)(struct channel *channel, struct chunk *chunk,
				const struct envelope *envelope);
	/* What the worker is told, on an open channel.  What the dialect can't say is not said. */
	void (*send)(struct channel *channel, const struct call *call,
		     const struct channel_request *request);
	void (*cancel)(struct channel *channel, uint32_t id);
	void (*ping)(struct channel *channel, uint32_t id);
	void (*shutdown)(struct channel *channel);
	void (*end_session)(struct channel *channel, struct bytes session, const char *reason);
};

extern const struct dialect dialect_poold;
extern const struct dialect dialect_msgpack_rpc;

/* For dialects: the worker broke the protocol, `why` in words. */
void channel_broken(struct channel *channel, enum errcode code, const char *why);
/* A health check as a request without params. */
void channel_put_ping(struct channel *channel, uint32_t id);

#endif
