/* All metrics (metrics.def) as text. */
#ifndef POOLD_IO_OBSERVE_METRICS_H
#define POOLD_IO_OBSERVE_METRICS_H

#include "daemon/io/driver/driver.h"
#include "daemon/io/observe/metrics_text.h"

/* Appends all metrics.  Takes time in proportion to the pools times the codes of errors, and to the
 * workers. */
void metrics_write(const struct driver *driver, enum metrics_format format, struct buf *out);

#endif
