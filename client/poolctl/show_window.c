#include "client/poolctl/field.h"
#include "client/poolctl/show.h"

/* A share in percent: "100", "99.95", "12.3".  It is cut off, so that less than all is never "100". */
static void percent_cell(struct table *table, const json_t *object, const char *key)
{
	double percent = field_number(object, key);
	int digits = percent >= 99 ? 2 : 1;
	double factor = percent >= 99 ? 100 : 10;

	if (!json_is_number(json_object_get(object, key)))
		table_cell(table, "-");
	else if (percent >= 100)
		table_cell(table, "100");
	else
		table_cell(table, "%.*f", digits, (double)(long)(percent * factor) / factor);
}

/* RATE, OK%, P50 and P99. */
static void add_cells(struct table *table, const json_t *window)
{
	const json_t *run = json_object_get(json_object_get(window, "latency_ms"), "run");
	double rate = field_number(window, "rate");

	if (rate > 0)
		table_cell(table, "%.*f/s", rate < 10 ? 1 : 0, rate);
	else
		table_cell(table, "-");
	percent_cell(table, window, "ok_percent");
	field_duration_cell(table, run, "p50");
	field_duration_cell(table, run, "p99");
}

void show_window_cells(struct table *table, const json_t *window)
{
	const json_t *latency = json_object_get(window, "latency_ms");

	add_cells(table, window);
	field_duration_cell(table, json_object_get(latency, "queue"), "p99");
}

/* The cause for which requests waited longest in all, and its share. */
static void cause_cell(struct table *table, json_t *waits)
{
	double sum = 0, most = 0;
	const char *cause = NULL, *name;
	json_t *wait;

	json_object_foreach (waits, name, wait) {
		double span = field_number(wait, "sum_ms");

		sum += span;
		if (span <= most)
			continue;
		most = span;
		cause = name;
	}
	if (cause)
		table_cell(table, "%s %.0f%%", cause, 100 * most / sum);
	else
		table_cell(table, "-");
}

void show_wait_cells(struct table *table, const json_t *window)
{
	cause_cell(table, json_object_get(window, "waits"));
	field_count_cell(table, window, "queue_high");
	field_duration_cell(table, window, "all_busy_ms");
}

static const struct column method_columns[] = {
	{"POOL", false}, {"METHOD", false}, {"RATE", true},	{"OK%", true},
	{"P50", true},	 {"P99", true},	    {"REQUESTS", true}, {"FAILED", true},
};

static void method_row(struct table *table, const json_t *method)
{
	const json_t *windows = json_object_get(method, "windows");
	const json_t *start = json_object_get(windows, "start");
	double refused = field_number(start, "refused"), failed = field_number(start, "failed");
	const char *name = json_string_value(json_object_get(method, "method"));

	table_cell(table, "%s", field_text(method, "pool"));
	table_cell(table, "%s", name ? name : "(others)");
	add_cells(table, json_object_get(windows, "1m"));
	table_cell(table, "%.0f",
		   field_number(start, "answered") + failed + refused +
			   field_number(start, "cancelled"));
	table_cell(table, "%.0f", failed + refused);
}

void show_methods(const json_t *methods, const char *wanted)
{
	field_print_list(methods, "pool", wanted, method_columns, COUNT(method_columns),
			 method_row);
}
