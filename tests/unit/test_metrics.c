#include "daemon/io/observe/metrics_text.h"
#include "tests/lib/unit.h"

#include <string.h>

#define TEXT_MAX 65536

static struct buf out;

static struct metrics_text begin(enum metrics_format format)
{
	buf_init(&out, TEXT_MAX);
	return (struct metrics_text){.out = &out, .format = format};
}

static void must_be(const char *expected)
{
	buf_put(&out, "", 1);
	ck_assert_int_eq(buf_error(&out), 0);
	ck_assert_str_eq((const char *)out.data, expected);
	buf_free(&out);
}

/* --- the table --- */

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len > end_len && strcmp(text + len - end_len, end) == 0;
}

static unsigned count_labels(const char *labels)
{
	unsigned count = *labels != '\0';

	for (; *labels; labels++)
		count += *labels == ',';
	return count;
}

START_TEST(names_keep_the_rules)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";
	/* Each would be taken for a part of another metric. */
	static const char *const ends[] = {"_total", "_sum", "_count", "_bucket", "_created"};

	for (enum metric metric = 0; metric < METRIC_COUNT_; metric++) {
		const struct metric_info *info = metric_info(metric);

		ck_assert_uint_eq(strspn(info->name, letters), strlen(info->name));
		for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
			ck_assert_msg(!ends_with(info->name, ends[i]), "%s", info->name);
		if (info->unit != METRIC_UNIT_NONE)
			ck_assert_msg(ends_with(info->name, metric_unit_name(info->unit)), "%s",
				      info->name);
		else
			ck_assert_msg(!ends_with(info->name, "_seconds") &&
					      !ends_with(info->name, "_bytes"),
				      "%s", info->name);
		ck_assert_uint_le(count_labels(info->labels), METRIC_LABELS_MAX);
		ck_assert_uint_eq(strspn(info->labels, "abcdefghijklmnopqrstuvwxyz_, "),
				  strlen(info->labels));
		ck_assert_uint_eq(strcspn(info->help, "\\\n|"), strlen(info->help));
	}
}
END_TEST

START_TEST(names_are_there_once)
{
	for (enum metric a = 0; a < METRIC_COUNT_; a++)
		for (enum metric b = 0; b < a; b++)
			ck_assert_str_ne(metric_info(a)->name, metric_info(b)->name);
}
END_TEST

/* --- the text --- */

START_TEST(a_counter_in_both_formats)
{
	struct metrics_text text = begin(METRICS_PROMETHEUS);

	metrics_begin(&text, METRIC_errors);
	metrics_put(&text, LABELS("p", "shed", "resource_error"), UINT64_MAX);
	metrics_end(&text);
	must_be("# HELP poold_errors_total requests answered with an error, by its code\n"
		"# TYPE poold_errors_total counter\n"
		"poold_errors_total{pool=\"p\",code=\"shed\",category=\"resource_error\"} "
		"18446744073709551615\n");
	text = begin(METRICS_OPENMETRICS);
	metrics_begin(&text, METRIC_errors);
	metrics_put(&text, LABELS("p", "shed", "resource_error"), 0);
	metrics_end(&text);
	must_be("# HELP poold_errors requests answered with an error, by its code\n"
		"# TYPE poold_errors counter\n"
		"poold_errors_total{pool=\"p\",code=\"shed\",category=\"resource_error\"} 0\n"
		"# EOF\n");
}
END_TEST

START_TEST(a_unit_is_named_in_openmetrics)
{
	struct metrics_text text = begin(METRICS_OPENMETRICS);

	metrics_begin(&text, METRIC_uptime_seconds);
	metrics_put_time(&text, NO_LABELS, 1000001);
	must_be("# HELP poold_uptime_seconds time since the daemon's start\n"
		"# TYPE poold_uptime_seconds gauge\n"
		"# UNIT poold_uptime_seconds seconds\n"
		"poold_uptime_seconds 1.000001\n");
	text = begin(METRICS_PROMETHEUS);
	metrics_begin(&text, METRIC_uptime_seconds);
	metrics_put_time(&text, NO_LABELS, 0);
	must_be("# HELP poold_uptime_seconds time since the daemon's start\n"
		"# TYPE poold_uptime_seconds gauge\n"
		"poold_uptime_seconds 0.000000\n");
}
END_TEST

START_TEST(thousandths)
{
	struct metrics_text text = begin(METRICS_PROMETHEUS);

	metrics_begin(&text, METRIC_retry_budget);
	buf_reset(&out);
	metrics_put_milli(&text, LABELS("p"), 19042);
	must_be("poold_retry_budget{pool=\"p\"} 19.042\n");
}
END_TEST

