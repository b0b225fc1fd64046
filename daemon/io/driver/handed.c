#include "daemon/io/driver/handed.h"

#include "daemon/io/base/slot_store.h"
#include "daemon/io/worker/life.h"

#include <errno.h>
#include <stdlib.h>

struct handed *handed_find(const struct life *life, uint32_t id)
{
	struct handed *handed = life->handed;

	while (handed && handed->id != id)
		handed = handed->next;
	return handed;
}

int handed_put(struct life *life, uint32_t id, struct bytes state, size_t most)
{
	struct handed *handed = handed_find(life, id);

	if (!handed) {
		handed = malloc(sizeof(*handed));
		if (!handed)
			return -ENOMEM;
		*handed = (struct handed){.next = life->handed, .id = id};
		life->handed = handed;
	}
	bytes_free(&handed->state);
	handed->len = state.len;
	if (state.len <= most)
		handed->state = bytes_copy(state);
	return 0;
}

void handed_drop(struct life *life, uint32_t id)
{
	struct handed **link = &life->handed, *handed;

	while ((handed = *link) && handed->id != id)
		link = &handed->next;
	if (!handed)
		return;
	*link = handed->next;
	bytes_free(&handed->state);
	free(handed);
}

void handed_drop_all(struct life *life)
{
	while (life->handed)
		handed_drop(life, life->handed->id);
}
