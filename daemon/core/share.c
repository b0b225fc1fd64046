#include "daemon/core/share.h"

void shares_init(struct shares *shares, struct share *slots, uint32_t max,
		 struct table_entry **buckets)
{
	*shares = (struct shares){.slots = slots, .max = max};
	table_init(&shares->table, buckets, table_buckets(max));
}

static uint64_t key_of(uint32_t place, uint32_t user)
{
	return (uint64_t)place << 32 | user;
}

static struct share *find(const struct shares *shares, uint32_t place, uint32_t user)
{
	struct table_entry *entry = table_find(&shares->table, key_of(place, user));

	return entry ? container_of(entry, struct share, entry) : NULL;
}

static struct share *take_slot(struct shares *shares)
{
	struct table_entry *entry = shares->free;

	if (!entry) {
		assert(shares->used < shares->max);
		return &shares->slots[shares->used++];
	}
	shares->free = entry->next;
	return container_of(entry, struct share, entry);
}

uint32_t shares_count(const struct shares *shares, uint32_t place, uint32_t user)
{
	const struct share *share = find(shares, place, user);

	return share ? share->count : 0;
}

void shares_add(struct shares *shares, uint32_t place, uint32_t user)
{
	struct share *share = find(shares, place, user);

	if (!share) {
		share = take_slot(shares);
		share->entry.key = key_of(place, user);
		share->count = 0;
		table_add(&shares->table, &share->entry);
	}
	share->count++;
}

void shares_drop(struct shares *shares, uint32_t place, uint32_t user)
{
	struct share *share = find(shares, place, user);

	assert(share && share->count > 0);
	if (--share->count > 0)
		return;
	table_remove(&shares->table, &share->entry);
	share->entry.next = shares->free;
	shares->free = &share->entry;
}
