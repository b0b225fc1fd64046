/*
 * A dialect: how a worker speaks, and is spoken to.  Each is one file behind this table: it turns
 * what the worker says into calls of the channel's handler, and what the worker is told into bytes.
 * What the dialects share stands in dialect.c, and in dialect_rpc.c what all MessagePack-RPC
 * shares.
 */
#ifndef POOLD_IO_WORKER_DIALECT_H
#define POOLD_IO_WORKER_DIALECT_H

#include "daemon/io/config/config.h"
#include "daemon/io/worker/channel.h"
#include "protocol/envelope.h"

/* The id of the call that makes a worker ready; the engine's begin above it. */
#define GREETING_ID 0

/* Bytes that may wait for a worker which goes on asking without reading. */
#define UNREAD_MAX ((size_t)1024 * 1024)

struct dialect {
	enum framing_kind framing;
	bool batches; /* its workers may begin the next request before they have answered one */
	/* The channel is open. */
	void (*on_open)(struct channel *channel);
	/* A whole message from the worker.  The channel may be closed from here. */
	void (*on_message)(struct channel *channel, struct chunk *chunk, struct bytes message);
	/*
	 * What the worker is told, on an open channel.  `send` returns NULL, or why the arguments
	 * can't be said in the dialect, in words that last; then nothing was put.  NULL in the
	 * place of one of the others: the dialect has no word for it.
	 */
	const char *(*send)(struct channel *channel, const struct call *call,
			    const struct channel_request *request);
	void (*ping)(struct channel *channel, uint32_t id);
	void (*shutdown)(struct channel *channel);
	void (*cancel)(struct channel *channel, uint32_t id);
	void (*end_session)(struct channel *channel, struct bytes session, const char *reason);
	/* A notification without params. */
	void (*notify)(struct channel *channel, const char *method);
};

extern const struct dialect dialect_poold;
extern const struct dialect dialect_msgpack_rpc;
extern const struct dialect dialect_packet4_json;
extern const struct dialect dialect_packet4_msgpack;
extern const struct dialect dialect_jsonrpc;

const struct dialect *dialect_get(enum config_dialect dialect);

/* The worker broke the protocol, `why` in words. */
void channel_broken(struct channel *channel, enum errcode code, const char *why);

/* --- for dialects whose workers don't know poold (dialect.c) --- */

/* The worker is asked whether it can work, or waited for, or is ready: as the pool's ready_... say.
 */
void dialect_greet(struct channel *channel);

/* The worker sent the notification `method`, which may be what makes it ready. */
void dialect_take_notification(struct channel *channel, struct bytes method);

/* The worker answered message `id`. */
void dialect_take_answer(struct channel *channel, uint32_t id, const struct channel_answer *answer);

/* The pool's ping_call without arguments. */
void dialect_ping(struct channel *channel, uint32_t id);

/* The end of its standard input. */
void dialect_end_input(struct channel *channel);

/* The message as MessagePack in `out`.  False: it is not JSON, or too large, and the worker has
 * broken the protocol. */
bool dialect_read_json(struct channel *channel, struct bytes message, struct buf *out);

/* Whether a worker that asks the daemon something may still be answered: one that floods it
 * without reading the answers has broken the protocol, and is told so here. */
bool dialect_may_refuse(struct channel *channel);

/* What is said to a worker that asks the daemon something. */
extern const char dialect_refusal[];

/* The arguments as an array: no arguments (nil) are an empty one, and what is none is its only
 * element.  Returns what must be written before them, 0 for nothing; *ret_empty: they themselves
 * are not to be written. */
uint8_t dialect_array_head(struct bytes args, bool *ret_empty);

#endif
