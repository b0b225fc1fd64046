/* Replies: from a response, from an error of the library itself, and copies for the caller. */
#ifndef POOLD_LIB_REPLY_H
#define POOLD_LIB_REPLY_H

#include "client/lib/poold.h"
#include "protocol/base.h"
#include "protocol/buf.h"

/* A reply that holds a result.  `result` must outlive the reply. */
struct poold_reply reply_result(struct bytes result);

/*
 * A reply for the error value of a response: poold's error map, a stock error [number, "CODE:
 * text"], or any other value from another server.  The texts are written to `texts`, which is
 * emptied first; `texts` and `value` must outlive the reply.
 */
struct poold_reply reply_remote_error(struct bytes value, struct buf *texts);

/* A reply for an error of the library itself: `status` is a negative errno; `message` must outlive
 * the reply. */
struct poold_reply reply_local_error(int status, enum poold_executed executed, const char *message);

/* A copy that owns its bytes, to be freed with poold_reply_free; without memory for it, a reply
 * with the error -ENOMEM. */
void reply_copy(const struct poold_reply *from, struct poold_reply *ret);

#endif
