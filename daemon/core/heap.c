#include "daemon/core/heap.h"

#define CHILDREN 4

/* An entry of the line has at most so many behind it when it is added. */
#define LINE_STEPS 3

void heap_init(struct heap *heap, struct heap_place *places, uint32_t capacity)
{
	*heap = (struct heap){.places = places, .len = 0, .capacity = capacity};
	list_init(&heap->line);
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

static usec_t line_at(struct list_node *node)
{
	return list_entry(node, struct heap_entry, in_line)->at;
}

/* Puts the entry into the line.  False: it does not belong near its end. */
static bool line_up(struct heap *heap, struct heap_entry *entry, usec_t at)
{
	struct list_node *after = heap->line.head.prev;

	for (unsigned steps = 0; after != &heap->line.head && line_at(after) > at; steps++) {
		if (steps == LINE_STEPS)
			return false;
		after = after->prev;
	}
	list_insert_after(&heap->line, after, &entry->in_line);
	entry->index = HEAP_LINE;
	return true;
}

void heap_remove(struct heap *heap, struct heap_entry *entry)
{
	struct heap_place last;

	if (entry->index == HEAP_NONE)
		return;
	if (entry->index == HEAP_LINE) {
		list_remove(&heap->line, &entry->in_line);
		entry->index = HEAP_NONE;
		return;
	}
	last = heap->places[--heap->len];
	if (last.entry != entry)
		settle(heap, entry->index, last);
	entry->index = HEAP_NONE;
}

void heap_set(struct heap *heap, struct heap_entry *entry, usec_t at)
{
	struct heap_place place = {.at = at, .entry = entry};

	if (at == USEC_INFINITY || (entry->index == HEAP_LINE && entry->at != at))
		heap_remove(heap, entry);
	if (entry->index == HEAP_NONE) {
		entry->at = at;
		if (at == USEC_INFINITY || line_up(heap, entry, at))
			return;
		assert(heap->len < heap->capacity);
		sift_up(heap, heap->len++, place);
	} else if (entry->at != at) {
		entry->at = at;
		settle(heap, entry->index, place);
	}
}

struct heap_entry *heap_first(const struct heap *heap)
{
	struct list_node *node = list_first(&heap->line);
	struct heap_entry *entry = node ? list_entry(node, struct heap_entry, in_line) : NULL;

	if (heap->len > 0 && (!entry || heap->places[0].at <= entry->at))
		return heap->places[0].entry;
	return entry;
}

usec_t heap_next(const struct heap *heap)
{
	usec_t next = heap->len == 0 ? USEC_INFINITY : heap->places[0].at;

	return list_empty(&heap->line) ? next : usec_min(next, line_at(heap->line.head.next));
}
