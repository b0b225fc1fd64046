/* Takes the readings by which alerts are decided, from the engine's views and the daemon's counters. */
#ifndef POOLD_IO_OBSERVE_ALERT_FILL_H
#define POOLD_IO_OBSERVE_ALERT_FILL_H

#include "daemon/core/alert_reading.h"

struct driver;

/* Fills in `ret`; `pools` has room for each pool of the engine, and *ret points to it. */
void alert_fill(struct driver *driver, struct alert_pool *pools, struct alert_readings *ret);

#endif
