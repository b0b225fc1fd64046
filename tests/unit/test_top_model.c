/* The verdict, the pools and the panes of `poolctl top`, from answers of a daemon. */
#include "tests/unit/test_top.h"

#define NO_LIST "[]"

static const char two_ok[] =
	STATUS_OF("7", "ok",
		  POOL_STATUS_OF("a", "ok", "", "0", "0", "a") "," POOL_STATUS_OF("b", "ok", "",
										  "0", "0", "b"));

static const struct top_pool *pool_of(const struct top_model *model, const char *name)
{
	for (size_t i = 0; i < model->pool_count; i++)
		if (strcmp(model->pools[i].name, name) == 0)
			return &model->pools[i];
	ck_abort_msg("no pool %s", name);
	return NULL;
}

START_TEST(rates_are_differences)
{
	struct top_model model = {0};

	add_sample(&model, 1000, two_ok, "{'pools': {" COUNTERS_OF("a", "100", "90", "10", "") "}}",
		   NO_LIST, NO_LIST);
	ck_assert_double_lt(pool_of(&model, "a")->rate, 0);
	ck_assert_double_lt(pool_of(&model, "a")->ok_percent, 0);
	add_sample(&model, 3000, two_ok,
		   "{'pools': {" COUNTERS_OF("a", "120", "105", "11", "") "}}", NO_LIST, NO_LIST);
	/* 20 requests in 2 s; of 16 that ended 15 succeeded. */
	ck_assert_double_eq_tol(pool_of(&model, "a")->rate, 10, 1e-9);
	ck_assert_double_eq_tol(pool_of(&model, "a")->ok_percent, 93.75, 1e-9);
	ck_assert(!pool_of(&model, "a")->is_failing);
	/* Nothing ended in b. */
	ck_assert_double_eq_tol(pool_of(&model, "b")->rate, 0, 1e-9);
	ck_assert_double_lt(pool_of(&model, "b")->ok_percent, 0);
	top_model_done(&model);
}
END_TEST

START_TEST(the_window_moves_on)
{
	struct top_model model = {0};
	char stats[256];

	for (int second = 0; second <= 30; second++) {
		snprintf(stats, sizeof(stats), "{'pools': {'a': {'requests': %d}}}",
			 second <= 15 ? 100 * second : 1500);
		add_sample(&model, second * 1000, two_ok, stats, NO_LIST, NO_LIST);
		if (second == 12)
			ck_assert_double_eq_tol(pool_of(&model, "a")->rate, 100, 1e-9);
	}
	/* Nothing came in the last ten seconds. */
	ck_assert_double_eq_tol(model.window_ms, 10000, 1e-9);
	ck_assert_double_eq_tol(pool_of(&model, "a")->rate, 0, 1e-9);
	/* More samples than there is room for. */
	for (int i = 0; i < 3 * TOP_POINTS; i++)
		add_sample(&model, 31000 + i, two_ok, "{'pools': {'a': {'requests': 1500}}}",
			   NO_LIST, NO_LIST);
	ck_assert_uint_le(model.point_count, TOP_POINTS);
	top_model_done(&model);
}
END_TEST

START_TEST(a_restarted_daemon_counts_anew)
{
	struct top_model model = {0};

	add_sample(&model, 0, two_ok, "{'pools': {'a': {'requests': 5000}}}", NO_LIST, NO_LIST);
	add_sample(&model, 1000, STATUS_OF("8", "ok", POOL_STATUS_OF("a", "ok", "", "0", "0", "a")),
		   "{'pools': {'a': {'requests': 3}}}", NO_LIST, NO_LIST);
	ck_assert_double_lt(pool_of(&model, "a")->rate, 0);
	/* A pool that a reload took away and brought back. */
	add_sample(&model, 2000, STATUS_OF("8", "ok", POOL_STATUS_OF("a", "ok", "", "0", "0", "a")),
		   "{'pools': {'a': {'requests': 2}}}", NO_LIST, NO_LIST);
	ck_assert_double_eq_tol(pool_of(&model, "a")->rate, 2, 1e-9);
	top_model_done(&model);
}
END_TEST

