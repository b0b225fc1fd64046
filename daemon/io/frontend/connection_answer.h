/*
 * What the client of a connection hears: results, errors, parts, events, and the refusal of what does
 * not become a call.
 */
#ifndef POOLD_IO_FRONTEND_CONNECTION_ANSWER_H
#define POOLD_IO_FRONTEND_CONNECTION_ANSWER_H

#include "daemon/io/driver/caller.h"
#include "protocol/envelope.h"
#include "protocol/errcode.h"

struct connection;

/* What a request asked for that does not become a call, as far as that is known. */
struct asked {
	uint32_t msgid;
	uint32_t pool; /* NO_SLOT: none that exists */
	struct bytes method;
	struct bytes trace; /* these two: as the client gave them */
	struct bytes tracestate;
};

/* How calls answer to a connection. */
extern const struct caller_ops connection_caller_ops;

/* What it asked for, before its pool is known. */
struct asked asked_of(const struct envelope *envelope);

/* Answers with a packed value, which is copied. */
void connection_answer(struct connection *connection, uint32_t msgid, struct bytes value);

/* Refuses a request that does not become a call: its client gets the error, and it is reported. */
PRINTF_LIKE(4, 5)
COLD void connection_refuse(struct connection *connection, const struct asked *asked,
			    enum errcode code, const char *format, ...);

#endif
