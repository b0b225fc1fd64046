/*
 * The channel to a worker: a link, and the dialect that is spoken on it (PROTOCOL.md, "Workers" and
 * "Dialects").  It turns requests into messages to the worker, and the worker's messages into calls
 * of its handler.  Whose process is at the other end, life.h knows.
 *
 * Beside it there may be a recall socket, on which the daemon asks the worker to give back requests
 * that it has not begun.  The channel would not do: a worker that runs a request reads no more of it.
 */
#ifndef POOLD_IO_WORKER_CHANNEL_H
#define POOLD_IO_WORKER_CHANNEL_H

#include "daemon/core/worker.h"
#include "daemon/io/base/link.h"
#include "daemon/io/worker/outline.h"
#include "daemon/io/worker/progress.h"
#include "protocol/buf.h"
#include "protocol/error.h"

struct channel;
struct config_pool;
struct dialect;

/* An answer as it came from the worker.  Its slices last as long as the call that brings it; those
 * in `chunk` as long as that, which is NULL where the answer had to be translated. */
struct channel_answer {
	struct chunk *chunk;
	bool has_failed;
	struct bytes result;	   /* a whole value, when it did not fail */
	struct worker_error error; /* when it did */
	bool is_recalled; /* it is none: the worker gives the request back (channel_recall) */
};

/* What a worker says of itself when it is ready. */
struct channel_ready {
	unsigned concurrency; /* how many requests it runs at once */
	bool announces;	      /* it says which request it begins */
	bool batches;	      /* it may begin the next request before it has answered one */
	bool recalls;	      /* it gives back what it has not begun: channel_recall */
	bool pages; /* it says that it has a page, and stores there what it begins (begun_page.h) */
};

struct channel_handler {
	void (*on_ready)(struct channel *channel, const struct channel_ready *ready);
	/* The worker began to run a request. */
	void (*on_began)(struct channel *channel, uint32_t id);
	/* The worker says that it lives. */
	void (*on_alive)(struct channel *channel);
	/* A part of the answer to a request: a whole value in `chunk`. */
	void (*on_part)(struct channel *channel, uint32_t id, struct chunk *chunk,
			struct bytes value);
	/* The state of a request's session; empty: there is none any more. */
	void (*on_state)(struct channel *channel, uint32_t id, struct bytes state);
	void (*on_answer)(struct channel *channel, uint32_t id,
			  const struct channel_answer *answer);
	/* There was no memory for the answer to a request, or (`is_part`) for a part of it. */
	void (*on_lost)(struct channel *channel, uint32_t id, bool is_part);
	/* A step of the worker's start begins, which the worker named: any bytes. */
	void (*on_step)(struct channel *channel, struct bytes name);
	/* The channel is of no use any more: ERR_peer_closed, ERR_decode_error,
	 * ERR_protocol_violation, ERR_response_too_large.  `last_why` says more. */
	void (*on_broken)(struct channel *channel, enum errcode code);
};

/* So many bytes of what a worker sent are quoted where they are wrong. */
#define CHANNEL_QUOTE_BYTES 60

/* Room for what is wrong with what a worker sends: words, and the quotation with its escapes. */
#define CHANNEL_WORDS_MAX 160
#define CHANNEL_WHY_MAX	  (CHANNEL_WORDS_MAX + 4 * CHANNEL_QUOTE_BYTES + 16)

struct channel {
	struct loop *loop;
	const struct channel_handler *handler;
	void *owner;
	/* The other side has closed the connection, or it failed; `why` in words.  NULL: that
	 * breaks the channel (ERR_peer_closed). */
	void (*on_closed)(struct channel *channel, const char *why);
	const struct config_pool *pool; /* the owner keeps it alive */
	const struct dialect *dialect;
	bool takes_credit;   /* the worker waits for credit before it sends parts */
	bool recalls;	     /* the worker gives back what it has not begun: channel_recall */
	bool is_paused;	     /* its link is not read: channel_pause */
	bool is_ready;	     /* the dialect's: this worker was reported as ready */
	size_t response_max; /* bytes of a message from the worker */
	struct link *link;   /* NULL: closed */
	int recall; /* the daemon's end of the recall socket; -1: there is none.  The owner sets
				it before the worker is ready; it is closed with the channel. */
	struct buf scratch;
	int stack_signal; /* makes the process write its stacks to standard error; 0: the worker has
			     named none, and most signals would end it */
	struct outline lost;		/* of a JSON message that is skipped */
	uint32_t large_id;		/* which request's answer was too large; 0: unknown */
	struct bytes said;		/* while it is handled: what came from the worker */
	enum errcode broken_by;		/* ERR_NONE: nothing has broken the channel */
	bool was_cut_off;		/* it ended within the worker's first message */
	char last_why[CHANNEL_WHY_MAX]; /* what broke the channel or cut it off, in words */
	struct progress progress;	/* of the jsonrpc dialect: who is sent progress */
	/* Also of that dialect: what was answered to ready_call, which clients get too (bytes_copy),
	 * and the messages for which channel_answer_kept has to give it. */
	struct bytes greeting;
	unsigned kept_count;
	uint32_t kept[WORKER_ATTEMPTS_MAX];
};

