/*
 * A request's trail: what became of its attempts that failed, in words, and the worker's own words
 * for the last of them.  Only a request that has failed once has one.
 */
#ifndef POOLD_IO_TRAIL_H
#define POOLD_IO_TRAIL_H

#include "protocol/error.h"

/* Attempts that are told one by one; of more, the first ones and the last. */
#define TRAIL_MAX     8
#define TRAIL_MESSAGE 160

struct trail {
	struct error_attempt attempts[TRAIL_MAX];
	char messages[TRAIL_MAX][TRAIL_MESSAGE];
	size_t count;
	usec_t delay;	     /* before the attempt that runs now */
	struct bytes detail; /* of the last one that failed: a copy (vault.h) */
};

/* Notes an attempt that failed; makes the trail when there is none.  Without memory nothing is
 * noted, and the answer says less. */
void trail_add(struct trail **trail, const struct error *error, usec_t started);

/* Takes NULL. */
void trail_free(struct trail *trail);

#endif
