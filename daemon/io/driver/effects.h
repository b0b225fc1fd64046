/* Carries out the engine's effects: answers to callers, messages and signals to workers, events
 * for subscribers, lines in the log. */
#ifndef POOLD_IO_DRIVER_EFFECTS_H
#define POOLD_IO_DRIVER_EFFECTS_H

#include "daemon/core/engine.h"

struct life;
struct driver;
struct driver_step;

/* Carries out an effect of the step's event; the verdict that an effect brings goes into `step`. */
void effects_carry_out(struct driver *driver, struct driver_step *step,
		       const struct effect *effect);

/* Starts the worker's process, or connects to its server. */
COLD void effects_start(struct driver *driver, struct life *life);

/* The error code for a start that failed by that -errno; `connects`: of a connection to a server.
 */
enum errcode effects_start_code(bool connects, int error);

#endif
