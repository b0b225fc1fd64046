/*
 * An intrusive min-heap of points in time: every deadline of the core stands in one.
 *
 * Four children to a node, with their times beside the pointers: the children of a node fill one
 * cache line, so going down a level costs one access to memory.  An entry knows its place, so
 * changing or dropping a deadline is O(log n) with no search.  The array of pointers is the
 * caller's and never grows.
 */
#ifndef POOLD_CORE_HEAP_H
#define POOLD_CORE_HEAP_H

#include "protocol/base.h"

#define HEAP_NONE UINT32_MAX

struct heap_entry {
	usec_t at;
	uint32_t index; /* HEAP_NONE while in no heap */
};

struct heap_place {
	usec_t at;
	struct heap_entry *entry;
};

struct heap {
	struct heap_place *places;
	uint32_t len;
	uint32_t capacity;
};

void heap_init(struct heap *heap, struct heap_place *places, uint32_t capacity);
void heap_entry_init(struct heap_entry *entry);

/* Puts the entry at `at`, wherever it was before; USEC_INFINITY takes it out. */
void heap_set(struct heap *heap, struct heap_entry *entry, usec_t at);
void heap_remove(struct heap *heap, struct heap_entry *entry);

/* The earliest entry, or NULL. */
struct heap_entry *heap_first(const struct heap *heap);

/* When the earliest entry is due, or USEC_INFINITY. */
usec_t heap_next(const struct heap *heap);

#endif
