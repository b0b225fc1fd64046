/*
 * What is answered over HTTP: paths and what they show.  Nothing here changes anything.
 *
 * Nobody knows who asks, so no text is shown that has an audience (rights.h), unless `texts` of
 * [http] says so.  What was made is shown again for a while, the longer the more it cost, so that
 * however many ask, it takes a twentieth of the loop's time at most.
 */
#ifndef POOLD_IO_FRONTEND_HTTP_ANSWER_H
#define POOLD_IO_FRONTEND_HTTP_ANSWER_H

#include "daemon/io/base/chunk.h"
#include "daemon/io/base/http_request.h"
#include "daemon/io/driver/caller.h"

struct driver;

enum http_view {
	HTTP_VIEW_METRICS = 0,
	HTTP_VIEW_OPENMETRICS,
	HTTP_VIEW_STATUS,
	HTTP_VIEW_PLAIN,
	HTTP_VIEW_COUNT_
};

/* What was made of a view. */
struct http_made {
	struct chunk *chunk; /* NULL: nothing */
	size_t len;
	usec_t until; /* it is shown again before that */
};

struct http_answers {
	struct driver *driver;
	struct caller reader;  /* as whom all is read */
	struct bytes own_host; /* that of the address, beside the local ones */
	bool takes_every_host; /* of a Unix socket, which no page in a browser can reach */
	struct http_made made[HTTP_VIEW_COUNT_];
};

struct http_answer {
	enum http_status status;
	const char *type;   /* of the content */
	const char *policy; /* what it may do in a browser, as Content-Security-Policy */
	/* Where the body lies, with a reference of the caller's; NULL: it lasts as long as the
	 * program. */
	struct chunk *chunk;
	struct bytes body;
	bool is_stream; /* there is no body yet: http_stream.h */
};

/* A caller as whom all is read that is shown over HTTP; `texts` of [http]. */
void http_reader_init(struct caller *reader, const struct caller_ops *ops, bool texts);

/* `listen` of [http], which must stay. */
void http_answers_init(struct http_answers *answers, struct driver *driver, const char *listen,
		       bool texts);
/* Gives back what was made. */
void http_answers_done(struct http_answers *answers);

/* Gives back what is not shown again.  Returns whether nothing is left. */
bool http_answers_tidy(struct http_answers *answers);

/* The answer to a request that was parsed. */
void http_answer(struct http_answers *answers, const struct http_request *request,
		 struct http_answer *ret);

/* What /api/status shows; without a chunk: there was no memory for it. */
void http_answer_state(struct http_answers *answers, struct http_answer *ret);

/* The answer that says only its status. */
void http_answer_status(enum http_status status, struct http_answer *ret);

#endif
