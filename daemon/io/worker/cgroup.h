/*
 * A control group for each worker (cgroup v2), where a part of the tree was delegated to the
 * daemon.  It limits the worker's memory (memory.max), gives it a share of the processors
 * (cpu.weight), tells whether the kernel killed it because its memory was used up, and kills all
 * that the worker started, whatever session or process group that is in (cgroup.kill).
 *
 * The daemon's own group, BASE, becomes
 *
 *   BASE/daemon               the daemon and its guard, as a group whose subgroups have controllers
 *                             may not have processes of its own
 *   BASE/worker-SLOT-LIFE     one life of a worker
 *
 * Where there are no control groups, the other mechanisms have to do (docs/ARCHITECTURE.md).
 */
#ifndef POOLD_IO_WORKER_CGROUP_H
#define POOLD_IO_WORKER_CGROUP_H

#include "daemon/io/base/loop.h"
#include "daemon/io/config/config.h"

#include <limits.h>

#define CGROUP_NAME_MAX 48

/* Groups that are not removed yet, at most; of more the oldest are left to the daemon's next
 * start. */
#define CGROUPS_ENDING_MAX 256

struct cgroups {
	struct loop *loop;
	char base[PATH_MAX]; /* "": there are none */
	bool has_memory;     /* controllers that the workers' groups have */
	bool has_cpu;
	struct event timer;
	char ending[CGROUPS_ENDING_MAX][CGROUP_NAME_MAX];
	size_t ending_count;
	unsigned tries_left;
};

/* A worker's. */
struct cgroup {
	char name[CGROUP_NAME_MAX]; /* "": it has none */
	int procs;		    /* its cgroup.procs, until the worker was started; else -1 */
};

/*
 * The path of the group that this process is in; with `delegated` only if its service manager says
 * that it was delegated to us.  Returns 0; -ENOENT (no cgroup v2), -EPERM (not delegated), or
 * another -errno.
 */
int cgroups_find(bool delegated, char base[PATH_MAX]);

/* No groups at all. */
void cgroups_init(struct cgroups *cgroups, struct loop *loop);

/*
 * Divides the group `base`, ends what an earlier daemon left in it, and moves the processes that
 * are in it into its "daemon".  Returns 0 or -errno, and then there are no groups.
 */
int cgroups_open(struct cgroups *cgroups, const char *base);
void cgroups_close(struct cgroups *cgroups);

/*
 * Makes the group for a life of a worker, within the pool's limits as far as there are controllers.
 * Without groups it succeeds and gives none.  Returns 0 or -errno.
 */
int cgroup_make(struct cgroups *cgroups, const struct config_pool *pool, uint32_t worker,
		uint32_t life, struct cgroup *ret);

/* Closes `procs`: the worker has been started, or will not be. */
void cgroup_shut(struct cgroup *cgroup);

/* Whether the kernel killed a process of the group because its memory was used up.  Returns 1, 0,
 * or -errno: that is not known. */
int cgroup_out_of_memory(const struct cgroups *cgroups, const struct cgroup *cgroup);

/* Whether the process is in the group of one of the workers.  Returns 1, 0, or -errno: that is not
 * known.  Without groups none is. */
int cgroups_has(const struct cgroups *cgroups, pid_t pid);

/* Kills all that is in it, and removes it now or soon. */
void cgroup_end(struct cgroups *cgroups, struct cgroup *cgroup);

#endif
