/*
 * States of sessions that a worker has handed back, until it answers the request that they came
 * from.  It does not matter whether a client still waits for that answer.
 */
#ifndef POOLD_IO_DRIVER_HANDED_H
#define POOLD_IO_DRIVER_HANDED_H

#include "protocol/base.h"

struct life;

struct handed {
	struct handed *next;
	uint32_t id;	    /* the message of the request */
	size_t len;	    /* of the state */
	struct bytes state; /* a copy (slot_store.h); empty where it is too large to be stored, or
			       where there was no memory for it */
};

/* Notes the state of message `id`, in the place of one noted before; no more than `most` bytes are
 * kept.  Returns 0, or -ENOMEM where there is no memory to note even that there is one. */
int handed_put(struct life *life, uint32_t id, struct bytes state, size_t most);

/* What is noted for message `id`, or NULL. */
struct handed *handed_find(const struct life *life, uint32_t id);

/* Forgets what is noted for message `id`, or all, as the worker has ended. */
void handed_drop(struct life *life, uint32_t id);
void handed_drop_all(struct life *life);

#endif
