/*
 * Back-pressure: a client that reads more slowly than it is answered holds back its own worker and
 * its own requests, so that what waits for it stays small.
 *
 * A worker may send FLOW_WINDOW bytes of one request's parts before the client has taken any of
 * them.  As the client takes them, a worker that said `credit` is told so (PROTOCOL.md, "Credit");
 * of any other that runs one request at a time, the link is not read meanwhile.  The engine is told
 * while a client holds a request back (EVENT_WORKER_HELD, EVENT_HOLD).
 */
#ifndef POOLD_IO_DRIVER_FLOW_H
#define POOLD_IO_DRIVER_FLOW_H

#include "protocol/list.h"

struct call;
struct driver;
struct life;

/* Bytes of the parts of one request that the worker may be ahead of the client: PROTOCOL.md names
 * this number. */
#define FLOW_WINDOW ((uint64_t)256 * 1024)

/* Of a call: the parts that its present attempt has sent. */
struct flow {
	uint64_t unread; /* bytes of parts that the client has not taken */
	uint64_t owed;	 /* bytes that it has taken, and of which the worker does not know */
	/* When the client has taken its `mark`th byte, it has taken `before_mark` of `unread`. */
	uint64_t mark;
	uint64_t before_mark;
	bool is_held;
	uint32_t worker; /* where the parts come from */
	uint32_t life;
	uint32_t id;
	struct list_node in_unread; /* of its caller, while `unread` is above 0 */
};

/* The call is sent to a worker, or is over: what was sent before counts no more. */
void flow_reset(struct driver *driver, struct call *call);

/* The worker is asked to cancel that message, and must be heard. */
void flow_cancelled(struct life *life, uint32_t id);

/* The worker that has the call's parts, or NULL if that life of it is over. */
struct life *flow_life(struct driver *driver, const struct flow *flow);

#endif
