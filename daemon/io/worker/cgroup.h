/*
 * A control group for each worker (cgroup v2), where the daemon was given a part of the tree:
 * limits of memory, a share of the processor, the exact cause of a death by memory, and one blow
 * that ends all that the worker started, whatever it did to hide.
 *
 * The daemon's own group, BASE, becomes
 *
 *   BASE/daemon          the daemon and its guard: a group with controllers holds no processes
 * itself BASE/worker-SLOT-LIFE
 *
 * Everywhere else process groups, marks (family.h) and limits (process.h) do what they can.
 */
#ifndef POOLD_IO_WORKER_CGROUP_H
#define POOLD_IO_WORKER_CGROUP_H

#include "daemon/io/base/loop.h"
#include "daemon/io/config/config.h"

#include <limits.h>

#define CGROUP_NAME_MAX 48

/* Groups that are not gone yet, at most: of more the oldest are left to the next start. */
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
	int procs;		    /* for the worker to enter by, until it was started; else -1 */
};

/*
 * The path of the group that this process is in; with `delegated` only if its service manager says
 * that it is ours to divide.  Returns 0; -ENOENT (no cgroup v2), -EPERM (not ours), or another
 * -errno.
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

/* The worker has been started, or will not be: nobody enters any more. */
void cgroup_shut(struct cgroup *cgroup);

/* Whether the kernel killed a process of it for want of memory.  Returns 1, 0, or -errno: that is
 * not known. */
int cgroup_out_of_memory(const struct cgroups *cgroups, const struct cgroup *cgroup);

/* Kills all that is in it, and removes it now or soon. */
void cgroup_end(struct cgroups *cgroups, struct cgroup *cgroup);

#endif
