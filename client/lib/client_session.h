/*
 * One client's side of the protocol, without any input or output of its own: bytes come in, bytes
 * go out, callbacks tell of answers.  The driver (client.c) moves the bytes and reads the clock.
 *
 * A request is `waiting` until its last byte was taken by the driver's write, then `sent`.  Who
 * gives a sent request up (its deadline passed) leaves it behind as `abandoned`: its id stays in
 * use until the daemon has answered, so that no id is ever in flight twice.  What ends without an
 * answer is `finished`, and its callback comes with client_session_deliver.  Only a sent request
 * has chunks.
 */
#ifndef POOLD_LIB_CLIENT_SESSION_H
#define POOLD_LIB_CLIENT_SESSION_H

#include "client/lib/inbox.h"
#include "client/lib/outbox.h"
#include "client/lib/poold.h"
#include "protocol/base.h"
#include "protocol/buf.h"

#include <sys/queue.h>
#include <sys/uio.h>

/* An id is the number of its slot with a count of the slot's uses above it. */
#define SLOT_BITS	16
#define IN_FLIGHT_LIMIT ((size_t)UINT16_MAX)

struct client_request;
TAILQ_HEAD(client_request_list, client_request);

struct client_session {
	struct inbox inbox;
	struct outbox outbox;
	size_t output_max; /* bytes in the outbox */

	struct client_request **slots; /* by the low bits of the id; NULL: free */
	uint32_t *free_ids;	       /* a stack: for each free slot the id it has next */
	size_t slot_count;
	size_t free_count;
	size_t in_flight_max;

	struct client_request_list finished;
	usec_t next_deadline; /* no later than the earliest of all requests */
	uint64_t message_max; /* what the daemon said it takes; UINT64_MAX: not said */
	struct buf texts;     /* of the error now being told */
	const char *name;

	poold_event_callback on_event; /* NULL: nobody listens */
	void *event_userdata;
};

struct client_session_limits {
	size_t response_max;
	size_t output_max;
	size_t in_flight_max;
};

/* `name` must outlive the session. */
void client_session_init(struct client_session *session, struct client_session_limits limits,
			 const char *name);
/* Drops everything; no callback runs. */
void client_session_done(struct client_session *session);

/*
 * Starts a request of `method` whose params are the `parts` (at most four) one after the other.
 * Everything is copied.  -EINVAL: the name is empty or too long, or the params are not one
 * MessagePack list; -EBUSY: over in_flight_max or output_max; -EMSGSIZE: over the daemon's
 * message_max; -ENOMEM.
 */
struct client_stream {
	poold_chunk_callback on_chunk;	   /* NULL: there is no stream */
	poold_restart_callback on_restart; /* NULL: it does not begin again */
	void *userdata;
};
struct client_start {
	const char *method;
	const struct bytes *parts;
	size_t part_count;
	usec_t deadline; /* USEC_INFINITY: none */
	poold_callback callback;
	void *userdata;
	struct client_stream stream;
};
int client_session_start(struct client_session *session, const struct client_start *start,
			 uint32_t *ret_id);
/* Takes the request back, where it has not begun to leave, else asks the daemon to.  -ENOENT. */
int client_session_cancel(struct client_session *session, uint32_t id);

/* A new connection begins: hello goes first, then what waits.  -ENOMEM. */
int client_session_begin(struct client_session *session);
/*
 * The connection is gone.  What was sent finishes with `status` and `message` (which must live
 * until it is delivered); what never left whole stays waiting for the next connection, once.
 */
void client_session_lost(struct client_session *session, int status, const char *message);
/* There is no connection to be had: what waits finishes. */
void client_session_refused(struct client_session *session, int status, const char *message);

/* The next bytes to write, as up to `max` slices.  Returns how many; 0: nothing. */
size_t client_session_output(const struct client_session *session, struct iovec *slices,
			     size_t max);
/* `len` of those bytes were written. */
void client_session_wrote(struct client_session *session, size_t len);
bool client_session_has_output(const struct client_session *session);

/* Room for what is read next.  -ENOMEM. */
int client_session_space(struct client_session *session, uint8_t **ret_data, size_t *ret_len);
/* `len` bytes came into that room: runs the callbacks of what they answer or tell.  -EPROTO: not
 * our protocol; -EOVERFLOW: over response_max.  The connection is of no use then. */
int client_session_took(struct client_session *session, size_t len);

/* When client_session_tick has something to do, at the earliest. */
usec_t client_session_deadline(const struct client_session *session);
/* Finishes the requests whose deadline has passed. */
void client_session_tick(struct client_session *session, usec_t now);
/* Runs the callbacks of all that is finished. */
void client_session_deliver(struct client_session *session);

#endif
