/* What the driver does when the loop stood still (base/stall.h): it tells the engine before
 * anything that came meanwhile, and people in the log, in counters and by an event. */
#ifndef POOLD_IO_DRIVER_STANDSTILL_H
#define POOLD_IO_DRIVER_STANDSTILL_H

#include "protocol/base.h"

struct driver;

/* Returns for how long the loop stood still before this turn, by the engine's clock, in µs, and tells
 * people; 0 if it did not, or at the next call in the same turn. */
usec_t standstill_take(struct driver *driver);

#endif
