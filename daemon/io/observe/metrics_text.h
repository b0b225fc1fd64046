/*
 * The text format of metrics: that of Prometheus, version 0.0.4, or OpenMetrics 1.0.
 *
 * metrics_begin writes the head of a metric; then come its samples, and at the end of all metrics
 * metrics_end.  The values of labels may be any text: they are escaped here.
 */
#ifndef POOLD_IO_OBSERVE_METRICS_TEXT_H
#define POOLD_IO_OBSERVE_METRICS_TEXT_H

#include "daemon/core/hist.h"
#include "daemon/io/driver/exemplar.h"
#include "daemon/io/observe/metrics_table.h"
#include "protocol/buf.h"

enum metrics_format {
	METRICS_PROMETHEUS = 0,
	METRICS_OPENMETRICS
};

struct metrics_text {
	struct buf *out;
	enum metrics_format format;
	const struct metric_info *metric; /* that is being written */
};

/* The values of a metric's labels, in the order of metrics.def: LABELS("a", "b"). */
#define LABELS(...) ((const char *const[METRIC_LABELS_MAX]){__VA_ARGS__})
#define NO_LABELS   LABELS("")

/* Writes the lines before the samples of a metric: help, type and, in OpenMetrics, unit. */
void metrics_begin(struct metrics_text *text, enum metric metric);

/* One sample. */
void metrics_put(struct metrics_text *text, const char *const *labels, uint64_t value);
/* The same for a time in µs, which is written in seconds, and for a number of thousandths. */
void metrics_put_time(struct metrics_text *text, const char *const *labels, usec_t value);
void metrics_put_milli(struct metrics_text *text, const char *const *labels, uint64_t value);

/* The samples of a histogram with one set of labels: its buckets, sum and count; in OpenMetrics with
 * the exemplars, unless they are NULL. */
void metrics_put_hist(struct metrics_text *text, const char *const *labels, const struct hist *hist,
		      const struct exemplars *exemplars);

/* A metric with one sample and no label. */
void metrics_single(struct metrics_text *text, enum metric metric, uint64_t value);

/* Writes what ends the text, in OpenMetrics. */
void metrics_end(struct metrics_text *text);

#endif
