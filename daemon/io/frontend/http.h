/*
 * HTTP at one address of this machine: the listening socket and its connections.
 *
 * Whoever may reach the address is served, and nobody knows who that is.  So all is bounded: the
 * connections (for a further one an idle one is closed), what each may send and hold, and for how
 * long; nothing is taken from the places, the memory and the descriptors of clients and workers.
 */
#ifndef POOLD_IO_FRONTEND_HTTP_H
#define POOLD_IO_FRONTEND_HTTP_H

#include "daemon/io/config/config.h"
#include "daemon/io/frontend/http_stream.h"
#include "daemon/io/frontend/socket_file.h"
#include "protocol/list.h"

#include <event2/event_struct.h>

/* Open connections at most. */
#define HTTP_CONNECTIONS_MAX 32

struct http {
	struct driver *driver;
	const struct config *config; /* it holds a reference */
	struct http_answers answers;
	struct http_streams streams;
	struct list connections; /* in the order in which they came */
	int fd;			 /* -1: nobody listens */
	struct event accept_event;
	struct event retry_timer; /* while is_paused */
	struct event check_timer; /* while there are connections, or views that were made */
	struct socket_file file;  /* of a Unix socket: path is NULL where it is none */
	struct event file_timer;  /* when it is looked again whether that is there */
	bool is_in_trouble;	  /* it is not, and cannot be made anew */
	bool is_paused;
	void (*on_place)(struct http *http); /* a connection is gone */
};

/* Listens where [http] says, if it says where.  Returns 0, or -errno and a sentence in `why`. */
int http_open(struct http *http, struct driver *driver, char why[static SOCKET_FILE_WHY_SIZE]);

/* Ends the streams: the daemon closes all in a moment.  Other requests are still answered.  Takes one
 * that was never opened, all zero. */
void http_notify_closing(struct http *http);

/* Closes all; the connections are freed when the loop frees closed links.  Takes one that was never
 * opened, all zero. */
void http_close(struct http *http);

#endif
