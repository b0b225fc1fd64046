/*
 * The guard: a small process beside the daemon that kills what the daemon leaves behind, however
 * the daemon ends (guard_process.h).
 *
 * While the daemon lives, there is always one: a guard that has ended is replaced, at once or, if
 * guards end one after the other, after a delay that doubles up to GUARD_DELAY_MAX; one that could
 * not be started is tried again in the same way, for ever; and one that does not answer for
 * GUARD_SILENCE_MAX, because somebody stopped it, is killed and replaced.
 */
#ifndef POOLD_IO_WORKER_GUARD_H
#define POOLD_IO_WORKER_GUARD_H

#include "daemon/io/base/loop.h"
#include "daemon/io/worker/process_stat.h"
#include "daemon/io/worker/process_tag.h"

#include <sys/types.h>

#define GUARD_SILENCE_MAX (5 * USEC_PER_SEC)
#define GUARD_DELAY_MAX	  (8 * USEC_PER_SEC)

/* What it means that there is none, for people. */
#define GUARD_MISSED "nothing would end the workers if the daemon were killed"

struct guard {
	char instance[PROCESS_TAG_INSTANCE_SIZE]; /* the daemon's name, which every worker has in
						     its environment */
	uint64_t begun; /* when guard_start was called, as process_stat_now says it */
	bool knows_inherited;
	struct process_table inherited; /* children that the daemon had before it began */
	pid_t pid;			/* 0: none is running */
	int pidfd;			/* readable when the guard is gone */
	int link;			/* the daemon's end of a socket */
	bool has_groups;		/* the daemon has made control groups */
	int error;			/* why the last start failed, -errno; 0 */

	/* From guard_watch to guard_unwatch. */
	struct loop *loop;
	struct event gone;
	struct event beat; /* every second: asks whether the guard is there, starts another */
	void (*on_change)(void *owner);
	void *owner;
	usec_t started;
	usec_t due;	     /* when another is started */
	unsigned ends;	     /* starts that failed and guards that ended, one after the other */
	unsigned unanswered; /* beats */
	bool was_alive;	     /* as was reported */
};

/*
 * Draws a name for the daemon and starts the process.  Call it before anything is opened that the
 * guard should not keep open.  Returns 0, also when the process could not be started, which
 * guard_watch tries again; or -EIO: there is no name.
 */
int guard_start(struct guard *guard);

/* Keeps a guard alive from now on, and tells it that there are control groups (cgroup.h) if
 * `has_groups`.  `on_change` is called when guard_is_alive has changed.  Returns
 * 0 or -ENOMEM. */
int guard_watch(struct guard *guard, struct loop *loop, bool has_groups,
		void (*on_change)(void *owner), void *owner);
void guard_unwatch(struct guard *guard);

/* Whether there is a guard that answers. */
bool guard_is_alive(const struct guard *guard);

/* Lets the guard do its work and waits until it is done: no process with the tag is left.  A guard
 * that needs longer than 6 s is killed, and not waited for. */
void guard_finish(struct guard *guard);

#endif
