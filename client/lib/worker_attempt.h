/* Runs the handler of one attempt, and packs its result or error. */
#ifndef POOLD_LIB_WORKER_ATTEMPT_H
#define POOLD_LIB_WORKER_ATTEMPT_H

#include "client/lib/worker_session.h"
#include "protocol/envelope.h"
#include "protocol/errcode.h"

/*
 * Runs the handler of `method` (NULL: the worker has no such method) for the request.  Afterwards
 * its result is at the end of session->output, or session->has_failed is set and session->failure
 * holds the error map.
 */
void attempt_run(struct worker_session *session, const struct worker_method *method,
		 const struct envelope *envelope);

/* Makes the attempt fail with an error of the library itself. */
void attempt_fail(struct worker_session *session, enum errcode code, const char *type,
		  const char *message);

/* The same: `what` has `size` bytes, and the daemon takes no more than response_max. */
void attempt_fail_too_large(struct worker_session *session, const char *what, size_t size);

#endif
