#include "daemon/core/heap.h"

void heap_init(struct heap *heap, struct heap_entry **entries, uint32_t capacity)
{
	*heap = (struct heap){.entries = entries, .len = 0, .capacity = capacity};
}

void heap_entry_init(struct heap_entry *entry)
{
	*entry = (struct heap_entry){.at = USEC_INFINITY, .index = HEAP_NONE};
}

static void put(struct heap *heap, uint32_t index, struct heap_entry *entry)
{
	heap->entries[index] = entry;
	entry->index = index;
}

static void sift_up(struct heap *heap, struct heap_entry *entry)
{
	uint32_t i = entry->index;

	while (i > 0) {
		uint32_t parent = (i - 1) / 2;

		if (heap->entries[parent]->at <= entry->at)
			break;
		put(heap, i, heap->entries[parent]);
		i = parent;
	}
	put(heap, i, entry);
}

static void sift_down(struct heap *heap, struct heap_entry *entry)
{
	uint32_t i = entry->index;

	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= heap->len)
			break;
		if (child + 1 < heap->len &&
		    heap->entries[child + 1]->at < heap->entries[child]->at)
			child++;
		if (entry->at <= heap->entries[child]->at)
			break;
		put(heap, i, heap->entries[child]);
		i = child;
	}
	put(heap, i, entry);
}

void heap_remove(struct heap *heap, struct heap_entry *entry)
{
	uint32_t index = entry->index;
	struct heap_entry *last;

	if (index == HEAP_NONE)
		return;
	last = heap->entries[--heap->len];
	entry->index = HEAP_NONE;
	if (last == entry)
		return;
	put(heap, index, last);
	sift_up(heap, last);
	sift_down(heap, last);
}

void heap_set(struct heap *heap, struct heap_entry *entry, usec_t at)
{
	if (at == USEC_INFINITY) {
		heap_remove(heap, entry);
		entry->at = at;
		return;
	}
	if (entry->index == HEAP_NONE) {
		assert(heap->len < heap->capacity);
		entry->at = at;
		put(heap, heap->len++, entry);
		sift_up(heap, entry);
		return;
	}
	if (entry->at == at)
		return;
	entry->at = at;
	sift_up(heap, entry);
	sift_down(heap, entry);
}

struct heap_entry *heap_first(const struct heap *heap)
{
	return heap->len == 0 ? NULL : heap->entries[0];
}

usec_t heap_next(const struct heap *heap)
{
	return heap->len == 0 ? USEC_INFINITY : heap->entries[0]->at;
}
