/* Whose requests may have the priority `critical`: callers with may_be_critical.  Those of others run
 * as `normal`, and the log says so once for each user. */
#ifndef POOLD_IO_DRIVER_CRITICAL_H
#define POOLD_IO_DRIVER_CRITICAL_H

#include "daemon/core/request.h"

/* So many users are named in the log; further ones are not. */
#define LOWERED_MAX 64

struct caller;
struct driver;

/* The users whose requests were lowered. */
struct lowered {
	uint32_t uids[LOWERED_MAX];
	unsigned count;
};

/* Returns the priority that the caller's request gets when it asks for `wanted`. */
enum priority critical_allowed(struct driver *driver, const struct caller *caller,
			       enum priority wanted);

#endif
