#include "daemon/io/vault.h"

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

int vault_init(struct vault *vault, uint32_t count)
{
	*vault = (struct vault){.slots = calloc((size_t)count + 1, sizeof(*vault->slots)),
				.count = count};
	return vault->slots ? 0 : -ENOMEM;
}

void vault_done(struct vault *vault)
{
	for (uint32_t i = 0; vault->slots && i < vault->count; i++)
		vault_drop(vault, i);
	free(vault->slots);
	*vault = (struct vault){0};
}

void vault_take(struct vault *vault, uint32_t slot, struct bytes bytes)
{
	assert(slot < vault->count);
	bytes_free(&vault->slots[slot]);
	vault->slots[slot] = bytes;
}

int vault_put(struct vault *vault, uint32_t slot, struct bytes bytes)
{
	struct bytes copy = bytes_copy(bytes);

	vault_take(vault, slot, copy);
	return copy.data || bytes.len == 0 ? 0 : -ENOMEM;
}

void vault_drop(struct vault *vault, uint32_t slot)
{
	vault_take(vault, slot, (struct bytes){0});
}

struct bytes vault_get(const struct vault *vault, uint32_t slot)
{
	assert(slot < vault->count);
	return vault->slots[slot];
}