START_TEST(what_is_wrong_comes_first)
{
	struct top_model model = {0};
	struct top_verdict verdict;

	add_sample(
		&model, 0,
		STATUS_OF(
			"7", "down",
			POOL_STATUS_OF("fine", "ok", "", "0", "0", "fine") "," POOL_STATUS_OF(
				"slow", "degraded", PROBLEM("few workers"), "3", "0",
				"slow") "," POOL_STATUS_OF("dead", "down",
							   PROBLEM("no worker is ready") "," PROBLEM(
								   "more"),
							   "9", "1", "spare")),
		"{'pools': {}}",
		"[{'pool': 'dead', 'method': null, 'state': 'open', 'open_left_ms': 4200},"
		" {'pool': 'fine', 'method': 'm', 'state': 'closed', 'open_left_ms': null}]",
		NO_LIST);
	ck_assert_str_eq(model.pools[0].name, "dead");
	ck_assert_str_eq(model.pools[1].name, "slow");
	ck_assert_str_eq(model.pools[2].name, "fine");
	top_verdict_make(&verdict, &model);
	ck_assert_str_eq(verdict.headline, "poold is down; 2 of 3 pools are not ok; up 1 min");
	ck_assert_uint_eq(verdict.problem_count, 2);
	ck_assert_str_eq(verdict.problems[0].text,
			 "dead is down since 12 s: its circuit breaker is open, probes in 4.2 s; "
			 "served by spare; no worker is ready; more");
	ck_assert_str_eq(verdict.problems[0].advice, "poolctl it; do that");
	ck_assert_str_eq(verdict.problems[1].text, "slow is degraded since 12 s: few workers");
	ck_assert_str_eq(verdict.totals, "0.0 req/s; 2 running, 1 queued; connections 3 of "
					 "1024; buffers 2.0 KiB of 1.0 GiB");
	top_model_done(&model);
}
END_TEST

#define ERROR_OF(code, category)                                                                   \
	"[{'at_ms': 999999999000, 'code': '" code "', 'category': '" category                      \
	"', 'pool': 'a', 'method': 'm', 'message': 'ValueError: boom'}]"

START_TEST(a_pool_whose_requests_fail_is_failing)
{
	struct top_model model = {0};
	struct top_verdict verdict;

	add_sample(&model, 0, two_ok,
		   "{'pools': {" COUNTERS_OF("a", "0", "0", "0", "'exception': 1") "}}", NO_LIST,
		   NO_LIST);
	add_sample(&model, 1000, two_ok,
		   "{'pools': {" COUNTERS_OF("a", "10", "4", "6", "'exception': 7") "}}", NO_LIST,
		   ERROR_OF("exception", "application_error"));
	ck_assert_str_eq(model.pools[0].name, "a");
	ck_assert(model.pools[0].is_failing);
	top_verdict_make(&verdict, &model);
	ck_assert_str_eq(verdict.word, "failing");
	ck_assert_str_eq(verdict.headline, "poold is failing; 1 of 2 pools is not ok; up 1 min");
	ck_assert_str_eq(verdict.problems[0].text,
			 "a is failing: exception: ValueError: boom; 6 of 10 requests failed in "
			 "1 s");
	ck_assert_str_eq(verdict.problems[0].advice,
			 "poolctl errors 20; poolctl explain exception");
	top_model_done(&model);
}
END_TEST

