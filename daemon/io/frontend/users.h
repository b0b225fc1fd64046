/* The users that have connections, and how many each has. */
#ifndef POOLD_IO_FRONTEND_USERS_H
#define POOLD_IO_FRONTEND_USERS_H

#include "protocol/list.h"

#include <stdint.h>

struct user {
	uint32_t uid;
	unsigned connections;
	struct list_node in_users;
};

/* One connection more of this user.  NULL: no memory. */
struct user *users_enter(struct list *users, uint32_t uid);

/* One fewer; with the last one the user is forgotten. */
void users_leave(struct list *users, struct user *user);

#endif
