/*
 * The protocol of a worker of the poold dialect without input and output: bytes come in, handlers
 * run when asked for, bytes go out.  worker.c moves the bytes.
 *
 * Received requests wait in the inbox, as bytes, until it is their turn.  A request that is
 * cancelled while it waits is answered with `cancelled` when its turn comes.
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

/* A request that was received but has not begun, or the end of a session, which is reported in the
 * same order. */
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

	size_t response_max; /* the daemon takes no larger message */

	struct poold_attempt attempt; /* the one that runs */
	uint32_t running_id;
	bool is_running;
	bool is_cancelled; /* the running attempt */
	/* Bytes of its chunks that the running attempt may send; below 0 after the last of them was
	 * larger.  Without has_credit: any number. */
	int64_t credit;
	bool has_credit;
	bool was_too_large; /* a chunk of the running attempt was over response_max */
	bool has_failed;    /* the running attempt has failed; `failure` holds the error */
	bool is_broken;	    /* a handler failed with POOLD_FATAL */
	bool is_shutdown;   /* the daemon sent shutdown */
	enum poold_severity severity; /* of the error if the running attempt fails */
	struct buf failure;	      /* the error map */
	struct buf state; /* the message with the session's state; sent if the attempt succeeds */
	struct buf chunk; /* the message with the current chunk */
	size_t settled;	  /* offset in the output where the answer of the running attempt begins */
	size_t written;	  /* bytes of the output that were written already */

	poold_session_end_callback on_session_end; /* NULL: not reported */
	void *session_userdata;
};

void worker_session_init(struct worker_session *session, size_t message_max);
void worker_session_done(struct worker_session *session);
/* As poold_worker_add. */
int worker_session_add(struct worker_session *session, const char *name, poold_handler handler,
		       void *userdata);

struct worker_ready {
	int pid;
	const char *version;
	bool has_started;
	bool page;
	bool batch;
	bool recall;
};
/* Appends the `ready` notification to the output. */
void worker_session_ready(struct worker_session *session, const struct worker_ready *ready);

/* Memory for the next read.  -ENOMEM. */
int worker_session_space(struct worker_session *session, uint8_t **ret_data, size_t *ret_len);
/* To be called after `len` bytes were read into that memory.  -EPROTO: they are not valid messages;
 * -EMSGSIZE: a message is larger than message_max; -ENOMEM. */
int worker_session_took(struct worker_session *session, size_t len);
/* Whether more may be read now: the number and bytes of waiting requests are limited. */
bool worker_session_has_room(const struct worker_session *session);

/* Whether a request, or the end of a session, waits. */
bool worker_session_has_request(const struct worker_session *session);
/* Whether what waits first is a request; then *ret_id is its id. */
bool worker_session_next(const struct worker_session *session, uint32_t *ret_id);
/* Drops the first waiting request without an answer. */
void worker_session_skip(struct worker_session *session);
/* Whether what waits first is a request that begins when it is answered: neither cancelled nor a ping.
 * Then *ret_id is its id. */
bool worker_session_begins(const struct worker_session *session, uint32_t *ret_id);
/* Appends `started` for request `id`. */
void worker_session_announce(struct worker_session *session, uint32_t id);
/* Runs the first waiting request and appends its answer to the output, or reports the end of a
 * session.  -ENOMEM: there was no memory even for an error. */
int worker_session_answer(struct worker_session *session);

/* For the running attempt, as poold_attempt_chunk and poold_attempt_set_state.  The former packs
 * the message into `chunk`; it is to be written after the settled output. */
int worker_session_chunk(struct worker_session *session, struct poold_bytes value);
/* Whether the chunk may be written now; otherwise the daemon's next messages are to be read. */
bool worker_session_may_send(const struct worker_session *session);
/* To be called after a chunk with a value of `len` bytes was written. */
void worker_session_sent(struct worker_session *session, size_t len);
int worker_session_set_state(struct worker_session *session, struct poold_bytes state);

/* The bytes to write; the second function is to be called after all of them were written. */
struct bytes worker_session_output(const struct worker_session *session);
void worker_session_wrote(struct worker_session *session);
/* The same while a handler runs: only the bytes before its answer. */
struct bytes worker_session_settled(const struct worker_session *session);
void worker_session_wrote_settled(struct worker_session *session);

#endif
