/* Failures in words: in the answer to the caller, in the attempt history of a request that goes on,
 * in the log, in poold.errors. */
#ifndef POOLD_IO_DRIVER_FAILURE_H
#define POOLD_IO_DRIVER_FAILURE_H

#include "protocol/error.h"

struct call;
struct driver;
struct driver_step;
struct effect;
struct life;

/* An error of that code that is no request's attempt: with the severity and strategy of its row as
 * it is configured. */
struct error failure_error(const struct driver *driver, enum errcode code);

/* Answers the call with what EFFECT_ERROR says. */
void failure_answer(struct driver *driver, const struct driver_step *step, struct call *call,
		    const struct effect *effect);

/* Adds what EFFECT_RETRY says to the call's attempt history: the request goes on. */
void failure_note(struct driver *driver, const struct driver_step *step, struct call *call,
		  const struct effect *effect);

/* The life ended because its worker can't work as it is configured (exit status 78): requests that
 * find no worker for that are told so. */
void failure_note_unusable(struct driver *driver, const struct life *life);

/* Reports EFFECT_INCIDENT in the log, in poold.errors and to subscribers. */
void failure_incident(struct driver *driver, const struct effect *effect);

#endif
