#include "daemon/core/names.h"

#include <string.h>

uint32_t names_buckets(uint32_t count)
{
	uint32_t buckets = 16;

	while (buckets < count && buckets < 1u << 30)
		buckets *= 2;
	return buckets;
}

void names_init(struct names *names, struct name **buckets, uint32_t count, uint64_t seed)
{
	assert(count > 0 && (count & (count - 1)) == 0);
	*names = (struct names){.buckets = buckets, .mask = count - 1, .seed = seed};
	for (uint32_t i = 0; i < count; i++)
		buckets[i] = NULL;
}

/* The bit mixing of splitmix64 (prng.h), applied to eight more bytes. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0xbf58476d1ce4e5b9);
	hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
	return hash ^ hash >> 31;
}

static uint32_t bucket_of(const struct names *names, uint32_t scope, struct bytes text)
{
	uint64_t hash = mix(names->seed, (uint64_t)scope << 32 | text.len);

	for (size_t at = 0; at < text.len; at += sizeof(uint64_t)) {
		size_t left = text.len - at;
		uint64_t word = 0;

		memcpy(&word, text.data + at, left < sizeof(word) ? left : sizeof(word));
		hash = mix(hash + names->seed, word);
	}
	return (uint32_t)hash & names->mask;
}

static bool is_same(const struct name *name, uint32_t scope, struct bytes text)
{
	return name->scope == scope && name->len == text.len &&
	       memcmp(name->text, text.data, text.len) == 0;
}

struct name *names_find(const struct names *names, uint32_t scope, uint32_t user, struct bytes text)
{
	struct name *name = names->buckets[bucket_of(names, scope, text)];

	while (name && (name->user != user || !is_same(name, scope, text)))
		name = name->next;
	return name;
}

struct name *names_find_other(const struct names *names, uint32_t scope, uint32_t user,
			      struct bytes text)
{
	struct name *name = names->buckets[bucket_of(names, scope, text)];

	while (name && (name->user == user || !is_same(name, scope, text)))
		name = name->next;
	return name;
}

void names_add(struct names *names, struct name *name, uint32_t scope, uint32_t user,
	       struct bytes text)
{
	assert(text.len > 0 && text.len <= NAME_LEN_MAX);
	name->scope = scope;
	name->user = user;
	name->len = (uint8_t)text.len;
	memcpy(name->text, text.data, text.len);
	name->bucket = bucket_of(names, scope, text);
	name->next = names->buckets[name->bucket];
	names->buckets[name->bucket] = name;
}

void names_remove(struct names *names, struct name *name)
{
	struct name **at = &names->buckets[name->bucket];

	while (*at != name)
		at = &(*at)->next;
	*at = name->next;
	name->next = NULL;
}
