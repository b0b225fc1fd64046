/*
 * The user and groups that a pool's workers run as.  They are looked up by name before any worker
 * is started, as a lookup may take long and can't be done between clone and exec.
 */
#ifndef POOLD_IO_WORKER_IDENTITY_H
#define POOLD_IO_WORKER_IDENTITY_H

#include "daemon/io/config/config.h"

#include <sys/types.h>

struct identity {
	bool has_user;
	bool has_group; /* and groups; with a user always */
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t group_count;
	char *home; /* with a user, for its environment; else NULL */
	char *shell;
};

/*
 * Looks up the pool's user and group, and checks whether the daemon may change to them.  Returns 0;
 * -EINVAL (there is no such), -EPERM (it may not) or what is_passing knows, with the reason in words
 * in `why`.
 * The caller gives *ret to identity_done.
 */
int identity_find(const struct config_pool *pool, struct identity *ret, char *why, size_t size);
void identity_done(struct identity *identity);

/*
 * Makes the pipe that `fd` is an end of the identity's own, so that its processes may open it anew
 * by its path (/dev/stdin, /proc/self/fd/0).  NULL or without a user: nothing happens.  Where the
 * daemon may not (CAP_CHOWN), that alone is what they cannot do.
 */
void identity_give(const struct identity *identity, int fd);

/* Logs what is wrong with any pool's.  Returns 0 or the first error. */
int identity_check(const struct config *config);

#endif
