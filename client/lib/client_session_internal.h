/*
 * What the files of a client's session share: client_session.c (requests: their life and their
 * time), client_session_connection.c (connections), client_session_input.c (what comes from the
 * daemon).
 */
#ifndef POOLD_LIB_CLIENT_SESSION_INTERNAL_H
#define POOLD_LIB_CLIENT_SESSION_INTERNAL_H

#include "client/lib/client_session.h"

/* Makes a request, which is in the table, and its frame, which the caller adds to the outbox.
 * -ENOMEM. */
int session_new_request(struct client_session *session, const struct client_start *start,
			struct client_request **ret_request, struct frame **ret_frame);

/* Removes the request from the table: no answer to it will come, or it has come. */
void session_release(struct client_session *session, struct client_request *request);

/* Has the request's callback called with the outcome, by client_session_deliver. */
void session_finish(struct client_session *session, struct client_request *request,
		    struct poold_reply outcome);

/* The request certainly was not executed: it is asked again when it is due; 0: that is not drawn
 * yet. */
void session_mark_refused(struct client_session *session, struct client_request *request,
			  usec_t due);

/* Takes back a request of which nothing was written, for the next connection. */
void session_hold_back(struct client_session *session, struct client_request *request);

/* Whether the daemon has nothing of it, or has refused it. */
bool session_is_untouched(const struct client_session *session,
			  const struct client_request *request);

#endif
