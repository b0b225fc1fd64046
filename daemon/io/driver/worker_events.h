/* Messages of workers, their output and their end, as events for the engine. */
#ifndef POOLD_IO_DRIVER_WORKER_EVENTS_H
#define POOLD_IO_DRIVER_WORKER_EVENTS_H

#include "daemon/io/worker/channel.h"

struct driver;

/* Of every channel of the driver, which is the channel's owner. */
extern const struct channel_handler worker_events_handler;

/* At the end of a turn: deals with the channels that have notes (driver_note). */
void worker_events_handle_notes(struct driver *driver);

#endif
