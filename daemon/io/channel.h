/*
 * A worker as io sees it: its process, or the connection to a server that stands for one; the
 * channel to it; and what is spoken there, the poold dialect (PROTOCOL.md, "Workers") or plain
 * MessagePack-RPC.
 */
#ifndef POOLD_IO_CHANNEL_H
#define POOLD_IO_CHANNEL_H

#include "daemon/io/call.h"
#include "daemon/io/cgroup.h"
#include "daemon/io/endpoint.h"
#include "daemon/io/link.h"
#include "daemon/io/output.h"
#include "daemon/io/process.h"
#include "daemon/io/steps.h"
#include "protocol/buf.h"
#include "protocol/error.h"

struct channel;
struct config_pool;
struct dialect;
struct envelope;
struct identity;

/* An answer as it came from the worker; the slices live in `chunk`. */
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
	/* There is no connection to the server: `error` is the system's. */
	void (*on_unreachable)(struct channel *channel, int error);
};

struct channel {
	struct loop *loop;
	const struct channel_handler *handler;
	void *owner;
	uint32_t worker; /* its slot in the engine */
	uint32_t life;
	struct process process;
	struct cgroups *cgroups;
	struct cgroup cgroup;
	struct output output;
	struct steps steps; /* of its start; their end is the owner's to set */
	struct endpoint endpoint;
	const struct dialect *dialect;
	bool connected; /* a connection to a server stands for the process */
	size_t response_max;
	struct link *link; /* NULL: closed */
	struct buf scratch;
	/* The driver's notes of what the engine is still to be told: */
	bool spawn_failed;
	enum errcode spawn_code;
	bool hung_up;
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

/* What a worker is started with, beside what its pool's configuration says. */
struct channel_birth {
	uint32_t life; /* of the worker */
	const struct config_pool *pool;
	unsigned number;      /* of the worker in its pool, from 1 */
	const char *instance; /* the daemon's name (mark.h) */
	size_t response_max;  /* bytes of one message of the worker */
	const struct rlimit *open_files;
	const struct identity *identity;
	struct cgroups *cgroups;
};

/* Starts a process and opens a channel to it, or connects to the pool's server.  Returns 0 or
 * -errno; `last_end` then says in words why not. */
int channel_start(struct channel *channel, const struct channel_birth *birth);

/* What the worker is told.  A closed channel takes all of it in silence. */
struct channel_request {
	uint32_t id;
	uint32_t attempt;
	uint32_t deadline_ms; /* what is left */
	const char *priority; /* NULL: normal */
	struct bytes state;   /* of its session; empty: none */
	bool stream;
};

void channel_send(struct channel *channel, const struct call *call,
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
