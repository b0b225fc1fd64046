/*
 * The guard: a small process beside the daemon that kills what the daemon leaves behind, however
 * the daemon ends.
 *
 * It waits until the daemon's end of a pipe is closed, which the kernel does also after SIGKILL.
 * Then it kills every process with the daemon's tag in its environment (process_tag.h): workers,
 * and what workers started.
 */
#ifndef POOLD_IO_WORKER_GUARD_H
#define POOLD_IO_WORKER_GUARD_H

#include "daemon/io/worker/process_tag.h"

#include <sys/types.h>

struct guard {
	char instance[PROCESS_TAG_INSTANCE_SIZE]; /* the daemon's name, which every worker has in
						     its environment */
	pid_t pid;
	int pidfd; /* readable when the guard is gone */
	int pipe;  /* -1: not running */
};

/* Draws a name for the daemon and starts the process.  Call it before anything is opened that the
 * guard should not keep open.  Returns 0 or -errno. */
int guard_start(struct guard *guard);

/* Starts another for the same name after the first is gone.  Returns 0 or -errno. */
int guard_restart(struct guard *guard);

/* Lets the guard do its work and waits until it is done: no process with the tag is left. */
void guard_finish(struct guard *guard);

#endif
