/* The table of metrics.def: the name, kind, unit, labels and help of each metric. */
#ifndef POOLD_IO_OBSERVE_METRICS_TABLE_H
#define POOLD_IO_OBSERVE_METRICS_TABLE_H

#include "daemon/core/stats.h"
#include "daemon/io/driver/stats.h"
#include "protocol/buf.h"

/* The index of each metric in the table: METRIC_errors and so on. */
enum metric {
#define METRIC(name, kind, unit, labels, help) METRIC_##name,
#include "daemon/io/observe/metrics.def"
#undef METRIC
	METRIC_COUNT_
};

enum metric_kind {
	METRIC_KIND_COUNTER = 0,
	METRIC_KIND_GAUGE,
	METRIC_KIND_HISTOGRAM,
	METRIC_KIND_COUNT_
};

enum metric_unit {
	METRIC_UNIT_NONE = 0,
	METRIC_UNIT_SECONDS,
	METRIC_UNIT_BYTES,
	METRIC_UNIT_COUNT_
};

/* Labels of one metric at most. */
#define METRIC_LABELS_MAX 4

struct metric_info {
	const char *name; /* without poold_ and _total */
	enum metric_kind kind;
	enum metric_unit unit;
	const char *labels; /* separated by a comma and a space; "": none */
	const char *help;
};

const struct metric_info *metric_info(enum metric metric);

/* "counter", "gauge", "histogram". */
const char *metric_kind_name(enum metric_kind kind);

/* "seconds", "bytes"; "": a number of things. */
const char *metric_unit_name(enum metric_unit unit);

/* Writes the table in Markdown, for docs/MONITORING.md. */
void metrics_describe(struct buf *out);

#endif
