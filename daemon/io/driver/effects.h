/* Carrying out what the engine says: answers to clients, messages and signals to workers, events
 * for those who subscribed, lines in the log. */
#ifndef POOLD_IO_DRIVER_EFFECTS_H
#define POOLD_IO_DRIVER_EFFECTS_H

#include "daemon/io/driver/driver.h"

void effects_carry_out(struct driver *driver, const struct effect *effect);

/* A line about a worker, and the same as an event: `what` is "started", "ready" or "ended". */
void effects_notify_worker(struct driver *driver, enum log_level level, uint32_t worker,
			   const char *what, const char *text);

/* Starts the worker's process, or connects to its server. */
void effects_start(struct driver *driver, struct life *life);

/* Which failure of a start an error of the system is, for people and for what follows;
 * `connects`: of a connection to a server. */
enum errcode effects_start_code(bool connects, int error);

#endif
