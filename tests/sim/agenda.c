#include "tests/sim/agenda.h"

#include <stdlib.h>

void agenda_clear(struct agenda *agenda)
{
	agenda->len = 0;
	agenda->order = 0;
	for (uint32_t i = 0; i < agenda->capacity; i++)
		agenda->free_slots[i] = i;
}

void agenda_free(struct agenda *agenda)
{
	free(agenda->heap);
	free(agenda->deeds);
	free(agenda->free_slots);
	*agenda = (struct agenda){0};
}

static void *grown(void *memory, size_t count, size_t size)
{
	memory = reallocarray(memory, count, size);
	if (!memory)
		abort();
	return memory;
}

static void grow(struct agenda *agenda)
{
	uint32_t capacity = agenda->capacity ? 2 * agenda->capacity : 1024;

	agenda->heap = grown(agenda->heap, capacity, sizeof(*agenda->heap));
	agenda->deeds = grown(agenda->deeds, capacity, sizeof(*agenda->deeds));
	agenda->free_slots = grown(agenda->free_slots, capacity, sizeof(*agenda->free_slots));
	for (uint32_t i = agenda->capacity; i < capacity; i++)
		agenda->free_slots[i] = i;
	agenda->capacity = capacity;
}

static bool is_before(const struct agenda_place *a, const struct agenda_place *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

/* The slots in use are those of the heap; free_slots holds the others from `len` on. */
void agenda_add(struct agenda *agenda, const struct deed *deed)
{
	struct agenda_place place;
	uint32_t i;

	if (agenda->len == agenda->capacity)
		grow(agenda);
	i = agenda->len;
	place = (struct agenda_place){deed->at, agenda->order++, agenda->free_slots[i]};
	agenda->deeds[place.slot] = *deed;
	agenda->len++;
	for (; i > 0 && is_before(&place, &agenda->heap[(i - 1) / 2]); i = (i - 1) / 2)
		agenda->heap[i] = agenda->heap[(i - 1) / 2];
	agenda->heap[i] = place;
}

usec_t agenda_next(const struct agenda *agenda)
{
	return agenda->len == 0 ? USEC_INFINITY : agenda->heap[0].at;
}

struct deed agenda_take(struct agenda *agenda)
{
	uint32_t slot = agenda->heap[0].slot;
	struct agenda_place last = agenda->heap[--agenda->len];
	uint32_t i = 0;

	agenda->free_slots[agenda->len] = slot;
	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= agenda->len)
			break;
		if (child + 1 < agenda->len &&
		    is_before(&agenda->heap[child + 1], &agenda->heap[child]))
			child++;
		if (is_before(&last, &agenda->heap[child]))
			break;
		agenda->heap[i] = agenda->heap[child];
		i = child;
	}
	agenda->heap[i] = last;
	return agenda->deeds[slot];
}
