/*
 * What confines workers, in one place: the users and groups that they run as, their control groups,
 * and the search for orphans.
 */
#ifndef POOLD_IO_WORKER_CONFINE_H
#define POOLD_IO_WORKER_CONFINE_H

#include "daemon/io/config/config.h"
#include "daemon/io/worker/cgroup.h"
#include "daemon/io/worker/identity.h"
#include "daemon/io/worker/orphans.h"

struct guard;

struct confine {
	struct loop *loop;
	const struct config *config;
	struct cgroups cgroups;
	struct orphans orphans;
	struct identity *identities; /* of each pool */
};

/*
 * Finds and opens all of it, and keeps a reference to `config`.  Control groups that are not to be
 * had are logged only.  `guard` is tracked by the orphans, which ask `is_living` with `owner`
 * (orphans.h).  Returns 0 or -errno; the caller calls confine_done in any case.
 */
int confine_init(struct confine *confine, struct loop *loop, const struct config *config,
		 const struct guard *guard,
		 bool (*is_living)(void *owner, uint32_t worker, uint32_t life), void *owner);
/* Call it when no worker is left. */
void confine_done(struct confine *confine);

#endif
