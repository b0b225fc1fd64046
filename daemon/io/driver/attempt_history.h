/*
 * A request's trail: what became of its attempts that failed, in words, and the worker's own words
 * for the last of them.  Only a request that has failed once has one.
 */
#ifndef POOLD_IO_DRIVER_ATTEMPT_HISTORY_H
#define POOLD_IO_DRIVER_ATTEMPT_HISTORY_H

#include "protocol/error.h"

/* Attempts that are told one by one; of more, the first ones and the last. */
#define ATTEMPT_HISTORY_MAX	8
#define ATTEMPT_HISTORY_MESSAGE 160

struct attempt_history {
	struct error_attempt attempts[ATTEMPT_HISTORY_MAX];
	char messages[ATTEMPT_HISTORY_MAX][ATTEMPT_HISTORY_MESSAGE];
	size_t count;
	usec_t delay;	     /* before the attempt that runs now */
	struct bytes detail; /* of the last one that failed: a copy (vault.h) */
};

/* Notes an attempt that failed; makes the trail when there is none.  Without memory nothing is
 * noted, and the answer says less. */
void attempt_history_add(struct attempt_history **attempt_history, const struct error *error,
			 usec_t started);

/* Takes NULL. */
void attempt_history_free(struct attempt_history *attempt_history);

#endif
