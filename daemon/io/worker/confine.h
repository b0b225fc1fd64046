/*
 * All that holds workers in, in one place: whom they run as, their control groups, and the family
 * that takes in what they leave behind.
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
 * Finds and opens it all.  What can be done without is logged where it is missing.  `guard` is
 * known to the family, which asks `is_living` with `owner` (family.h).  Returns 0 or -errno;
 * confine_done is the caller's in any case.
 */
int confine_init(struct confine *confine, struct loop *loop, const struct config *config,
		 const struct guard *guard,
		 bool (*is_living)(void *owner, uint32_t worker, uint32_t life), void *owner);
/* When no process is left that it held. */
void confine_done(struct confine *confine);

#endif
