/* Messages of workers, their output and their end, as events for the engine. */
#ifndef POOLD_IO_DRIVER_WORKER_EVENTS_H
#define POOLD_IO_DRIVER_WORKER_EVENTS_H

#include "daemon/io/worker/life.h"

struct driver;

/* Of every life of the driver, which is its owner and its channel's. */
extern const struct life_handler worker_events_life_handler;
extern const struct channel_handler worker_events_channel_handler;

/* At the end of a turn: deals with the lives that have notes (driver_note). */
void worker_events_handle_notes(struct driver *driver);

#endif
