/*
 * Events of the kind `span` (PROTOCOL.md, "spans"): one for each request of a W3C trace that is over,
 * if it is sampled or has failed, with its attempts.
 *
 * Clients choose what is sampled, so there are SPANS_PER_SECOND of them at most; each says how many
 * were left out before it.
 */
#ifndef POOLD_IO_DRIVER_SPAN_H
#define POOLD_IO_DRIVER_SPAN_H

#include "protocol/base.h"

struct call;
struct caller;
struct driver;
struct effect;
struct error;
struct trace;

#define SPANS_PER_SECOND 1000

/* The call is over with this EFFECT_RESULT or EFFECT_DROP. */
void span_of_answer(struct driver *driver, const struct call *call, const struct effect *effect);

/* The call is over with this EFFECT_ERROR; the error is what its caller got. */
void span_of_failure(struct driver *driver, const struct call *call, const struct effect *effect,
		     const struct error *error);

/* A request of the caller was refused with this error before it became a call.  `pool`: that it
 * named; NO_SLOT: none that exists. */
void span_of_refusal(struct driver *driver, const struct caller *caller, uint32_t pool,
		     const struct trace *trace, const struct error *error);

#endif
