#include "daemon/io/observe/metrics_table.h"

static const struct metric_info metrics[] = {
#define METRIC(name_, kind_, unit_, labels_, help_)                                                \
	[METRIC_##name_] = {.name = #name_,                                                        \
			    .kind = METRIC_KIND_##kind_,                                           \
			    .unit = METRIC_UNIT_##unit_,                                           \
			    .labels = labels_,                                                     \
			    .help = help_},
#include "daemon/io/observe/metrics.def"
#undef METRIC
};

const struct metric_info *metric_info(enum metric metric)
{
	return &metrics[metric];
}

const char *metric_kind_name(enum metric_kind kind)
{
	static const char *const names[] = {
		[METRIC_KIND_COUNTER] = "counter",
		[METRIC_KIND_GAUGE] = "gauge",
		[METRIC_KIND_HISTOGRAM] = "histogram",
	};
	static_assert(ARRAY_SIZE(names) == METRIC_KIND_COUNT_, "a kind of metric has no name");

	return names[kind];
}

const char *metric_unit_name(enum metric_unit unit)
{
	static const char *const names[] = {
		[METRIC_UNIT_NONE] = "",
		[METRIC_UNIT_SECONDS] = "seconds",
		[METRIC_UNIT_BYTES] = "bytes",
	};
	static_assert(ARRAY_SIZE(names) == METRIC_UNIT_COUNT_, "a unit has no name");

	return names[unit];
}

void metrics_describe(struct buf *out)
{
	buf_printf(out, "| metric | kind | labels | meaning |\n|---|---|---|---|\n");
	for (enum metric metric = 0; metric < METRIC_COUNT_; metric++) {
		const struct metric_info *info = &metrics[metric];

		buf_printf(out, "| `poold_%s%s` | %s | %s | %s |\n", info->name,
			   info->kind == METRIC_KIND_COUNTER ? "_total" : "",
			   metric_kind_name(info->kind), info->labels, info->help);
	}
}
