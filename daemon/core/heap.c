#include "daemon/core/heap.h"

#define CHILDREN 4

void heap_init(struct heap *heap, struct heap_place *places, uint32_t capacity)
{
	*heap = (struct heap){.places = places, .len = 0, .capacity = capacity};
}

void heap_entry_init(struct heap_entry *entry)
{
	*entry = (struct heap_entry){.at = USEC_INFINITY, .index = HEAP_NONE};
}

static void put(struct heap *heap, uint32_t index, struct heap_place place)
{
	heap->places[index] = place;
	place.entry->index = index;
}

static void sift_up(struct heap *heap, uint32_t i, struct heap_place place)
{
	while (i > 0) {
		uint32_t parent = (i - 1) / CHILDREN;

		if (heap->places[parent].at <= place.at)
			break;
		put(heap, i, heap->places[parent]);
		i = parent;
	}
	put(heap, i, place);
}

static void sift_down(struct heap *heap, uint32_t i, struct heap_place place)
{
	for (;;) {
		uint32_t child = CHILDREN * i + 1;
		uint32_t end = child + CHILDREN < heap->len ? child + CHILDREN : heap->len;
		uint32_t least = child;

		if (child >= heap->len)
			break;
		while (++child < end)
			if (heap->places[child].at < heap->places[least].at)
				least = child;
		if (place.at <= heap->places[least].at)
			break;
		put(heap, i, heap->places[least]);
		i = least;
	}
	put(heap, i, place);
}

/* Position i is free: puts `place` there, or moves it up or down to where its time belongs. */
static void settle(struct heap *heap, uint32_t i, struct heap_place place)
{
	if (i > 0 && place.at < heap->places[(i - 1) / CHILDREN].at)
		sift_up(heap, i, place);
	else
		sift_down(heap, i, place);
}

void heap_remove(struct heap *heap, struct heap_entry *entry)
{
	struct heap_place last;

	if (entry->index == HEAP_NONE)
		return;
	last = heap->places[--heap->len];
	if (last.entry != entry)
		settle(heap, entry->index, last);
	entry->index = HEAP_NONE;
}

void heap_set(struct heap *heap, struct heap_entry *entry, usec_t at)
{
	struct heap_place place = {.at = at, .entry = entry};

	if (at == USEC_INFINITY) {
		heap_remove(heap, entry);
		entry->at = at;
	} else if (entry->index == HEAP_NONE) {
		assert(heap->len < heap->capacity);
		entry->at = at;
		sift_up(heap, heap->len++, place);
	} else if (entry->at != at) {
		entry->at = at;
		settle(heap, entry->index, place);
	}
}

struct heap_entry *heap_first(const struct heap *heap)
{
	return heap->len == 0 ? NULL : heap->places[0].entry;
}

usec_t heap_next(const struct heap *heap)
{
	return heap->len == 0 ? USEC_INFINITY : heap->places[0].at;
}
