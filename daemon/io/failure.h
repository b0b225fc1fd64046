/* A failed call in words: what the engine says of it, with the names and numbers that only io
 * knows. */
#ifndef POOLD_IO_FAILURE_H
#define POOLD_IO_FAILURE_H

#include "daemon/core/engine.h"
#include "daemon/io/driver.h"
#include "protocol/error.h"

/* Answers `call` with the error of this effect (EFFECT_ERROR). */
void failure_answer(struct driver *driver, const struct call *call, const struct effect *effect);

#endif