START_TEST(wrong_requests_make_no_pool_failing)
{
	struct top_model model = {0};

	add_sample(&model, 0, two_ok, "{'pools': {" COUNTERS_OF("a", "0", "0", "0", "") "}}",
		   NO_LIST, NO_LIST);
	add_sample(&model, 1000, two_ok,
		   "{'pools': {" COUNTERS_OF("a", "10", "0", "10", "'rejected': 10") "}}", NO_LIST,
		   ERROR_OF("rejected", "request_error"));
	ck_assert(!pool_of(&model, "a")->is_failing);
	ck_assert_double_eq_tol(pool_of(&model, "a")->ok_percent, 0, 1e-9);
	/* Four failures say nothing. */
	add_sample(&model, 2000, two_ok,
		   "{'pools': {" COUNTERS_OF("a", "14", "0", "14",
					     "'rejected': 10, 'exception': 4") "}}",
		   NO_LIST, ERROR_OF("rejected", "request_error"));
	ck_assert(!pool_of(&model, "a")->is_failing);
	top_model_done(&model);
}
END_TEST

START_TEST(what_is_worth_a_look_is_told)
{
	static const char full[] =
		STATUS_OF("7", "ok", POOL_STATUS_OF("a", "ok", "", "80", "0", "a"));
	struct top_model model = {0};
	struct top_verdict verdict;

	/* One of ten fails. */
	add_sample(&model, 0, two_ok, "{'pools': {" COUNTERS_OF("a", "0", "0", "0", "") "}}",
		   NO_LIST, NO_LIST);
	add_sample(&model, 1000, two_ok,
		   "{'pools': {" COUNTERS_OF("a", "50", "45", "5", "'exception': 5") "}}", NO_LIST,
		   ERROR_OF("exception", "application_error"));
	top_verdict_make(&verdict, &model);
	ck_assert_str_eq(verdict.word, "ok");
	ck_assert_str_eq(verdict.headline, "poold is ok; 2 pools; up 1 min");
	ck_assert_uint_eq(verdict.problem_count, 1);
	ck_assert_str_eq(
		verdict.problems[0].text,
		"a is ok, but: exception: ValueError: boom; 5 of 50 requests failed in 1 s");
	top_model_done(&model);

	/* A full queue, and workers that end. */
	add_sample(&model, 0, full, "{'pools': {'a': {'worker_crashes': 1, 'worker_kills': 1}}}",
		   NO_LIST, NO_LIST);
	add_sample(&model, 1000, full, "{'pools': {'a': {'worker_crashes': 2, 'worker_kills': 2}}}",
		   NO_LIST, NO_LIST);
	top_verdict_make(&verdict, &model);
	ck_assert_str_eq(verdict.problems[0].text,
			 "a is ok, but: its queue has 80 of 100 requests, and 1 of 2 workers are "
			 "busy; 2 workers crashed or were killed in 1 s");
	top_model_done(&model);
}
END_TEST

/* A pool may have a breaker for each of several methods. */
START_TEST(the_worst_breaker_of_a_pool_is_shown)
{
	struct top_model model = {0};

	add_sample(&model, 0, two_ok, "{'pools': {}}",
		   "[{'pool': 'a', 'method': 'm', 'state': 'open', 'open_left_ms': 4200},"
		   " {'pool': 'a', 'method': null, 'state': 'closed', 'open_left_ms': null},"
		   " {'pool': 'b', 'method': null, 'state': 'closed', 'open_left_ms': null}]",
		   NO_LIST);
	ck_assert_str_eq(pool_of(&model, "a")->breaker, "open");
	ck_assert_double_eq_tol(pool_of(&model, "a")->open_left_ms, 4200, 1e-9);
	ck_assert_str_eq(pool_of(&model, "b")->breaker, "closed");
	top_model_done(&model);
}
END_TEST

START_TEST(a_daemon_that_stops_says_so)
{
	struct top_model model = {0};
	struct top_verdict verdict;

	add_sample(
		&model, 0,
		"{'status': 'down', 'draining': true, 'guard': false, 'uptime_ms': 65000, 'pools': "
		"[{'name': 'a', 'status': 'ok'}]}",
		"{'pools': {}}", NO_LIST, NO_LIST);
	top_verdict_make(&verdict, &model);
	ck_assert_str_eq(verdict.headline,
			 "poold is down and stopping; its guard does not live; 1 pool; up 1 min");
	top_model_done(&model);
}
END_TEST

