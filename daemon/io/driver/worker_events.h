/* What workers say and what becomes of them, as events for the engine. */
#ifndef POOLD_IO_DRIVER_WORKER_EVENTS_H
#define POOLD_IO_DRIVER_WORKER_EVENTS_H

#include "daemon/io/driver/driver.h"

/* Of every life of the driver, its owner. */
extern const struct life_handler worker_events_life_handler;
extern const struct channel_handler worker_events_channel_handler;

/* An event about this life of a worker. */
static inline struct engine_event worker_events_make(const struct life *life, enum event_type type)
{
	return (struct engine_event){.type = type, .worker = life->worker, .life = life->number};
}

#endif
