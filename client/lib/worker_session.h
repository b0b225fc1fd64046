/*
 * A worker's side of the poold dialect, without any input or output of its own: bytes come in,
 * handlers run when asked for, bytes go out.  The driver (worker.c) moves the bytes.
 *
 * Requests wait, as the bytes they came in, until their turn; a cancel that overtakes one is
 * answered in its place.
 */
#ifndef POOLD_LIB_WORKER_SESSION_H
#define POOLD_LIB_WORKER_SESSION_H

#include "client/lib/inbox.h"
#include "client/lib/poold.h"
#include "client/lib/value.h"
#include "protocol/base.h"

struct worker_method {
	char *name;
	size_t name_len;
	poold_handler handler;
	void *userdata;
};

/* A request that has come and not begun, or the end of a session, which is told in its turn. */
struct waiting {
	uint64_t position; /* of its bytes in the inbox */
	size_t len;
	uint32_t id;
	bool is_cancelled;
	bool is_session_end;
};

struct worker_session {
	struct inbox inbox;
	struct poold_writer output;

	struct worker_method *methods;
	size_t method_count;

	struct waiting *waiting; /* those from `first` on, in order */
	size_t first;
	size_t waiting_count;
	size_t waiting_capacity;

	struct poold_attempt attempt; /* the one that runs */
	uint32_t running_id;
	bool is_running;
	bool is_cancelled; /* the one that runs */
	bool has_failed;   /* the one that runs called poold_fail; `failure` holds the error */
	bool is_broken;	   /* a handler said POOLD_FATAL */
	bool wants_end;	   /* the daemon said shutdown */
	enum poold_severity severity; /* should the one that runs fail */
	struct buf failure;	      /* the error map */
	struct buf state; /* the whole message that goes out if the one that runs succeeds */
	struct buf chunk; /* the whole message that goes out now */
	size_t settled;	  /* where, in the output, the answer of the one that runs begins */
	size_t written;	  /* bytes of the output that are gone already */

	poold_session_end_callback on_session_end; /* NULL: nobody needs to know */
	void *session_userdata;
};

void worker_session_init(struct worker_session *session, size_t message_max);
void worker_session_done(struct worker_session *session);
/* As poold_worker_add. */
int worker_session_add(struct worker_session *session, const char *name, poold_handler handler,
		       void *userdata);

/* Puts the `ready` notification out. */
struct worker_ready {
	int pid;
	const char *version;
	bool started;
	bool batch;
};
void worker_session_ready(struct worker_session *session, const struct worker_ready *ready);

/* Room for what is read next.  -ENOMEM. */
int worker_session_space(struct worker_session *session, uint8_t **ret_data, size_t *ret_len);
/* `len` bytes came into that room.  -EPROTO, -EMSGSIZE: the daemon's bytes are of no use; -ENOMEM.
 */
int worker_session_took(struct worker_session *session, size_t len);
/* Whether more may be read now: what waits has a limit too. */
bool worker_session_has_room(const struct worker_session *session);

/* Whether a request waits, or the end of a session. */
bool worker_session_has_request(const struct worker_session *session);
/* Puts out that the first waiting request begins, where it is one and will run. */
void worker_session_announce(struct worker_session *session);
/* Runs the first waiting request and puts its answer out, or tells that a session has ended.
 * -ENOMEM: not even an error could be said. */
int worker_session_answer(struct worker_session *session);

/* For the attempt that runs; as poold_attempt_chunk and poold_attempt_set_state.  The message of a
 * chunk is in `chunk` then, to be written behind what is settled. */
int worker_session_chunk(struct worker_session *session, struct poold_bytes value);
int worker_session_set_state(struct worker_session *session, struct poold_bytes state);

/* The bytes to write, and that they were. */
struct bytes worker_session_output(const struct worker_session *session);
void worker_session_wrote(struct worker_session *session);
/* The same while a handler runs: only what stands before its answer. */
struct bytes worker_session_settled(const struct worker_session *session);
void worker_session_wrote_settled(struct worker_session *session);

#endif
