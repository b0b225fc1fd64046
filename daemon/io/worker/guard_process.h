/*
 * What the guard does in its process (guard.h).
 *
 * It waits until the daemon is gone, which the kernel tells it by a pidfd and by the end of a
 * socket, also after SIGKILL.  Meanwhile it looks at the system's processes once a second, or as
 * seldom as keeps that below one percent of a processor, and remembers all descendants of the
 * daemon: since the daemon is a subreaper, that is all that its workers have ever started.
 *
 * When the daemon is gone, these are killed: what is in a control group of a worker; the
 * descendants as they were last seen; processes in a session of one of them; processes with the
 * daemon's tag in their environment (process_tag.h); and all descendants of these.  They are first
 * stopped, parents before children, until no other is found: what has been stopped starts nothing
 * and loses no child.  A process is known by its start time beside its number when it is signalled,
 * so that none is hit that got a number anew.
 */
#ifndef POOLD_IO_WORKER_GUARD_PROCESS_H
#define POOLD_IO_WORKER_GUARD_PROCESS_H

#include "daemon/io/worker/process_stat.h"

/* Bytes on the socket. */
#define GUARD_BEAT     'b' /* from the daemon; the guard answers with the same */
#define GUARD_FAREWELL 'f' /* the daemon ends in good order */
#define GUARD_GROUPS   'g' /* the daemon has made control groups */

struct guard_charge {
	pid_t daemon;
	const char *instance;		       /* the daemon's tag */
	const struct process_table *inherited; /* children of the daemon that are not its workers */
	bool has_groups;		       /* the daemon has made control groups (cgroup.h) */
	int link;			       /* the guard's end of the socket */
};

/* Never returns: the process ends. */
_Noreturn void guard_process_run(const struct guard_charge *charge);

#endif
