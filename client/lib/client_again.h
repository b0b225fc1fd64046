/*
 * Asking again: for requests that certainly were not executed.
 *
 * A request is asked again, within its own timeout, in exactly these cases: there was no connection
 * to the daemon; the connection ended before the request was written whole; or the daemon answered
 * shutting_down, and that nothing was executed.
 */
#ifndef POOLD_LIB_CLIENT_AGAIN_H
#define POOLD_LIB_CLIENT_AGAIN_H

#include "protocol/base.h"

struct frame;

/* How long to wait after so many tries: drawn at random, since many clients lost the same daemon.
 * `state` is that of the generator, which is not zero. */
usec_t again_pause(uint64_t *state, unsigned tries);

/* Whether the error of an answer says that the daemon is stopping, and has executed nothing. */
bool again_is_refusal(struct bytes error);

/* A call with the timeout that is left, from the frame of its request; NULL: it has no timeout, is
 * no call, or there is no memory, so the frame is to be sent as it is. */
struct frame *again_renew(const struct frame *frame, usec_t left);

#endif
