/*
 * All that the daemon's clients are connected by: the connections that are open, whoever accepted
 * them.
 */
#ifndef POOLD_IO_FRONTEND_FRONTEND_H
#define POOLD_IO_FRONTEND_FRONTEND_H

#include "daemon/io/base/log.h"
#include "protocol/list.h"

struct driver;

struct frontend {
	struct driver *driver;
	struct list connections;      /* in the order in which they came */
	unsigned control_connections; /* those of them that came when only places kept for control
					 were left */
	struct list users;	      /* users.h: whose connections they are */
	struct log_limit evicted_limit, refused_limit; /* of lines in the log about places */
	/* Called when a connection was closed: there is a place again. */
	void (*on_place)(void *owner);
	void *owner;
};

/* `driver` must outlive it. */
void frontend_init(struct frontend *frontend, struct driver *driver, void (*on_place)(void *owner),
		   void *owner);

/* Closes all connections at once. */
void frontend_close(struct frontend *frontend);

/* Closes each connection as soon as its output is written; on_place is called for each. */
void frontend_finish(struct frontend *frontend);

#endif
