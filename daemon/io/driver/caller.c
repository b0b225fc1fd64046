#include "daemon/io/driver/caller.h"

void caller_init(struct caller *caller, const struct caller_ops *ops)
{
	*caller = (struct caller){.ops = ops};
	list_init(&caller->calls);
	list_init(&caller->unread);
}
