/* A client of the daemon: its connection (client.c) and its requests (client_call.c). */
#ifndef POOLD_LIB_CLIENT_H
#define POOLD_LIB_CLIENT_H

#include "client/lib/client_session.h"
#include "client/lib/poold.h"
#include "protocol/base.h"

#include <sys/un.h>

/* The longest timeout that a caller may set: a year. */
#define TIMEOUT_MS_MAX ((uint64_t)1000 * 60 * 60 * 24 * 365)

struct poold_client {
	struct sockaddr_un address;
	int fd; /* -1: not connected */
	bool is_dispatching;
	usec_t timeout; /* of calls that set none; 0: no limit */
	usec_t grace;
	usec_t connect_timeout;
	bool reconnects;
	usec_t failing_since; /* while there is no connection, in spite of tries; else 0 */
	usec_t retry_at;      /* when to try again then; else 0 */
	struct client_session session;
	char *name;
	char message[256]; /* why the last attempt to connect failed */
};

/* The monotonic clock, in microseconds. */
usec_t client_now(void);

/* Connects without waiting, for requests.  0: connected, or there is no daemon now, or its backlog is
 * full, and poold_dispatch will try again at `retry_at`.  After an error `message` says why. */
int client_connect(struct poold_client *client);
/* The first of the requests that wait for a connection: its tries begin now. */
void client_begin_to_connect(struct poold_client *client);
/* Gives up a connection on which the daemon has stopped to answer.  -ECONNRESET: it did. */
int client_leave_if_dead(struct poold_client *client);

#endif
