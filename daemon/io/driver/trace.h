/*
 * To which trace a request belongs.  Where its client gave a W3C traceparent, the request has a span
 * of its own in that trace, and each attempt another one, which its worker gets as the parent of
 * what it does.  Any other text is passed on as it came.
 */
#ifndef POOLD_IO_DRIVER_TRACE_H
#define POOLD_IO_DRIVER_TRACE_H

#include "protocol/base.h"
#include "protocol/traceparent.h"

struct driver;
struct error;

struct trace {
	struct bytes text;  /* as the client gave it; empty: it gave none */
	struct bytes state; /* W3C tracestate; empty: none */
	bool is_w3c;	    /* `text` is a traceparent: */
	struct traceparent parsed;
	uint64_t span;	       /* of the request; 0 where it is none */
	uint64_t attempt_span; /* of the last attempt; 0: there was none, or there are no spans */
};

/* Reads what the client gave; the slices must last as long as the trace.  `state` belongs to a
 * traceparent, and is dropped without one. */
void trace_begin(struct driver *driver, struct trace *trace, struct bytes text, struct bytes state);

/* Begins an attempt.  Returns what the worker gets: `room`, or the client's text; or nothing. */
struct bytes trace_attempt(struct driver *driver, struct trace *trace,
			   uint8_t room[static TRACEPARENT_LEN]);

/* What people search for: the trace id of a traceparent, or the client's text as it is. */
struct bytes trace_id(const struct trace *trace);

/* Sets the error's fields. */
void trace_fill(const struct trace *trace, struct error *error);

#endif
