/* Every counter, gauge and histogram as Prometheus text. */
#ifndef POOLD_IO_OBSERVE_METRICS_H
#define POOLD_IO_OBSERVE_METRICS_H

#include "daemon/io/driver/driver.h"
#include "protocol/buf.h"

/* Appends the text as plain bytes. */
void metrics_write(const struct driver *driver, struct buf *out);

/* The lines before the values of a metric: poold_NAMESUFFIX, its help and its type. */
void metrics_head(struct buf *out, const char *name, const char *suffix, const char *type,
		  const char *help);

#endif
