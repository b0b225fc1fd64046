/*
 * A server that somebody else runs, in the place of a worker's process: connects to it without
 * blocking.
 */
#ifndef POOLD_IO_WORKER_ENDPOINT_H
#define POOLD_IO_WORKER_ENDPOINT_H

#include "daemon/io/base/loop.h"

struct endpoint {
	struct loop *loop;
	int fd; /* while connecting; -1: it is not */
	struct event event;
	/* The connection is there, and the callee's from now on; or (fd -1) `error` says why not.
	 */
	void (*on_connected)(void *owner, int fd, int error);
	void *owner;
};

/* An endpoint that connects to nothing. */
void endpoint_init(struct endpoint *endpoint);

/*
 * Begins to connect to `address` (config_address.h); on_connected is called once, later, unless
 * endpoint_cancel comes before.  Returns 0 or -errno, and then it is not called.
 */
int endpoint_connect(struct endpoint *endpoint, struct loop *loop, const char *address,
		     void (*on_connected)(void *owner, int fd, int error), void *owner);

/* Stops connecting, if it is. */
void endpoint_cancel(struct endpoint *endpoint);

#endif
