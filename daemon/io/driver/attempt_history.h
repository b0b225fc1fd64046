/*
 * A request's attempt history: how its attempts failed, in words, and what the worker said of the
 * last of them.  Only a request of which an attempt has failed has one.
 */
#ifndef POOLD_IO_DRIVER_ATTEMPT_HISTORY_H
#define POOLD_IO_DRIVER_ATTEMPT_HISTORY_H

#include "daemon/io/config/config.h"
#include "protocol/error.h"

/* Attempts that it holds; of more, the first ones and the last. */
#define ATTEMPT_HISTORY_MAX	8
#define ATTEMPT_HISTORY_MESSAGE 160

struct attempt_history {
	struct error_attempt attempts[ATTEMPT_HISTORY_MAX];
	char messages[ATTEMPT_HISTORY_MAX][ATTEMPT_HISTORY_MESSAGE];
	char pools[ATTEMPT_HISTORY_MAX][CONFIG_NAME_MAX + 1];
	size_t count;
	usec_t delay;	     /* before the attempt that runs now */
	struct bytes detail; /* of the last one that failed: a copy (slot_store.h) */
};

/* Adds an attempt that failed; makes the history when there is none.  Nothing in it points into the
 * error.  Without memory nothing is added, and the answer says less. */
void attempt_history_add(struct attempt_history **history, const struct error *error,
			 usec_t started);

/* Takes NULL. */
void attempt_history_free(struct attempt_history *history);

#endif
