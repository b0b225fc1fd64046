/* What dialects share; most of it is for those whose workers don't know poold. */
#ifndef POOLD_IO_WORKER_DIALECT_SHARED_H
#define POOLD_IO_WORKER_DIALECT_SHARED_H

#include "daemon/io/worker/dialect.h"

/* The id of the call that makes a worker ready; the engine's begin above it. */
#define GREETING_ID 0

/* Bytes that may wait for a worker which goes on asking without reading. */
#define UNREAD_MAX ((size_t)1024 * 1024)

/* The worker broke the protocol; `why` in words.  The channel may be closed when this returns. */
void dialect_broken(struct channel *channel, enum errcode code, const char *why);

/* Makes the worker ready as the pool's ready_... options say: it is asked, its notification is
 * awaited, or it is ready at once. */
void dialect_greet(struct channel *channel);

/* The worker sent the notification `method`, which may be what makes it ready. */
void dialect_take_notification(struct channel *channel, struct bytes method);

/* The worker answered message `id`. */
void dialect_take_answer(struct channel *channel, uint32_t id, const struct channel_answer *answer);

/* Calls the pool's ping_call without arguments. */
void dialect_ping(struct channel *channel, uint32_t id);

/* Ends the worker's standard input. */
void dialect_end_input(struct channel *channel);

/* Puts the message as MessagePack into `out`.  False: it is not JSON, or too large, and that was
 * reported with dialect_broken. */
bool dialect_read_json(struct channel *channel, struct bytes message, struct buf *out);

/* Whether a request of the worker may still be answered with a refusal.  False: it sends requests
 * without end and reads no answer, which was reported with dialect_broken. */
bool dialect_may_refuse(struct channel *channel);

/* The refusal, in words. */
extern const char dialect_refusal[];

/* Whether the arguments are positional and keyword ones together, as the table of values in
 * PROTOCOL.md has them. */
bool dialect_has_both(struct bytes args);

/* The arguments as an array: nil becomes an empty one, and any other value that is no array becomes
 * its only element.  Returns the byte to be written before the arguments, 0 for none; *ret_empty:
 * they themselves are not to be written. */
uint8_t dialect_array_head(struct bytes args, bool *ret_empty);

#endif