/* Its health may be older than its judgement. */
START_TEST(a_pool_that_is_ok_and_fails_is_wrong)
{
	struct top_model model = {0};

	add_sample(&model, 0,
		   "{'pools': [{'name': 'a', 'status': 'ok', 'failing': {'code': 'exception'}}], "
		   "'status': 'ok', 'pid': 1}",
		   "{'pools': {}}", NO_LIST, NO_LIST);
	ck_assert_int_eq(pool_of(&model, "a")->rank, TOP_WRONG);
	ck_assert_str_eq(pool_of(&model, "a")->code, "exception");
	top_model_done(&model);
}
END_TEST

/* What an open breaker refuses says nothing of why it is open. */
START_TEST(the_cause_is_behind_the_breaker)
{
	static const char *const orders[] = {"'circuit_open': 90, 'exception': 10",
					     "'exception': 10, 'circuit_open': 90"};

	for (size_t i = 0; i < COUNT(orders); i++) {
		struct top_model model = {0};
		char stats[512];

		add_sample(&model, 0, two_ok, "{'pools': {}}", NO_LIST, NO_LIST);
		snprintf(stats, sizeof(stats),
			 "{'pools': {'a': {'requests': 100, 'failed': 100, 'errors': {%s}}}}",
			 orders[i]);
		add_sample(&model, 1000, two_ok, stats, NO_LIST,
			   ERROR_OF("exception", "application_error"));
		ck_assert_str_eq(pool_of(&model, "a")->code, "exception");
		top_model_done(&model);
	}
}
END_TEST

START_TEST(many_problems_are_bounded)
{
	struct top_model model = {0};
	struct top_verdict verdict;
	struct top_sample sample = {0};
	json_t *pools = json_array();

	for (int i = 0; i < 100; i++) {
		json_t *pool = answer(POOL_STATUS_OF("p", "down", "'r'", "0", "0", "p"));

		json_array_append_new(pools, pool);
	}
	sample.answers[TOP_STATUS] = json_pack("{s:s, s:o}", "status", "down", "pools", pools);
	ck_assert_int_eq(top_model_add(&model, &sample), 0);
	top_verdict_make(&verdict, &model);
	ck_assert_uint_eq(verdict.problem_count, TOP_PROBLEMS_MAX);
	ck_assert_uint_eq(verdict.problems_left, 100 - TOP_PROBLEMS_MAX);
	top_model_done(&model);
}
END_TEST

/* A status of the daemon with so many problems of its own, of that text. */
static void add_own(struct top_model *model, unsigned count, const char *text)
{
	struct top_sample sample = {0};
	json_t *problems = json_array();

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(problems, json_pack("{s:s, s:i, s:s, s:s}", "text", text,
							  "since_ms", 12000, "command",
							  "poolctl it", "advice", "do that"));
	sample.answers[TOP_STATUS] =
		json_pack("{s:s, s:o, s:[]}", "status", "degraded", "problems", problems, "pools");
	ck_assert_int_eq(top_model_add(model, &sample), 0);
}

START_TEST(the_daemon_has_problems_of_its_own)
{
	struct top_model model = {0};
	struct top_verdict verdict;
	char text[300];

	add_own(&model, 1, "no memory");
	top_verdict_make(&verdict, &model);
	ck_assert_uint_eq(verdict.problem_count, 1);
	ck_assert_str_eq(verdict.problems[0].text, "the daemon, for 12 s: no memory");
	ck_assert_str_eq(verdict.problems[0].advice, "poolctl it; do that");
	add_own(&model, 100, "no memory");
	top_verdict_make(&verdict, &model);
	ck_assert_uint_eq(verdict.problem_count, TOP_PROBLEMS_MAX);
	ck_assert_uint_eq(verdict.problems_left, 100 - TOP_PROBLEMS_MAX);

	/* A long text is cut, here within a character. */
	memset(text, 'x', 199);
	memcpy(text + 199, "\xc3\xa4", 3);
	add_own(&model, 1, text);
	top_verdict_make(&verdict, &model);
	ck_assert_str_eq(verdict.problems[0].text + strlen(verdict.problems[0].text) - 3, "xx?");
	top_model_done(&model);
}
END_TEST

