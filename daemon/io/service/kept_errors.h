/*
 * Keeps poold.errors over a restart: reads the file of the daemon before, and writes one a while
 * after something has changed, and at the end.
 *
 * Whatever is wrong with the directory or the file is logged, at most once an hour the same, and the
 * daemon goes on without.
 */
#ifndef POOLD_IO_SERVICE_KEPT_ERRORS_H
#define POOLD_IO_SERVICE_KEPT_ERRORS_H

#include "daemon/io/base/state_directory.h"
#include "protocol/base.h"

#include <event2/event_struct.h>

struct driver;

struct kept_errors {
	struct driver *driver;
	const char *path; /* of the directory */
	struct state_directory directory;
	struct event timer;
	uint64_t saved;	   /* the newest error in the file; 0: there is no file of ours */
	usec_t reported;   /* when the last fault was logged */
	int reported_code; /* which one; 0: there was none */
};

/* `path`: a directory, a string that must stay; "": nothing is kept.  The driver has not started. */
void kept_errors_open(struct kept_errors *kept, struct driver *driver, const char *path);

/* Writes what has changed.  Takes a struct of zeros too. */
void kept_errors_close(struct kept_errors *kept);

#endif
