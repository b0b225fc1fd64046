#include "client/poolctl/field.h"
#include "client/poolctl/print.h"
#include "client/poolctl/show.h"
#include "client/poolctl/unit.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* --- breakers --- */

static const struct column breaker_columns[] = {
	{"POOL", false}, {"METHOD", false},  {"STATE", false}, {"SINCE", true},
	{"RUN", true},	 {"FAILURES", true}, {"LEFT", true},   {"REJECTED", true},
	{"BY", false},	 {"REASON", false},
};

/* The user who set the state, and when. */
static void by_cell(struct table *table, const json_t *by)
{
	char uid[UNIT_TEXT_MAX], ago[UNIT_TEXT_MAX];

	if (json_is_object(by))
		table_cell(table, "user %s, %s ago", field_count(uid, by, "uid"),
			   field_duration(ago, by, "ago_ms"));
	else
		table_cell(table, "-");
}

static void breaker_row(struct table *table, const json_t *breaker)
{
	char failures[UNIT_TEXT_MAX], calls[UNIT_TEXT_MAX];

	field_text_cell(table, breaker, "pool");
	field_text_cell(table, breaker, "method");
	field_text_cell(table, breaker, "state");
	field_duration_cell(table, breaker, "since_ms");
	field_count_cell(table, breaker, "run");
	table_cell(table, "%s of %s", field_count(failures, breaker, "failures"),
		   field_count(calls, breaker, "calls"));
	field_duration_cell(table, breaker, "open_left_ms");
	field_count_cell(table, breaker, "rejected");
	by_cell(table, json_object_get(breaker, "by"));
	field_text_cell(table, breaker, "reason");
}

void show_breakers(const json_t *breakers, const char *wanted)
{
	field_print_list(breakers, "pool", wanted, breaker_columns, COUNT(breaker_columns),
			 breaker_row);
}

void show_breaker(const json_t *breaker, const char *wanted)
{
	const char *method = json_string_value(json_object_get(breaker, "method"));

	(void)wanted;
	print_safe(stdout, field_text(breaker, "pool"));
	printf("%s", method ? "." : "");
	print_safe(stdout, method ? method : "");
	printf(": ");
	print_status(stdout, field_text(breaker, "state"));
	putchar('\n');
}

void show_done(const json_t *result, const char *wanted)
{
	(void)wanted;
	printf("%s\n", json_is_false(result) ? "not done" : "done");
}

/* --- recoveries --- */

static const struct column recovery_columns[] = {
	{"ID", true},	  {"REQUEST", true},   {"POOL", false},	    {"METHOD", false},
	{"CAUSE", false}, {"STRATEGY", false}, {"SEVERITY", false}, {"ATTEMPTS", true},
	{"STATE", false}, {"AGE", true},       {"LEFT", true},
};

static void recovery_row(struct table *table, const json_t *recovery)
{
	field_count_cell(table, recovery, "id");
	field_count_cell(table, recovery, "request");
	field_text_cell(table, recovery, "pool");
	field_text_cell(table, recovery, "method");
	field_text_cell(table, recovery, "cause");
	field_text_cell(table, recovery, "strategy");
	field_text_cell(table, recovery, "severity");
	field_count_cell(table, recovery, "attempts");
	field_text_cell(table, recovery, "state");
	field_duration_cell(table, recovery, "age_ms");
	field_duration_cell(table, recovery, "left_ms");
}

static const struct column counter_columns[] = {
	{"", false},	  {"INITIATED", true}, {"SUCCEEDED", true},
	{"FAILED", true}, {"CANCELLED", true},
};

static bool has_begun(const json_t *counts)
{
	return json_integer_value(json_object_get(counts, "initiated")) > 0;
}

