#include "daemon/io/frontend/frontend.h"

#include "daemon/io/frontend/connection.h"
#include "daemon/io/frontend/shortage.h"

void frontend_init(struct frontend *frontend, struct driver *driver, void (*on_place)(void *owner),
		   void *owner)
{
	*frontend = (struct frontend){.driver = driver, .on_place = on_place, .owner = owner};
	frontend->evicted_limit.per_second = frontend->refused_limit.per_second = 1;
	list_init(&frontend->connections);
	list_init(&frontend->users);
	shortage_watch(frontend);
}

void frontend_close(struct frontend *frontend)
{
	struct list_node *node, *after;

	list_for_each_safe (node, after, &frontend->connections)
		connection_close(list_entry(node, struct connection, in_connections),
				 CALLER_END_shutdown);
}

void frontend_notify_closing(struct frontend *frontend)
{
	struct list_node *node;

	list_for_each (node, &frontend->connections)
		connection_notify_closing(list_entry(node, struct connection, in_connections));
}

void frontend_finish(struct frontend *frontend)
{
	struct list_node *node, *after;

	list_for_each_safe (node, after, &frontend->connections)
		connection_end(list_entry(node, struct connection, in_connections));
}
