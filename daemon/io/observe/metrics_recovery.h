/* The metrics of breakers, fallback chains, recoveries, sessions and idempotency keys. */
#ifndef POOLD_IO_OBSERVE_METRICS_RECOVERY_H
#define POOLD_IO_OBSERVE_METRICS_RECOVERY_H

#include "daemon/io/driver/driver.h"
#include "daemon/io/observe/metrics_text.h"

/* Appends them. */
void metrics_write_recovery(const struct driver *driver, struct metrics_text *text);

#endif
