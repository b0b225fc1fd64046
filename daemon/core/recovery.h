/* What follows a failed attempt: whether the same request may be tried again.  A pure decision on
 * numbers. */
#ifndef POOLD_CORE_RECOVERY_H
#define POOLD_CORE_RECOVERY_H

#include "daemon/core/request.h"

/*
 * Whether a request whose attempt failed with `code` goes back to the queue.
 *
 * What never ran always may.  What may have run needs all of: the request is idempotent, the matrix
 * and the request's own max_attempts leave a further attempt, and it has not taken more than
 * `max_crash_retries` workers down with it.
 */
bool recovery_may_retry(const struct request *request, enum errcode code, enum executed executed,
			unsigned max_crash_retries);

#endif
