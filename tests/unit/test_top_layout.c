/* Where everything of `poolctl top` stands, what its keys do, and that text from outside is harmless. */
#include "tests/unit/test_top.h"

#include "client/poolctl/top_action.c" // NOLINT(bugprone-suspicious-include)
#include "client/poolctl/top_layout.c" // NOLINT(bugprone-suspicious-include)
#include "client/poolctl/top_sheet.c"  // NOLINT(bugprone-suspicious-include)
#include "client/poolctl/top_state.c"  // NOLINT(bugprone-suspicious-include)

/* --- glyphs and canvases --- */

START_TEST(glyphs_are_safe)
{
	static const struct {
		const char *text, *shown;
		unsigned width;
	} cases[] = {
		{"plain", "plain", 5},
		{"\033[31mred\007", "?[31mred?", 9},
		{"a\nb\tc\x7f", "a?b?c?", 6},
		{"\xe2\x80\xaegnp", "?gnp", 4}, /* right to left */
		{"\xc2\x9b"
		 "1m",
		 "?1m", 3},			     /* C1 */
		{"\xff\xc3", "??", 2},		     /* no UTF-8 */
		{"\xe6\xbc\xa2", "\xe6\xbc\xa2", 2}, /* wide */
		{"e\xcc\x81x", "e\xcc\x81x", 2},     /* an accent */
		{"\xe2\x80\x8d", "?", 1},	     /* a joiner */
		{"\xcc\x81", "", 0},		     /* an accent on nothing */
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct canvas canvas;
		char line[128];

		ck_assert_int_eq(canvas_init(&canvas, 20, 1), 0);
		ck_assert_uint_eq(glyph_width(cases[i].text), cases[i].width);
		ck_assert_uint_eq(canvas_put(&canvas, 0, 0, 20, 0, cases[i].text), cases[i].width);
		ck_assert_str_eq(canvas_line(&canvas, 0, line, sizeof(line)), cases[i].shown);
		canvas_done(&canvas);
	}
}
END_TEST

START_TEST(text_stays_in_its_place)
{
	struct canvas canvas;
	char line[256];

	ck_assert_int_eq(canvas_init(&canvas, 10, 2), 0);
	ck_assert_uint_eq(canvas_put(&canvas, 0, 0, 4, 0, "abcdefgh"), 4);
	ck_assert_uint_eq(canvas_put(&canvas, 5, 0, 99, 0, "ABCDEFGH"), 10);
	ck_assert_str_eq(canvas_line(&canvas, 0, line, sizeof(line)), "abc~ ABCD~");
	/* A wide character that would be halved is left out. */
	canvas_put(&canvas, 0, 1, 4, 0, "\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2");
	canvas_put_right(&canvas, 5, 1, 5, 0, "12");
	ck_assert_str_eq(canvas_line(&canvas, 1, line, sizeof(line)), "\xe6\xbc\xa2~     12");
	canvas_put(&canvas, 0, 7, 9, 0, "beyond");
	canvas_put(&canvas, 70, 0, 9, 0, "beyond");
	canvas_done(&canvas);
	ck_assert_int_eq(canvas_init(&canvas, 0, 0), 0);
	ck_assert_uint_eq(canvas.width, 1);
	canvas_put(&canvas, 0, 0, 5, 0, "\xe6\xbc\xa2");
	canvas_done(&canvas);
}
END_TEST

START_TEST(long_text_is_wrapped)
{
	struct canvas canvas;
	char line[256];

	ck_assert_int_eq(canvas_init(&canvas, 10, 4), 0);
	ck_assert_uint_eq(canvas_put_lines(&canvas, 2, 0, 3, 0, "one two three four five six"), 3);
	ck_assert_str_eq(canvas_line(&canvas, 0, line, sizeof(line)), "  one two");
	ck_assert_str_eq(canvas_line(&canvas, 1, line, sizeof(line)), "  three");
	ck_assert_str_eq(canvas_line(&canvas, 2, line, sizeof(line)), "  four fi~");
	canvas_clear_line(&canvas, 0);
	canvas_clear_line(&canvas, 1);
	ck_assert_uint_eq(canvas_put_lines(&canvas, 0, 0, 4, 0, "abcdefghijklm"), 2);
	ck_assert_str_eq(canvas_line(&canvas, 1, line, sizeof(line)), "klm");
	canvas_done(&canvas);
}
END_TEST

/* --- a whole screen --- */

static struct top_model model;
static struct top_state state;
static struct top_tables tables;
static struct top_verdict verdict;
static struct canvas canvas;

