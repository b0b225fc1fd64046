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
#ifndef POOLD_IO_FAMILY_H
#define POOLD_IO_FAMILY_H

#include "daemon/io/loop.h"

#include <sys/types.h>

struct family {
	struct loop *loop;
	struct event child_event;
	struct event sweep_timer;
	const char *instance;
	bool (*is_living)(void *owner, uint32_t worker, uint32_t life);
	void *owner;
	pid_t *known; /* in order */
	size_t known_count;
	size_t known_room;
	pid_t *elders; /* children that were there before, in order */
	size_t elder_count;
	pid_t *suspects; /* found without a mark once in this sweep, in order */
	size_t suspect_count;
	size_t suspect_room;
	size_t next;	      /* where it goes on, when there were too many for one step */
	bool found;	      /* something to kill, since it was at the first of them */
	unsigned sweeps_left; /* 0: none is under way */
	unsigned holds;
	uint64_t killed; /* so far */
};

/*
 * Begins to adopt and to reap.  `instance` is the daemon's name (mark.h) and stays the caller's;
 * `is_living` says whether that life of a worker goes on.  Returns 0 or -errno.
 */
int family_init(struct family *family, struct loop *loop, const char *instance,
		bool (*is_living)(void *owner, uint32_t worker, uint32_t life), void *owner);
void family_done(struct family *family);

/* A child that is waited for elsewhere; until it is forgotten it is neither reaped nor killed here.
 * Returns 0 or -ENOMEM. */
int family_know(struct family *family, pid_t pid);
void family_forget(struct family *family, pid_t pid);

/* Somebody else starts processes for us, which become our children before we know their numbers:
 * until as many holds have ended as were begun, none that is not known is reaped.  (That they are
 * not killed either their mark sees to.) */
void family_hold(struct family *family, bool begins);

/* A worker has ended: kills what it left behind, now and until it is gone. */
void family_sweep(struct family *family);

#endif
