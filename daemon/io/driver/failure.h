/* Failures in words: in the answer to the client, in the trail of a request that goes on, in the
 * log, in poold.errors. */
#ifndef POOLD_IO_DRIVER_FAILURE_H
#define POOLD_IO_DRIVER_FAILURE_H

#include "daemon/io/driver/driver.h"

/* An error of that code that is no request's attempt: with the severity and strategy of its row as
 * it is configured. */
struct error failure_error(const struct driver *driver, enum errcode code);

/* Answers the call with what EFFECT_ERROR says. */
void failure_answer(struct driver *driver, struct call *call, const struct effect *effect);

/* Notes what EFFECT_RETRY says: the request goes on. */
void failure_note(struct driver *driver, struct call *call, const struct effect *effect);

/* Tells of EFFECT_INCIDENT. */
void failure_incident(struct driver *driver, const struct effect *effect);

#endif
