/*
 * A daemon that a test of a client plays itself: it listens, and answers by hand, mostly before it is
 * asked.  So a blocking call finds its answer already there, and nothing runs beside the test.
 */
#ifndef POOLD_TESTS_PLAYED_DAEMON_H
#define POOLD_TESTS_PLAYED_DAEMON_H

#include <stddef.h>

struct played_daemon {
	char folder[64];
	char path[96]; /* of the socket, in the folder */
	int listener;
	int fd; /* the connection that was accepted last; -1: there is none */
};

/* Makes the folder, and listens. */
void daemon_begins(struct played_daemon *daemon);
/* Listens again at its path, after the listener was closed and its file removed. */
void daemon_listens(struct played_daemon *daemon);
/* Closes both sockets, and removes the folder. */
void daemon_ends(struct played_daemon *daemon);

/* Takes the next connection. */
void daemon_accepts(struct played_daemon *daemon);
/* Closes the connection, if there is one. */
void daemon_closes(struct played_daemon *daemon);

/* Sends the values of a text (wire.h), or bytes. */
void daemon_says(struct played_daemon *daemon, const char *text);
void daemon_says_bytes(struct played_daemon *daemon, const void *data, size_t len);

/* What has come, as text (wire.h); after the hello where there is one. */
const char *daemon_heard(struct played_daemon *daemon);

#endif
