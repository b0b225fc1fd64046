#include "daemon/io/driver/starts.h"

#include "daemon/io/driver/driver.h"
#include "daemon/io/driver/effects.h"

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

void starts_turn(struct driver *driver)
{
	struct starts *starts = &driver->starts;
	struct list_node *node = list_first(&starts->waiting);
	usec_t begin;

	if (!node || loop_now(driver->loop) < starts->next)
		return;
	list_remove(&starts->waiting, node);
	begin = loop_clock();
	effects_start(driver, list_entry(node, struct life, in_starts));
	starts->next = usec_add(loop_clock(), usec_sub(loop_clock(), begin));
}

usec_t starts_deadline(const struct starts *starts)
{
	return list_empty(&starts->waiting) ? USEC_INFINITY : starts->next;
}
