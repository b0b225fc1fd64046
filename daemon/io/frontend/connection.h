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
	struct user *user; /* whose it is */
	usec_t opened_at;
	usec_t active_at;     /* the last message of its client, or the last output that it took */
	bool is_control_only; /* came when all other places were taken: it may look, not call */
	bool wants_closing;   /* connection_notify_closing tells it */
	bool is_ending;	      /* its input ends as the daemon stops to read it */
	usec_t grown_at;      /* when its half-received request was last seen to take memory; see
			    shortage.c */
	bool has_unread;      /* too much of it: neither read nor sent to workers */
	bool is_over;	      /* holds more than its share of the memory: not read */
	bool is_gone; /* gets no more answers; it stays in the list until its link is closed */
};

/* Takes over the accepted, non-blocking `fd`; places.h says whether it may stay.  Returns 0 or
 * -errno; then `fd` is still the caller's. */
int connection_open(struct frontend *frontend, int fd, struct connection **ret);

/* Refuses the request of which the beginning has come, and gives back its memory; the rest of it is
 * dropped when it comes.  If not even its id has come, only what is not used yet is given back. */
void connection_refuse_begun(struct connection *connection);

/* Closes it and cancels all that it asked; `end` says why. */
void connection_close(struct connection *connection, enum caller_end end);

/* Tells the client, if it has asked for that, that the daemon closes the connection in a moment. */
void connection_notify_closing(struct connection *connection);

/* Nothing more can be sent to the daemon from now on; what was sent is read and answered, then the
 * connection is closed as by connection_finish.  The daemon must be stopping. */
void connection_end(struct connection *connection);

/* Cancels all that it asked, lets its output go out, then closes; `end` says why. */
void connection_finish(struct connection *connection, enum caller_end end);

#endif
