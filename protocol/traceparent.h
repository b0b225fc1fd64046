/*
 * W3C Trace Context: the text that says to which trace a request belongs, and who its parent is.
 *
 *	00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *
 * version, trace id, id of the parent's span, flags; all in lower case hexadecimal digits.
 */
#ifndef POOLD_PROTOCOL_TRACEPARENT_H
#define POOLD_PROTOCOL_TRACEPARENT_H

#include "protocol/base.h"

/* Bytes of a traceparent of version 00, and of its ids, without an end. */
#define TRACEPARENT_LEN 55
#define TRACE_ID_LEN	32
#define SPAN_ID_LEN	16

/* A flag: who began the trace has it recorded. */
#define TRACEPARENT_SAMPLED 0x01

struct traceparent {
	struct bytes trace_id; /* TRACE_ID_LEN digits, a slice of the text */
	uint64_t parent;       /* never 0 */
	uint8_t flags;
};

/*
 * Reads a traceparent.  One of a later version is read as far as version 00 goes, as the standard
 * asks.  Returns 0, or -EINVAL: it is none (a version ff, an id of zeros only, capital letters, or
 * another length), and *ret is left alone.
 */
COLD int traceparent_parse(struct bytes text, struct traceparent *ret);

/* Writes it as version 00 with `span` as the parent, and the flags that version 00 knows; `out` gets
 * no zero at the end. */
void traceparent_format(const struct traceparent *traceparent, uint64_t span,
			uint8_t out[static TRACEPARENT_LEN]);

/* Writes the digits of a span id; `out` gets no zero at the end. */
void traceparent_format_span(uint64_t span, uint8_t out[static SPAN_ID_LEN]);

#endif
