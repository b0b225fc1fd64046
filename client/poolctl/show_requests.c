#include "client/poolctl/field.h"
#include "client/poolctl/print.h"
#include "client/poolctl/show.h"

#include <stdio.h>
#include <string.h>

static void size_cell(struct table *table, const json_t *object, const char *key)
{
	char text[UNIT_TEXT_MAX];

	table_cell(table, "%s", unit_size(text, field_number(object, key)));
}

/* How many there are, and that not all of them are listed. */
static void print_rest(const json_t *result, const char *what)
{
	if (json_is_true(json_object_get(result, "more")))
		printf("\nthere are more %s than these\n", what);
}

/* --- clients --- */

static const struct column client_columns[] = {
	{"CLIENT", true}, {"NAME", false},   {"VERSION", false}, {"UID", true},
	{"PID", true},	  {"AGE", true},     {"IDLE", true},	 {"IN FLIGHT", true},
	{"QUEUED", true}, {"CALLS", true},   {"IN", true},	 {"OUT", true},
	{"UNREAD", true}, {"EVENTS", false}, {"PAUSED", false},	 {"PLACE", false},
};

/* The kinds of events that it gets, separated by commas. */
static void subscribed_cell(struct table *table, const json_t *kinds)
{
	char text[CELL_MAX] = "";
	const json_t *kind;
	size_t i;

	json_array_foreach (kinds, i, kind) {
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len, "%s%s", len > 0 ? "," : "",
			 json_is_string(kind) ? json_string_value(kind) : "-");
	}
	table_cell(table, "%s", text[0] ? text : "-");
}

static void client_row(struct table *table, const json_t *client)
{
	field_count_cell(table, client, "client");
	field_text_cell(table, client, "name");
	field_text_cell(table, client, "version");
	field_count_cell(table, client, "uid");
	field_count_cell(table, client, "pid");
	field_duration_cell(table, client, "age_ms");
	field_duration_cell(table, client, "idle_ms");
	field_count_cell(table, client, "in_flight");
	field_count_cell(table, client, "queued");
	field_count_cell(table, client, "calls");
	size_cell(table, client, "bytes_in");
	size_cell(table, client, "bytes_out");
	size_cell(table, client, "unread_bytes");
	subscribed_cell(table, json_object_get(client, "subscribed"));
	field_text_cell(table, client, "paused");
	table_cell(table, "%s",
		   json_is_true(json_object_get(client, "control_only")) ? "control only" : "-");
}

void show_clients(const json_t *clients, const char *wanted)
{
	(void)wanted;
	field_print_list(json_object_get(clients, "clients"), "name", NULL, client_columns,
			 COUNT(client_columns), client_row);
	print_rest(clients, "clients");
}

/* --- requests --- */

static const struct column request_columns[] = {
	{"ID", true},	     {"POOL", false},	 {"METHOD", false},  {"STATE", false},
	{"AGE", true},	     {"LEFT", true},	 {"ATTEMPTS", true}, {"WORKER", true},
	{"RUN", true},	     {"UID", true},	 {"PID", true},	     {"CLIENT", false},
	{"PRIORITY", false}, {"SESSION", false}, {"TRACE", false},
};

static void request_row(struct table *table, const json_t *request)
{
	const char *pool = field_text(request, "pool");
	const char *home = field_text(request, "home");

	field_count_cell(table, request, "id");
	/* Where it is; with the pool that it was sent to, where that is another one. */
	if (strcmp(pool, home) == 0)
		table_cell(table, "%s", pool);
	else
		table_cell(table, "%s (for %s)", pool, home);
	field_text_cell(table, request, "method");
	field_text_cell(table, request, "state");
	field_duration_cell(table, request, "age_ms");
	field_duration_cell(table, request, "left_ms");
	field_count_cell(table, request, "attempts");
	field_count_cell(table, request, "worker");
	/* One that stands behind another at its worker does not run yet. */
	if (strcmp(field_text(request, "state"), "sent") == 0)
		table_cell(table, "-");
	else
		field_duration_cell(table, request, "run_ms");
	field_count_cell(table, request, "uid");
	field_count_cell(table, request, "pid");
	field_text_cell(table, request, "client");
	field_text_cell(table, request, "priority");
	field_text_cell(table, request, "session");
	field_text_cell(table, request, "trace");
}

void show_requests(const json_t *requests, const char *wanted)
{
	const json_t *list = json_object_get(requests, "requests");

	(void)wanted;
	if (json_array_size(list) == 0)
		printf("no such request is open\n");
	else
		field_print_list(list, "pool", NULL, request_columns, COUNT(request_columns),
				 request_row);
	print_rest(requests, "requests");
}

void show_cancelled(const json_t *request, const char *wanted)
{
	char id[UNIT_TEXT_MAX];

	(void)wanted;
	printf("request %s (", field_count(id, request, "id"));
	print_safe(stdout, field_text(request, "pool"));
	putchar('.');
	print_safe(stdout, field_text(request, "method"));
	printf(") is cancelled\n");
}
