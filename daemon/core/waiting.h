/*
 * Requests that wait for another one, in order of arrival: for their turn in a session, or with a
 * key.  The other one takes the highest priority among them, so that none waits behind requests
 * that are less important than itself.
 */
#ifndef POOLD_CORE_WAITING_H
#define POOLD_CORE_WAITING_H

#include "daemon/core/request.h"

struct waiting {
	struct list list;
	uint32_t ranks[PRIORITY_COUNT_]; /* how many there are of each rank */
};

void waiting_init(struct waiting *waiting);

/* Adds the request at the end, or removes it. */
void waiting_add(struct waiting *waiting, struct request *request);
void waiting_remove(struct waiting *waiting, struct request *request);

/* The first request, or NULL. */
struct request *waiting_first(const struct waiting *waiting);

/* Removes the first request and returns it, with the highest rank of those that are left if that is
 * higher than its own; NULL: none waits. */
struct request *waiting_take(struct waiting *waiting);

/* Changes the rank of a request that waits. */
void waiting_rank(struct waiting *waiting, struct request *request, enum priority rank);

#endif
