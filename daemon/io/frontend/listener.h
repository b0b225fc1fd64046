/*
 * The listening socket: made here or handed over by the service manager, and who is let in.
 *
 * The last places are kept for control: a client that connects when all others are taken may still
 * look at the daemon and control it.  When descriptors or places run out, it stops accepting until
 * a connection is closed, and tries again by a timer.
 *
 * A file of its own that is swept away is made anew, with another socket; of one that was handed
 * over it is only told that nobody finds it.
 */
#ifndef POOLD_IO_FRONTEND_LISTENER_H
#define POOLD_IO_FRONTEND_LISTENER_H

#include "daemon/io/frontend/socket_file.h"

#include <event2/event_struct.h>
#include <sys/un.h>

struct frontend;

struct listener {
	struct frontend *frontend;
	struct event accept_event;
	struct event retry_timer; /* while is_paused */
	struct event file_timer;
	int fd;			 /* -1: closed */
	bool is_owned;		 /* made here, with this file: */
	struct socket_file file; /* else handed over, with this one, or none: */
	char handed_path[sizeof((struct sockaddr_un){0}.sun_path) + 1];
	struct file_identity handed_file;
	bool is_in_trouble; /* there is no file to be found by, which was logged */
	bool is_paused;
	bool is_closing;
	usec_t warned_at; /* when a pause was last logged; 0: never */
	int last_fd;	  /* of the last connection; -1: there was none */
};

/*
 * Listens on `fd` (handed over) or, if that is negative, on a new socket at the configured path: see
 * socket_file_open.  Returns 0, or -errno and a sentence in `why`.
 */
int listener_open(struct listener *listener, struct frontend *frontend, int fd,
		  char why[static SOCKET_FILE_WHY_SIZE]);

/*
 * Closes it and removes its file.  Those who wait in its queue are let in before, unless it was
 * handed over: they are left to the next daemon.
 */
void listener_close(struct listener *listener);

/* A connection was closed: accepts again if it had stopped. */
void listener_resume(struct listener *listener);

#endif
