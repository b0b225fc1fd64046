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

void show_window_cells(struct table *table, const json_t *window)
{
	const json_t *latency = json_object_get(window, "latency_ms");
	const json_t *run = json_object_get(latency, "run");
	double rate = field_number(window, "rate");

	if (rate > 0)
		table_cell(table, "%.*f/s", rate < 10 ? 1 : 0, rate);
	else
		table_cell(table, "-");
	percent_cell(table, window, "ok_percent");
	field_duration_cell(table, run, "p50");
	field_duration_cell(table, run, "p99");
	field_duration_cell(table, json_object_get(latency, "queue"), "p99");
}
