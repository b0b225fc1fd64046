/*
 * The head of an HTTP/1.1 request, read strictly: what is not plainly right is refused with the
 * status that says why.  Pure: it reads the bytes that it is given, and nothing else.
 *
 * Only what a scraper or a browser sends to read something is understood: GET and HEAD, no body.
 */
#ifndef POOLD_IO_BASE_HTTP_REQUEST_H
#define POOLD_IO_BASE_HTTP_REQUEST_H

#include "protocol/base.h"

/* Bytes of a head at most, and of its lines behind the first. */
#define HTTP_HEAD_MAX	 ((size_t)8 * 1024)
#define HTTP_HEADERS_MAX 64

enum http_status {
	HTTP_OK = 200,
	HTTP_BAD_REQUEST = 400,
	HTTP_NOT_FOUND = 404,
	HTTP_METHOD_NOT_ALLOWED = 405,
	HTTP_REQUEST_TIMEOUT = 408,
	HTTP_CONTENT_TOO_LARGE = 413,
	HTTP_EXPECTATION_FAILED = 417,
	HTTP_MISDIRECTED_REQUEST = 421,
	HTTP_HEADERS_TOO_LARGE = 431,
	HTTP_UNAVAILABLE = 503,
	HTTP_VERSION_NOT_SUPPORTED = 505
};

/* What the status is called; "" for one that is not above. */
const char *http_status_text(enum http_status status);

/* The bytes are in the head that was parsed. */
struct http_request {
	bool is_head; /* HEAD: only the head of the answer is wanted */
	struct bytes path;
	struct bytes query;	/* behind the '?', which is left out */
	struct bytes host;	/* without the port; empty: HTTP/1.0 may leave it out */
	bool is_kept;		/* the connection stays open after the answer */
	bool wants_openmetrics; /* Accept has that type, and does not exclude it */
	struct bytes last_id;	/* Last-Event-ID; empty: there is none */
};

/* Parses a head with its empty line (FRAMING_HTTP).  Returns HTTP_OK, or the status to answer with;
 * then *ret says only whether it was HEAD. */
enum http_status http_request_parse(struct bytes head, struct http_request *ret);

/* Whether the host is `localhost` or a loopback address, as who looks at this machine writes it, or
 * empty.  A page of somebody else that makes a browser look here has another. */
bool http_host_is_local(struct bytes host);

#endif
