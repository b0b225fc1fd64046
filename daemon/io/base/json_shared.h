/* What reading and writing JSON share. */
#ifndef POOLD_IO_BASE_JSON_SHARED_H
#define POOLD_IO_BASE_JSON_SHARED_H

#include "protocol/buf.h"

/* What arrays, objects and their parts add to the weight of a text (JSON_WEIGHT_MAX). */
#define JSON_WEIGHT_ARRAY  3
#define JSON_WEIGHT_OBJECT 8
#define JSON_WEIGHT_COMMA  1
#define JSON_WEIGHT_COLON  3

/* The key of a map: where it lies in the map's bytes. */
struct json_key {
	size_t at;
	uint32_t len;
	uint32_t hash;
};

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

/* How many bytes at the beginning are ASCII that stands for itself in a JSON string: no control
 * characters, quotes and backslashes. */
size_t json_plain_prefix(const uint8_t *data, size_t len);

#endif
