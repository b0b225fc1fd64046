/*
 * Streams of Server-Sent Events: what is said once a second to each browser that stays connected.
 *
 * First the events that are kept (driver/events.h) and that this stream has not had, each with its
 * own id; then the state, as /api/status has it, as an event `status`, made once for all streams.  An
 * id is the epoch and the number of an event, so a browser that comes back says where it was, and
 * gets what it has missed, or is told by a `gap` how many events are gone.
 *
 * A stream never holds more than what is said in one second: while its browser has not taken that,
 * it gets nothing, then the newest state, and the events that it has missed.
 */
#ifndef POOLD_IO_FRONTEND_HTTP_STREAM_H
#define POOLD_IO_FRONTEND_HTTP_STREAM_H

#include "daemon/io/frontend/http_answer.h"

#include <event2/event_struct.h>

/* Open streams at most: half of the connections, so that others get one too. */
#define HTTP_STREAMS_MAX 16

struct link;

/* The events behind one place, as text: most streams are at the same place. */
struct http_batch {
	bool is_made;
	uint64_t after; /* seq of the last event before them, and of the last of them */
	uint64_t upto;
	struct chunk *chunk; /* NULL: there is no event */
	size_t len;
};

struct http_streams {
	struct http_answers *answers;
	struct caller reader; /* as whom events are read */
	struct list streams;
	struct event timer; /* while there are streams */
	struct buf text;    /* of the batch that is being made */
	struct http_batch batch;
	bool is_over; /* the daemon ends */
};

/* A stream; all zero: there is none. */
struct http_stream {
	struct http_streams *streams;
	struct link *link;
	struct list_node in_streams;
	uint64_t seen; /* seq of the last event that it got, or that was none for it */
	usec_t put_at; /* when something was put last: nothing is while the link has output */
};

/* `answers` must stay.  `texts` of [http]. */
void http_streams_init(struct http_streams *streams, struct http_answers *answers, bool texts);
void http_streams_done(struct http_streams *streams);

/* Whether there may be one more. */
bool http_streams_have_room(const struct http_streams *streams);

/* Says on each that the daemon ends, and when to come again; each link closes when that is written.
 * No stream is opened any more. */
void http_streams_finish(struct http_streams *streams);

/* Begins one on a link on which the head of the answer was put.  It goes on where the request says. */
void http_stream_open(struct http_streams *streams, struct http_stream *stream, struct link *link,
		      const struct http_request *request);

/* Takes one that is not open. */
void http_stream_close(struct http_stream *stream);

#endif
