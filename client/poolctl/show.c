#include "client/poolctl/show.h"

#include "client/poolctl/field.h"
#include "client/poolctl/print.h"
#include "client/poolctl/unit.h"

#include <poold.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- status --- */

static const struct column status_columns[] = {
	{"POOL", false},    {"STATUS", false}, {"SINCE", true},	   {"WORKERS", true},
	{"BUSY", true},	    {"QUEUED", true},  {"RUNNING", true},  {"RATE", true},
	{"OK%", true},	    {"P50", true},     {"P99", true},	   {"WAIT", true},
	{"REQUESTS", true}, {"FAILED", true},  {"RESTARTS", true},
};

static void status_row(struct table *table, const json_t *pool)
{
	const json_t *workers = json_object_get(pool, "workers");
	char min[UNIT_TEXT_MAX], busy[UNIT_TEXT_MAX], max[UNIT_TEXT_MAX];
	char queued[UNIT_TEXT_MAX], limit[UNIT_TEXT_MAX];
	double working = field_number(workers, "ready") + field_number(workers, "busy");

	table_cell(table, "%s", field_text(pool, "name"));
	table_cell(table, "%s", field_text(pool, "status"));
	field_duration_cell(table, pool, "since_ms");
	if (json_is_object(workers))
		table_cell(table, "%.0f of %s", working, field_count(min, workers, "min"));
	else
		table_cell(table, "-");
	table_cell(table, "%s of %s", field_count(busy, workers, "busy"),
		   field_count(max, workers, "max"));
	table_cell(table, "%s of %s", field_count(queued, pool, "queued"),
		   field_count(limit, pool, "queue_max"));
	field_count_cell(table, pool, "running");
	show_window_cells(table, json_object_get(pool, "last_minute"));
	field_count_cell(table, pool, "total");
	field_count_cell(table, pool, "failed");
	field_count_cell(table, pool, "restarts");
}

/* Prints why the last start of a worker failed, and what the worker said last. */
static void show_start_fault(const json_t *pool)
{
	const char *fault = json_string_value(json_object_get(pool, "start_fault"));
	const char *words = json_string_value(json_object_get(pool, "start_stderr"));

	if (!fault)
		return;
	printf("  - the last start failed: ");
	print_safe(stdout, fault);
	putchar('\n');
	if (!words)
		return;
	printf("    the last lines of its stderr:\n");
	print_lines(stdout, show_last_lines(words));
}

/* Prints what the last failed request of a failing pool was. */
static void show_failing(const json_t *failing)
{
	const char *text = json_string_value(json_object_get(failing, "text"));
	char since[UNIT_TEXT_MAX];

	if (!json_is_object(failing))
		return;
	printf("  - most requests have failed for %s", field_duration(since, failing, "since_ms"));
	printf("%s", text ? "; the last one: " : "");
	print_safe(stdout, text ? text : "");
	putchar('\n');
}

/* Prints each problem: since when, what to do, and the command for it. */
static void show_list(const json_t *problems)
{
	char since[UNIT_TEXT_MAX];
	const json_t *problem;
	size_t i;

	json_array_foreach (problems, i, problem) {
		printf("  - ");
		print_safe(stdout, field_text(problem, "text"));
		printf(", for %s", field_duration(since, problem, "since_ms"));
		if (json_is_string(json_object_get(problem, "alert"))) {
			printf(" (alert ");
			print_safe(stdout, field_text(problem, "alert"));
			putchar(')');
		}
		printf("\n    advice: ");
		print_safe(stdout, field_text(problem, "advice"));
		printf("\n    run: ");
		print_safe(stdout, field_text(problem, "command"));
		putchar('\n');
	}
}

/* Prints why the pool is not ok. */
static void show_problems(const json_t *pool)
{
	const json_t *problems = json_object_get(pool, "problems");
	char since[UNIT_TEXT_MAX];

	if (json_array_size(problems) == 0 && strcmp(field_text(pool, "status"), "ok") == 0)
		return;
	putchar('\n');
	print_safe(stdout, field_text(pool, "name"));
	printf(" is ");
	print_status(stdout, field_text(pool, "status"));
	printf(" since %s%s:\n", field_duration(since, pool, "since_ms"),
	       strcmp(field_text(pool, "status"), "ok") == 0 ? ", but" : "");
	show_list(problems);
	show_failing(json_object_get(pool, "failing"));
	show_start_fault(pool);
}

