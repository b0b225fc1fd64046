/* What poold.breakers, poold.recoveries and poold.sessions answer. */
#ifndef POOLD_IO_ADMIN_REPORT_RECOVERY_H
#define POOLD_IO_ADMIN_REPORT_RECOVERY_H

#include "daemon/io/driver/driver.h"

/* Most errors and sessions that are told at once, however many are asked for. */
#define REPORT_MAX 1000

void report_breakers(const struct driver *driver, struct buf *out);
void report_recoveries(const struct driver *driver, struct buf *out);
void report_sessions(const struct driver *driver, unsigned max, struct buf *out);

#endif
