/* Takes the readings by which alerts are decided, from the engine's views and the daemon's counters. */
#ifndef POOLD_IO_OBSERVE_ALERT_FILL_H
#define POOLD_IO_OBSERVE_ALERT_FILL_H

#include "daemon/core/alert_reading.h"
#include "daemon/core/suspect.h"

struct driver;

/* `pools` and `suspects` have one element for each pool; `ret` refers to `pools`.  The suspects are
 * looked for here too, and keep what they know from one time to the next. */
void alert_fill(struct driver *driver, struct alert_pool *pools, struct suspects *suspects,
		struct alert_readings *ret);

#endif
