/* What dialects share; most of it is for those whose workers don't know poold. */
#ifndef POOLD_IO_WORKER_DIALECT_SHARED_H
#define POOLD_IO_WORKER_DIALECT_SHARED_H

#include "daemon/io/worker/dialect.h"

/* The id of the call that makes a worker ready; the engine's begin above it. */
#define GREETING_ID 0

/* Bytes that may wait for a worker which goes on asking without reading. */
#define UNREAD_MAX ((size_t)1024 * 1024)

/* Sets the channel's last_why: `why`, and the first bytes of what is being handled, if anything is,
 * with escapes. */
void dialect_quote(struct channel *channel, const char *why);

/* The worker broke the protocol; `why` in words.  What it sent is quoted where that can't be the
 * answer to a request.  The channel may be closed when this returns. */
COLD void dialect_broken(struct channel *channel, enum errcode code, const char *why);

/* Makes the worker ready as the pool's ready_... options say: it is asked, its notification is
 * awaited, or it is ready at once. */
void dialect_greet(struct channel *channel);

/* The worker sent the notification `method`: a sign of life, and maybe what makes it ready.  The
 * channel may be closed when this returns. */
void dialect_take_notification(struct channel *channel, struct bytes method);

/* The worker answered message `id`. */
void dialect_take_answer(struct channel *channel, uint32_t id, const struct channel_answer *answer);

/* Calls the pool's ping_call without arguments. */
void dialect_ping(struct channel *channel, uint32_t id);

/* Ends the worker's standard input. */
void dialect_end_input(struct channel *channel);

/*
 * Reads a message that is JSON.  Returns the chunk that holds it as MessagePack, `*ret`, which the
 * caller gives back; NULL: there is nothing to be done with it any more.  If it is not JSON, or too
 * large, that was reported with dialect_broken; if there was no memory for it, the request that it
 * answers is lost, and no other.
 */
struct chunk *dialect_read_json(struct channel *channel, struct bytes message, struct bytes *ret);

/* on_no_memory and on_skipped of a dialect in JSON.  When all of the message was seen, the request
 * that it answers is lost; a notification is dropped, as nobody waits for it; anything else breaks
 * the channel. */
bool dialect_lose_json(struct channel *channel, struct bytes begun);
void dialect_skip_json(struct channel *channel, struct bytes bytes, bool is_end);

/*
 * Sends the message that was written to `buf`, which began with chunk_buf_init, and frees that.
 * `fault` is why it can't be written, or NULL.  Returns as channel_send.
 */
const char *dialect_put_buf(struct channel *channel, struct buf *buf, const char *fault);

/* Whether a request of the worker, which is a sign of life, may still be answered.  False: it sends
 * requests without end and reads no answer, which was reported with dialect_broken; or the channel
 * is closed. */
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