/* A daemon that says nothing of its guard is an older one. */
static void show_guard(const json_t *report)
{
	if (json_is_false(json_object_get(report, "guard")))
		printf("its guard does not live: nothing would end the workers if the daemon were "
		       "killed\n");
}

static void show_reasons(const json_t *reasons)
{
	const json_t *reason;
	size_t i;

	json_array_foreach (reasons, i, reason) {
		printf("%s", i == 0 ? ": " : "; ");
		print_safe(stdout, json_is_string(reason) ? json_string_value(reason) : "-");
	}
}

static void show_daemon(const json_t *status)
{
	char pid[UNIT_TEXT_MAX], uptime[UNIT_TEXT_MAX];

	printf("poold ");
	print_safe(stdout, field_text(status, "version"));
	printf(" is ");
	print_status(stdout, field_text(status, "status"));
	printf("%s (process %s, up %s)",
	       json_is_true(json_object_get(status, "draining")) ? " and stopping" : "",
	       field_count(pid, status, "pid"), field_duration(uptime, status, "uptime_ms"));
	putchar('\n');
	show_list(json_object_get(status, "problems"));
	show_guard(status);
}

static void show_limits(const json_t *status)
{
	const json_t *memory = json_object_get(status, "memory");
	const json_t *peaks = json_object_get(status, "peaks");
	const json_t *now = json_object_get(peaks, "1m"), *ever = json_object_get(peaks, "start");
	char a[UNIT_TEXT_MAX], b[UNIT_TEXT_MAX], c[UNIT_TEXT_MAX], d[UNIT_TEXT_MAX];

	printf("connections  %s of %s; at most %s in the last minute, %s since the start\n",
	       field_count(a, status, "connections"), field_count(b, status, "connections_max"),
	       field_count(c, now, "connections"), field_count(d, ever, "connections"));
	printf("buffers      %s of %s; at most %s in the last minute, %s since the start\n",
	       unit_size(a, field_number(memory, "buffers")),
	       unit_size(b, field_number(memory, "max")),
	       unit_size(c, field_number(now, "buffers")),
	       unit_size(d, field_number(ever, "buffers")));
}

static void show_totals(const json_t *status)
{
	const json_t *requests = json_object_get(status, "requests");
	char a[UNIT_TEXT_MAX], b[UNIT_TEXT_MAX], c[UNIT_TEXT_MAX], d[UNIT_TEXT_MAX];

	printf("\nrequests     %s running, %s queued; of %s so far %s failed",
	       field_count(a, requests, "running"), field_count(b, requests, "queued"),
	       field_count(c, requests, "total"), field_count(d, requests, "failed"));
	printf(", %s cancelled\n", field_count(a, requests, "cancelled"));
	show_limits(status);
}

void show_status(const json_t *status, const char *wanted)
{
	const json_t *pools = json_object_get(status, "pools");
	struct table table;
	const json_t *pool;
	size_t i;

	(void)wanted;
	show_daemon(status);
	json_array_foreach (pools, i, pool) {
		show_problems(pool);
	}
	putchar('\n');
	table_init(&table, status_columns, COUNT(status_columns));
	json_array_foreach (pools, i, pool) {
		status_row(&table, pool);
	}
	table_print(&table, stdout);
	table_free(&table);
	show_totals(status);
}

/* --- health --- */

static void show_pool_health(const char *name, const json_t *pool)
{
	print_safe(stdout, name);
	printf(" is ");
	print_status(stdout, field_text(pool, "status"));
	show_reasons(json_object_get(pool, "reasons"));
	putchar('\n');
}

void show_health(const json_t *health, const char *wanted)
{
	json_t *pools = json_object_get(health, "pools");
	const char *name;
	json_t *pool;

	if (wanted) {
		pool = json_object_get(pools, wanted);
		if (pool)
			show_pool_health(wanted, pool);
		return;
	}
	print_status(stdout, field_text(health, "status"));
	printf("%s%s", json_is_true(json_object_get(health, "ready")) ? "" : ", not ready",
	       json_is_true(json_object_get(health, "draining")) ? ", stopping" : "");
	show_reasons(json_object_get(health, "reasons"));
	putchar('\n');
	show_guard(health);
	json_object_foreach (pools, name, pool) {
		printf("  ");
		show_pool_health(name, pool);
	}
}

