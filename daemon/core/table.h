/*
 * An intrusive hash table of numbers.  The caller owns the buckets and the entries; no operation
 * allocates or fails.
 */
#ifndef POOLD_CORE_TABLE_H
#define POOLD_CORE_TABLE_H

#include "protocol/base.h"

struct table_entry {
	struct table_entry *next; /* in its bucket */
	uint64_t key;
};

struct table {
	struct table_entry **buckets;
	uint32_t mask;
};

/* Returns the number of buckets to use for `count` entries: a power of two. */
static inline uint32_t table_buckets(uint32_t count)
{
	uint32_t buckets = 16;

	while (buckets < count && buckets < 1u << 30)
		buckets *= 2;
	return buckets;
}

/* Makes an empty table of `count` buckets; `count` is a power of two. */
static inline void table_init(struct table *table, struct table_entry **buckets, uint32_t count)
{
	assert(count > 0 && (count & (count - 1)) == 0);
	*table = (struct table){.buckets = buckets, .mask = count - 1};
	for (uint32_t i = 0; i < count; i++)
		buckets[i] = NULL;
}

static inline struct table_entry **table_bucket(const struct table *table, uint64_t key)
{
	uint64_t mixed = (key ^ key >> 32) * UINT64_C(0x9E3779B97F4A7C15);

	return &table->buckets[(uint32_t)(mixed >> 32) & table->mask];
}

/* Returns the entry with that key, or NULL. */
static inline struct table_entry *table_find(const struct table *table, uint64_t key)
{
	struct table_entry *entry = *table_bucket(table, key);

	while (entry && entry->key != key)
		entry = entry->next;
	return entry;
}

/* Adds an entry, whose key is set and in the table no other's. */
static inline void table_add(struct table *table, struct table_entry *entry)
{
	struct table_entry **bucket = table_bucket(table, entry->key);

	entry->next = *bucket;
	*bucket = entry;
}

static inline void table_remove(struct table *table, struct table_entry *entry)
{
	struct table_entry **at = table_bucket(table, entry->key);

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
}

#endif
