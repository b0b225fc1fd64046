/*
 * A client's connection: its messages become calls or are answered on the spot, its answers go out
 * in any order.
 */
#ifndef POOLD_IO_FRONTEND_CONNECTION_H
#define POOLD_IO_FRONTEND_CONNECTION_H

#include "daemon/io/base/link.h"
#include "daemon/io/driver/call.h"
#include "protocol/error.h"

struct driver;

struct connection {
	struct driver *driver;
	struct link link;
	struct list_node in_connections;
	struct list calls;
	bool control_only; /* came when all other places were taken: it may look, not call */
	bool errors_map;   /* wants errors as the map of the reference */
	bool may_control;  /* root, the daemon's own user, or of admin_group */
	uint32_t uid;	   /* these two: of the peer */
	int32_t pid;
	struct list_node in_subscribers;
	unsigned event_kinds;
	uint64_t events_lost;
	bool gone; /* hears no more answers; it stays in the list until its link is closed */
};

/* Takes over the accepted, non-blocking `fd`.  Returns 0 or -errno; then `fd` is still the
 * caller's. */
int connection_open(struct driver *driver, int fd, bool control_only);

/* Closes it and cancels all that it asked. */
void connection_close(struct connection *connection);

/* Cancels all that it asked, lets its output go out, then closes. */
void connection_finish(struct connection *connection);

/* Answer a request of this connection. */
void connection_answer_error(struct connection *connection, uint32_t msgid,
			     const struct error *error);
/* `value` is a whole MessagePack value; `chunk` holds it, or is NULL and it is copied. */
void connection_answer(struct connection *connection, uint32_t msgid, struct chunk *chunk,
		       struct bytes value);

/* Tell it something: `params` is a whole array, and is copied. */
void connection_notify(struct connection *connection, const char *method, struct bytes params);

/* A part of the answer to a request: a whole value in `chunk`. */
void connection_part(struct connection *connection, uint32_t msgid, struct chunk *chunk,
		     struct bytes value);

/* Refuses a request that never became a call. */
void connection_refuse(struct connection *connection, uint32_t msgid, enum errcode code,
		       const char *format, ...) PRINTF_LIKE(4, 5);

#endif
