/*
 * How a process of a pool is started, a worker or the pool's fork server: its command, environment,
 * rights and limits, and where its standard files lead.
 */
#ifndef POOLD_IO_WORKER_START_H
#define POOLD_IO_WORKER_START_H

#include "daemon/io/worker/output.h"
#include "daemon/io/worker/process.h"

struct config_pool;
struct identity;

/* What is the same for all starts of a pool's processes. */
struct start {
	struct loop *loop;
	const struct config_pool *pool;
	const char *instance; /* the daemon's name (process_tag.h) */
	const struct rlimit *open_files;
	const struct identity *identity;
	size_t response_max; /* bytes of a message from a worker */
};

/* What is different for each. */
struct spawn_context {
	unsigned number; /* of the worker in its pool, from 1; 0: the pool's fork server */
	const char *tag; /* of this life (process_tag.h) */
	int cgroup;	 /* for the process to enter (process.h), or -1 */
	int recall;	 /* its recall socket (process.h), or -1 */
};

/*
 * Starts a process of the pool with process_spawn; its standard output and error go through
 * `output`, where the pool's `output` option says so.  Parameters and errors are those of
 * process_spawn.
 */
int start_process(const struct start *start, const struct spawn_context *context,
		  struct process *process, struct output *output,
		  void (*on_exit)(void *owner, const struct process_end *end), void *owner,
		  struct stream *ret_channel);

/* Undoes a start that is of no use after all: kills and forgets the process, and closes its output
 * and `channel`. */
void start_abandon(struct process *process, struct output *output, struct stream channel);

/*
 * Opens `output` for a process that a fork server starts.  `ends` gets the process's ends of its
 * pipes, which the caller closes; -1 where it is to have what the fork server has.  Returns 0 or
 * -errno.
 */
int start_output(const struct start *start, struct output *output, int ends[OUTPUT_STREAM_COUNT_]);

#endif
