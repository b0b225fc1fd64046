#include "daemon/io/driver/rights.h"

#include "daemon/io/base/log.h"
#include "daemon/io/driver/caller.h"
#include "daemon/io/driver/state.h"
#include "daemon/io/worker/ancestry.h"
#include "daemon/io/worker/forkserver.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- groups --- */

static int add_group(struct rights *rights, gid_t gid, uint64_t *ret_mask)
{
	unsigned i = 0;

	while (i < rights->group_count && rights->groups[i] != gid)
		i++;
	if (i == RIGHTS_GROUPS_MAX) {
		log_error("call_group, admin_group and critical_group name more than %d groups",
			  RIGHTS_GROUPS_MAX);
		return -E2BIG;
	}
	rights->groups[i] = gid;
	rights->group_count += i == rights->group_count;
	*ret_mask = UINT64_C(1) << i;
	return 0;
}

/* A group that does not exist has no members; that it does not is logged once.  `pool`: whose option
 * it is; NULL: the daemon's. */
static int find_group(struct rights *rights, const char *pool, const char *option, const char *name,
		      struct right *ret)
{
	struct group *group = *name ? getgrnam(name) : NULL;

	*ret = (struct right){.is_set = *name != '\0'};
	if (group)
		return add_group(rights, group->gr_gid, &ret->group);
	if (*name)
		log_warning("%s%s%s%s = %s: there is no such group", pool ? "[pool " : "",
			    pool ? pool : "", pool ? "] " : "", option, name);
	return 0;
}

int rights_init(struct rights *rights, const struct config *config)
{
	int r;

	*rights = (struct rights){.since = ancestry_now()};
	rights->pools = calloc(config->pool_count + 1, sizeof(*rights->pools));
	if (!rights->pools)
		return -ENOMEM;
	r = find_group(rights, NULL, "admin_group", config->daemon.admin_group, &rights->admin);
	if (r == 0)
		r = find_group(rights, NULL, "critical_group", config->daemon.critical_group,
			       &rights->critical);
	if (r == 0)
		r = find_group(rights, NULL, "call_group", config->daemon.call_group,
			       &rights->call);
	for (size_t i = 0; r == 0 && i < config->pool_count; i++) {
		const struct config_pool *pool = &config->pools[i];
		struct pool_rights *its = &rights->pools[i];

		r = find_group(rights, pool->name, "admin_group", pool->admin_group, &its->admin);
		if (r == 0)
			r = find_group(rights, pool->name, "call_group", pool->call_group,
				       &its->call);
		if (!its->call.is_set)
			its->call = rights->call;
		rights->admins |= its->admin.group;
	}
	rights->admins |= rights->admin.group;
	return r;
}

void rights_done(struct rights *rights)
{
	free(rights->pools);
	*rights = (struct rights){0};
}

/* --- workers' processes --- */

/* Whether the pool of the child, a worker or a fork server, lets its processes control. */
static bool may_child_control(const struct driver *driver, pid_t child)
{
	for (uint32_t i = 0; i < driver->life_count; i++)
		if (driver->lives[i].process.pid == child)
			return driver_pool_config(driver, engine_worker_pool(driver->engine, i))
				->control;
	for (size_t i = 0; i < driver->config->pool_count; i++)
		if (driver->forkservers[i].process.pid == child)
			return driver->config->pools[i].control;
	/* Nobody knows any more which worker left it behind. */
	return false;
}

/* Whether workers may run as that user. */
static bool is_of_workers(const struct driver *driver, uint32_t uid)
{
	if (uid == geteuid())
		return true;
	for (size_t i = 0; i < driver->config->pool_count; i++) {
		const struct identity *identity = &driver->confine.identities[i];

		if (identity->has_user && identity->uid == uid)
			return true;
	}
	return false;
}

static bool has_ended(int pidfd)
{
	struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};

	return pidfd < 0 || poll(&poll_fd, 1, 0) != 0;
}

/* Whether it is, or comes from, a worker whose pool does not let it control.  Where that can't be
 * known, it is taken for one if workers may have its user. */