/* A row for each error category or strategy that had at least one recovery. */
static void show_counters(json_t *counters)
{
	struct table table;
	const char *name;
	bool any = false;
	json_t *row;

	json_object_foreach (counters, name, row)
		any |= has_begun(row);
	if (!any)
		return;
	table_init(&table, counter_columns, COUNT(counter_columns));
	json_object_foreach (counters, name, row) {
		if (!has_begun(row))
			continue;
		table_cell(&table, "%s", name);
		field_count_cell(&table, row, "initiated");
		field_count_cell(&table, row, "succeeded");
		field_count_cell(&table, row, "failed");
		field_count_cell(&table, row, "cancelled");
	}
	putchar('\n');
	table_print(&table, stdout);
	table_free(&table);
}

static void show_recovery_totals(const json_t *recoveries)
{
	const json_t *counters = json_object_get(recoveries, "counters");
	char a[UNIT_TEXT_MAX], b[UNIT_TEXT_MAX], c[UNIT_TEXT_MAX];

	printf("%s of at most %s are active; of %s so far", field_count(a, counters, "active"),
	       field_count(b, counters, "max"), field_count(c, counters, "initiated"));
	printf(" %s succeeded, %s failed, %s were cancelled;",
	       field_count(a, counters, "succeeded"), field_count(b, counters, "failed"),
	       field_count(c, counters, "cancelled"));
	printf(" %s were refused\n", field_count(a, counters, "refused"));
	printf("mean duration %s, 99th percentile %s\n", field_duration(a, recoveries, "mean_ms"),
	       field_duration(b, recoveries, "p99_ms"));
}

void show_recoveries(const json_t *recoveries, const char *wanted)
{
	const json_t *active = json_object_get(recoveries, "active");

	show_recovery_totals(recoveries);
	show_counters(json_object_get(recoveries, "by_category"));
	show_counters(json_object_get(recoveries, "by_strategy"));
	if (json_array_size(active) == 0)
		return;
	putchar('\n');
	field_print_list(active, "pool", wanted, recovery_columns, COUNT(recovery_columns),
			 recovery_row);
}

/* --- errors --- */

static const struct column error_columns[] = {
	{"TIME", false},  {"CODE", false},    {"SEVERITY", false}, {"POOL", false},
	{"WORKER", true}, {"SESSION", false}, {"ATTEMPT", true},   {"MESSAGE", false},
};

static void error_row(struct table *table, const json_t *error)
{
	char time[UNIT_TEXT_MAX];

	table_cell(table, "%s", field_clock(time, error, "at_ms"));
	/* A client that was cut off has a reason instead. */
	field_text_cell(table, error, json_object_get(error, "code") ? "code" : "reason");
	field_text_cell(table, error, "severity");
	field_text_cell(table, error, "pool");
	field_count_cell(table, error, "worker");
	field_text_cell(table, error, "session");
	field_count_cell(table, error, "attempt");
	field_text_cell(table, error, "message");
}

void show_errors(const json_t *errors, const char *wanted)
{
	field_print_list(errors, "pool", wanted, error_columns, COUNT(error_columns), error_row);
}

/* Clocks are read one after the other. */
#define CLOCK_DIFFERENCE_MS 1000

/* When the daemon was started, in milliseconds since 1970; 0: it does not say. */
static json_int_t start_of(const json_t *status)
{
	const json_t *uptime = json_object_get(status, "uptime_ms");

	return json_is_number(uptime)
		       ? (json_int_t)time(NULL) * 1000 - (json_int_t)json_number_value(uptime)
		       : 0;
}

/* Returns since when, in milliseconds since 1970; 0: the daemon does not say. */
static json_int_t show_since(const json_t *status, const char *key, const char *what)
{
	char text[UNIT_TEXT_MAX];

	if (!json_is_integer(json_object_get(status, key)))
		return 0;
	printf("%s are known since %s\n", what, field_clock(text, status, key));
	return json_integer_value(json_object_get(status, key));
}

void show_errors_since(const json_t *status, const char *kind)
{
	bool is_refused = kind && (strcmp(kind, "refusal") == 0 || strcmp(kind, "connection") == 0);
	json_int_t start = start_of(status), pools = 0, refusals = 0;
	char text[UNIT_TEXT_MAX];
	json_t *started;

	if (!is_refused)
		pools = show_since(status, "errors_since_ms", "errors of pools");
	if (is_refused || !kind)
		refusals =
			show_since(status, "refusals_since_ms", "refusals and cut-off connections");
	start -= CLOCK_DIFFERENCE_MS;
	if ((pools == 0 || pools >= start) && (refusals == 0 || refusals >= start))
		return;
	started = json_pack("{sI}", "at", start + CLOCK_DIFFERENCE_MS);
	printf("the daemon runs since %s: what is older is an earlier one's\n",
	       field_clock(text, started, "at"));
	json_decref(started);
}

