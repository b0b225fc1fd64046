#include <stdio.h>
#include <string.h>

#include "client/poolctl/fields.h"
#include "client/poolctl/show.h"

/* Of what a worker said last: as much as a person looks at for each; --json has all. */
#define LAST_LINES 5

static const struct column worker_columns[] = {
	{"POOL", false},     {"WORKER", true},	{"PROCESS", true},    {"STATE", false},
	{"SINCE", true},     {"HEALTH", false}, {"UP", true},	      {"HEARD", true},
	{"IN FLIGHT", true}, {"SERVED", true},	{"FAILED", true},     {"RESTARTS", true},
	{"MEMORY", true},    {"NOW", false},	{"LAST EXIT", false},
};

/* The step of its start that a worker is in, and for how long; NULL: it has started. */
static const json_t *current_step(const json_t *worker)
{
	const json_t *steps = json_object_get(worker, "steps");

	if (strcmp(text_of(worker, "state"), "initializing") != 0 || json_array_size(steps) == 0)
		return NULL;
	return json_array_get(steps, json_array_size(steps) - 1);
}

/* The method that has run longest, or the step that it is in, and for how long. */
static void running_cell(struct table *table, const json_t *worker)
{
	const json_t *first = json_array_get(json_object_get(worker, "running"), 0);
	const json_t *step = current_step(worker);
	const char *name = json_string_value(json_array_get(step, 0));
	char text[UNIT_TEXT_MAX];

	if (name)
		table_cell(table, "%s %s", name,
			   duration_text(text, json_number_value(json_array_get(step, 1))));
	else if (first)
		table_cell(table, "%s %s", text_of(first, "method"),
			   ms_text(text, first, "run_ms"));
	else
		table_cell(table, "-");
}

static void worker_row(struct table *table, const json_t *worker)
{
	char text[UNIT_TEXT_MAX];

	table_cell(table, "%s", text_of(worker, "pool"));
	count_cell(table, worker, "worker");
	count_cell(table, worker, "pid");
	table_cell(table, "%s", text_of(worker, "state"));
	ms_cell(table, worker, "since_ms");
	table_cell(table, "%s", text_of(worker, "health"));
	ms_cell(table, worker, "uptime_ms");
	ms_cell(table, worker, "heard_ms");
	count_cell(table, worker, "in_flight");
	count_cell(table, worker, "served");
	count_cell(table, worker, "failed");
	count_cell(table, worker, "restarts");
	table_cell(table, "%s", size_text(text, number_of(worker, "rss_bytes")));
	running_cell(table, worker);
	table_cell(table, "%s", text_of(worker, "last_exit"));
}

static const char *last_lines(const char *text)
{
	const char *begin = text + strlen(text);

	for (unsigned lines = 0; begin > text; begin--)
		if (begin[-1] == '\n' && ++lines == LAST_LINES)
			break;
	return begin;
}

static void show_last_words(const json_t *worker)
{
	const char *words = json_string_value(json_object_get(worker, "last_stderr"));
	char number[UNIT_TEXT_MAX];

	if (!words)
		return;
	printf("\n%s worker %s ended by ", text_of(worker, "pool"),
	       count_text(number, worker, "worker"));
	print_safe(stdout, text_of(worker, "last_exit"));
	printf(" and said last:\n");
	print_lines(stdout, last_lines(words));
}

void show_workers(const json_t *workers, const char *wanted)
{
	const json_t *worker;
	size_t i;

	show_list(workers, "pool", wanted, worker_columns, COUNT(worker_columns), worker_row);
	json_array_foreach (workers, i, worker) {
		if (!wanted || strcmp(text_of(worker, "pool"), wanted) == 0)
			show_last_words(worker);
	}
}
