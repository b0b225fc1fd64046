/*
 * A connection over HTTP: one request after the other, each read when the answer to the one before
 * is written.  So it never holds more than one head and one answer, whatever its peer does.  The
 * answer to the last one may be a stream (http_stream.h).
 */
#ifndef POOLD_IO_FRONTEND_HTTP_CONNECTION_H
#define POOLD_IO_FRONTEND_HTTP_CONNECTION_H

#include "daemon/io/base/link.h"
#include "daemon/io/frontend/http_stream.h"

struct http;

/* What it is doing. */
enum http_state {
	HTTP_READING = 0, /* the next request is awaited */
	HTTP_ANSWERING,	  /* the answer is being written */
	HTTP_STREAMING,	  /* the answer has no end: what happens is written */
	HTTP_REFUSED,	  /* the last answer is given: it is closed in a moment */
	HTTP_CLOSED	  /* it stays in the list until its link is freed */
};

struct http_connection {
	struct http *http;
	struct link link;
	struct list_node in_connections;
	enum http_state state;
	unsigned requests; /* that it has sent */
	usec_t since;	   /* when it entered its state, or it was opened */
	usec_t begun_at;   /* when it was seen that a request has begun to come; 0: none has */
	size_t kept;	   /* always 0: nothing of it is kept */
	struct http_stream stream; /* while HTTP_STREAMING */
};

/* Takes over the accepted, non-blocking `fd`.  Returns 0 or -errno; then `fd` is still the
 * caller's. */
int http_connection_open(struct http *http, int fd);

/* Closes it if it was too slow: at sending a request, at reading the answer, at sending another. */
void http_connection_check(struct http_connection *connection, usec_t now);

/* Whether it may be closed for another one: no answer is being written, and no request has come that
 * was not read.  Makes a system call. */
bool http_connection_is_idle(const struct http_connection *connection);

void http_connection_close(struct http_connection *connection);

#endif
