#include "daemon/io/worker/confine.h"

#include "daemon/io/base/log.h"
#include "daemon/io/worker/guard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int find_identities(struct confine *confine)
{
	const struct config *config = confine->config;
	char why[128];
	int r = 0;

	confine->identities = calloc(config->pool_count + 1, sizeof(*confine->identities));
	if (!confine->identities)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < config->pool_count; i++)
		r = identity_find(&config->pools[i], &confine->identities[i], why, sizeof(why));
	return r;
}

/* Logs, once, which limits of pools do nothing. */
static void warn_of_idle_limits(const struct confine *confine, const char *why)
{
	for (size_t i = 0; i < confine->config->pool_count; i++) {
		const struct config_pool *pool = &confine->config->pools[i];

		if (pool->memory_max != VALUE_LIMIT_UNSET && !confine->cgroups.has_memory)
			log_warning("[pool %s] memory_max does nothing: %s", pool->name, why);
		if (pool->cpu_weight > 0 && !confine->cgroups.has_cpu)
			log_warning("[pool %s] cpu_weight does nothing: %s", pool->name, why);
	}
}

/* Prepares a control group for each worker, where the daemon may make them. */
static void open_cgroups(struct confine *confine)
{
	enum config_cgroups wanted = confine->config->daemon.cgroups;
	char base[PATH_MAX];
	int r = -EPERM;

	cgroups_init(&confine->cgroups, confine->loop);
	if (wanted != CGROUPS_NO)
		r = cgroups_find(wanted == CGROUPS_AUTO, base);
	if (r == 0)
		r = cgroups_open(&confine->cgroups, base);
	if (r < 0 && wanted == CGROUPS_YES)
		log_warning(
			"workers get no control groups, though cgroups = yes: %s (see Delegate= in "
			"the unit)",
			strerror(-r));
	if (r == 0)
		log_info("workers get control groups below %s", base);
	warn_of_idle_limits(confine,
			    r < 0 ? "workers have no control groups (see Delegate= in the unit)"
				  : "the control groups lack the controller for it");
}

int confine_init(struct confine *confine, struct loop *loop, const struct config *config,
		 const struct guard *guard,
		 bool (*is_living)(void *owner, uint32_t worker, uint32_t life), void *owner)
{
	int r;

	confine->loop = loop;
	confine->config = config_ref(config);
	r = find_identities(confine);
	if (r == 0) {
		r = orphans_init(&confine->orphans, loop, guard->instance, is_living, owner);
		if (r < 0)
			log_error("the processes that workers leave behind can't be found: %s",
				  strerror(-r));
	}
	if (r == 0 && guard->pid > 0)
		r = orphans_track(&confine->orphans, guard->pid);
	if (r < 0)
		return r;
	loop->orphans = &confine->orphans;
	open_cgroups(confine);
	return 0;
}

void confine_done(struct confine *confine)
{
	if (!confine->loop)
		return;
	cgroups_close(&confine->cgroups);
	confine->loop->orphans = NULL;
	orphans_done(&confine->orphans);
	for (size_t i = 0; confine->identities && i < confine->config->pool_count; i++)
		identity_done(&confine->identities[i]);
	free(confine->identities);
	config_unref(confine->config);
	*confine = (struct confine){0};
}
