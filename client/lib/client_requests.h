/*
 * The requests of a client by their message id.
 *
 * An id is the number of a slot with a count of the slot's uses above it, so that the answer to an
 * earlier request, which comes late, does not find a later one in the same slot.
 */
#ifndef POOLD_LIB_CLIENT_REQUESTS_H
#define POOLD_LIB_CLIENT_REQUESTS_H

#include "client/lib/poold.h"
#include "protocol/list.h"

/* The most slots that an id has room for. */
#define CLIENT_REQUESTS_MAX ((size_t)UINT16_MAX + 1)

struct frame;

struct client_stream {
	poold_chunk_callback on_chunk;	   /* NULL: the answer is not streamed */
	poold_restart_callback on_restart; /* NULL: the stream cannot begin again */
	void *userdata;
};

/* See client_session.h for the states of a request. */
struct client_request {
	struct list_node in_finished; /* of the session */
	uint32_t id;
	bool has_slot;
	bool is_finished;
	bool is_abandoned;
	bool has_moved;	     /* it has survived the loss of a connection */
	struct frame *frame; /* in the outbox; NULL: it was sent, or is refused */
	struct frame *kept;  /* when it is not in the outbox, if it may be asked again; or NULL */
	bool is_refused;
	unsigned tries; /* how often it was */
	usec_t due;	/* when to ask again; 0: not drawn yet */
	usec_t until;	/* until when to ask again; USEC_INFINITY: see client.c; 0: never */
	struct poold_reply refusal; /* its own copy of the last; all zero: none */
	usec_t deadline;
	poold_callback callback;
	void *userdata;
	struct client_stream stream;
	struct poold_reply outcome; /* when is_finished */
};

struct client_requests {
	struct client_request **slots; /* by the low bits of the id; NULL: free */
	uint32_t *free_ids;	       /* a stack: the next id of each free slot */
	size_t slot_count;
	size_t free_count;
	size_t slots_max;
};

/* An empty table that grows to at most `slots_max` slots. */
void client_requests_init(struct client_requests *requests, size_t slots_max);
/* Frees the table; the requests are the caller's. */
void client_requests_done(struct client_requests *requests);

/* How many requests are in the table. */
size_t client_requests_count(const struct client_requests *requests);

/* Gives the request an id and a slot.  The table must have less than `slots_max` requests.  Returns
 * 0 or -ENOMEM. */
int client_requests_add(struct client_requests *requests, struct client_request *request);
/* Takes the request out of its slot; its id is not used again for a long time. */
void client_requests_remove(struct client_requests *requests, struct client_request *request);
/* The request of that id, or NULL. */
struct client_request *client_requests_find(const struct client_requests *requests, uint32_t id);

#endif