static void draw(unsigned width, unsigned height)
{
	canvas_done(&canvas);
	ck_assert_int_eq(canvas_init(&canvas, width, height), 0);
	ck_assert_int_eq(top_tables_make(&tables, &model, &state), 0);
	top_verdict_make(&verdict, &model);
	top_layout(&canvas, &model, &verdict, &tables, &state);
}

static const char *line(unsigned y)
{
	static char text[4][4096];
	static unsigned turn;

	return canvas_line(&canvas, y, text[turn++ % 4], sizeof(text[0]));
}

/* The number of the first line that has the text; -1: none. */
static int line_with(const char *text)
{
	for (unsigned y = 0; y < canvas.height; y++)
		if (strstr(line(y), text))
			return (int)y;
	return -1;
}

static void key(unsigned pressed)
{
	top_state_key(&state, pressed, &tables);
	draw(80, 24);
}

static void keys(const char *pressed)
{
	for (; *pressed; pressed++)
		key((unsigned char)*pressed);
}

static void chosen_is(const char *id)
{
	const struct sheet *sheet = top_tables_focus(&tables, &state);

	ck_assert_str_eq(sheet->rows[state.places[state.focus].row].id, id);
}

/* A daemon with `count` pools more, of which one is down and one fails. */
static void start(size_t count)
{
	char status[8192], pool[512];

	model = (struct top_model){0};
	top_state_init(&state);
	snprintf(status, sizeof(status), "%s",
		 "{'status': 'down', 'pid': 7, 'uptime_ms': 1000, 'guard': true, 'connections': 3,"
		 " 'connections_max': 10, 'requests': {'running': 2, 'queued': 1}, 'memory': "
		 "{'buffers': 1, 'max': 2}, 'pools': [" POOL_STATUS_OF(
			 "web", "ok", "", "3", "0",
			 "web") ", " POOL_STATUS_OF("\xe6\xbc\xa2\xe5\xad\x97", "down",
						    PROBLEM("the circuit breaker is open"), "0",
						    "1", "web"));
	for (size_t i = 0; i < count; i++) {
		snprintf(pool, sizeof(pool), ", {'name': 'pool%02zu', 'status': 'ok'}", i);
		strncat(status, pool, sizeof(status) - strlen(status) - 1);
	}
	strncat(status, "]}", sizeof(status) - strlen(status) - 1);
	add_sample(&model, 0, status, "{'pools': {" COUNTERS_OF("web", "0", "0", "0", "") "}}",
		   "[]", "[]");
	add_sample(&model, 1000, status,
		   "{'pools': {" COUNTERS_OF("web", "250", "245", "5", "'exception': 5") "}}",
		   "[{'pool': '\xe6\xbc\xa2\xe5\xad\x97', 'state': 'open', 'open_left_ms': 4200}]",
		   "[]");
	model.now.answers[TOP_WORKERS] = answer(
		"[{'pool': 'web', 'worker': 1, 'pid': 41, 'state': 'busy', 'health': 'healthy', "
		"'served': 100, 'failed': 3},"
		" {'pool': 'web', 'worker': 2, 'pid': 42, 'state': 'ready', 'health': 'healthy', "
		"'served': 200, 'failed': 1}]");
	model.now.answers[TOP_REQUESTS] = answer(
		"{'count': 1, 'requests': [{'id': 9, 'pool': 'web', 'method': 'm', 'session': null,"
		" 'age_ms': 5, 'worker': 1, 'uid': 0, 'pid': 3}]}");
	draw(80, 24);
}

static void stop(void)
{
	top_tables_done(&tables);
	top_model_done(&model);
	canvas_done(&canvas);
}

START_TEST(a_screen_of_80_by_24)
{
	start(0);
	ck_assert_str_eq(line(0), "poold is down; 1 of 2 pools is not ok; up 1 s");
	ck_assert_str_eq(line(1),
			 "- \xe6\xbc\xa2\xe5\xad\x97 is down since 12 s: its circuit breaker is "
			 "open, probes in 4.2 s; served");
	ck_assert_str_eq(line(2), "  by web; the circuit breaker is open");
	ck_assert_str_eq(line(3), "    advice: poolctl it; do that");
	ck_assert_str_eq(line(4),
			 "250 req/s; 2 running, 1 queued; connections 3 of 10; buffers 1 B of 2 B");
	/* The columns stand below each other, behind wide characters too. */
	ck_assert_str_eq(
		line(5),
		"POOL  STATUS  REQ/S  OK%     P50    P99  QUEUE  BUSY  BREAKER      SERVED BY");
	ck_assert_str_eq(line(6),
			 "\xe6\xbc\xa2\xe5\xad\x97  down        0    -  2.5 ms  1.2 s  0/100 "
			 "  1/2  open, 4.2 s  web (level 1)");
	ck_assert_str_eq(
		line(7),
		"web   ok        250   98  2.5 ms  1.2 s  3/100   1/2  -            itself");
	ck_assert_str_eq(line(8), "1 Pools 2 Workers 3 Errors 4 Requests 5 Clients 6 Alerts  2");
	ck_assert_int_eq(line_with("F10 Quit"), 23);
	stop();
}
END_TEST

