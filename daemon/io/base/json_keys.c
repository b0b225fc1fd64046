#include "daemon/io/base/json_keys.h"

#include <errno.h>
#include <string.h>

/* Up to so many keys are compared each with each. */
#define FEW_KEYS 8

/* The key of a map: where it lies in the map's bytes. */
struct json_key {
	size_t at;
	uint32_t len;
	uint32_t hash;
};

void json_keys_init(struct json_keys *keys)
{
	buf_init(&keys->list, SIZE_MAX);
}

void json_keys_free(struct json_keys *keys)
{
	buf_free(&keys->list);
}

size_t json_keys_count(const struct json_keys *keys)
{
	return keys->list.len / sizeof(struct json_key);
}

/* FNV-1a.  It only makes comparisons cheap: keys with one hash cost time, but no more than keys
 * with one beginning would without it. */
static uint32_t hash_of(const uint8_t *data, size_t len)
{
	uint32_t hash = 2166136261;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ data[i]) * 16777619;
	return hash;
}

int json_keys_add(struct json_keys *keys, const uint8_t *base, size_t at, uint32_t len)
{
	const struct json_key key = {.at = at, .len = len, .hash = hash_of(base + at, len)};

	buf_put(&keys->list, &key, sizeof(key));
	return buf_error(&keys->list) < 0 ? -ENOMEM : 0;
}

static int compare(const struct json_key *a, const struct json_key *b, const uint8_t *base)
{
	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return a->len > 0 ? memcmp(base + a->at, base + b->at, a->len) : 0;
}

/* Lets the key at `at` sink to its place in the heap of the first `count` keys. */
static void sink(struct json_key *keys, size_t count, size_t at, const uint8_t *base)
{
	const struct json_key key = keys[at];

	for (size_t child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && compare(&keys[child], &keys[child + 1], base) < 0)
			child++;
		if (compare(&key, &keys[child], base) >= 0)
			break;
		keys[at] = keys[child];
	}
	keys[at] = key;
}

/* A heap sort: qsort takes memory, and where that is refused, the square of the time. */
static void sort(struct json_key *keys, size_t count, const uint8_t *base)
{
	for (size_t i = count / 2; i-- > 0;)
		sink(keys, count, i, base);
	for (size_t left = count; left-- > 1;) {
		const struct json_key largest = keys[0];

		keys[0] = keys[left];
		keys[left] = largest;
		sink(keys, left, 0, base);
	}
}

static const struct json_key *find_twin_among_few(const struct json_key *keys, size_t count,
						  const uint8_t *base)
{
	for (size_t i = 1; i < count; i++)
		for (size_t j = 0; j < i; j++)
			if (compare(&keys[i], &keys[j], base) == 0)
				return &keys[i];
	return NULL;
}

static const struct json_key *find_twin(struct json_key *keys, size_t count, const uint8_t *base)
{
	if (count <= FEW_KEYS)
		return find_twin_among_few(keys, count, base);
	sort(keys, count, base);
	for (size_t i = 1; i < count; i++)
		if (compare(&keys[i - 1], &keys[i], base) == 0)
			return &keys[i];
	return NULL;
}

struct bytes json_keys_end(struct json_keys *keys, size_t first, const uint8_t *base)
{
	size_t count = json_keys_count(keys) - first;
	const struct json_key *twin = NULL;

	if (count > 1)
		twin = find_twin((struct json_key *)(void *)keys->list.data + first, count, base);
	keys->list.len = first * sizeof(struct json_key);
	return twin ? (struct bytes){base + twin->at, twin->len} : (struct bytes){0};
}
