/*
 * Exemplars: for each bucket of a pool's published latencies the trace of the last request that fell
 * into it, so that a person finds an example of what is slow.  Only of sampled traces: of others
 * nothing is recorded that could be looked up.
 */
#ifndef POOLD_IO_DRIVER_EXEMPLAR_H
#define POOLD_IO_DRIVER_EXEMPLAR_H

#include "protocol/base.h"
#include "protocol/traceparent.h"

struct call;
struct driver;
struct effect;

/* The upper bounds of the buckets in which latencies are published, in µs; one more has no bound.
 * Each is the end of a cell of struct hist, or a little above one. */
#define LATENCY_BOUNDS 17
extern const usec_t latency_bounds[LATENCY_BOUNDS];

struct exemplar {
	uint8_t trace_id[TRACE_ID_LEN]; /* hexadecimal digits */
	usec_t value;
	usec_t at; /* since 1970; 0: there is none */
};

struct exemplars {
	struct exemplar buckets[LATENCY_BOUNDS + 1];
};

/* Replaces the exemplar of the value's bucket. */
void exemplars_put(struct exemplars *exemplars, const struct traceparent *traceparent, usec_t value,
		   usec_t at);

/* The call is over with this EFFECT_RESULT or EFFECT_ERROR. */
void exemplar_take(struct driver *driver, const struct call *call, const struct effect *effect);

#endif
