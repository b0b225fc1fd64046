/*
 * The guard: a small process beside the daemon that ends what the daemon leaves behind, however it
 * ends.
 *
 * It waits for the daemon's end of a pipe to close, which also kill -9 does, then kills every
 * process that carries the daemon's instance mark in its environment: workers, and what workers
 * started and let go.
 */
#ifndef POOLD_IO_WORKER_GUARD_H
#define POOLD_IO_WORKER_GUARD_H

#include "daemon/io/worker/process_tag.h"

#include <sys/types.h>

struct guard {
	char instance
		[PROCESS_TAG_INSTANCE_SIZE]; /* the value of PROCESS_TAG_INSTANCE in every worker's
					      environment */
	pid_t pid;
	int pidfd; /* readable when the guard is gone */
	int pipe;  /* -1: not running */
};

/* Draws a new mark and starts the process.  Call it before anything is opened that it should not
 * hold.  Returns 0 or -errno. */
int guard_start(struct guard *guard);

/* Starts another for the same mark after the first is gone.  Returns 0 or -errno. */
int guard_restart(struct guard *guard);

/* Lets the guard do its work and waits until it is done: nothing with the mark is left. */
void guard_finish(struct guard *guard);

#endif
