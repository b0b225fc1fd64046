#include "daemon/core/waiting.h"

void waiting_init(struct waiting *waiting)
{
	*waiting = (struct waiting){.ranks = {0}};
	list_init(&waiting->list);
}

void waiting_add(struct waiting *waiting, struct request *request)
{
	list_push_back(&waiting->list, &request->in_queue);
	waiting->ranks[request->rank]++;
}

void waiting_remove(struct waiting *waiting, struct request *request)
{
	assert(waiting->ranks[request->rank] > 0);
	list_remove(&waiting->list, &request->in_queue);
	waiting->ranks[request->rank]--;
}

struct request *waiting_first(const struct waiting *waiting)
{
	struct list_node *node = list_first(&waiting->list);

	return node ? list_entry(node, struct request, in_queue) : NULL;
}

struct request *waiting_take(struct waiting *waiting)
{
	struct request *first = waiting_first(waiting);

	if (!first)
		return NULL;
	waiting_remove(waiting, first);
	for (unsigned i = 0; i < first->rank; i++)
		if (waiting->ranks[i] > 0)
			first->rank = (enum priority)i;
	return first;
}

void waiting_rank(struct waiting *waiting, struct request *request, enum priority rank)
{
	assert(waiting->ranks[request->rank] > 0);
	waiting->ranks[request->rank]--;
	request->rank = rank;
	waiting->ranks[rank]++;
}
