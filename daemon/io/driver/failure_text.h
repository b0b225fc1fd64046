/* The message of a request's failed attempt: what happened, with the names and numbers that help
 * whoever reads it. */
#ifndef POOLD_IO_DRIVER_FAILURE_TEXT_H
#define POOLD_IO_DRIVER_FAILURE_TEXT_H

#include "daemon/core/engine_view.h"

#include <stddef.h>

struct call;
struct driver;
struct driver_step;
struct effect;
struct life;
struct worker_error;

/* What a message is made from; it owns nothing. */
struct failure_facts {
	const struct driver *driver;
	const struct driver_step *step; /* during which the request failed */
	const struct call *call;
	const struct effect *effect; /* EFFECT_ERROR or EFFECT_RETRY */
	struct request_view request;
	const struct life *life; /* of the worker that had it; NULL: none had */
	unsigned worker;	 /* its number, which people see; of use where there is a life */
	const char *pool;	 /* where it failed */
};

/* Writes the message to `out`, cut to `size`. */
void failure_describe(const struct failure_facts *facts, char *out, size_t size);

/* Writes the type and message that the worker gave its error. */
void failure_quote(const struct worker_error *error, char *out, size_t size);

#endif
