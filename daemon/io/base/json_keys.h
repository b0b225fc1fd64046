/* The keys of maps, while they are read or written: none comes twice. */
#ifndef POOLD_IO_BASE_JSON_KEYS_H
#define POOLD_IO_BASE_JSON_KEYS_H

#include "protocol/buf.h"

/* The keys of all maps that are open, those of the innermost last. */
struct json_keys {
	struct buf list;
};

void json_keys_init(struct json_keys *keys);
void json_keys_free(struct json_keys *keys);

/* How many there are. */
size_t json_keys_count(const struct json_keys *keys);

/* Adds a key, `len` bytes of `base` from `at` on.  Returns 0 or -ENOMEM. */
int json_keys_add(struct json_keys *keys, const uint8_t *base, size_t at, uint32_t len);

/*
 * Takes the keys from number `first` on away: their map ends.  Returns one of them that comes twice
 * there, in `base`; empty with `data` NULL: none does.
 *
 * It takes no memory, and n log n comparisons at most, whatever a worker made its keys of.
 */
struct bytes json_keys_end(struct json_keys *keys, size_t first, const uint8_t *base);

#endif
