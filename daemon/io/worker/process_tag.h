/*
 * Process tags: variables in a worker's environment that say whose it is.  The kernel shows them in
 * /proc/PID/environ for as long as the process runs the same program, and all that it starts
 * inherits them.
 *
 * POOLD_INSTANCE names the daemon, POOLD_LIFE one life of one worker of it.
 */
#ifndef POOLD_IO_WORKER_PROCESS_TAG_H
#define POOLD_IO_WORKER_PROCESS_TAG_H

#include "protocol/base.h"

#include <sys/types.h>

#define PROCESS_TAG_INSTANCE "POOLD_INSTANCE"
#define PROCESS_TAG_LIFE     "POOLD_LIFE"

/* Bytes of a daemon's name (32 hexadecimal digits), of a life's, and their ends. */
#define PROCESS_TAG_INSTANCE_SIZE 33
#define PROCESS_TAG_LIFE_SIZE	  64

/* Draws a name for this daemon.  Returns 0 or -EIO. */
int process_tag_draw(char instance[static PROCESS_TAG_INSTANCE_SIZE]);

/* The name of life `life` of the worker in slot `worker`. */
void process_tag_life(const char *instance, uint32_t worker, uint32_t life,
		      char name[static PROCESS_TAG_LIFE_SIZE]);

/* Reads the numbers from such a name.  Returns 0, or -EINVAL: it is not a life of this instance. */
int process_tag_parse_life(const char *instance, const char *name, uint32_t *ret_worker,
			   uint32_t *ret_life);

/*
 * Reads a variable of the environment that a process was started with, cut at `size` bytes.
 * Returns 1; 0 when it has none of that name, which is also so for a moment while a process
 * executes another program; or -errno: the process is gone, or may not be looked at.
 */
int process_tag_read(pid_t pid, const char *variable, char *value, size_t size);

#endif
