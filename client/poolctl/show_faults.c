#include <stdio.h>
#include <string.h>

#include "client/poolctl/fields.h"
#include "client/poolctl/show.h"

/* --- breakers ----------------------------------------------------------------------------------
 */

static const struct column breaker_columns[] = {
	{"POOL", false}, {"METHOD", false},  {"STATE", false}, {"SINCE", true},
	{"RUN", true},	 {"FAILURES", true}, {"LEFT", true},   {"REJECTED", true},
	{"BY", false},	 {"REASON", false},
};

/* Who changed it by hand, and when. */
static void by_cell(struct table *table, const json_t *by)
{
	char uid[UNIT_TEXT_MAX], ago[UNIT_TEXT_MAX];

	if (json_is_object(by))
		table_cell(table, "user %s, %s ago", count_text(uid, by, "uid"),
			   ms_text(ago, by, "ago_ms"));
	else
		table_cell(table, "-");
}

static void breaker_row(struct table *table, const json_t *breaker)
{
	char failures[UNIT_TEXT_MAX], calls[UNIT_TEXT_MAX];

	text_cell(table, breaker, "pool");
	text_cell(table, breaker, "method");
	text_cell(table, breaker, "state");
	ms_cell(table, breaker, "since_ms");
	count_cell(table, breaker, "run");
	table_cell(table, "%s of %s", count_text(failures, breaker, "failures"),
		   count_text(calls, breaker, "calls"));
	ms_cell(table, breaker, "open_left_ms");
	count_cell(table, breaker, "rejected");
	by_cell(table, json_object_get(breaker, "by"));
	text_cell(table, breaker, "reason");
}

void show_breakers(const json_t *breakers, const char *wanted)
{
	show_list(breakers, "pool", wanted, breaker_columns, COUNT(breaker_columns), breaker_row);
}

void show_breaker(const json_t *breaker, const char *wanted)
{
	const char *method = json_string_value(json_object_get(breaker, "method"));

	(void)wanted;
	print_safe(stdout, text_of(breaker, "pool"));
	printf("%s", method ? "." : "");
	print_safe(stdout, method ? method : "");
	printf(": ");
	print_status(stdout, text_of(breaker, "state"));
	putchar('\n');
}

void show_done(const json_t *result, const char *wanted)
{
	(void)wanted;
	printf("%s\n", json_is_false(result) ? "not done" : "done");
}

/* --- recoveries --------------------------------------------------------------------------------
 */

static const struct column recovery_columns[] = {
	{"ID", true},	  {"REQUEST", true},   {"POOL", false},	    {"METHOD", false},
	{"CAUSE", false}, {"STRATEGY", false}, {"SEVERITY", false}, {"ATTEMPTS", true},
	{"STATE", false}, {"AGE", true},       {"LEFT", true},
};

static void recovery_row(struct table *table, const json_t *recovery)
{
	count_cell(table, recovery, "id");
	count_cell(table, recovery, "request");
	text_cell(table, recovery, "pool");
	text_cell(table, recovery, "method");
	text_cell(table, recovery, "cause");
	text_cell(table, recovery, "strategy");
	text_cell(table, recovery, "severity");
	count_cell(table, recovery, "attempts");
	text_cell(table, recovery, "state");
	ms_cell(table, recovery, "age_ms");
	ms_cell(table, recovery, "left_ms");
}

static const struct column counter_columns[] = {
	{"", false},	  {"INITIATED", true}, {"SUCCEEDED", true},
	{"FAILED", true}, {"CANCELLED", true},
};

static bool has_begun(const json_t *counts)
{
	return json_integer_value(json_object_get(counts, "initiated")) > 0;
}

/* A row for each category, or strategy, that any recovery had. */
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
		count_cell(&table, row, "initiated");
		count_cell(&table, row, "succeeded");
		count_cell(&table, row, "failed");
		count_cell(&table, row, "cancelled");
	}
	putchar('\n');
	table_print(&table, stdout);
	table_free(&table);
}

