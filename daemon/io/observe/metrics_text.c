#include "daemon/io/observe/metrics_text.h"

#include <string.h>

/* Room for the digits of a number. */
#define DIGITS_MAX 20

static void put(struct metrics_text *text, const char *string)
{
	buf_put(text->out, string, strlen(string));
}

/* Far cheaper than printf, and a scrape has ten thousand of them.  At least `width` digits. */
static void put_digits(struct metrics_text *text, uint64_t value, unsigned width)
{
	char digits[DIGITS_MAX];
	size_t begin = sizeof(digits);

	do {
		digits[--begin] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0 || sizeof(digits) - begin < width);
	buf_put(text->out, digits + begin, sizeof(digits) - begin);
}

/* `value` parts, of which `unit` make one, and which need `width` digits behind the point. */
static void put_fraction(struct metrics_text *text, uint64_t value, uint64_t unit, unsigned width)
{
	put_digits(text, value / unit, 1);
	put(text, ".");
	put_digits(text, value % unit, width);
}

static void put_seconds(struct metrics_text *text, usec_t time)
{
	put_fraction(text, time, USEC_PER_SEC, 6);
}

/* --- heads --- */

static void put_name(struct metrics_text *text, const char *suffix)
{
	put(text, "poold_");
	put(text, text->metric->name);
	put(text, suffix);
}

/* What the samples of the metric have behind its name. */
static const char *suffix_of(const struct metric_info *metric)
{
	return metric->kind == METRIC_KIND_COUNTER ? "_total" : "";
}

/* Only in OpenMetrics a counter is called in its head without _total. */
static void put_head(struct metrics_text *text, const char *what, const char *value)
{
	put(text, "# ");
	put(text, what);
	put(text, " ");
	put_name(text, text->format == METRICS_OPENMETRICS ? "" : suffix_of(text->metric));
	put(text, " ");
	put(text, value);
	put(text, "\n");
}

void metrics_begin(struct metrics_text *text, enum metric metric)
{
	text->metric = metric_info(metric);
	put_head(text, "HELP", text->metric->help);
	put_head(text, "TYPE", metric_kind_name(text->metric->kind));
	if (text->format == METRICS_OPENMETRICS && text->metric->unit != METRIC_UNIT_NONE)
		put_head(text, "UNIT", metric_unit_name(text->metric->unit));
}

void metrics_end(struct metrics_text *text)
{
	if (text->format == METRICS_OPENMETRICS)
		put(text, "# EOF\n");
}

/* --- samples --- */

/* A pool's name needs no escape; this is for whatever else becomes a label. */
static void put_escaped(struct metrics_text *text, const char *value)
{
	static const char special[] = "\\\"\n";

	for (;;) {
		size_t plain = strcspn(value, special);

		buf_put_text(text->out, (struct bytes){(const uint8_t *)value, plain});
		value += plain;
		if (*value == '\0')
			return;
		put(text, *value == '\n' ? "\\n" : *value == '"' ? "\\\"" : "\\\\");
		value++;
	}
}

/* Writes the labels without the brace that closes them.  Returns whether there are any. */
static bool put_labels(struct metrics_text *text, const char *const *values)
{
	const char *name = text->metric->labels;

	for (size_t i = 0; *name; i++) {
		size_t len = strcspn(name, ",");

		put(text, i == 0 ? "{" : ",");
		buf_put(text->out, name, len);
		put(text, "=\"");
		put_escaped(text, values[i]);
		put(text, "\"");
		name += len;
		name += strspn(name, ", ");
	}
	return text->metric->labels[0] != '\0';
}

static void begin_sample(struct metrics_text *text, const char *suffix, const char *const *labels)
{
	put_name(text, suffix);
	put(text, put_labels(text, labels) ? "} " : " ");
}

void metrics_put(struct metrics_text *text, const char *const *labels, uint64_t value)
{
	begin_sample(text, suffix_of(text->metric), labels);
	put_digits(text, value, 1);
	put(text, "\n");
}

void metrics_put_time(struct metrics_text *text, const char *const *labels, usec_t value)
{
	begin_sample(text, suffix_of(text->metric), labels);
	put_seconds(text, value);
	put(text, "\n");
}

void metrics_put_milli(struct metrics_text *text, const char *const *labels, uint64_t value)
{
	begin_sample(text, suffix_of(text->metric), labels);
	put_fraction(text, value, 1000, 3);
	put(text, "\n");
}

void metrics_single(struct metrics_text *text, enum metric metric, uint64_t value)
{
	metrics_begin(text, metric);
	metrics_put(text, NO_LABELS, value);
}

/* With the time of day in seconds, as OpenMetrics wants it. */
static void put_exemplar(struct metrics_text *text, const struct exemplar *exemplar)
{
	put(text, " # {trace_id=\"");
	buf_put(text->out, exemplar->trace_id, sizeof(exemplar->trace_id));
	put(text, "\"} ");
	put_seconds(text, exemplar->value);
	put(text, " ");
	put_seconds(text, exemplar->at);
}

/* `bound` USEC_INFINITY: the bucket without an end.  `exemplar`: NULL: none. */
static void put_bucket(struct metrics_text *text, const char *const *labels, usec_t bound,
		       uint64_t count, const struct exemplar *exemplar)
{
	put_name(text, "_bucket");
	put(text, put_labels(text, labels) ? ",le=\"" : "{le=\"");
	if (bound == USEC_INFINITY)
		put(text, "+Inf");
	else
		put_seconds(text, bound);
	put(text, "\"} ");
	put_digits(text, count, 1);
	/* The older format has none. */
	if (exemplar && exemplar->at > 0 && text->format == METRICS_OPENMETRICS)
		put_exemplar(text, exemplar);
	put(text, "\n");
}

void metrics_put_hist(struct metrics_text *text, const char *const *labels, const struct hist *hist,
		      const struct exemplars *exemplars)
{
	for (size_t i = 0; i <= LATENCY_BOUNDS; i++) {
		bool is_last = i == LATENCY_BOUNDS;

		put_bucket(text, labels, is_last ? USEC_INFINITY : latency_bounds[i],
			   is_last ? hist->count : hist_count_upto(hist, latency_bounds[i]),
			   exemplars ? &exemplars->buckets[i] : NULL);
	}
	begin_sample(text, "_sum", labels);
	put_seconds(text, hist->sum);
	put(text, "\n");
	begin_sample(text, "_count", labels);
	put_digits(text, hist->count, 1);
	put(text, "\n");
}
