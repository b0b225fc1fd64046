/* What becomes of a request's failure: the answer to the caller, or the attempt history of a
 * request that goes on; the log, and poold.errors. */
#ifndef POOLD_IO_DRIVER_FAILURE_H
#define POOLD_IO_DRIVER_FAILURE_H

#include "protocol/error.h"

struct call;
struct driver;
struct driver_step;
struct effect;

/* An error of that code that is no request's attempt: with the severity and strategy of its row as
 * it is configured. */
struct error failure_error(const struct driver *driver, enum errcode code);

/* Answers the call with what EFFECT_ERROR says. */
COLD void failure_answer(struct driver *driver, const struct driver_step *step, struct call *call,
			 const struct effect *effect);

/* Adds what EFFECT_RETRY says to the call's attempt history: the request goes on. */
COLD void failure_note(struct driver *driver, const struct driver_step *step, struct call *call,
		       const struct effect *effect);

#endif