START_TEST(every_size_has_the_verdict)
{
	start(30);
	for (unsigned width = 1; width <= 200; width += 13)
		for (unsigned height = 1; height <= 50; height += 3)
			draw(width, height);
	draw(40, 10);
	ck_assert_int_eq(line_with("poold is down; 1 of 32 pools is not ok;~"), 0);
	ck_assert_int_eq(line_with("POOL"), 2);
	ck_assert_int_eq(line_with("\xe6\xbc\xa2\xe5\xad\x97    down"), 3);
	draw(80, 24);
	ck_assert_int_eq(line_with("poold is down"), 0);
	ck_assert_int_eq(line_with("  down  "), 6);
	ck_assert_int_gt(line_with("6 Alerts  2"), 10);
	draw(200, 50);
	ck_assert_int_ge(line_with("BREAKER      SERVED BY"), 4);
	ck_assert_int_ge(line_with("pool14"), 0);
	stop();
}
END_TEST

START_TEST(problems_that_have_no_place_are_counted)
{
	json_t *problems = json_array();

	start(0);
	for (unsigned i = 0; i < TOP_PROBLEMS_MAX + 3; i++)
		json_array_append_new(problems, answer("{'text': 'no memory', 'since_ms': 12000, "
						       "'command': 'poolctl it'}"));
	json_object_set_new(model.now.answers[TOP_STATUS], "problems", problems);
	draw(80, 16);
	ck_assert_str_eq(line(2), "- and 11 more: poolctl status");
	stop();
}
END_TEST

START_TEST(rows_scroll_into_sight)
{
	start(30);
	key('1');
	chosen_is("\xe6\xbc\xa2\xe5\xad\x97");
	ck_assert_int_lt(line_with("pool29"), 0);
	key(TOP_KEY_END);
	chosen_is("pool29");
	ck_assert_int_ge(line_with("pool29"), 0);
	ck_assert_int_lt(line_with("itself  \xe6\xbc\xa2"), 0);
	key(TOP_KEY_UP);
	chosen_is("pool28");
	key(TOP_KEY_PAGE_UP);
	key(TOP_KEY_HOME);
	key(TOP_KEY_UP);
	chosen_is("\xe6\xbc\xa2\xe5\xad\x97");
	key(TOP_KEY_PAGE_DOWN);
	ck_assert_uint_eq(state.places[0].row, state.page);
	stop();
}
END_TEST

START_TEST(search_and_filter)
{
	start(30);
	keys("1/pool1");
	ck_assert_int_eq(line_with("search: pool1_"), 23);
	chosen_is("pool10");
	key('\r');
	key('n');
	chosen_is("pool11");
	keys("/nothing");
	ck_assert_str_eq(state.status, "no row has \"nothing\"");
	key(27);
	ck_assert_int_eq(state.mode, TOP_MODE_TABLES);
	/* Characters of two, three and four bytes. */
	keys("/");
	key(0xe9);
	key(0x6f22);
	key(0x1f600);
	ck_assert_str_eq(state.status, "no row has \"\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80\"");
	key(27);
	/* The filter leaves those that match. */
	keys("\\2");
	key(TOP_KEY_BACKSPACE);
	keys("pool2");
	key('\r');
	ck_assert_uint_eq(tables.pools.row_count, 10);
	ck_assert_int_eq(line_with("filter: pool2"), 23);
	key(27);
	ck_assert_uint_eq(tables.pools.row_count, 32);
	stop();
}
END_TEST

START_TEST(columns_are_sorted)
{
	start(0);
	keys("2");
	ck_assert_str_eq(tables.lower.rows[0].id, "web/1");
	for (size_t i = 0; i <= WORKER_SERVED; i++)
		key('>');
	ck_assert_uint_eq(state.places[TOP_PANE_WORKERS].sort, WORKER_SERVED);
	ck_assert_str_eq(tables.lower.rows[0].id, "web/2");
	key('I');
	ck_assert_str_eq(tables.lower.rows[0].id, "web/1");
	for (size_t i = 0; i <= WORKER_SERVED; i++)
		key('<');
	ck_assert_uint_eq(state.places[TOP_PANE_WORKERS].sort, SIZE_MAX);
	key('<');
	ck_assert_uint_eq(state.places[TOP_PANE_WORKERS].sort, WORKER_EXIT);
	key(TOP_KEY_F6);
	ck_assert_uint_eq(state.places[TOP_PANE_WORKERS].sort, SIZE_MAX);
	stop();
}
END_TEST

