/* Replies and their errors: read from the wire, made here, copied for the caller. */
#ifndef POOLD_LIB_REPLY_H
#define POOLD_LIB_REPLY_H

#include "client/lib/poold.h"
#include "protocol/base.h"
#include "protocol/buf.h"

/* A reply that holds a result; the bytes stay the caller's. */
struct poold_reply reply_result(struct bytes result);

/*
 * A reply for the error value of a response, in any shape: the map of the reference, a stock
 * [number, "CODE: text"], or whatever another server says.  The texts go to `texts`, which is
 * emptied first and must outlive the reply, as must `value`.
 */
struct poold_reply reply_remote_error(struct bytes value, struct buf *texts);

/* A reply for what went wrong on this side: `status` is a negative errno, `message` must outlive
 * the reply. */
struct poold_reply reply_local_error(int status, enum poold_executed executed, const char *message);

/* A copy that owns its bytes, for poold_reply_free; where there is no memory, a reply that says so.
 */
void reply_copy(const struct poold_reply *from, struct poold_reply *ret);

#endif
