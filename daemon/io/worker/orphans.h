/*
 * Orphans: processes that workers started and left behind.
 *
 * A process whose parent has ended becomes the daemon's child (PR_SET_CHILD_SUBREAPER), whatever
 * its session or process group.  It is reaped here when it ends.  When a worker has ended, a sweep
 * kills the orphans that have the tag of a life that is over (process_tag.h), and those that have
 * no tag, until none is left: the children of a killed orphan become the daemon's children in turn.
 * Orphans of a worker that lives are left alone.  So are inherited children: those that the process
 * had before it became the daemon (a shell may have started some and then executed poold).
 *
 * A child that other code waits for must be tracked here, from its start until it was reaped.
 */
#ifndef POOLD_IO_WORKER_ORPHANS_H
#define POOLD_IO_WORKER_ORPHANS_H

#include "daemon/io/base/loop.h"

#include <sys/types.h>

struct orphans {
	struct loop *loop;
	struct event child_event;
	struct event sweep_timer;
	const char *instance;
	bool (*is_living)(void *owner, uint32_t worker, uint32_t life);
	void *owner;
	pid_t *tracked; /* children that other code waits for, sorted */
	size_t tracked_count;
	size_t tracked_room;
	pid_t *inherited; /* children that were there before, sorted */
	size_t inherited_count;
	pid_t *suspects; /* found without a tag once in this sweep, sorted */
	size_t suspect_count;
	size_t suspect_room;
	size_t next;	     /* where the next step goes on, when there were too many for one */
	bool has_found;	     /* something to kill, since the first of them was looked at */
	unsigned steps_left; /* steps; 0: no sweep is under way */
	unsigned pauses;     /* while above 0, only tracked children are reaped */
	uint64_t killed;     /* so far */
};

/*
 * Begins to adopt and to reap.  `instance` is the daemon's name (process_tag.h) and must outlive
 * this; `is_living` says whether that life of a worker goes on.  Returns 0 or -errno.
 */
int orphans_init(struct orphans *orphans, struct loop *loop, const char *instance,
		 bool (*is_living)(void *owner, uint32_t worker, uint32_t life), void *owner);
void orphans_done(struct orphans *orphans);

/* A child that other code waits for: until orphans_untrack it is neither reaped nor killed here.
 * Returns 0 or -ENOMEM. */
int orphans_track(struct orphans *orphans, pid_t pid);
void orphans_untrack(struct orphans *orphans, pid_t pid);
bool orphans_is_tracked(const struct orphans *orphans, pid_t pid);

/*
 * Pauses the reaping of children that are not tracked, until orphans_resume was called as often: a
 * fork server starts processes that become children of the daemon before it knows their pids.
 * (They are not killed either: they have the tag of a life that goes on.)
 */
void orphans_pause(struct orphans *orphans);
void orphans_resume(struct orphans *orphans);

/* A worker has ended: kills what it left behind, now and repeatedly until nothing is left. */
void orphans_sweep(struct orphans *orphans);

#endif
