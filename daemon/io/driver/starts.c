#include "daemon/io/driver/starts.h"

#include "daemon/io/worker/life.h"

void starts_init(struct starts *starts)
{
	*starts = (struct starts){.next = 0};
	list_init(&starts->waiting);
}

void starts_add(struct starts *starts, struct life *life)
{
	list_push_back(&starts->waiting, &life->in_starts);
}

bool starts_drop(struct starts *starts, struct life *life)
{
	if (!list_linked(&life->in_starts))
		return false;
	list_remove(&starts->waiting, &life->in_starts);
	return true;
}

struct life *starts_take(struct starts *starts, usec_t now)
{
	struct list_node *node = list_first(&starts->waiting);

	if (!node || now < starts->next)
		return NULL;
	list_remove(&starts->waiting, node);
	return list_entry(node, struct life, in_starts);
}

void starts_pause(struct starts *starts, usec_t begin, usec_t end)
{
	starts->next = usec_add(end, usec_sub(end, begin));
}

usec_t starts_deadline(const struct starts *starts)
{
	return list_empty(&starts->waiting) ? USEC_INFINITY : starts->next;
}
