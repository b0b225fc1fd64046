/*
 * Watches the Python files below a folder, for `poold run --reload`.
 *
 * A file counts if its name ends with .py; hidden folders, __pycache__, node_modules and virtual
 * environments (with a pyvenv.cfg) are not watched.  The kernel reports changes (inotify), so
 * nothing is read while nothing changes.
 */
#ifndef POOLD_IO_SERVICE_WATCH_H
#define POOLD_IO_SERVICE_WATCH_H

#include "daemon/io/base/loop.h"

/* Folders that are watched at most; what lies beyond is not. */
#define WATCH_FOLDERS_MAX 1024

struct watch {
	int fd; /* -1: nothing is watched */
	struct event event;
	struct event settle_timer;
	char **folders; /* the path of each watch descriptor; NULL where there is none */
	size_t room;
	unsigned count;
	bool has_found;			/* a Python file, while folders are added */
	void (*on_change)(void *owner); /* files have changed, and for a moment no more */
	void *owner;
};

/* Begins to watch.  Returns 0 or -errno. */
int watch_open(struct watch *watch, struct loop *loop, const char *folder,
	       void (*on_change)(void *owner), void *owner);
/* Does nothing where nothing is watched. */
void watch_close(struct watch *watch);

#endif
