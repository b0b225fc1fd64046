#include "client/poolctl/field.h"
#include "client/poolctl/print.h"
#include "client/poolctl/show.h"
#include "client/poolctl/unit.h"

#include <stdio.h>
#include <string.h>

/* Rows of the history that people get; --json has all. */
#define LAST_MAX 10

static const struct column active_columns[] = {
	{"ALERT", false}, {"POOL", false},    {"SEVERITY", false}, {"STATE", false},
	{"SINCE", true},  {"SILENCED", true}, {"VALUE", true},	   {"THRESHOLD", true},
};

static const struct column last_columns[] = {
	{"ALERT", false}, {"POOL", false},  {"SEVERITY", false},
	{"AGO", true},	  {"LASTED", true}, {"HIGHEST", true},
};

/* "12.5%": a number in the unit of the alert. */
static void value_cell(struct table *table, const json_t *alert, const char *key)
{
	const char *unit = json_string_value(json_object_get(alert, "unit"));

	table_cell(table, "%.6g%.8s", field_number(alert, key), unit ? unit : "");
}

static void name_cells(struct table *table, const json_t *alert)
{
	bool is_test = json_is_true(json_object_get(alert, "test"));

	table_cell(table, "%s%s", field_text(alert, "name"), is_test ? " (test)" : "");
	field_text_cell(table, alert, "pool");
	field_text_cell(table, alert, "severity");
}

static void active_row(struct table *table, const json_t *alert)
{
	name_cells(table, alert);
	field_text_cell(table, alert, "state");
	field_duration_cell(table, alert, "since_ms");
	field_duration_cell(table, alert, "silenced_ms");
	value_cell(table, alert, "value");
	value_cell(table, alert, "threshold");
}

static void show_active(const json_t *active)
{
	const json_t *alert;
	bool has_text = false;
	size_t i;

	if (json_array_size(active) == 0) {
		printf("no alert is pending or firing\n");
		return;
	}
	field_print_list(active, "pool", NULL, active_columns, COUNT(active_columns), active_row);
	json_array_foreach (active, i, alert) {
		if (strcmp(field_text(alert, "state"), "firing") != 0)
			continue;
		printf("%s", has_text ? "" : "\n");
		has_text = true;
		print_safe(stdout, field_text(alert, "name"));
		printf(": ");
		print_safe(stdout, field_text(alert, "text"));
		putchar('\n');
	}
}

static void show_last(const json_t *history)
{
	struct table table;
	const json_t *alert;
	size_t i;

	if (json_array_size(history) == 0)
		return;
	printf("\nthe last ones:\n");
	table_init(&table, last_columns, COUNT(last_columns));
	json_array_foreach (history, i, alert) {
		if (i == LAST_MAX)
			break;
		name_cells(&table, alert);
		field_duration_cell(&table, alert, "raised_ms");
		field_duration_cell(&table, alert, "lasted_ms");
		value_cell(&table, alert, "highest");
	}
	table_print(&table, stdout);
	table_free(&table);
}

void show_alerts(const json_t *alerts, const char *wanted)
{
	(void)wanted;
	show_active(json_object_get(alerts, "active"));
	show_last(json_object_get(alerts, "history"));
}

void show_alert(const json_t *result, const char *wanted)
{
	char span[UNIT_TEXT_MAX];

	(void)wanted;
	print_safe(stdout, field_text(result, "alert"));
	if (json_object_get(result, "for_ms"))
		printf(": fires for %s as a test\n", field_duration(span, result, "for_ms"));
	else if (field_number(result, "silenced_ms") > 0)
		printf(": silenced for %s\n", field_duration(span, result, "silenced_ms"));
	else
		printf(": not silenced\n");
}
