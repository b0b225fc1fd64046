/*
 * The daemon's children beyond those that it started: what workers leave behind.
 *
 * A process that loses its parent becomes the daemon's child (PR_SET_CHILD_SUBREAPER), whatever
 * session or group it went to.  Such a one is reaped when it ends; and when a worker has ended,
 * those that carry its mark (mark.h) are killed, and those that carry none, until none is left:
 * what they started comes to the daemon in its turn.  What belongs to a worker that lives is left
 * alone, and so are children that the daemon had before, from whoever became it.
 *
 * A child that somebody waits for himself must be known here from its birth until it was reaped.
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
	pid_t *tracked; /* in order */
	size_t tracked_count;
	size_t tracked_room;
	pid_t *inherited; /* children that were there before, in order */
	size_t inherited_count;
	pid_t *suspects; /* found without a mark once in this sweep, in order */
	size_t suspect_count;
	size_t suspect_room;
	size_t next;	      /* where it goes on, when there were too many for one step */
	bool found;	      /* something to kill, since it was at the first of them */
	unsigned sweeps_left; /* 0: none is under way */
	unsigned pauses;
	uint64_t killed; /* so far */
};

/*
 * Begins to adopt and to reap.  `instance` is the daemon's name (mark.h) and stays the caller's;
 * `is_living` says whether that life of a worker goes on.  Returns 0 or -errno.
 */
int orphans_init(struct orphans *orphans, struct loop *loop, const char *instance,
		 bool (*is_living)(void *owner, uint32_t worker, uint32_t life), void *owner);
void orphans_done(struct orphans *orphans);

/* A child that is waited for elsewhere; until it is forgotten it is neither reaped nor killed here.
 * Returns 0 or -ENOMEM. */
int orphans_track(struct orphans *orphans, pid_t pid);
void orphans_untrack(struct orphans *orphans, pid_t pid);

/* Somebody else starts processes for us, which become our children before we know their numbers:
 * until as many holds have ended as were begun, none that is not known is reaped.  (That they are
 * not killed either their mark sees to.) */
void orphans_pause(struct orphans *orphans, bool begins);

/* A worker has ended: kills what it left behind, now and until it is gone. */
void orphans_sweep(struct orphans *orphans);

#endif
