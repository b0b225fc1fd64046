/*
 * Marks: variables in a process's environment that say whose it is, for its whole life and for all
 * that it starts.
 *
 * POOLD_INSTANCE names the daemon, POOLD_LIFE one life of one worker of it.
 */
#ifndef POOLD_IO_MARK_H
#define POOLD_IO_MARK_H

#include "protocol/base.h"

#include <sys/types.h>

#define MARK_INSTANCE "POOLD_INSTANCE"
#define MARK_LIFE     "POOLD_LIFE"

/* Bytes of a daemon's name (32 hexadecimal digits), of a life's, and their ends. */
#define MARK_INSTANCE_SIZE 33
#define MARK_LIFE_SIZE	   64

/* Draws a name for this daemon.  Returns 0 or -EIO. */
int mark_draw(char instance[static MARK_INSTANCE_SIZE]);

/* The name of life `life` of the worker in slot `worker`. */
void mark_life(const char *instance, uint32_t worker, uint32_t life,
	       char name[static MARK_LIFE_SIZE]);

/* Takes such a name apart.  Returns 0, or -EINVAL: it is none of this instance's. */
int mark_parse_life(const char *instance, const char *name, uint32_t *ret_worker,
		    uint32_t *ret_life);

/*
 * Reads a variable of the environment that a process was started with, cut at `size` bytes.
 * Returns 1; 0 when it has none of that name, as a process has while it begins another program; or
 * -errno: it is gone, or may not be looked at.
 */
int mark_read(pid_t pid, const char *variable, char *value, size_t size);

#endif
