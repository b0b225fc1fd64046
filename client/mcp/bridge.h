/*
 * The bridge: what an MCP client asks becomes calls of a pool, and their answers become messages to
 * the client.
 *
 *	initialize            the answer that a worker of the pool gave at its start
 *	ping                  answered here
 *	any other request     a call, in the session of this process
 *	notifications/cancelled   cancels a call; the client gets no answer to it any more
 *	any other notification    is dropped: workers get none
 *
 * Progress of a call comes as parts of its answer and goes on as notifications/progress.
 */
#ifndef POOLD_MCP_BRIDGE_H
#define POOLD_MCP_BRIDGE_H

#include "client/mcp/output.h"
#include "protocol/list.h"

#include <poold.h>

struct bridge_options {
	const char *pool;
	uint64_t timeout_ms; /* of each call; 0: as configured for the pool */
	bool has_session;
};

struct bridge {
	struct bridge_options options;
	struct poold_client *client;
	struct output *output;
	struct list calls;	 /* that are not answered yet */
	char session_base[64];	 /* of the names of its sessions, one after the other */
	unsigned session_number; /* of the present one, from 1 */
	bool session_is_open;	 /* a call has named it */
};

/* The client and the output are the caller's, and outlive the bridge. */
void bridge_init(struct bridge *bridge, const struct bridge_options *options,
		 struct poold_client *client, struct output *output);
/* Forgets the calls that are not answered; the client is to be freed next. */
void bridge_done(struct bridge *bridge);

/* Takes one line from the client. */
void bridge_take(struct bridge *bridge, const char *line, size_t len);

/* Whether all calls are answered. */
bool bridge_is_idle(const struct bridge *bridge);

/* The client will ask nothing more: cancels what is not answered, answers it with an error, and
 * closes the session.  Waits for the daemon, but not for long. */
void bridge_end(struct bridge *bridge);

#endif
