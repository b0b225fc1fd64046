/*
 * A worker as io sees it: its process, or the connection to a server that stands for one; the
 * channel to it; and what is spoken there, in one of the dialects (PROTOCOL.md, "Workers" and
 * "Dialects").
 */
#ifndef POOLD_IO_WORKER_CHANNEL_H
#define POOLD_IO_WORKER_CHANNEL_H

#include "daemon/core/worker.h"
#include "daemon/io/base/link.h"
#include "daemon/io/driver/call.h"
#include "daemon/io/worker/cgroup.h"
#include "daemon/io/worker/endpoint.h"
#include "daemon/io/worker/forkserver.h"
#include "daemon/io/worker/output.h"
#include "daemon/io/worker/process.h"
#include "daemon/io/worker/steps.h"
#include "protocol/buf.h"
#include "protocol/error.h"

struct channel;
struct config_pool;
struct dialect;
struct stack;

/* An answer as it came from the worker.  Its slices last as long as the call that brings it; those
 * in `chunk` as long as that, which is NULL where the answer had to be translated. */
struct channel_answer {
	struct chunk *chunk;
	bool failed;
	struct bytes result;	   /* a whole value, when it did not fail */
	struct worker_error error; /* when it did */
};

struct channel_handler {
	void (*on_ready)(struct channel *channel, unsigned concurrency, bool announces,
			 bool batches);
	void (*on_began)(struct channel *channel, uint32_t id);
	/* It says that it lives. */
	void (*on_alive)(struct channel *channel);
	/* A part of the answer to a request: a whole value in `chunk`. */
	void (*on_part)(struct channel *channel, uint32_t id, struct chunk *chunk,
			struct bytes value);
	/* The state of a request's session; empty: there is none any more. */
	void (*on_state)(struct channel *channel, uint32_t id, struct bytes state);
	void (*on_answer)(struct channel *channel, uint32_t id,
			  const struct channel_answer *answer);
	/* The channel is of no use any more: ERR_peer_closed, ERR_decode_error,
	 * ERR_protocol_violation, ERR_response_too_large. */
	void (*on_broken)(struct channel *channel, enum errcode code);
	/* The process is gone, and all it had said was handed over.  `end` NULL: it was a
	 * connection. */
	void (*on_exit)(struct channel *channel, const struct process_end *end);
	/* A step of its start begins, which the worker named: any bytes. */
	void (*on_step)(struct channel *channel, struct bytes name);
	/* It wrote a line to its standard output or error: see output.h. */
	void (*on_output)(struct channel *channel, enum output_stream stream, struct bytes line,
			  unsigned part);
	/* So many lines were over the pool's output_rate. */
	void (*on_output_dropped)(struct channel *channel, uint64_t count);
	/* There is no connection to the server, or the fork server could not start a process:
	 * `error` is the system's. */
	void (*on_unreachable)(struct channel *channel, int error);
	/* The fork server has started its process. */
	void (*on_forked)(struct channel *channel);
};

struct channel {
	struct loop *loop;
	const struct channel_handler *handler;
	void *owner;
	uint32_t worker; /* its slot in the engine */
	uint32_t life;	 /* of the worker; the owner's to set before a start */
	struct list_node in_starts;
	struct list_node in_noted; /* of the owner: linked while it has notes below */
	struct process process;
	struct cgroups *cgroups; /* the owner's to set */
	struct cgroup cgroup;
	struct output output;
	struct fork_request fork_request; /* where a fork server starts the process */
	struct forkserver *forkserver;	  /* the owner's to set; NULL: none does */
	struct steps steps;		  /* of its start; their end is the owner's to set */
	struct endpoint endpoint;
	const struct config_pool *pool; /* of the last start, with a reference to its configuration;
					   NULL: there was none */
	const struct dialect *dialect;
	bool connected; /* a connection to a server stands for the process */
	bool ready;	/* the dialect's note: this life was told to be ready */
	size_t response_max;
	struct link *link; /* NULL: closed */
	struct buf scratch;
	struct stack *stack; /* what it writes is taken as its stacks; NULL: it was not asked */
	int stack_signal; /* makes the process write its stacks to standard error; 0: it has said of
			     none, and most signals would end it */
	/* The driver's notes of what is still to be done, or told to the engine: */
	bool opened; /* channel_open is to be called */
	unsigned unsaid_count;
	uint32_t unsaid[WORKER_ATTEMPTS_MAX]; /* ids of requests that can't be said */
	bool spawn_failed;
	enum errcode spawn_code;
	bool hung_up;
	bool cancelled_before_start; /* it was ended before there was a process */
	pid_t last_pid;
	char last_end[PROCESS_FAULT_MAX +
		      32];	 /* how its last process ended, in words; "": none did yet */
	struct process_end last; /* the same, for programs; these three are the owner's to set */
	usec_t last_uptime;
	uint64_t last_served;
	bool knows_memory;	  /* whether it was killed for want of memory: */
	bool last_out_of_memory;  /* it was */
	struct bytes last_stderr; /* the last it said there, made safe; a copy (vault.h) */
	char last_why[160];	  /* what is wrong with what it says, in words, once it breaks the
				     protocol */
};

/* `state_max`: bytes in the state of a session. */
void channel_init(struct channel *channel, struct loop *loop, uint32_t worker, size_t state_max,
		  const struct channel_handler *handler, void *owner);
/* Closes the channel and forgets the process. */
void channel_done(struct channel *channel);

/*
 * Starts a process, or begins to connect, for the life of the worker that is set, the pool's
 * `number` (from 1).  `response_max` limits one message of the worker in bytes.  A fork server
 * starts the process later: on_forked, on_exit or on_unreachable tells.  Returns 0 or -errno;
 * `last_end` then says in words why not.  The pool must stay as it is for as long as this life. For
 * a process channel_open must follow, not from within this call's event.
 */
int channel_start(struct channel *channel, const struct start *start, unsigned number,
		  size_t response_max);

/* It is not to be started after all: notes that it is `unborn`. */
void channel_unstart(struct channel *channel);

/*
 * Sends a signal to its process group.  Where there is no process yet, it is either not started at
 * all, and `unborn` is set, or gets the signal as soon as it is; `overdue`: because starting it
 * takes too long.
 */
void channel_signal(struct channel *channel, int signal, bool overdue);

/* Speaks with who is at the other end of `fd`, a connected stream, as with a worker of the pool.
 * Returns 0, and the descriptor is the channel's; or -errno. */
int channel_adopt(struct channel *channel, int fd, const struct config_pool *pool,
		  size_t response_max);

/* The dialect's first words, and its first news where it has some to tell at once. */
void channel_open(struct channel *channel);

/* What the worker is told.  A closed channel takes all of it in silence. */
struct channel_request {
	uint32_t id;
	uint32_t attempt;
	uint32_t deadline_ms; /* what is left */
	const char *priority; /* NULL: normal */
	struct bytes state;   /* of its session; empty: none */
	bool stream;
};

/* Returns NULL, or why the arguments can't be said in the worker's dialect, in words that last;
 * then the worker has heard nothing. */
const char *channel_send(struct channel *channel, const struct call *call,
			 const struct channel_request *request);
void channel_cancel(struct channel *channel, uint32_t id);
/* The session goes on without this worker, or not at all. */
void channel_end_session(struct channel *channel, struct bytes session, const char *reason);
void channel_ping(struct channel *channel, uint32_t id);
void channel_shutdown(struct channel *channel);

/* Hangs up on a server.  Its on_exit is for the caller to call. */
void channel_hang_up(struct channel *channel);

/* Nothing it says from now on is heard. */
void channel_close(struct channel *channel);

#endif
