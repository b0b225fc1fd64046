/*
 * Bytes that are stored for the core by the number of a slot: states of sessions, results of keys.
 *
 * The core decides what is stored and dropped, and keeps the sum within its limits.
 */
#ifndef POOLD_IO_BASE_SLOT_STORE_H
#define POOLD_IO_BASE_SLOT_STORE_H

#include "protocol/base.h"

struct slot_store {
	struct bytes *slots; /* each owns its bytes; len 0: empty */
	uint32_t count;
};

/* Returns 0 or -ENOMEM. */
int slot_store_init(struct slot_store *store, uint32_t count);
void slot_store_done(struct slot_store *store);

/* Stores a copy of the bytes in the place of what was there.  Returns 0 or -ENOMEM, and then the
 * slot is empty. */
int slot_store_put(struct slot_store *store, uint32_t slot, struct bytes bytes);

/* The same with bytes from malloc, which the store owns from now on. */
void slot_store_take(struct slot_store *store, uint32_t slot, struct bytes bytes);

void slot_store_drop(struct slot_store *store, uint32_t slot);

/* The bytes of a slot; valid until they are replaced or dropped. */
struct bytes slot_store_get(const struct slot_store *store, uint32_t slot);

/* A copy from malloc; `data` NULL: no memory (or no bytes). */
struct bytes bytes_copy(struct bytes bytes);
/* Frees a copy. */
void bytes_free(struct bytes *bytes);

#endif
