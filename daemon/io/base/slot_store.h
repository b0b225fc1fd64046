/*
 * Bytes that are kept for the core by the number of a slot: states of sessions, answers of keys.
 *
 * The core says what is kept and what is dropped, and holds their sum to its limits; here they lie.
 */
#ifndef POOLD_IO_BASE_SLOT_STORE_H
#define POOLD_IO_BASE_SLOT_STORE_H

#include "protocol/base.h"

struct slot_store {
	struct bytes *slots; /* each owns its bytes; len 0: empty */
	uint32_t count;
};

/* Returns 0 or -ENOMEM. */
int slot_store_init(struct slot_store *slot_store, uint32_t count);
void slot_store_done(struct slot_store *slot_store);

/* Keeps a copy of the bytes in the place of what was there.  Returns 0 or -ENOMEM, and then the
 * slot is empty. */
int slot_store_put(struct slot_store *slot_store, uint32_t slot, struct bytes bytes);

/* The same with bytes from malloc, which are the vault's from now on. */
void slot_store_take(struct slot_store *slot_store, uint32_t slot, struct bytes bytes);

void slot_store_drop(struct slot_store *slot_store, uint32_t slot);

/* What lies there, until it is replaced or dropped. */
struct bytes slot_store_get(const struct slot_store *slot_store, uint32_t slot);

/* A copy from malloc; `data` NULL: no memory (or no bytes). */
struct bytes bytes_copy(struct bytes bytes);
/* Frees a copy. */
void bytes_free(struct bytes *bytes);

#endif
