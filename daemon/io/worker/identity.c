#include "daemon/io/worker/identity.h"

#include "daemon/io/base/passing.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUPS_MAX 65536
#define WHY_MAX	   256

static bool is_capable(unsigned capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &header, data) < 0)
		return false;
	return data[capability / 32].effective & 1u << capability % 32;
}

/* Whether the name is unknown, or could not be looked up now: errno is what the look-up set. */
static int not_found(void)
{
	return is_passing(-errno) ? -errno : -EINVAL;
}

static int find_groups(const char *user, struct identity *identity)
{
	int count = 0;

	/* There is one at least, unless there was no memory. */
	getgrouplist(user, identity->gid, NULL, &count);
	if (count < 1)
		return -ENOMEM;
	if (count > GROUPS_MAX)
		return -EINVAL;
	identity->groups = calloc((size_t)count, sizeof(*identity->groups));
	if (!identity->groups)
		return -ENOMEM;
	if (getgrouplist(user, identity->gid, identity->groups, &count) < 0)
		return -EAGAIN;
	identity->group_count = (size_t)count;
	return 0;
}

static int find_group(const char *name, struct identity *identity)
{
	const struct group *group;

	errno = 0;
	group = getgrnam(name);
	if (!group)
		return not_found();
	identity->has_group = true;
	identity->gid = group->gr_gid;
	return 0;
}

/* The group must be known when the user's groups are looked up. */
static int find_user(const char *name, struct identity *identity)
{
	const struct passwd *user;

	errno = 0;
	user = getpwnam(name);
	if (!user)
		return not_found();
	if (!identity->has_group)
		identity->gid = user->pw_gid;
	identity->has_user = identity->has_group = true;
	identity->uid = user->pw_uid;
	identity->home = strdup(user->pw_dir);
	identity->shell = strdup(user->pw_shell);
	if (!identity->home || !identity->shell)
		return -ENOMEM;
	return find_groups(name, identity);
}

/* Where the daemon runs as that user already, nothing is changed, its groups neither. */
static void drop_own_identity(struct identity *identity, const struct config_pool *pool)
{
	if (identity->has_user && identity->uid == geteuid() && !*pool->group &&
	    identity->gid == getegid())
		identity->has_user = identity->has_group = false;
}

static int check_rights(const struct identity *identity, char *why, size_t size)
{
	if (identity->has_group && !is_capable(CAP_SETGID)) {
		snprintf(why, size, "the daemon may not change groups: it is not root");
		return -EPERM;
	}
	if (identity->has_user && identity->uid != geteuid() && !is_capable(CAP_SETUID)) {
		snprintf(why, size, "the daemon may not become another user: it is not root");
		return -EPERM;
	}
	return 0;
}

int identity_find(const struct config_pool *pool, struct identity *ret, char *why, size_t size)
{
	int r = 0;

	*ret = (struct identity){0};
	if (*pool->group) {
		snprintf(why, size, "there is no group %s", pool->group);
		r = find_group(pool->group, ret);
	}
	if (r == 0 && *pool->user) {
		snprintf(why, size, "there is no user %s", pool->user);
		r = find_user(pool->user, ret);
	}
	if (r == 0 && ret->has_group && !ret->has_user) {
		ret->groups = calloc(1, sizeof(*ret->groups));
		ret->group_count = ret->groups ? 1 : 0;
		r = ret->groups ? 0 : -ENOMEM;
		if (r == 0)
			ret->groups[0] = ret->gid;
	}
	if (r == 0) {
		drop_own_identity(ret, pool);
		r = check_rights(ret, why, size);
	}
	if (is_passing(r))
		snprintf(why, size, "it cannot be looked up: %s", strerror(-r));
	if (r < 0)
		identity_done(ret);
	return r;
}

void identity_done(struct identity *identity)
{
	free(identity->groups);
	free(identity->home);
	free(identity->shell);
	*identity = (struct identity){0};
}

void identity_give(const struct identity *identity, int fd)
{
	if (identity && identity->has_user)
		(void)!fchown(fd, identity->uid, identity->gid);
}

int identity_check(const struct config *config)
{
	int first = 0;

	for (size_t i = 0; i < config->pool_count; i++) {
		const struct config_pool *pool = &config->pools[i];
		struct identity identity;
		char why[WHY_MAX];
		int r = identity_find(pool, &identity, why, sizeof(why));

		if (r < 0)
			log_error("[pool %s] %s = %s: %s", pool->name,
				  *pool->user ? "user" : "group",
				  *pool->user ? pool->user : pool->group, why);
		if (first == 0)
			first = r;
		identity_done(&identity);
	}
	return first;
}
