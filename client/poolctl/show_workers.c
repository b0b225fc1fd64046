#include "client/poolctl/field.h"
#include "client/poolctl/print.h"
#include "client/poolctl/show.h"
#include "client/poolctl/unit.h"

#include <stdio.h>
#include <string.h>

/* Lines of the last stderr output that are printed for each worker; --json has all of them. */
#define LAST_LINES 5

static const struct column worker_columns[] = {
	{"POOL", false},     {"WORKER", true},	{"PROCESS", true},    {"STATE", false},
	{"SINCE", true},     {"HEALTH", false}, {"UP", true},	      {"HEARD", true},
	{"IN FLIGHT", true}, {"SERVED", true},	{"FAILED", true},     {"RESTARTS", true},
	{"MEMORY", true},    {"NOW", false},	{"LAST EXIT", false},
};

/* The step of its start that the worker is in, [name, ms]; NULL: it has started. */
static const json_t *current_step(const json_t *worker)
{
	const json_t *steps = json_object_get(worker, "steps");

	if (strcmp(field_text(worker, "state"), "initializing") != 0 || json_array_size(steps) == 0)
		return NULL;
	return json_array_get(steps, json_array_size(steps) - 1);
}

/* The step of its start that the worker is in, or else the method that has been running longest;
 * and for how long. */
static void running_cell(struct table *table, const json_t *worker)
{
	const json_t *first = json_array_get(json_object_get(worker, "running"), 0);
	const json_t *step = current_step(worker);
	const char *name = json_string_value(json_array_get(step, 0));
	char text[UNIT_TEXT_MAX];

	if (name)
		table_cell(table, "%s %s", name,
			   unit_duration(text, json_number_value(json_array_get(step, 1))));
	else if (first)
		table_cell(table, "%s %s", field_text(first, "method"),
			   field_duration(text, first, "run_ms"));
	else
		table_cell(table, "-");
}

static void worker_row(struct table *table, const json_t *worker)
{
	char text[UNIT_TEXT_MAX];

	table_cell(table, "%s", field_text(worker, "pool"));
	field_count_cell(table, worker, "worker");
	field_count_cell(table, worker, "pid");
	table_cell(table, "%s", field_text(worker, "state"));
	field_duration_cell(table, worker, "since_ms");
	table_cell(table, "%s", field_text(worker, "health"));
	field_duration_cell(table, worker, "uptime_ms");
	field_duration_cell(table, worker, "heard_ms");
	field_count_cell(table, worker, "in_flight");
	field_count_cell(table, worker, "served");
	field_count_cell(table, worker, "failed");
	field_count_cell(table, worker, "restarts");
	table_cell(table, "%s", unit_size(text, field_number(worker, "rss_bytes")));
	running_cell(table, worker);
	table_cell(table, "%s", field_text(worker, "last_exit"));
}

const char *show_last_lines(const char *text)
{
	const char *begin = text + strlen(text);

	for (unsigned lines = 0; begin > text; begin--)
		if (begin[-1] == '\n' && ++lines == LAST_LINES)
			break;
	return begin;
}

static void show_last_stderr(const json_t *worker)
{
	const char *lines = json_string_value(json_object_get(worker, "last_stderr"));
	char number[UNIT_TEXT_MAX];

	if (!lines)
		return;
	printf("\n%s worker %s ended by ", field_text(worker, "pool"),
	       field_count(number, worker, "worker"));
	print_safe(stdout, field_text(worker, "last_exit"));
	printf("; last lines of its stderr:\n");
	print_lines(stdout, show_last_lines(lines));
}

void show_workers(const json_t *workers, const char *wanted)
{
	const json_t *worker;
	size_t i;

	field_print_list(workers, "pool", wanted, worker_columns, COUNT(worker_columns),
			 worker_row);
	json_array_foreach (workers, i, worker) {
		if (!wanted || strcmp(field_text(worker, "pool"), wanted) == 0)
			show_last_stderr(worker);
	}
}
