/*
 * The protocol of a client without input and output: bytes come in, bytes go out, callbacks report
 * answers.  client.c moves the bytes and reads the clock.
 *
 * States of a request:
 *
 *	waiting    its last byte has not been written; it can be withdrawn
 *	sent       it is written; the daemon will answer
 *	abandoned  the caller gave it up after it was sent; its id stays in use until the daemon has
 *	           answered, so that no id is in flight twice
 *	refused    it certainly was not executed, and is asked again when it is due and there is a
 *	           connection (client_again.h); it keeps its id
 *	finished   it ended without an answer; client_session_deliver calls its callback
 *
 * Only a sent request gets chunks.
 *
 * A connection is closing once the daemon has said so.  Nothing new is sent on it: what was not
 * begun becomes refused, and a new connection is made when those that were sent are answered.
 */
#ifndef POOLD_LIB_CLIENT_SESSION_H
#define POOLD_LIB_CLIENT_SESSION_H

#include "client/lib/client_requests.h"
#include "client/lib/inbox.h"
#include "client/lib/outbox.h"
#include "client/lib/poold.h"
#include "protocol/base.h"
#include "protocol/buf.h"
#include "protocol/list.h"

#include <sys/uio.h>

/* The largest in_flight_max. */
#define IN_FLIGHT_LIMIT (CLIENT_REQUESTS_MAX - 1)

struct client_session {
	struct inbox inbox;
	struct outbox outbox;
	size_t output_max; /* limit of the bytes in the outbox */

	struct client_requests requests; /* waiting, sent and abandoned ones, hello among them */
	size_t in_flight_max;
	bool reconnects; /* whether requests are asked again */
	bool is_connected;
	bool is_closing;      /* the connection is */
	uint64_t random;      /* state of a generator, for pauses; not zero */
	unsigned tries;	      /* connections in a row on which nothing was heard */
	size_t abandoned;     /* how many of the requests are */
	size_t to_ask_again;  /* how many are refused */
	unsigned overdue;     /* requests that were given up since the daemon has sent anything */
	unsigned crowded_out; /* starts that abandoned requests left no room for, since an answer */
	struct list finished; /* requests, by in_finished: their callbacks are still to be called */
	usec_t next_deadline; /* at or before the earliest deadline of all requests */
	uint64_t message_max; /* the daemon's limit; UINT64_MAX: not known */
	struct buf texts;     /* of the error that is passed to a callback now */
	const char *name;

	poold_event_callback on_event; /* NULL: events are ignored */
	void *event_userdata;
};

struct client_session_limits {
	size_t response_max;
	size_t output_max;
	size_t in_flight_max;
	bool reconnects;
	uint64_t seed; /* for the pauses before requests are asked again */
};

/* `name` must outlive the session. */
void client_session_init(struct client_session *session, struct client_session_limits limits,
			 const char *name);
/* Frees everything; no callback runs. */
void client_session_done(struct client_session *session);

struct client_start {
	const char *method;
	const struct bytes *parts;
	size_t part_count;
	usec_t deadline; /* USEC_INFINITY: none */
	usec_t until;	 /* until when it may be asked again; USEC_INFINITY: as long as the client
			    tries to connect */
	poold_callback callback;
	void *userdata;
	struct client_stream stream;
};

/*
 * Starts a request of `method` whose params are the `parts` (at most four), one after the other.
 * Everything is copied.  -EINVAL: the method is empty or too long, or the params are not one
 * MessagePack list; -EBUSY: over in_flight_max or output_max; -EMSGSIZE: larger than the daemon's
 * message_max; -ENOMEM.
 */
int client_session_start(struct client_session *session, const struct client_start *start,
			 uint32_t *ret_id);
/* Withdraws a request of which nothing was written; for any other, asks the daemon to cancel it.
 * -ENOENT: no such request is in flight. */
int client_session_cancel(struct client_session *session, uint32_t id);

/* To be called for a new connection: sends hello, then the waiting requests.  -ENOMEM. */
int client_session_begin(struct client_session *session);
/*
 * To be called when the connection is lost.  Sent requests finish with `status` and `message`,
 * which must live until they are delivered; requests that were not sent whole stay waiting for the
 * next connection, but only once, unless the session reconnects.
 */
void client_session_lost(struct client_session *session, int status, const char *message);
/* To be called when no new connection could be made: all waiting requests finish. */
void client_session_refused(struct client_session *session, int status, const char *message);

/* To be called instead while the client goes on trying: only requests whose time to be asked again
 * is over by `now` finish, and with `is_over` those that have no such time.  Returns the earliest
 * such time of the others. */
usec_t client_session_unreachable(struct client_session *session, usec_t now, bool is_over,
				  int status, const char *message);
/* Whether a request waits for a connection. */
bool client_session_wants_connection(const struct client_session *session);
/* Whether the connection is closing, and nothing is left to be written or answered on it. */
bool client_session_is_left(const struct client_session *session);
/* How long to wait before the next try to connect, if `tries` were in vain. */
usec_t client_session_pause(struct client_session *session);

/* The next bytes to write, as up to `max` slices.  Returns how many; 0: nothing to write. */
size_t client_session_output(const struct client_session *session, struct iovec *slices,
			     size_t max);
/* To be called after `len` of those bytes were written. */
void client_session_wrote(struct client_session *session, size_t len);
bool client_session_has_output(const struct client_session *session);

/* Memory for the next read.  -ENOMEM. */
int client_session_space(struct client_session *session, uint8_t **ret_data, size_t *ret_len);
/* To be called after `len` bytes were read into that memory: calls the callbacks of answers, chunks
 * and events.  -EPROTO: the bytes are not valid messages; -EOVERFLOW: an answer is larger than
 * response_max; -ENOMEM.  After an error the connection must be closed. */
int client_session_took(struct client_session *session, size_t len);

/* The time before which client_session_tick has nothing to do; USEC_INFINITY: never. */
usec_t client_session_deadline(const struct client_session *session);
/* Whether the daemon seems to have stopped to answer on this connection, which should be given up. */
bool client_session_is_dead(const struct client_session *session);
/* Gives up the requests whose deadline has passed, and asks again those that are due. */
void client_session_tick(struct client_session *session, usec_t now);
/* Calls the callbacks of all finished requests. */
void client_session_deliver(struct client_session *session);

#endif