START_TEST(panes_are_chosen)
{
	start(0);
	ck_assert(!state.is_asked);
	key('\t');
	ck_assert_int_eq(state.focus, TOP_PANE_WORKERS);
	key('\t');
	ck_assert_int_eq(state.lower, TOP_PANE_ERRORS);
	ck_assert(state.is_asked);
	key('6');
	ck_assert_int_ge(line_with("the daemon has none"), 0);
	key('1');
	ck_assert_int_eq(state.lower, TOP_PANE_ALERTS);
	state.is_asked = false;
	key('a');
	ck_assert(state.all_requests && state.is_asked);
	ck_assert_int_eq(state.focus, TOP_PANE_REQUESTS);
	ck_assert_int_ge(line_with("6 Alerts  1 of 1 open"), 0);
	key('z');
	ck_assert(state.is_frozen);
	ck_assert_int_eq(line_with("FROZEN"), 0);
	key(' ');
	ck_assert(!state.is_frozen);
	state.lost = "connect_failed: no such file";
	draw(80, 24);
	ck_assert_int_eq(line_with("connection lost, trying again every second: connect_failed"),
			 0);
	state.is_silent = true;
	draw(80, 24);
	ck_assert_int_eq(line_with("no answer, trying again every second: "), 0);
	key('h');
	ck_assert_int_ge(line_with("cancel the request"), 0);
	key('q');
	ck_assert(!state.is_over);
	key(TOP_KEY_F10);
	ck_assert(state.is_over);
	stop();
}
END_TEST

START_TEST(the_chosen_row_is_followed)
{
	start(0);
	keys("2");
	key(TOP_KEY_DOWN);
	chosen_is("web/2");
	json_decref(model.now.answers[TOP_WORKERS]);
	model.now.answers[TOP_WORKERS] =
		answer("[{'pool': 'web', 'worker': 2, 'state': 'busy', 'health': 'healthy'},"
		       " {'pool': 'web', 'worker': 1, 'state': 'ready', 'health': 'healthy'}]");
	draw(80, 24);
	chosen_is("web/2");
	ck_assert_uint_eq(state.places[TOP_PANE_WORKERS].row, 0);
	json_decref(model.now.answers[TOP_WORKERS]);
	model.now.answers[TOP_WORKERS] = answer("[]");
	draw(80, 24);
	key(TOP_KEY_DOWN);
	key('\r');
	ck_assert_int_eq(state.mode, TOP_MODE_TABLES);
	stop();
}
END_TEST

START_TEST(details_show_every_field)
{
	start(0);
	keys("2\r");
	ck_assert_int_eq(state.mode, TOP_MODE_DETAILS);
	ck_assert_int_ge(line_with("served              100"), 0);
	key(27);
	keys("1\r");
	ck_assert_int_ge(line_with("workers.busy        1"), 0);
	ck_assert_int_ge(line_with("problems[0].text    the circuit breaker is open"), 0);
	for (int i = 0; i < 100; i++)
		key(TOP_KEY_PAGE_DOWN);
	ck_assert_int_ge(line_with("served_by"), 0);
	key('q');
	ck_assert_int_eq(state.mode, TOP_MODE_TABLES);
	ck_assert(!state.is_over);
	stop();
}
END_TEST

/* --- actions --- */

