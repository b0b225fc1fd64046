/*
 * The listening socket: made here or handed over by the service manager, and who is let in.
 *
 * The last places are kept for control: who comes when all others are taken may still look at the
 * daemon and control it.  Before descriptors run out it stops accepting and waits for a place.
 */
#ifndef POOLD_IO_FRONTEND_LISTENER_H
#define POOLD_IO_FRONTEND_LISTENER_H

#include "daemon/io/driver/driver.h"

struct listener {
	struct driver *driver;
	struct event accept_event;
	int fd;	    /* -1: closed */
	bool owned; /* made here: its file goes with it */
	bool paused;
	struct log_limit limit;
};

/*
 * Listens on `fd` (handed over) or, if that is negative, on a new socket at the configured path.  A
 * stale socket file is removed, one that somebody listens on is not.  Returns 0 or -errno
 * (-EADDRINUSE: another daemon is there).
 */
int listener_open(struct listener *listener, struct driver *driver, int fd);

/* Closes it and removes its file. */
void listener_close(struct listener *listener);

/* There is a place again. */
void listener_resume(struct listener *listener);

#endif
