/*
 * An intrusive min-heap of points in time.  The core keeps all its deadlines in such heaps.
 *
 * Each node has four children, and the times are stored beside the pointers: the children of a node
 * fill one cache line, so one level down costs one memory access.  An entry knows its index, so a
 * deadline is changed or removed in O(log n) without a search.  The caller owns the array
 * `places`, which never grows.
 *
 * Most deadlines come in order, as most requests have their pool's time limit.  Such entries are in
 * a sorted list instead, `line`, where adding and removing takes no search either: an entry goes
 * there if it belongs to the end of it, give or take a few.
 */
#ifndef POOLD_CORE_HEAP_H
#define POOLD_CORE_HEAP_H

#include "protocol/list.h"

#define HEAP_NONE UINT32_MAX
#define HEAP_LINE (UINT32_MAX - 1)

struct heap_entry {
	usec_t at;
	uint32_t index; /* HEAP_NONE while in no heap, HEAP_LINE while in the line */
	struct list_node in_line;
};

struct heap_place {
	usec_t at;
	struct heap_entry *entry;
};

struct heap {
	struct heap_place *places;
	uint32_t len; /* of `places` */
	uint32_t capacity;
	struct list line;
};

void heap_init(struct heap *heap, struct heap_place *places, uint32_t capacity);
void heap_entry_init(struct heap_entry *entry);

/* Adds the entry with the time `at`, or changes its time; USEC_INFINITY removes it. */
void heap_set(struct heap *heap, struct heap_entry *entry, usec_t at);
void heap_remove(struct heap *heap, struct heap_entry *entry);

/* The earliest entry, or NULL. */
struct heap_entry *heap_first(const struct heap *heap);

/* When the earliest entry is due, or USEC_INFINITY. */
usec_t heap_next(const struct heap *heap);

#endif
