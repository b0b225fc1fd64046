/* All counters, gauges and histograms in the Prometheus text format. */
#ifndef POOLD_IO_OBSERVE_METRICS_H
#define POOLD_IO_OBSERVE_METRICS_H

#include "daemon/io/driver/driver.h"
#include "protocol/buf.h"

/* Appends all metrics as plain text. */
void metrics_write(const struct driver *driver, struct buf *out);

#endif