START_TEST(answers_of_another_shape_do_no_harm)
{
	static const char *const odd[] = {"null",
					  "1",
					  "'x'",
					  "[]",
					  "[1, null]",
					  "[[1]]",
					  "{}",
					  "{'pools': 1}",
					  "{'pools': [1, null, {}]}",
					  "{'pools': {'a': 3}}",
					  "{'pools': {'a': {'errors': {'x': 'y'}}}}",
					  "{'requests': [3, {}]}",
					  "{'clients': [{}, 1]}"};

	for (size_t i = 0; i < COUNT(odd); i++) {
		struct top_model model = {0};
		struct top_sample sample = {0};
		struct top_verdict verdict;
		json_t *whole;
		int r;

		for (size_t a = 0; a < TOP_ANSWER_COUNT_; a++)
			sample.answers[a] = answer(odd[i]);
		r = top_model_add(&model, &sample);
		ck_assert_int_eq(r, odd[i][0] == '{' ? 0 : -EPROTO);
		top_verdict_make(&verdict, &model);
		for (unsigned pane = 0; pane < TOP_PANE_COUNT_; pane++) {
			struct sheet sheet;

			top_pane_fill((enum top_pane)pane, &model, &sheet);
			sheet_done(&sheet);
		}
		whole = top_json(&model);
		ck_assert_ptr_nonnull(whole);
		json_decref(whole);
		top_model_done(&model);
	}
}
END_TEST

static const char *cell(const struct sheet *sheet, size_t row, const char *title)
{
	for (size_t i = 0; i < sheet->column_count; i++)
		if (strcmp(sheet->columns[i].title, title) == 0)
			return sheet->rows[row].cells[i].text;
	ck_abort_msg("no column %s", title);
	return NULL;
}