/* A closed channel.  `state_max`: bytes in the state of a session. */
void channel_init(struct channel *channel, struct loop *loop, size_t state_max,
		  const struct channel_handler *handler, void *owner);
void channel_done(struct channel *channel);

/* Forgets what broke it in an earlier life. */
void channel_forget(struct channel *channel);

/*
 * Begins to speak `dialect` on the stream with a worker of the pool; one message from it may have
 * `response_max` bytes.  Returns 0, and the stream is the channel's; or -errno.
 */
int channel_adopt(struct channel *channel, struct stream stream, const struct config_pool *pool,
		  const struct dialect *dialect, size_t response_max);

/* Sends the dialect's first message, if it has one; the worker may be reported as ready at once. */
void channel_open(struct channel *channel);

/* A request as the worker gets it.  The slices are the caller's, and are copied or, in `chunk`,
 * referred to. */
struct channel_request {
	uint32_t id;	      /* of the message */
	uint64_t number;      /* the daemon's number of the request */
	uint32_t attempt;     /* from 1 */
	uint32_t deadline_ms; /* what is left of its time */
	struct bytes method;
	struct bytes args;   /* a whole value */
	struct chunk *chunk; /* that `args` lies in; NULL: it is copied */
	struct bytes trace;  /* these are empty where there is none */
	struct bytes tracestate;
	struct bytes session;
	struct bytes state;   /* of its session */
	const char *priority; /* NULL: normal */
	bool is_stream;	      /* the answer may come in parts */
	uint64_t credit;      /* bytes of parts that it may send at first, if it takes credit */
};

/* Messages to the worker.  A closed channel drops them without an error. */

/* Returns NULL, or why nothing was sent: why the arguments can't be expressed in the worker's
 * dialect, in words that last, or dialect_no_memory. */
const char *channel_send(struct channel *channel, const struct channel_request *request);
void channel_cancel(struct channel *channel, uint32_t id);
/* Asks a worker that recalls to give back message `id`.  It says nothing if it has begun that, and is
 * not asked if its recall socket is full or broken: then the request stays where it is. */
void channel_recall(struct channel *channel, uint32_t id);
/* The worker may send so many bytes more of the parts of message `id`; nothing is sent to one that
 * takes no credit. */
void channel_credit(struct channel *channel, uint32_t id, uint64_t bytes);
/* The session goes on without this worker, or not at all. */
void channel_end_session(struct channel *channel, struct bytes session, const char *reason);
void channel_ping(struct channel *channel, uint32_t id);
/* Answers the requests that were sent and that the dialect answers itself: there are some where
 * kept_count is above 0.  To be called when no step of the engine runs. */
COLD void channel_answer_kept(struct channel *channel);
/* The worker is to end when it has answered. */
void channel_shutdown(struct channel *channel);

/* What is being handled is no message of the dialect, as the owner has found out.  `last_why` says
 * so, if nothing else broke the channel; on_broken is not called. */
COLD void channel_blame(struct channel *channel);

/* The worker is about to be ended.  `last_why` says so if it has closed its standard input, which
 * nobody notices while nothing is written. */
void channel_check_input(struct channel *channel);

/* Nothing that the worker sends is read while it is paused. */
void channel_pause(struct channel *channel, bool paused);

/* Nothing that the worker sends from now on is read. */
COLD void channel_close(struct channel *channel);

#endif
