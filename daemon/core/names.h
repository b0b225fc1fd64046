/*
 * A table of names that clients choose: of sessions, of idempotency keys, and of methods that have
 * a breaker of their own.
 *
 * It is an intrusive hash table; the caller owns the buckets and the entries.  A name has 1 to
 * NAME_LEN_MAX bytes of any value.  It belongs to a scope and, within that, to a user (each 0 where
 * there is only one): the same text of another user is another name.  The hash is seeded, so that a
 * client cannot choose names that all fall into one bucket.  It leaves out the user, so that the
 * namesakes of other users are found as well; a bucket grows by one entry for each of these users.
 */
#ifndef POOLD_CORE_NAMES_H
#define POOLD_CORE_NAMES_H

#include "protocol/base.h"

#define NAME_LEN_MAX 128

struct name {
	struct name *next; /* in its bucket */
	uint32_t bucket;
	uint32_t scope;
	uint32_t user;
	uint8_t len;
	uint8_t text[NAME_LEN_MAX];
};

struct names {
	struct name **buckets;
	uint32_t mask;
	uint64_t seed;
};

/* The number of buckets to use for `count` names: a power of two. */
uint32_t names_buckets(uint32_t count);

/* Makes an empty table of `count` buckets; `count` is a power of two. */
void names_init(struct names *names, struct name **buckets, uint32_t count, uint64_t seed);

/* The entry with this scope, user and text, or NULL. */
struct name *names_find(const struct names *names, uint32_t scope, uint32_t user,
			struct bytes text);

/* An entry with this scope and text that belongs to another user, or NULL. */
struct name *names_find_other(const struct names *names, uint32_t scope, uint32_t user,
			      struct bytes text);

/* Adds `name`, which the caller owns, with a copy of `text`.  The text has 1 to NAME_LEN_MAX bytes,
 * and the user has it not yet in this scope. */
void names_add(struct names *names, struct name *name, uint32_t scope, uint32_t user,
	       struct bytes text);

void names_remove(struct names *names, struct name *name);

static inline struct bytes name_text(const struct name *name)
{
	return (struct bytes){name->text, name->len};
}

#endif