START_TEST(panes_have_rows)
{
	struct top_model model = {0};
	struct sheet sheet;
	char note[TOP_TEXT_MAX];

	add_sample(&model, 0, two_ok,
		   "{'pools': {" COUNTERS_OF("a", "0", "0", "0", "'queue_full': 5, 'x': 0") "}}",
		   NO_LIST, ERROR_OF("exception", "application_error"));
	model.now.answers[TOP_WORKERS] = answer(
		"[{'pool': 'a', 'worker': 1, 'pid': 41, 'state': 'busy', 'health': 'healthy', "
		"'running': [{'method': 'm', 'run_ms': 1500.0}]},"
		" {'pool': 'b', 'worker': 2, 'pid': 0, 'state': 'terminated', 'health': 'unknown',"
		" 'last_exit': 'exit status 3'}]");
	model.now.answers[TOP_REQUESTS] = answer(
		"{'count': 12, 'more': true, 'requests': [{'id': 9, 'pool': 'a', 'method': 'm', "
		"'session': 's', 'state': 'running', 'age_ms': 2100, 'worker': 2, 'run_ms': 1900, "
		"'uid': 1000, 'pid': 4711, 'client': 'web'}]}");
	model.now.answers[TOP_CLIENTS] = answer(
		"{'count': 2, 'clients': [{'client': 1, 'name': 'x', 'paused': null}, {'client': "
		"2, 'name': 'y', 'paused': 'unread'}]}");

	top_pane_fill(TOP_PANE_WORKERS, &model, &sheet);
	ck_assert_uint_eq(sheet.row_count, 2);
	ck_assert_str_eq(sheet.rows[0].id, "b/2");
	ck_assert_str_eq(cell(&sheet, 0, "LAST EXIT"), "exit status 3");
	ck_assert_str_eq(cell(&sheet, 1, "NOW"), "m 1.5 s");
	ck_assert_int_eq(sheet.rows[1].worker, 1);
	ck_assert_str_eq(sheet.rows[1].pool, "a");
	sheet_done(&sheet);

	top_pane_fill(TOP_PANE_ERRORS, &model, &sheet);
	ck_assert_uint_eq(sheet.row_count, 1);
	ck_assert_str_eq(cell(&sheet, 0, "CODE"), "queue_full");
	ck_assert_str_eq(cell(&sheet, 0, "LAST"), "-");
	sheet_done(&sheet);

	top_pane_fill(TOP_PANE_REQUESTS, &model, &sheet);
	ck_assert_uint_eq(sheet.row_count, 1);
	ck_assert_int_eq(sheet.rows[0].request, 9);
	ck_assert_str_eq(cell(&sheet, 0, "PEER"), "web, user 1000, pid 4711");
	ck_assert_str_eq(cell(&sheet, 0, "AGE"), "2.1 s");
	ck_assert_str_eq(top_pane_note(TOP_PANE_REQUESTS, &model, &sheet, note), "1 of 12 open");
	sheet_done(&sheet);
	/* One that stands behind another at its worker. */
	json_decref(model.now.answers[TOP_REQUESTS]);
	model.now.answers[TOP_REQUESTS] = answer(
		"{'count': 1, 'requests': [{'id': 10, 'pool': 'a', 'state': 'sent', 'worker': 2, "
		"'run_ms': 1900}]}");
	top_pane_fill(TOP_PANE_REQUESTS, &model, &sheet);
	ck_assert_str_eq(cell(&sheet, 0, "STATE"), "sent");
	ck_assert_str_eq(cell(&sheet, 0, "RUN"), "-");
	sheet_done(&sheet);

	top_pane_fill(TOP_PANE_CLIENTS, &model, &sheet);
	ck_assert_str_eq(cell(&sheet, 0, "NAME"), "y");
	ck_assert_uint_eq(sheet.rows[0].look, LOOK_WARNING);
	sheet_done(&sheet);

	top_pane_fill(TOP_PANE_ALERTS, &model, &sheet);
	ck_assert_uint_eq(sheet.row_count, 0);
	ck_assert_str_eq(top_pane_note(TOP_PANE_ALERTS, &model, &sheet, note),
			 "the daemon has none");
	sheet_done(&sheet);
	top_model_done(&model);
}
END_TEST

START_TEST(the_daemons_own_judgement_counts)
{
	static const char pool[] =
		"{'pools': [{'name': 'a', 'status': 'degraded', 'since_ms': 3000, 'problems': "
		"[" PROBLEM("most of its requests fail: 6 of 9") "], 'failing': "
								 "{'since_ms': 3000, 'code': "
								 "'exception', 'type': "
								 "'ValueError', 'text': "
								 "'ValueError: "
								 "boom'}, 'last_minute': {'rate': "
								 "4.5, 'ok_percent': 33.3, "
								 "'latency_ms': {'run': "
								 "{'p50': 12.0, 'p99': 80.0}}}}, "
								 "{'name': 'b', 'status': 'ok', "
								 "'failing': null, "
								 "'last_minute': {'rate': 0.0, "
								 "'ok_percent': null, "
								 "'latency_ms': {'run': {'p50': "
								 "null, 'p99': null}}}}], "
								 "'status': 'degraded', 'pid': 1}";
	struct top_model model = {0};
	struct top_verdict verdict;

	add_sample(&model, 0, pool, "{'pools': {}}", NO_LIST, NO_LIST);
	ck_assert(model.pools[0].is_failing);
	ck_assert_int_eq(model.pools[0].rank, TOP_WRONG);
	ck_assert_double_eq_tol(model.pools[0].rate, 4.5, 1e-9);
	ck_assert_double_eq_tol(model.pools[0].ok_percent, 33.3, 1e-9);
	ck_assert_double_eq_tol(model.pools[0].p99_ms, 80, 1e-9);
	ck_assert_double_lt(model.pools[1].ok_percent, 0);
	top_verdict_make(&verdict, &model);
	ck_assert_str_eq(verdict.problems[0].text,
			 "a is degraded since 3 s: exception: ValueError: boom; most of its "
			 "requests fail: 6 of 9");
	/* Failures of a pool that the daemon does not call failing are its callers' fault. */
	add_sample(&model, 1000, pool, "{'pools': {" COUNTERS_OF("b", "9", "0", "9", "'x': 9") "}}",
		   NO_LIST, NO_LIST);
	ck_assert(!pool_of(&model, "b")->is_failing);
	ck_assert_double_eq_tol(pool_of(&model, "b")->rate, 9, 1e-9);
	top_model_done(&model);
}
END_TEST

