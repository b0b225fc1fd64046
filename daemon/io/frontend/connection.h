/*
 * A client's connection: its messages become calls or are answered on the spot (connection_request.h),
 * its answers go out in any order (connection_answer.h).  Here is its state: whether it is read, and
 * how it ends.
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

/*
 * Reads it or not, and lets its queued requests run or wait: one with too much unread is not read,
 * and its requests wait; one that holds more than its share of the memory is not read either, but its
 * requests run, which gives memory back.  Both end at half of it.  To be called after a change.
 */
void connection_settle(struct connection *connection);

/* The same, after something was put into its output. */
void connection_after_put(struct connection *connection);

/* Ends it when more than output_max is unread: the last guard, for what nothing holds back, which is
 * all but the answers to its calls, of which only as many come as run at the same time. */
void connection_end_if_over(struct connection *connection);

/* Closes it and cancels all that it asked; `end` says why. */
COLD void connection_close(struct connection *connection, enum caller_end end);

/* Tells the client, if it has asked for that, that the daemon closes the connection in a moment. */
void connection_notify_closing(struct connection *connection);

/* Nothing more can be sent to the daemon from now on; what was sent is read and answered, then the
 * connection is closed as by connection_finish.  The daemon must be stopping. */
void connection_end(struct connection *connection);

/* Cancels all that it asked, lets its output go out, then closes; `end` says why. */
COLD void connection_finish(struct connection *connection, enum caller_end end);

#endif
