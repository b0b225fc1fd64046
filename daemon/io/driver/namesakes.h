/*
 * Names of sessions and keys that a second user has used.  To each user its names are its own, so
 * an application that runs as two users, and meant the same session, would find it empty: that is
 * told, once for each pair of users in the log, and in poold.doctor.
 */
#ifndef POOLD_IO_DRIVER_NAMESAKES_H
#define POOLD_IO_DRIVER_NAMESAKES_H

#include "protocol/base.h"

struct driver;
struct effect;

/* Pairs that are kept, at most; of later ones nothing is told. */
#define NAMESAKES_MAX 16

struct namesake {
	bool is_key;
	uint32_t pool;	/* of a key */
	uint32_t user;	/* who came second */
	uint32_t other; /* who had the name */
	uint64_t times;
};

struct namesakes {
	struct namesake pairs[NAMESAKES_MAX];
	unsigned count;
};

/* Takes EFFECT_NAMESAKE. */
void namesakes_take(struct driver *driver, const struct effect *effect);

#endif