static void show_recovery_totals(const json_t *recoveries)
{
	const json_t *counters = json_object_get(recoveries, "counters");
	char a[UNIT_TEXT_MAX], b[UNIT_TEXT_MAX], c[UNIT_TEXT_MAX];

	printf("%s of at most %s are active; of %s so far", count_text(a, counters, "active"),
	       count_text(b, counters, "max"), count_text(c, counters, "initiated"));
	printf(" %s succeeded, %s failed, %s were cancelled;", count_text(a, counters, "succeeded"),
	       count_text(b, counters, "failed"), count_text(c, counters, "cancelled"));
	printf(" %s were refused\n", count_text(a, counters, "refused"));
	printf("they took %s on average, 99 of 100 less than %s\n",
	       ms_text(a, recoveries, "mean_ms"), ms_text(b, recoveries, "p99_ms"));
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
	show_list(active, "pool", wanted, recovery_columns, COUNT(recovery_columns), recovery_row);
}

/* --- errors ------------------------------------------------------------------------------------
 */

static const struct column error_columns[] = {
	{"TIME", false},  {"CODE", false},    {"SEVERITY", false}, {"POOL", false},
	{"WORKER", true}, {"SESSION", false}, {"ATTEMPT", true},   {"MESSAGE", false},
};

static void error_row(struct table *table, const json_t *error)
{
	char time[UNIT_TEXT_MAX];

	table_cell(table, "%s", clock_text(time, error, "at_ms"));
	text_cell(table, error, "code");
	text_cell(table, error, "severity");
	text_cell(table, error, "pool");
	count_cell(table, error, "worker");
	text_cell(table, error, "session");
	count_cell(table, error, "attempt");
	text_cell(table, error, "message");
}

void show_errors(const json_t *errors, const char *wanted)
{
	show_list(errors, "pool", wanted, error_columns, COUNT(error_columns), error_row);
}

/* --- doctor ------------------------------------------------------------------------------------
 */

static const struct column finding_columns[] = {
	{"POOL", false}, {"CHECK", false}, {"STATUS", false}, {"FOUND", false}};

static void finding_row(struct table *table, const json_t *finding)
{
	text_cell(table, finding, "pool");
	text_cell(table, finding, "check");
	text_cell(table, finding, "status");
	text_cell(table, finding, "text");
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
		print_safe(stdout, text_of(finding, "check"));
		printf(": ");
		print_safe(stdout, advice);
		any = true;
	}
	if (any)
		putchar('\n');
}

void show_doctor(const json_t *findings, const char *wanted)
{
	show_list(findings, "pool", wanted, finding_columns, COUNT(finding_columns), finding_row);
	show_advice(findings, wanted);
}

/* --- sessions ----------------------------------------------------------------------------------
 */

static const struct column session_columns[] = {
	{"SESSION", false}, {"POOL", false},	{"WORKER", true},  {"AGE", true},   {"IDLE", true},
	{"EXPIRES", true},  {"REQUESTS", true}, {"WAITING", true}, {"STATE", true}, {"LOST", false},
};

static void session_row(struct table *table, const json_t *session)
{
	char text[UNIT_TEXT_MAX];

	text_cell(table, session, "session");
	text_cell(table, session, "pool");
	count_cell(table, session, "worker");
	ms_cell(table, session, "age_ms");
	ms_cell(table, session, "idle_ms");
	ms_cell(table, session, "expires_ms");
	count_cell(table, session, "requests");
	count_cell(table, session, "waiting");
	table_cell(table, "%s", size_text(text, number_of(session, "state_bytes")));
	table_cell(table, "%s",
		   json_is_true(json_object_get(session, "state_lost")) ? "state lost" : "-");
}

void show_sessions(const json_t *sessions, const char *wanted)
{
	char count[UNIT_TEXT_MAX], max[UNIT_TEXT_MAX], tombstones[UNIT_TEXT_MAX];

	printf("%s of at most %s sessions; %s that have ended are remembered\n",
	       count_text(count, sessions, "count"), count_text(max, sessions, "max"),
	       count_text(tombstones, sessions, "tombstones"));
	if (json_array_size(json_object_get(sessions, "sessions")) == 0)
		return;
	putchar('\n');
	show_list(json_object_get(sessions, "sessions"), "pool", wanted, session_columns,
		  COUNT(session_columns), session_row);
}