/* --- doctor --- */

static const struct column finding_columns[] = {
	{"POOL", false}, {"CHECK", false}, {"STATUS", false}, {"FOUND", false}};

static void finding_row(struct table *table, const json_t *finding)
{
	field_text_cell(table, finding, "pool");
	field_text_cell(table, finding, "check");
	field_text_cell(table, finding, "status");
	field_text_cell(table, finding, "text");
}

static void show_advice(const json_t *findings, const char *wanted)
{
	const json_t *finding;
	bool any = false;
	size_t i;

	json_array_foreach (findings, i, finding) {
		const char *advice = json_string_value(json_object_get(finding, "advice"));
		const char *pool = json_string_value(json_object_get(finding, "pool"));

		if (!advice || (wanted && (!pool || strcmp(pool, wanted) != 0)))
			continue;
		putchar('\n');
		print_safe(stdout, pool ? pool : "the daemon");
		printf(", ");
		print_safe(stdout, field_text(finding, "check"));
		printf(": ");
		print_safe(stdout, advice);
		any = true;
	}
	if (any)
		putchar('\n');
}

static void show_last_words(const json_t *findings, const char *wanted)
{
	const json_t *finding;
	size_t i;

	json_array_foreach (findings, i, finding) {
		const char *words = json_string_value(json_object_get(finding, "stderr"));
		const char *pool = field_text(finding, "pool");

		if (!words || (wanted && strcmp(pool, wanted) != 0))
			continue;
		putchar('\n');
		print_safe(stdout, pool);
		printf(", the last lines of a worker's stderr:\n");
		print_lines(stdout, show_last_lines(words));
	}
}

void show_doctor(const json_t *findings, const char *wanted)
{
	field_print_list(findings, "pool", wanted, finding_columns, COUNT(finding_columns),
			 finding_row);
	show_last_words(findings, wanted);
	show_advice(findings, wanted);
}

/* --- sessions --- */

static const struct column session_columns[] = {
	{"SESSION", false}, {"UID", true},   {"POOL", false},	{"WORKER", true},
	{"AGE", true},	    {"IDLE", true},  {"EXPIRES", true}, {"REQUESTS", true},
	{"WAITING", true},  {"STATE", true}, {"LOST", false},
};

static void session_row(struct table *table, const json_t *session)
{
	char text[UNIT_TEXT_MAX];

	field_text_cell(table, session, "session");
	field_count_cell(table, session, "uid");
	field_text_cell(table, session, "pool");
	field_count_cell(table, session, "worker");
	field_duration_cell(table, session, "age_ms");
	field_duration_cell(table, session, "idle_ms");
	field_duration_cell(table, session, "expires_ms");
	field_count_cell(table, session, "requests");
	field_count_cell(table, session, "waiting");
	table_cell(table, "%s", unit_size(text, field_number(session, "state_bytes")));
	table_cell(table, "%s",
		   json_is_true(json_object_get(session, "state_lost")) ? "state lost" : "-");
}

void show_sessions(const json_t *sessions, const char *wanted)
{
	char count[UNIT_TEXT_MAX], max[UNIT_TEXT_MAX], tombstones[UNIT_TEXT_MAX];

	printf("%s of at most %s sessions are open; the names of %s ended ones are kept\n",
	       field_count(count, sessions, "count"), field_count(max, sessions, "max"),
	       field_count(tombstones, sessions, "tombstones"));
	if (json_array_size(json_object_get(sessions, "sessions")) == 0)
		return;
	putchar('\n');
	field_print_list(json_object_get(sessions, "sessions"), "pool", wanted, session_columns,
			 COUNT(session_columns), session_row);
}
