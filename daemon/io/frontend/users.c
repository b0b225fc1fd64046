#include "daemon/io/frontend/users.h"

#include <stdlib.h>

struct user *users_enter(struct list *users, uint32_t uid)
{
	struct list_node *node;
	struct user *user;

	list_for_each (node, users) {
		user = list_entry(node, struct user, in_users);
		if (user->uid == uid) {
			user->connections++;
			return user;
		}
	}
	user = calloc(1, sizeof(*user));
	if (!user)
		return NULL;
	user->uid = uid;
	user->connections = 1;
	list_push_back(users, &user->in_users);
	return user;
}

void users_leave(struct list *users, struct user *user)
{
	if (--user->connections > 0)
		return;
	list_remove(users, &user->in_users);
	free(user);
}
