/*
 * Names that clients give: of sessions, of idempotency keys, of methods with a breaker of their
 * own.
 *
 * An intrusive hash table on buckets of the caller's.  A name is at most NAME_LEN_MAX bytes of any
 * kind, compared as bytes, within a scope (0 where there is only one).  The hash is seeded, so that
 * a client can't choose names that all fall into one bucket.
 */
#ifndef POOLD_CORE_NAMES_H
#define POOLD_CORE_NAMES_H

#include "protocol/base.h"

#define NAME_LEN_MAX 128

struct name {
	struct name *next; /* in its bucket */
	uint32_t bucket;
	uint32_t scope;
	uint8_t len;
	uint8_t text[NAME_LEN_MAX];
};

struct names {
	struct name **buckets;
	uint32_t mask;
	uint64_t seed;
};

/* How many buckets a table for `count` names wants: a power of two. */
uint32_t names_buckets(uint32_t count);

/* An empty table on `count` buckets, a power of two. */
void names_init(struct names *names, struct name **buckets, uint32_t count, uint64_t seed);

/* The name in the table, or NULL. */
struct name *names_find(const struct names *names, uint32_t scope, struct bytes text);

/* Takes the name in: `name` is the caller's and not in the table, the text fits and is not in it
 * yet. */
void names_add(struct names *names, struct name *name, uint32_t scope, struct bytes text);

void names_remove(struct names *names, struct name *name);

static inline struct bytes name_text(const struct name *name)
{
	return (struct bytes){name->text, name->len};
}

#endif
