/* What workers say and what becomes of them, as events for the engine. */
#ifndef POOLD_IO_DRIVER_WORKER_EVENTS_H
#define POOLD_IO_DRIVER_WORKER_EVENTS_H

#include "daemon/io/driver/driver.h"

/* Of every channel of the driver, its owner. */
extern const struct channel_handler worker_events_handler;

/* An event about the life of the worker that the channel is of. */
static inline struct engine_event worker_events_make(const struct channel *channel,
						     enum event_type type)
{
	return (struct engine_event){
		.type = type, .worker = channel->worker, .life = channel->life};
}

#endif
