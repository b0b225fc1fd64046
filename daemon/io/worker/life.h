/*
 * One life of a worker: the process that the daemon or a fork server starts for it, or the
 * connection to a server that somebody else runs; its channel, its standard output and error, its
 * control group, and how it ended.
 *
 * There is one for each worker slot of the engine.  It outlives the processes that fill the slot:
 * what is known of the last one stays until the next is started.
 */
#ifndef POOLD_IO_WORKER_LIFE_H
#define POOLD_IO_WORKER_LIFE_H

#include "daemon/core/worker.h"
#include "daemon/io/worker/begun_page.h"
#include "daemon/io/worker/cgroup.h"
#include "daemon/io/worker/channel.h"
#include "daemon/io/worker/endpoint.h"
#include "daemon/io/worker/forkserver.h"
#include "daemon/io/worker/output.h"
#include "daemon/io/worker/process.h"
#include "daemon/io/worker/start.h"
#include "daemon/io/worker/steps.h"

struct handed;
struct life;
struct stack;

/* Room for what a worker did wrong, and how it ended. */
#define LIFE_END_MAX (CHANNEL_WHY_MAX + PROCESS_FAULT_MAX + 64)

struct life_handler {
	/* The fork server has started the process. */
	void (*on_forked)(struct life *life);
	/* There is no connection to the server, or the fork server could not start a process:
	 * `error` is the system's (-errno). */
	void (*on_unreachable)(struct life *life, int error);
	/* The worker wrote a line to its standard output or error: see output.h. */
	void (*on_output)(struct life *life, enum output_stream stream, struct bytes line,
			  unsigned part);
	/* So many lines were over the pool's output_rate, and dropped. */
	void (*on_output_dropped)(struct life *life, uint64_t count);
	/* The process has ended, and all that it had sent and written was handed over.  `end` NULL:
	 * it was a connection. */
	void (*on_exit)(struct life *life, const struct process_end *end);
};

/* A request that was not sent, and why. */
struct life_unsaid {
	uint32_t id; /* of the message */
	enum errcode code;
};

struct life {
	struct loop *loop;
	const struct life_handler *handler;
	void *owner;
	uint32_t worker;      /* its slot in the engine */
	unsigned concurrency; /* of its worker, once that is ready; at least 1 */
	uint32_t paused_for;  /* while channel.is_paused: the message whose client does not read */
	uint32_t number;      /* which life of the worker it is; the owner sets it before a start */
	const struct config_pool *pool; /* of the last start, with a reference to its configuration;
					   NULL: there was none */
	struct channel channel;
	struct begun_page page; /* open until the end of the process is reported */
	struct process process;
	struct cgroups *cgroups; /* the owner sets it */
	struct cgroup cgroup;
	struct output output;
	struct forkserver *forkserver; /* starts the process; the owner sets it; NULL: none does */
	struct fork_request fork_request;
	struct endpoint endpoint;
	struct steps steps;  /* of its start; the owner ends them */
	struct stack *stack; /* its stacks, which are being collected; NULL: they are not */

	/* For the driver: what is still to be done, or to be reported to the engine. */
	struct list_node in_starts;
	struct list_node in_noted; /* linked while it has notes: what follows */
	enum errcode spawn_code;
	bool is_connected;	     /* a connection to a server stands for the process */
	bool is_opened;		     /* channel_open is to be called */
	bool has_spawn_failed;	     /* with spawn_code */
	bool has_hung_up;	     /* the connection was closed */
	bool cancelled_before_start; /* it was ended before there was a process */
	struct handed *handed;	     /* states of sessions: see driver/handed.h */
	unsigned unsaid_count;
	struct life_unsaid unsaid[WORKER_ATTEMPTS_MAX];

	/* The last process, or the one that runs. */
	pid_t last_pid;
	enum worker_cause last_cause; /* why the daemon ended that one; the owner sets it */
	bool is_ready;		      /* it has been ready; the owner sets these two */
	bool was_ready;		      /* so had been the last one that ended */
	bool was_signalled;	      /* the daemon has sent it a signal */
	bool has_closed;	      /* before the first of them it had closed its channel */
	bool knows_memory;	      /* last_out_of_memory is known */
	bool last_out_of_memory;      /* the kernel killed it because its memory was used up */
	char last_end[LIFE_END_MAX];  /* how it ended, in words, and what it did wrong before; "":
					none has ended yet */
	struct process_end last;      /* the same, for programs; the owner sets these four */
	usec_t last_ended;	      /* when; 0: none has ended yet */
	usec_t last_uptime;
	uint64_t last_served;
	struct bytes last_stderr; /* the end of its standard error, escaped; bytes_copy made it */
};

/* `state_max`: bytes in the state of a session.  Both handlers get `owner`; `on_channel` hears what
 * the worker sends. */
void life_init(struct life *life, struct loop *loop, uint32_t worker, size_t state_max,
	       const struct life_handler *handler, const struct channel_handler *on_channel,
	       void *owner);
/* Closes the channel and forgets the process. */
void life_done(struct life *life);

/* Whether `last_end` also says why it ended: what its channel was broken by.  That the channel was
 * closed is no reason if the process then ended by itself. */
bool life_has_reason(const struct life *life);

/* The process, which ended like this, has broken the protocol: `why` in words. */
void life_blame(struct life *life, const struct process_end *end, const char *why);

/* What `last_end` begins with where no process came to be. */
#define LIFE_NOT_STARTED "could not be started: "

/* How the last process ended, and before that why the daemon ended it, if it did. */
#define LIFE_EXIT_MAX (LIFE_END_MAX + 128)
void life_describe_exit(const struct life *life, char out[static LIFE_EXIT_MAX]);

/* The life that a channel belongs to. */
static inline struct life *life_of(struct channel *channel)
{
	return container_of(channel, struct life, channel);
}

/*
 * Starts a process, or begins to connect, for the life whose number is set, of the pool's worker
 * `worker_number` (from 1).  `response_max` limits one message of the worker in bytes.  A fork
 * server starts the process later: on_forked, on_exit or on_unreachable is called then.  Returns 0
 * or -errno; `last_end` then says why not.  For a process life_open_channel must follow, not from
 * within this call's event; for a connection it is called here.
 */
int life_start(struct life *life, const struct start *start, unsigned worker_number,
	       size_t response_max);

/* Sends the dialect's first message: see channel_open.  What is then waited for is a step of the
 * start. */
void life_open_channel(struct life *life);

/* The process is not to be started after all: sets `cancelled_before_start`. */
void life_cancel_start(struct life *life);

/*
 * Sends a signal to the process group.  Where there is no process yet, it is either not started at
 * all, and `cancelled_before_start` is set, or gets the signal as soon as it is; `overdue`: because
 * starting it takes too long.
 */
void life_signal(struct life *life, int signal, bool overdue);

/* Asks the worker to end when it has answered.  A server is not the daemon's to stop. */
void life_shutdown(struct life *life);

/* Closes the connection to a server.  on_exit is not called for it. */
void life_hang_up(struct life *life);

#endif
