/* The metrics of pools and of their workers, and what other metrics of pools are made with. */
#ifndef POOLD_IO_OBSERVE_METRICS_POOLS_H
#define POOLD_IO_OBSERVE_METRICS_POOLS_H

#include "daemon/io/driver/driver.h"
#include "daemon/io/observe/metrics_text.h"

/* Appends the counters, gauges and histograms of the pools, and the series of their workers. */
void metrics_write_pools(const struct driver *driver, struct metrics_text *text);
void metrics_write_workers(const struct driver *driver, struct metrics_text *text);

/* Writes a metric that has one sample for each pool. */
void metrics_each_pool(const struct driver *driver, struct metrics_text *text, enum metric metric,
		       uint64_t (*value)(const struct pool_view *pool));

/* The name of the pool, for its label. */
const char *metrics_pool_name(const struct driver *driver, uint32_t pool);

#endif
