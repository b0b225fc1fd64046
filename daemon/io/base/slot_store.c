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
	/* Only what bytes_copy made comes here: the const is for all others who see it. */
	union {
		const uint8_t *seen;
		uint8_t *owned;
	} data = {bytes->data};

	free(data.owned);
	*bytes = (struct bytes){0};
}

int slot_store_init(struct slot_store *slot_store, uint32_t count)
{
	*slot_store = (struct slot_store){
		.slots = calloc((size_t)count + 1, sizeof(*slot_store->slots)), .count = count};
	return slot_store->slots ? 0 : -ENOMEM;
}

void slot_store_done(struct slot_store *slot_store)
{
	for (uint32_t i = 0; slot_store->slots && i < slot_store->count; i++)
		slot_store_drop(slot_store, i);
	free(slot_store->slots);
	*slot_store = (struct slot_store){0};
}

void slot_store_take(struct slot_store *slot_store, uint32_t slot, struct bytes bytes)
{
	assert(slot < slot_store->count);
	bytes_free(&slot_store->slots[slot]);
	slot_store->slots[slot] = bytes;
}

int slot_store_put(struct slot_store *slot_store, uint32_t slot, struct bytes bytes)
{
	struct bytes copy = bytes_copy(bytes);

	slot_store_take(slot_store, slot, copy);
	return copy.data || bytes.len == 0 ? 0 : -ENOMEM;
}

void slot_store_drop(struct slot_store *slot_store, uint32_t slot)
{
	slot_store_take(slot_store, slot, (struct bytes){0});
}

struct bytes slot_store_get(const struct slot_store *slot_store, uint32_t slot)
{
	assert(slot < slot_store->count);
	return slot_store->slots[slot];
}