START_TEST(labels_are_escaped)
{
	struct metrics_text text = begin(METRICS_PROMETHEUS);

	metrics_begin(&text, METRIC_info);
	buf_reset(&out);
	metrics_put(&text, LABELS("a\"b\\c\nd\xffz{}"), 1);
	must_be("poold_info{version=\"a\\\"b\\\\c\\nd?z{}\"} 1\n");
}
END_TEST

START_TEST(a_histogram_is_cumulative)
{
	struct hist hist = {0};
	struct metrics_text text = begin(METRICS_PROMETHEUS);
	const char *line;
	unsigned lines = 0;

	hist_add(&hist, 100);
	hist_add(&hist, 200);
	hist_add(&hist, 100 * USEC_PER_SEC);
	metrics_begin(&text, METRIC_run_seconds);
	buf_reset(&out);
	metrics_put_hist(&text, LABELS("p"), &hist, NULL);
	buf_put(&out, "", 1);
	line = (const char *)out.data;
	ck_assert_ptr_nonnull(strstr(line, "{pool=\"p\",le=\"0.000127\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(line, "{pool=\"p\",le=\"0.000255\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(line, "{pool=\"p\",le=\"67.108863\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(line, "{pool=\"p\",le=\"+Inf\"} 3\n"));
	ck_assert_ptr_nonnull(strstr(line, "\npoold_run_seconds_sum{pool=\"p\"} 100.000300\n"));
	ck_assert_ptr_nonnull(strstr(line, "\npoold_run_seconds_count{pool=\"p\"} 3\n"));
	for (; *line; line++)
		lines += *line == '\n';
	ck_assert_uint_eq(lines, 20);
	buf_free(&out);
}
END_TEST

#define ONE   "4bf92f3577b34da6a3ce929d0e0e4736"
#define OTHER "0af7651916cd43dd8448eb211c80319c"

static struct traceparent trace_of(const char *trace_id)
{
	return (struct traceparent){.trace_id = {(const uint8_t *)trace_id, TRACE_ID_LEN}};
}

static unsigned count_exemplars(const char *text)
{
	unsigned count = 0;

	while ((text = strstr(text, " # {"))) {
		count++;
		text++;
	}
	return count;
}

/* The samples of a histogram with one value, 127 µs, and exemplars. */
static const char *write_exemplars(enum metrics_format format)
{
	const struct traceparent one = trace_of(ONE), other = trace_of(OTHER);
	const usec_t at = 1520879607 * USEC_PER_SEC + 789000;
	struct metrics_text text = begin(format);
	struct exemplars exemplars = {0};
	struct hist hist = {0};

	hist_add(&hist, 127);
	exemplars_put(&exemplars, &one, 127, at);
	exemplars_put(&exemplars, &one, 300, at);
	exemplars_put(&exemplars, &other, 511, at + 1);
	exemplars_put(&exemplars, &other, 68 * USEC_PER_SEC, at);
	metrics_begin(&text, METRIC_request_seconds);
	metrics_put_hist(&text, LABELS("p"), &hist, &exemplars);
	buf_put(&out, "", 1);
	return (const char *)out.data;
}

START_TEST(a_bucket_has_its_last_exemplar)
{
	/* A bound belongs to its bucket. */
	static const char *const lines[] = {
		"le=\"0.000127\"} 1 # {trace_id=\"" ONE "\"} 0.000127 1520879607.789000\n",
		"le=\"0.000511\"} 1 # {trace_id=\"" OTHER "\"} 0.000511 1520879607.789001\n",
		"le=\"+Inf\"} 1 # {trace_id=\"" OTHER "\"} 68.000000 1520879607.789000\n",
	};
	const char *written = write_exemplars(METRICS_OPENMETRICS);

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		ck_assert_msg(strstr(written, lines[i]), "%s", lines[i]);
	ck_assert_uint_eq(count_exemplars(written), ARRAY_SIZE(lines));
	buf_free(&out);
	ck_assert_uint_eq(count_exemplars(write_exemplars(METRICS_PROMETHEUS)), 0);
	buf_free(&out);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		names_keep_the_rules,
		names_are_there_once,
		a_counter_in_both_formats,
		a_unit_is_named_in_openmetrics,
		thousandths,
		labels_are_escaped,
		a_histogram_is_cumulative,
		a_bucket_has_its_last_exemplar,
	};

	return unit_main("metrics", tests, ARRAY_SIZE(tests));
}
