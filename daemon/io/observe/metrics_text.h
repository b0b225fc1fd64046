/* The parts that all metrics of the Prometheus text format are made of. */
#ifndef POOLD_IO_OBSERVE_METRICS_TEXT_H
#define POOLD_IO_OBSERVE_METRICS_TEXT_H

#include "daemon/core/engine_view.h"
#include "daemon/io/driver/driver.h"
#include "protocol/buf.h"

/* Writes the lines before the values of the metric poold_NAMESUFFIX: its help and its type. */
void metrics_head(struct buf *out, const char *name, const char *suffix, const char *type,
		  const char *help);

/* Writes the gauge poold_NAME: one value for each pool. */
void metrics_pool_gauge(const struct driver *driver, struct buf *out, const char *name,
			const char *help, uint64_t (*value)(const struct pool_view *pool));

/* The name of the pool, for its label. */
const char *metrics_pool_name(const struct driver *driver, uint32_t pool);

#endif