static bool is_barred_worker(const struct driver *driver, const struct caller *caller, int pidfd)
{
	pid_t child;
	int r;

	/* It is in a process namespace that is none of the daemon's, nor below. */
	if (caller->pid == 0)
		return false;
	r = ancestry_find(caller->pid, driver->rights.since, &child);
	if (r == 1 && may_child_control(driver, child) && !has_ended(pidfd))
		return false;
	if (r == 0)
		r = cgroups_has(&driver->confine.cgroups, caller->pid);
	if (r == 0 && has_ended(pidfd))
		r = -ESRCH;
	return r < 0 ? is_of_workers(driver, caller->uid) : r > 0;
}

bool rights_has_claim(const struct driver *driver, const struct caller *caller)
{
	return caller->uid == 0 || caller->uid == geteuid() ||
	       (caller->groups & driver->rights.admins);
}

void rights_decide(const struct driver *driver, struct caller *caller, int pidfd)
{
	caller->is_barred =
		rights_has_claim(driver, caller) && is_barred_worker(driver, caller, pidfd);
	caller->may_control = !caller->is_barred && (caller->uid == 0 || caller->uid == geteuid() ||
						     (caller->groups & driver->rights.admin.group));
	caller->may_be_critical =
		caller->may_control || (caller->groups & driver->rights.critical.group);
}

/* --- questions --- */

bool rights_may_control_pool(const struct driver *driver, const struct caller *caller,
			     uint32_t pool)
{
	if (pool == NO_SLOT)
		return caller->may_control;
	return caller->may_control ||
	       (!caller->is_barred && (caller->groups & driver->rights.pools[pool].admin.group));
}

bool rights_may_control_call(const struct driver *driver, const struct caller *caller,
			     const struct call *call)
{
	struct request_view request;

	if (rights_may_control_pool(driver, caller, call->pool))
		return true;
	engine_view_request(driver->engine, call->slot, &request);
	return rights_may_control_pool(driver, caller, request.pool);
}

bool rights_controls_something(const struct driver *driver, const struct caller *caller)
{
	return caller->may_control ||
	       (!caller->is_barred && (caller->groups & driver->rights.admins));
}

bool rights_may_call(const struct driver *driver, const struct caller *caller, uint32_t pool)
{
	const struct right *call = &driver->rights.pools[pool].call;

	if (caller->is_unknown)
		return false;
	return !call->is_set || (caller->groups & call->group) ||
	       rights_may_control_pool(driver, caller, pool);
}

bool rights_may_see(const struct driver *driver, const struct caller *caller,
		    const struct audience *audience)
{
	if (rights_may_control_pool(driver, caller, audience->pool))
		return true;
	if (audience->uid != RIGHTS_NO_UID && caller->uid == audience->uid)
		return true;
	return audience->is_for_callers && audience->pool != NO_SLOT &&
	       rights_may_call(driver, caller, audience->pool);
}

void rights_say_why_not_call(const struct driver *driver, uint32_t pool, char *out, size_t size)
{
	const struct config_pool *config = driver_pool_config(driver, pool);
	bool is_own = *config->call_group != '\0';
	bool exists = driver->rights.pools[pool].call.group != 0;

	snprintf(out, size,
		 "pool %s may be called by members of the group %s only%s (call_group%s)",
		 config->name, is_own ? config->call_group : driver->config->daemon.call_group,
		 exists ? "" : ", which does not exist", is_own ? "" : " of [daemon]");
}

void rights_say_why_not_control(const struct driver *driver, const struct caller *caller,
				uint32_t pool, char *out, size_t size)
{
	const struct config_pool *config =
		pool == NO_SLOT ? NULL : driver_pool_config(driver, pool);

	if (caller->is_barred)
		snprintf(out, size,
			 "a worker, and what it starts, may not do that unless its pool says "
			 "control = yes");
	else if (config && *config->admin_group)
		snprintf(out, size,
			 "only root, the daemon's own user, members of admin_group and, for pool "
			 "%s, "
			 "members of its admin_group %s may do that",
			 config->name, config->admin_group);
	else
		snprintf(out, size,
			 "only root, the daemon's own user and members of admin_group may do that");
}
