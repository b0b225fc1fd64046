/* The tables and lines that people read, from what the daemon says as JSON. */
/* Parts of a program, so no library has them. */
#include "client/poolctl/field.c"	  // NOLINT(bugprone-suspicious-include)
#include "client/poolctl/print.c"	  // NOLINT(bugprone-suspicious-include)
#include "client/poolctl/show_event.c"	  // NOLINT(bugprone-suspicious-include)
#include "client/poolctl/show_faults.c"	  // NOLINT(bugprone-suspicious-include)
#include "client/poolctl/show_requests.c" // NOLINT(bugprone-suspicious-include)
#include "client/poolctl/show_workers.c"  // NOLINT(bugprone-suspicious-include)
#include "client/poolctl/table.c"	  // NOLINT(bugprone-suspicious-include)
#include "client/poolctl/unit.c"	  // NOLINT(bugprone-suspicious-include)

#include "tests/lib/unit.h"

/* Runs `show` on the JSON; what it printed. */
static const char *shown(void (*show)(const json_t *, const char *), const char *json,
			 const char *wanted)
{
	static char text[8192];
	FILE *file = tmpfile();
	json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
	int old;
	size_t len;

	ck_assert_ptr_nonnull(value);
	ck_assert_ptr_nonnull(file);
	fflush(stdout);
	old = dup(STDOUT_FILENO);
	ck_assert_int_ge(dup2(fileno(file), STDOUT_FILENO), 0);
	show(value, wanted);
	fflush(stdout);
	ck_assert_int_ge(dup2(old, STDOUT_FILENO), 0);
	close(old);
	rewind(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	text[len] = '\0';
	fclose(file);
	json_decref(value);
	return text;
}

static void show_one_event(const json_t *event, const char *wanted)
{
	(void)wanted;
	show_event(event);
}

static const char breakers[] =
	"[{\"pool\": \"python\", \"method\": null, \"state\": \"closed\", \"reason\": \"\", "
	"\"since_ms\": 60000, \"run\": 1, \"calls\": 20, \"failures\": 3, \"open_left_ms\": null, "
	"\"rejected\": 0, \"by\": null},"
	" {\"pool\": \"images\", \"method\": \"resize\", \"state\": \"forced_open\", \"reason\": "
	"\"by hand\", \"since_ms\": 2500, \"run\": 0, \"calls\": 0, \"failures\": 0, "
	"\"open_left_ms\": 57000, \"rejected\": 12, \"by\": {\"uid\": 0, \"pid\": 3, \"ago_ms\": "
	"2500}}]";

START_TEST(breakers_are_a_table)
{
	ck_assert_str_eq(shown(show_breakers, breakers, NULL),
			 "POOL    METHOD  STATE        SINCE  RUN  FAILURES  LEFT  REJECTED  BY    "
			 "             "
			 "REASON\n"
			 "python  -       closed       1 min    1   3 of 20     -         0  -     "
			 "             "
			 "-\n"
			 "images  resize  forced_open  2.5 s    0    0 of 0  57 s        12  user "
			 "0, 2.5 s ago  "
			 "by hand\n");
	ck_assert_str_eq(
		shown(show_breakers, breakers, "python"),
		"POOL    METHOD  STATE   SINCE  RUN  FAILURES  LEFT  REJECTED  BY  REASON\n"
		"python  -       closed  1 min    1   3 of 20     -         0  -   -\n");
	ck_assert_str_eq(shown(show_breaker,
			       "{\"pool\": \"p\", \"method\": null, \"state\": \"closed\"}", NULL),
			 "p: closed\n");
	ck_assert_str_eq(shown(show_breaker,
			       "{\"pool\": \"p\", \"method\": \"m\", \"state\": \"open\"}", NULL),
			 "p.m: open\n");
	ck_assert_str_eq(shown(show_done, "true", NULL), "done\n");
}
END_TEST

START_TEST(recoveries_have_totals_first)
{
	ck_assert_str_eq(
		shown(show_recoveries,
		      "{\"active\": [{\"id\": 3, \"request\": 7, \"pool\": \"p\", \"method\": "
		      "\"m\", \"cause\": \"shed\", \"strategy\": \"failover\", \"severity\": "
		      "\"minor\", \"attempts\": 2, \"age_ms\": 120, \"left_ms\": 29880, \"state\": "
		      "\"delayed\"}], \"counters\": {\"initiated\": 4, \"succeeded\": 2, "
		      "\"failed\": 1, \"cancelled\": 0, \"refused\": 5, \"active\": 1, \"max\": 9},"
		      "\"mean_ms\": 12.5, \"p99_ms\": 80.0, \"by_category\": {\"timeout_error\": "
		      "{\"initiated\": 4, \"succeeded\": 2, \"failed\": 1, \"cancelled\": 0}}, "
		      "\"by_strategy\": {}}",
		      NULL),
		"1 of at most 9 are active; of 4 so far 2 succeeded, 1 failed, 0 were cancelled; "
		"5 were refused\n"
		"mean duration 12 ms, 99th percentile 80 ms\n"
		"\n"
		"               INITIATED  SUCCEEDED  FAILED  CANCELLED\n"
		"timeout_error          4          2       1          0\n"
		"\n"
		"ID  REQUEST  POOL  METHOD  CAUSE  STRATEGY  SEVERITY  ATTEMPTS  STATE       AGE  "
		"LEFT\n"
		" 3        7  p     m       shed   failover  minor            2  delayed  120 ms  "
		"30 s\n");
	ck_assert_str_eq(
		shown(show_recoveries,
		      "{\"active\": [], \"counters\": {\"initiated\": 0, \"succeeded\": 0, "
		      "\"failed\": 0, \"cancelled\": 0, \"refused\": 0, \"active\": 0, \"max\": "
		      "9}, "
		      "\"mean_ms\": null, \"p99_ms\": null, \"by_category\": {}, "
		      "\"by_strategy\": {}}",
		      NULL),
		"0 of at most 9 are active; of 0 so far 0 succeeded, 0 failed, 0 were cancelled; "
		"0 were refused\n"
		"mean duration -, 99th percentile -\n");
}
END_TEST

START_TEST(errors_are_a_table)
{
	ck_assert_str_eq(
		shown(show_errors,
		      "[{\"at_ms\": 1795624176028, \"kind\": \"request\", \"code\": \"exception\", "
		      "\"severity\": \"major\", \"pool\": \"p\", \"worker\": 2, \"session\": "
		      "\"s\", "
		      "\"attempt\": 1, \"message\": \"bad\\u001b[31m\"},"
		      " {\"kind\": \"incident\", \"code\": \"init_failed\"}]",
		      NULL),
		"TIME                     CODE         SEVERITY  POOL  WORKER  SESSION  ATTEMPT  "
		"MESSAGE\n"
		"2026-11-25 16:29:36.028  exception    major     p          2  s              1  "
		"bad?[31m\n"
		"-                        init_failed  -         -          -  -              -  "
		"-\n");
}
END_TEST

static void show_since_of_all(const json_t *status, const char *wanted)
{
	show_errors_since(status, wanted);
}

START_TEST(errors_say_since_when_they_are_known)
{
	/* The daemon runs for so long that both are later than its start. */
	const char *once = "{\"uptime_ms\": 4000000000000, \"errors_since_ms\": 1795624176028, "
			   "\"refusals_since_ms\": 1795624176029}";
	const char *again = "{\"uptime_ms\": 1000, \"errors_since_ms\": 1795624176028, "
			    "\"refusals_since_ms\": 0}";

	ck_assert_str_eq(shown(show_since_of_all, once, NULL),
			 "errors of pools are known since 2026-11-25 16:29:36.028\n"
			 "refusals and cut-off connections are known since 2026-11-25 "
			 "16:29:36.029\n");
	ck_assert_str_eq(shown(show_since_of_all, once, "incident"),
			 "errors of pools are known since 2026-11-25 16:29:36.028\n");
	ck_assert_str_eq(shown(show_since_of_all, once, "refusal"),
			 "refusals and cut-off connections are known since 2026-11-25 "
			 "16:29:36.029\n");
	ck_assert_ptr_nonnull(
		strstr(shown(show_since_of_all, again, "request"), "\nthe daemon runs since 2"));
	ck_assert_str_eq(shown(show_since_of_all, "{}", NULL), "");
}
END_TEST

START_TEST(workers_are_a_table_and_last_words)
{
	ck_assert_str_eq(
		shown(show_workers,
		      "[{\"pool\": \"p\", \"worker\": 1, \"state\": \"ready\", \"last_exit\": "
		      "\"signal 9\", \"last_stderr\": \"1\\n2\\n3\\n4\\n5\\nsix\\u001b\"},"
		      " {\"pool\": \"p\", \"worker\": 2, \"state\": \"initializing\", \"steps\": "
		      "[[\"fork\", 1.5], [\"exec\", 12000.0]]},"
		      " {\"pool\": \"q\", \"worker\": 1, \"last_stderr\": \"not wanted\"}]",
		      "p"),
		"POOL  WORKER  PROCESS  STATE         SINCE  HEALTH  UP  HEARD  IN FLIGHT  SERVED  "
		"FAILED "
		" "
		"RESTARTS  MEMORY  NOW        LAST EXIT\n"
		"p          1        -  ready             -  -        -      -          -       -  "
		"     - "
		" "
		"       -     0 B  -          signal 9\n"
		"p          2        -  initializing      -  -        -      -          -       -  "
		"     - "
		" "
		"       -     0 B  exec 12 s  -\n"
		"\n"
		"p worker 1 ended by signal 9; last lines of its stderr:\n"
		"  2\n  3\n  4\n  5\n  six?\n");
}
END_TEST

START_TEST(sessions_are_counted_and_listed)
{
	ck_assert_str_eq(shown(show_sessions,
			       "{\"count\": 0, \"max\": 10, \"tombstones\": 2, \"sessions\": []}",
			       NULL),
			 "0 of at most 10 sessions are open; the names of 2 ended ones are kept\n");
	ck_assert_str_eq(
		shown(show_sessions,
		      "{\"count\": 1, \"max\": 10, \"tombstones\": 2, \"sessions\": [{\"session\": "
		      "\"cart\", \"uid\": 1000, \"pool\": null, \"worker\": null, \"age_ms\": "
		      "60000, \"idle_ms\": "
		      "1000, \"expires_ms\": 299000, \"requests\": 5, \"waiting\": 0, "
		      "\"state_bytes\": 2048, \"state_lost\": true}]}",
		      NULL),
		"1 of at most 10 sessions are open; the names of 2 ended ones are kept\n"
		"\n"
		"SESSION   UID  POOL  WORKER    AGE  IDLE  EXPIRES  REQUESTS  WAITING    STATE  "
		"LOST\n"
		"cart     1000  -          -  1 min   1 s    4 min         5        0  2.0 KiB  "
		"state lost\n");
}
END_TEST

static const struct {
	const char *event;
	const char *line;
} events[] = {
	{"\"kind\": \"breaker\", \"pool\": \"p\", \"method\": null, \"from\": \"closed\", \"to\": "
	 "\"open\", \"reason\": \"5 failures\", \"by\": {\"uid\": 0}",
	 "breaker   p: closed -> open, 5 failures"},
	{"\"kind\": \"breaker\", \"pool\": \"p\", \"method\": \"m\", \"from\": \"open\", \"to\": "
	 "\"half_open\", \"reason\": \"\"",
	 "breaker   p.m: open -> half_open"},
	{"\"kind\": \"failover\", \"pool\": \"p\", \"from\": \"p\", \"to\": \"mock\", "
	 "\"from_level\": 0, \"to_level\": 2, \"reason\": \"circuit_open\"",
	 "failover  p: p -> mock, level 0 -> 2, circuit_open"},
	{"\"kind\": \"recovery\", \"id\": 3, \"request\": 7, \"pool\": \"p\", \"cause\": \"shed\", "
	 "\"strategy\": \"failover\", \"result\": \"succeeded\", \"duration_ms\": 120",
	 "recovery  3 of request 7 in p succeeded: shed, failover, 120 ms"},
	{"\"kind\": \"recovery\", \"id\": 3, \"request\": 7, \"cause\": \"shed\", "
	 "\"strategy\": \"failover\", \"result\": \"started\"",
	 "recovery  3 of request 7 started: shed, failover"},
	{"\"kind\": \"health\", \"pool\": \"p\", \"from\": \"ok\", \"to\": \"down\"",
	 "health    p: ok -> down"},
	{"\"kind\": \"worker\", \"pool\": \"p\", \"worker\": 2, \"pid\": 77, \"what\": \"ended\", "
	 "\"text\": \"by signal 9\\n\"",
	 "worker    p worker 2 (process 77) ended: by signal 9?"},
	{"\"kind\": \"session\", \"session\": \"$s[\", \"what\": \"moved\", \"reason\": null",
	 "session   $s[ moved"},
	{"\"kind\": \"error\", \"code\": \"internal\", \"message\": \"oh\"",
	 "error     internal: oh"},
	{"\"kind\": \"health\"", "health    -: - -> -"},
	{"\"kind\": \"gap\", \"lost\": 12",
	 "gap       12 events are missing here: they were not read in time"},
	{"\"kind\": \"of_a_later_version\", \"x\": 1",
	 "of_a_later_version {\"at_ms\":1795624176028,\"kind\":\"of_a_later_version\",\"x\":1}"},
};

START_TEST(events_are_sentences)
{
	for (size_t i = 0; i < COUNT(events); i++) {
		char event[512], line[512];

		snprintf(event, sizeof(event), "{\"at_ms\": 1795624176028, %s}", events[i].event);
		snprintf(line, sizeof(line), "     -  2026-11-25 16:29:36.028  %s\n",
			 events[i].line);
		ck_assert_str_eq(shown(show_one_event, event, NULL), line);
	}
}
END_TEST

START_TEST(a_list_says_that_it_is_not_all)
{
	static const char all[] = "{\"count\": 0, \"more\": false, \"requests\": []}";
	static const char part[] =
		"{\"count\": 3, \"more\": true, \"requests\": [{\"id\": 7, \"pool\": \"p\", "
		"\"home\": \"p\", \"method\": \"m\", \"state\": \"queued\"}]}";
	static const char clients[] = "{\"more\": true, \"clients\": [{\"client\": 1}]}";
	static const char rest[] = "\nthere are more requests than these\n";
	static const char rest_of_clients[] = "\nthere are more clients than these\n";

	ck_assert_str_eq(shown(show_requests, all, NULL), "no such request is open\n");
	ck_assert_ptr_nonnull(strstr(shown(show_requests, part, NULL), rest));
	ck_assert_ptr_nonnull(strstr(shown(show_clients, clients, NULL), rest_of_clients));
}
END_TEST

START_TEST(times_have_one_or_two_units)
{
	static const struct {
		double ms;
		const char *text;
	} cases[] = {
		{0.25, "0.25 ms"},
		{250, "250 ms"},
		{2500, "2.5 s"},
		{59000, "59 s"},
		{90000, "1 min"},
		{2.0 * 3600000, "2 h 0 min"},
		{30.0 * 3600000, "1 d 6 h"},
	};
	char text[UNIT_TEXT_MAX];

	for (size_t i = 0; i < COUNT(cases); i++)
		ck_assert_str_eq(unit_duration(text, cases[i].ms), cases[i].text);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		breakers_are_a_table,
		recoveries_have_totals_first,
		errors_are_a_table,
		sessions_are_counted_and_listed,
		errors_say_since_when_they_are_known,
		events_are_sentences,
		workers_are_a_table_and_last_words,
		a_list_says_that_it_is_not_all,
		times_have_one_or_two_units,
	};

	setenv("TZ", "UTC", 1);
	return unit_main("poolctl_show", tests, COUNT(tests));
}
