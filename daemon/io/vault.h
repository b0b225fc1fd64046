/*
 * Bytes that are kept for the core by the number of a slot: states of sessions, answers of keys.
 *
 * The core says what is kept and what is dropped, and holds their sum to its limits; here they lie.
 */
#ifndef POOLD_IO_VAULT_H
#define POOLD_IO_VAULT_H

#include "protocol/base.h"

struct vault {
	struct bytes *slots; /* each owns its bytes; len 0: empty */
	uint32_t count;
};

/* Returns 0 or -ENOMEM. */
int vault_init(struct vault *vault, uint32_t count);
void vault_done(struct vault *vault);

/* Keeps a copy of the bytes in the place of what was there.  Returns 0 or -ENOMEM, and then the
 * slot is empty. */
int vault_put(struct vault *vault, uint32_t slot, struct bytes bytes);

/* The same with bytes from malloc, which are the vault's from now on. */
void vault_take(struct vault *vault, uint32_t slot, struct bytes bytes);

void vault_drop(struct vault *vault, uint32_t slot);

/* What lies there, until it is replaced or dropped. */
struct bytes vault_get(const struct vault *vault, uint32_t slot);

/* A copy from malloc; `data` NULL: no memory (or no bytes). */
struct bytes bytes_copy(struct bytes bytes);
/* Frees a copy. */
void bytes_free(struct bytes *bytes);

#endif