/* --- pools --- */

static const struct column pool_columns[] = {
	{"POOL", false},   {"STATUS", false},  {"WORKERS", true},  {"QUEUED", true},
	{"RUNNING", true}, {"TIMEOUT", true},  {"REQUESTS", true}, {"FAILED", true},
	{"RETRIED", true}, {"CRASHES", true},  {"RATE", true},	   {"OK%", true},
	{"P50", true},	   {"P99", true},      {"WAIT", true},	   {"FOR", false},
	{"PEAK", true},	   {"ALL BUSY", true}, {"RESTART", false}, {"COMMAND", false},
};

/* State and progress of the rolling restart. */
static void roll_cell(struct table *table, const json_t *roll)
{
	double total = field_number(roll, "total");
	double done = total - field_number(roll, "left");

	if (!json_is_object(roll))
		table_cell(table, "-");
	else
		table_cell(table, "%s %.0f of %.0f", field_text(roll, "state"), done, total);
}

static void pool_row(struct table *table, const json_t *pool)
{
	const json_t *workers = json_object_get(pool, "workers");
	const json_t *queue = json_object_get(pool, "queue");
	const json_t *counters = json_object_get(pool, "counters");
	const json_t *windows = json_object_get(pool, "windows");
	char a[UNIT_TEXT_MAX], b[UNIT_TEXT_MAX];

	table_cell(table, "%s", field_text(pool, "name"));
	table_cell(table, "%s", field_text(pool, "status"));
	table_cell(table, "%.0f of %s..%s",
		   field_number(workers, "ready") + field_number(workers, "busy"),
		   field_count(a, workers, "min"), field_count(b, workers, "max"));
	table_cell(table, "%s of %s", field_count(a, queue, "length"),
		   field_count(b, queue, "max"));
	field_count_cell(table, pool, "running");
	field_duration_cell(table, json_object_get(pool, "limits"), "timeout_ms");
	field_count_cell(table, counters, "requests");
	field_count_cell(table, counters, "failed");
	field_count_cell(table, counters, "retried");
	field_count_cell(table, counters, "worker_crashes");
	show_window_cells(table, json_object_get(windows, "1m"));
	show_wait_cells(table, json_object_get(windows, "1m"));
	roll_cell(table, json_object_get(pool, "roll"));
	table_cell(table, "%s", field_text(pool, "command"));
}

void show_pools(const json_t *pools, const char *wanted)
{
	field_print_list(pools, "name", wanted, pool_columns, COUNT(pool_columns), pool_row);
}

/* --- stats, metrics, version --- */

/* Prints one line for each value, with its path: "pools.python.requests 12". */
static void show_flat(const char *path, json_t *value)
{
	const char *key;
	json_t *inner;
	char text[CELL_MAX];

	if (!json_is_object(value)) {
		char *dump = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

		print_safe(stdout, path);
		putchar(' ');
		print_safe(stdout, dump ? dump : "-");
		putchar('\n');
		free(dump);
		return;
	}
	json_object_foreach (value, key, inner) {
		snprintf(text, sizeof(text), "%s%s%s", path, path[0] ? "." : "", key);
		show_flat(text, inner);
	}
}

void show_stats(const json_t *stats, const char *wanted)
{
	(void)wanted;
	show_flat("daemon", json_object_get(stats, "daemon"));
	if (json_object_get(stats, "refusals"))
		show_flat("refusals", json_object_get(stats, "refusals"));
	if (json_object_get(stats, "ends"))
		show_flat("ends", json_object_get(stats, "ends"));
	show_flat("pools", json_object_get(stats, "pools"));
}

void show_metrics(const json_t *metrics, const char *wanted)
{
	(void)wanted;
	print_text(stdout, json_is_string(metrics) ? json_string_value(metrics) : "");
}

void show_version(const json_t *version, const char *wanted)
{
	char pid[UNIT_TEXT_MAX], uptime[UNIT_TEXT_MAX];

	(void)wanted;
	printf("poolctl %s\npoold ", poold_version());
	print_safe(stdout, field_text(version, "version"));
	printf(" (process %s, up %s)\n", field_count(pid, version, "pid"),
	       field_duration(uptime, version, "uptime_ms"));
}