START_TEST(alerts_that_fire_come_first)
{
	struct top_model model = {0};
	struct sheet sheet;

	model.now.answers[TOP_ALERTS] = answer(
		"{'active': [{'name': 'p99', 'pool': 'a', 'state': 'pending', 'severity': "
		"'critical', 'since_ms': 5, 'silenced_ms': null, 'text': 'slow'},"
		" {'name': 'lag', 'pool': null, 'state': 'firing', 'severity': 'warning', "
		"'since_ms': 65000, 'silenced_ms': 9, 'text': 'late'},"
		" {'name': 'error_share', 'pool': 'a', 'state': 'firing', 'severity': 'critical'}],"
		" 'history': [{'name': 'old'}], 'rules': [{'name': 'r'}]}");
	top_pane_fill(TOP_PANE_ALERTS, &model, &sheet);
	ck_assert_uint_eq(sheet.row_count, 3);
	ck_assert_str_eq(cell(&sheet, 0, "ALERT"), "error_share");
	ck_assert_uint_eq(sheet.rows[0].look, LOOK_BAD);
	ck_assert_str_eq(cell(&sheet, 1, "STATE"), "firing, silenced");
	ck_assert_str_eq(cell(&sheet, 1, "SINCE"), "1 min");
	ck_assert_str_eq(cell(&sheet, 2, "STATE"), "pending");
	sheet_done(&sheet);
	top_model_done(&model);
}
END_TEST

START_TEST(json_has_it_all)
{
	struct top_model model = {0};
	json_t *whole, *pool;

	add_sample(&model, 0, two_ok,
		   "{'pools': {" COUNTERS_OF("a", "0", "0", "0", "'exception': 0") "}}", NO_LIST,
		   NO_LIST);
	add_sample(&model, 500, two_ok,
		   "{'pools': {" COUNTERS_OF("a", "8", "0", "8", "'exception': 8") "}}",
		   "[{'pool': 'a', 'state': 'open', 'open_left_ms': 900}]",
		   ERROR_OF("exception", "application_error"));
	whole = top_json(&model);
	ck_assert_str_eq(json_string_value(json_object_get(whole, "status")), "failing");
	pool = json_array_get(json_object_get(whole, "pools"), 0);
	ck_assert_str_eq(field_text(pool, "name"), "a");
	ck_assert_double_eq_tol(field_number(pool, "requests_per_second"), 16, 1e-9);
	ck_assert_str_eq(field_text(pool, "breaker"), "open");
	ck_assert_double_eq_tol(field_number(pool, "open_left_ms"), 900, 1e-9);
	ck_assert_str_eq(field_text(pool, "failing_with"), "exception");
	ck_assert_double_eq_tol(
		field_number(json_array_get(json_object_get(whole, "errors"), 0), "in_window"), 8,
		1e-9);
	ck_assert(json_is_null(json_object_get(whole, "workers")));
	json_decref(whole);
	top_model_done(&model);
}
END_TEST

/* Which allocation of jansson's fails; 0: none. */
static unsigned failing_allocation;

static void *scarce(size_t size)
{
	if (failing_allocation > 0 && --failing_allocation == 0)
		return NULL;
	return malloc(size);
}

