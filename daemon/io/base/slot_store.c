#include "daemon/io/base/slot_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct bytes bytes_copy(struct bytes bytes)
{
	uint8_t *copy = bytes.len > 0 ? malloc(bytes.len) : NULL;

	if (!copy)
		return (struct bytes){0};
	memcpy(copy, bytes.data, bytes.len);
	return (struct bytes){copy, bytes.len};
}

void bytes_free(struct bytes *bytes)
{
	/* bytes_copy made them, so they are not const here. */
	union {
		const uint8_t *seen;
		uint8_t *owned;
	} data = {bytes->data};

	free(data.owned);
	*bytes = (struct bytes){0};
}

int slot_store_init(struct slot_store *store, uint32_t count)
{
	*store = (struct slot_store){.slots = calloc((size_t)count + 1, sizeof(*store->slots)),
				     .count = count};
	return store->slots ? 0 : -ENOMEM;
}

void slot_store_done(struct slot_store *store)
{
	for (uint32_t i = 0; store->slots && i < store->count; i++)
		slot_store_drop(store, i);
	free(store->slots);
	*store = (struct slot_store){0};
}

void slot_store_take(struct slot_store *store, uint32_t slot, struct bytes bytes)
{
	assert(slot < store->count);
	bytes_free(&store->slots[slot]);
	store->slots[slot] = bytes;
}

int slot_store_put(struct slot_store *store, uint32_t slot, struct bytes bytes)
{
	struct bytes copy = bytes_copy(bytes);

	slot_store_take(store, slot, copy);
	return copy.data || bytes.len == 0 ? 0 : -ENOMEM;
}

void slot_store_drop(struct slot_store *store, uint32_t slot)
{
	slot_store_take(store, slot, (struct bytes){0});
}

struct bytes slot_store_get(const struct slot_store *store, uint32_t slot)
{
	assert(slot < store->count);
	return store->slots[slot];
}
