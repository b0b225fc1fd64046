/* The part of the metrics that tells of breakers, chains, recoveries, sessions and keys. */
#ifndef POOLD_IO_OBSERVE_METRICS_RECOVERY_H
#define POOLD_IO_OBSERVE_METRICS_RECOVERY_H

#include "daemon/io/driver/driver.h"

void metrics_write_recovery(const struct driver *driver, struct buf *out);

#endif
