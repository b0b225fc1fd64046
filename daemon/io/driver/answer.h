/* A request's good answer on its way to the caller. */
#ifndef POOLD_IO_DRIVER_ANSWER_H
#define POOLD_IO_DRIVER_ANSWER_H

#include "daemon/io/driver/driver.h"

/* Answers the call as EFFECT_RESULT says, and keeps what is to be kept. */
void answer_result(struct driver *driver, struct call *call, const struct effect *effect);

#endif
