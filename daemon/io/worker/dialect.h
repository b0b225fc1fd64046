/*
 * A dialect: how messages to and from a worker look.  Each is one file behind this table: it turns
 * what comes from the worker into calls of the channel's handler, and requests into bytes.  They
 * are listed in dialects.h; what they share is in dialect_shared.h, and what all of MessagePack-RPC
 * shares in dialect_rpc.h.
 */
#ifndef POOLD_IO_WORKER_DIALECT_H
#define POOLD_IO_WORKER_DIALECT_H

#include "daemon/io/worker/channel.h"

/* What `send` returns where there was no memory for the message. */
extern const char dialect_no_memory[];

/* Room for the message of `recall`. */
#define RECALL_MAX 32

struct dialect {
	enum framing_kind framing;
	bool takes_both; /* positional and keyword arguments in one call */
	bool batches;	 /* its workers may begin the next request before they have answered one */
	/* The channel is open. */
	void (*on_open)(struct channel *channel);
	/* A whole message from the worker.  The channel may be closed from here. */
	void (*on_message)(struct channel *channel, struct chunk *chunk, struct bytes message);
	/* A message that begins so is for want of memory not to be had: says what is lost by it
	 * (on_lost), or will when it ends, and returns whether the link may go on behind it.  NULL:
	 * it never may. */
	bool (*on_no_memory)(struct channel *channel, struct bytes begun);
	/* More of that message, which is skipped.  NULL: what is lost was said. */
	void (*on_skipped)(struct channel *channel, struct bytes bytes, bool is_end);
	/* Which request a message that begins so answers; 0: unknown.  NULL: it can't be told. */
	uint32_t (*find_id)(struct bytes begun);
	/*
	 * Messages to the worker, on an open channel.  `send` returns as channel_send.  Where the
	 * dialect has no such message, `cancel`, `credit` and `end_session` are NULL; `credit` is
	 * sent where the dialect has set takes_credit of the channel.
	 */
	const char *(*send)(struct channel *channel, const struct channel_request *request);
	void (*ping)(struct channel *channel, uint32_t id);
	void (*shutdown)(struct channel *channel);
	void (*cancel)(struct channel *channel, uint32_t id);
	void (*credit)(struct channel *channel, uint32_t id, uint64_t bytes);
	/* Writes the message for the recall socket that asks for request `id`, and returns it.
	 * NULL: the dialect can't confirm that a request was given back, so its workers have no
	 * such socket. */
	struct bytes (*recall)(uint32_t id, uint8_t message[static RECALL_MAX]);
	void (*end_session)(struct channel *channel, struct bytes session, const char *reason);
	/* A notification without params; NULL: the configuration allows no `ready_then`. */
	void (*notify)(struct channel *channel, const char *method);
};

#endif
