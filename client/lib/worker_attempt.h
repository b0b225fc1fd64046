/* One attempt at a worker: its handler runs, and leaves a result or an error. */
#ifndef POOLD_LIB_WORKER_ATTEMPT_H
#define POOLD_LIB_WORKER_ATTEMPT_H

#include "client/lib/worker_session.h"
#include "protocol/envelope.h"
#include "protocol/errcode.h"

/*
 * Runs the handler of `method` (NULL: there is none) for the request.  Afterwards its result stands
 * at the end of the output, or session->has_failed is set and session->failure holds the error.
 */
void attempt_run(struct worker_session *session, const struct worker_method *method,
		 const struct envelope *envelope);

/* Makes the attempt fail for a reason of the library's own. */
void attempt_fail(struct worker_session *session, enum errcode code, const char *type,
		  const char *message);

#endif
