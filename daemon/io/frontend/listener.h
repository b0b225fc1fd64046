/*
 * The listening socket: made here or handed over by the service manager, and who is let in.
 *
 * The last places are kept for control: a client that connects when all others are taken may still
 * look at the daemon and control it.  When descriptors or places run out, it stops accepting until
 * a connection is closed.
 */
#ifndef POOLD_IO_FRONTEND_LISTENER_H
#define POOLD_IO_FRONTEND_LISTENER_H

#include "daemon/io/base/log.h"

#include <event2/event_struct.h>
#include <sys/un.h>

struct frontend;

struct listener {
	struct frontend *frontend;
	struct event accept_event;
	int fd;			    /* -1: closed */
	bool is_owned;		    /* made here, at: */
	struct sockaddr_un address; /* its file is removed with it */
	bool is_paused;
	struct log_limit limit;
};

/*
 * Listens on `fd` (handed over) or, if that is negative, on a new socket at the configured path.  A
 * stale socket file is removed, one that somebody listens on is not.  Returns 0 or -errno
 * (-EADDRINUSE: another daemon is there).
 */
int listener_open(struct listener *listener, struct frontend *frontend, int fd);

/* Closes it and removes its file. */
void listener_close(struct listener *listener);

/* A connection was closed: accepts again if it had stopped. */
void listener_resume(struct listener *listener);

#endif
