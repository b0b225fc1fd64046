/*
 * A client's connection: its messages become calls or are answered on the spot, its answers go out
 * in any order.
 */
#ifndef POOLD_IO_FRONTEND_CONNECTION_H
#define POOLD_IO_FRONTEND_CONNECTION_H

#include "daemon/io/base/link.h"
#include "daemon/io/driver/caller.h"

struct driver;
struct frontend;
struct user;

struct connection {
	struct caller caller;
	struct frontend *frontend;
	struct driver *driver; /* the frontend's */
	struct link link;
	struct list_node in_connections;
	struct user *user;    /* whose it is */
	usec_t active_at;     /* the last message of its client, or the last output that it took */
	bool is_control_only; /* came when all other places were taken: it may look, not call */
	bool is_gone; /* gets no more answers; it stays in the list until its link is closed */
};

/* Takes over the accepted, non-blocking `fd`; places.h says whether it may stay.  Returns 0 or
 * -errno; then `fd` is still the caller's. */
int connection_open(struct frontend *frontend, int fd, struct connection **ret);

/* Closes it and cancels all that it asked. */
void connection_close(struct connection *connection);

/* Cancels all that it asked, lets its output go out, then closes. */
void connection_finish(struct connection *connection);

#endif