START_TEST(actions_ask_first_and_name_their_call)
{
	static const struct {
		const char *keys, *call;
	} cases[] = {
		{"1b", "call poold.breaker_reset [\"\xe6\xbc\xa2\xe5\xad\x97\"]? [y/N]"},
		{"2B", "call poold.breaker_open [\"web\"]? [y/N]"},
		{"2r", "call poold.restart_workers [\"web\"]? [y/N]"},
		{"2d", "call poold.drain [\"web\"]? [y/N]"},
		{"2u", "call poold.resume [\"web\"]? [y/N]"},
		{"2k", "call poold.kill_worker [\"web\", 1, \"TERM\"]? [y/N]"},
		{"2K", "call poold.kill_worker [\"web\", 1, \"KILL\"]? [y/N]"},
		{"4c", "call poold.request_cancel [9]? [y/N]"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		start(0);
		keys(cases[i].keys);
		ck_assert_int_eq(state.mode, TOP_MODE_CONFIRM);
		ck_assert_str_eq(line(23), cases[i].call);
		/* All but y is no, and does nothing else. */
		key('q');
		ck_assert(!state.is_confirmed && !state.is_over);
		ck_assert_int_eq(line_with("was not called"), 23);
		keys(cases[i].keys);
		keys("y");
		ck_assert(state.is_confirmed);
		stop();
	}
}
END_TEST

START_TEST(actions_need_the_right_row)
{
	start(0);
	keys("1k");
	ck_assert_int_eq(line_with("choose a worker first: pane 2"), 23);
	keys("2c");
	ck_assert_int_eq(line_with("choose a request first: pane 4"), 23);
	keys("5b");
	ck_assert_int_eq(line_with("nothing is chosen"), 23);
	ck_assert_int_eq(state.mode, TOP_MODE_TABLES);
	stop();
}
END_TEST

START_TEST(params_are_those_of_the_call)
{
	struct poold_writer *writer = poold_writer_new();
	struct top_action action = {.act = TOP_ACT_KILL, .pool = "web", .worker = 3};

	ck_assert_ptr_nonnull(writer);
	top_action_write(&action, writer);
	ck_assert_uint_eq(poold_writer_bytes(writer).len, 11);
	ck_assert_mem_eq(poold_writer_bytes(writer).data, "\x93\xa3web\x03\xa4KILL", 11);
	poold_writer_reset(writer);
	action = (struct top_action){.act = TOP_ACT_CANCEL, .request = 9};
	top_action_write(&action, writer);
	ck_assert_mem_eq(poold_writer_bytes(writer).data, "\x91\x09", 2);
	poold_writer_free(writer);
}
END_TEST

/* A name is never cut: the action would be about another pool. */
START_TEST(a_name_that_does_not_fit_has_no_action)
{
	struct top_action action = {.act = TOP_ACT_NONE};
	char name[SHEET_ID_MAX + 1], fault[TOP_LINE_MAX] = "";
	struct sheet_row row = {.pool = name};

	memset(name, 'n', sizeof(name));
	name[SHEET_ID_MAX] = '\0';
	ck_assert(!top_action_make(&action, TOP_ACT_DRAIN, &row, fault));
	ck_assert_str_eq(fault, "the name of the pool is too long");
	ck_assert_int_eq(action.act, TOP_ACT_NONE);
	name[SHEET_ID_MAX - 1] = '\0';
	ck_assert(top_action_make(&action, TOP_ACT_DRAIN, &row, fault));
	ck_assert_int_eq(action.act, TOP_ACT_DRAIN);
	ck_assert_str_eq(action.pool, name);
}
END_TEST

/* Any keys in any order end in no other state than one that can be drawn. */
START_TEST(random_keys_do_no_harm)
{
	static const unsigned pool[] = {TOP_KEY_UP,
					TOP_KEY_DOWN,
					TOP_KEY_PAGE_UP,
					TOP_KEY_PAGE_DOWN,
					TOP_KEY_HOME,
					TOP_KEY_END,
					TOP_KEY_F1,
					TOP_KEY_F3,
					TOP_KEY_F4,
					TOP_KEY_F6,
					TOP_KEY_BACKSPACE,
					'\t',
					'\r',
					27,
					'<',
					'>',
					'I',
					'a',
					'z',
					'n',
					'h',
					'1',
					'2',
					'3',
					'4',
					'5',
					'6',
					'b',
					'k',
					'c',
					'y',
					'x',
					0x6f22,
					0x10ffff,
					21,
					'p',
					'0'};
	unsigned seed = 4711;

	start(30);
	for (int i = 0; i < 20000; i++) {
		seed = seed * 1103515245u + 12345u;
		top_state_key(&state, pool[(seed >> 8) % COUNT(pool)], &tables);
		draw(1 + (seed >> 20) % 120, 1 + (seed >> 12) % 40);
	}
	stop();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		glyphs_are_safe,
		text_stays_in_its_place,
		long_text_is_wrapped,
		a_screen_of_80_by_24,
		every_size_has_the_verdict,
		problems_that_have_no_place_are_counted,
		rows_scroll_into_sight,
		search_and_filter,
		columns_are_sorted,
		panes_are_chosen,
		the_chosen_row_is_followed,
		details_show_every_field,
		actions_ask_first_and_name_their_call,
		actions_need_the_right_row,
		params_are_those_of_the_call,
		a_name_that_does_not_fit_has_no_action,
		random_keys_do_no_harm,
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return unit_main("top_layout", tests, COUNT(tests));
}
