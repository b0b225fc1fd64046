/*
 * Orphans: processes that a worker or a fork server has started and left behind.  The daemon is the
 * nearest subreaper, so it becomes their parent, and has to take their exit statuses.
 */
#ifndef POOLD_IO_ORPHANS_H
#define POOLD_IO_ORPHANS_H

#include "daemon/io/loop.h"

#include <sys/types.h>

struct orphans {
	struct event child_event;
	struct event again_event;
	/* Whether that child is waited for by somebody else, or may be. */
	bool (*is_awaited)(void *owner, pid_t pid);
	void *owner;
};

/* From now on, orphans come to this process, and are reaped when they have ended.  Returns 0 or
 * -errno. */
int orphans_watch(struct orphans *orphans, struct loop *loop,
		  bool (*is_awaited)(void *owner, pid_t pid), void *owner);
void orphans_unwatch(struct orphans *orphans);

#endif