START_TEST(json_is_whole_or_none)
{
	struct top_model model = {0};
	json_t *whole = NULL;
	char *expected, *found;

	json_set_alloc_funcs(scarce, free);
	add_sample(&model, 0, two_ok, "{'pools': {}}", NO_LIST, NO_LIST);
	add_sample(&model, 500, two_ok,
		   "{'pools': {" COUNTERS_OF("a", "8", "0", "8", "'exception': 8, 'x': 1") "}}",
		   NO_LIST, ERROR_OF("exception", "application_error"));
	whole = top_json(&model);
	expected = json_dumps(whole, 0);
	for (unsigned k = 1;; k++) {
		bool has_failed;

		json_decref(whole);
		failing_allocation = k;
		whole = top_json(&model);
		has_failed = failing_allocation == 0;
		failing_allocation = 0;
		found = whole ? json_dumps(whole, 0) : NULL;
		if (found)
			ck_assert_str_eq(found, expected);
		free(found);
		if (!has_failed)
			break;
		ck_assert_uint_lt(k, 10000);
	}
	ck_assert_ptr_nonnull(whole);
	json_decref(whole);
	free(expected);
	top_model_done(&model);
	json_set_alloc_funcs(malloc, free);
}
END_TEST

START_TEST(rows_are_sorted_filtered_and_found)
{
	static const struct sheet_column columns[] = {{"NAME", 10, false, 0}, {"N", 5, true, 0}};
	static const struct {
		const char *name;
		double number;
	} rows[] = {{"delta", 2}, {"Alpha", 10}, {"charlie", 2}, {"bravo", 30}, {"echo", 1}};
	struct sheet sheet;

	sheet_init(&sheet, columns, 2);
	for (size_t i = 0; i < COUNT(rows); i++) {
		snprintf(sheet_add(&sheet)->id, SHEET_ID_MAX, "%zu", i);
		sheet_set(&sheet, 0, 0, "%s", rows[i].name);
		sheet_set(&sheet, 1, rows[i].number, "%.0f", rows[i].number);
	}
	sheet_sort(&sheet, 1, true);
	ck_assert_str_eq(cell(&sheet, 0, "NAME"), "bravo");
	ck_assert_str_eq(cell(&sheet, 1, "NAME"), "Alpha");
	/* Those that are equal keep their order. */
	ck_assert_str_eq(cell(&sheet, 2, "NAME"), "delta");
	ck_assert_str_eq(cell(&sheet, 3, "NAME"), "charlie");
	sheet_sort(&sheet, 0, false);
	ck_assert_str_eq(cell(&sheet, 0, "NAME"), "Alpha");
	ck_assert_str_eq(cell(&sheet, 4, "NAME"), "echo");
	ck_assert_uint_eq(sheet_find(&sheet, 0, "HO"), 4);
	ck_assert_uint_eq(sheet_find(&sheet, 4, "alph"), 0);
	ck_assert_uint_eq(sheet_find(&sheet, 0, "zulu"), 5);
	ck_assert_uint_eq(sheet_find_id(&sheet, "3"), 1);
	sheet_filter(&sheet, "");
	ck_assert_uint_eq(sheet.row_count, 5);
	sheet_filter(&sheet, "ha");
	ck_assert_uint_eq(sheet.row_count, 2);
	ck_assert_str_eq(cell(&sheet, 1, "NAME"), "charlie");
	sheet_sort(&sheet, 77, false);
	sheet_done(&sheet);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		rates_are_differences,
		the_window_moves_on,
		a_restarted_daemon_counts_anew,
		what_is_wrong_comes_first,
		a_pool_whose_requests_fail_is_failing,
		wrong_requests_make_no_pool_failing,
		what_is_worth_a_look_is_told,
		the_worst_breaker_of_a_pool_is_shown,
		a_daemon_that_stops_says_so,
		a_pool_that_is_ok_and_fails_is_wrong,
		the_cause_is_behind_the_breaker,
		many_problems_are_bounded,
		the_daemon_has_problems_of_its_own,
		answers_of_another_shape_do_no_harm,
		panes_have_rows,
		the_daemons_own_judgement_counts,
		alerts_that_fire_come_first,
		json_has_it_all,
		json_is_whole_or_none,
		rows_are_sorted_filtered_and_found,
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return unit_main("top_model", tests, COUNT(tests));
}
