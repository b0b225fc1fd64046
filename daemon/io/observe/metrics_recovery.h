/* The metrics of breakers, fallback chains, recoveries, sessions and idempotency keys. */
#ifndef POOLD_IO_OBSERVE_METRICS_RECOVERY_H
#define POOLD_IO_OBSERVE_METRICS_RECOVERY_H

#include "daemon/io/driver/driver.h"
#include "protocol/buf.h"

/* Appends them as plain text. */
void metrics_write_recovery(const struct driver *driver, struct buf *out);

#endif
