/* A request's good answer on its way to the client, and parts of one. */
#ifndef POOLD_IO_DRIVER_ANSWER_H
#define POOLD_IO_DRIVER_ANSWER_H

#include "daemon/io/driver/driver.h"

/* Answers the call as EFFECT_RESULT says, and keeps what is to be kept. */
void answer_result(struct driver *driver, struct call *call, const struct effect *effect);

/* Hands on the part that the worker has just sent. */
void answer_part(struct driver *driver, const struct call *call);

/* The parts so far are void. */
void answer_restart(const struct call *call);

#endif
