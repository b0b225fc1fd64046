#include "client/poolctl/canvas.h"
#include "client/poolctl/field.h"
#include "client/poolctl/top_model.h"
#include "client/poolctl/unit.h"

#include <stdio.h>
#include <string.h>

/* Sets the id of the last row, as printf makes it. */
#define set_id(sheet, ...)                                                                         \
	snprintf((sheet)->rows[(sheet)->row_count - 1].id, SHEET_ID_MAX, __VA_ARGS__)

/* --- cells from the fields of a map --- */

static void text_cell(struct sheet *sheet, size_t column, const json_t *object, const char *key)
{
	const char *text = field_text(object, key);

	sheet_set(sheet, column, 0, "%s", text[0] ? text : "-");
}

static void count_cell(struct sheet *sheet, size_t column, const json_t *object, const char *key)
{
	char text[UNIT_TEXT_MAX];

	sheet_set(sheet, column, field_number(object, key), "%s", field_count(text, object, key));
}

static void duration_cell(struct sheet *sheet, size_t column, const json_t *object, const char *key)
{
	char text[UNIT_TEXT_MAX];

	sheet_set(sheet, column, field_number(object, key), "%s",
		  field_duration(text, object, key));
}

static void size_cell(struct sheet *sheet, size_t column, const json_t *object, const char *key)
{
	char text[UNIT_TEXT_MAX];
	double bytes = field_number(object, key);

	sheet_set(sheet, column, bytes, "%s", unit_size(text, bytes));
}

/* A time of which 0 means that nothing was measured. */
static void time_cell(struct sheet *sheet, size_t column, double ms)
{
	char text[UNIT_TEXT_MAX];

	sheet_set(sheet, column, ms, "%s", ms > 0 ? unit_duration(text, ms) : "-");
}

/* --- pools --- */

enum {
	POOL_NAME,
	POOL_STATUS,
	POOL_RATE,
	POOL_OK,
	POOL_P50,
	POOL_P99,
	POOL_QUEUE,
	POOL_BUSY,
	POOL_BREAKER,
	POOL_SERVED
};

static const struct sheet_column pool_columns[] = {
	[POOL_NAME] = {"POOL", 24, false, 0},	    [POOL_STATUS] = {"STATUS", 10, false, 0},
	[POOL_RATE] = {"REQ/S", 8, true, 2},	    [POOL_OK] = {"OK%", 5, true, 0},
	[POOL_P50] = {"P50", 8, true, 4},	    [POOL_P99] = {"P99", 8, true, 3},
	[POOL_QUEUE] = {"QUEUE", 13, true, 1},	    [POOL_BUSY] = {"BUSY", 9, true, 2},
	[POOL_BREAKER] = {"BREAKER", 18, false, 1}, [POOL_SERVED] = {"SERVED BY", 0, false, 5},
};

static void breaker_cell(struct sheet *sheet, const struct top_pool *pool)
{
	char left[UNIT_TEXT_MAX];

	if (pool->open_left_ms >= 0)
		sheet_set(sheet, POOL_BREAKER, 0, "%s, %s", pool->breaker,
			  unit_duration(left, pool->open_left_ms));
	else
		sheet_set(sheet, POOL_BREAKER, 0, "%s", pool->breaker ? pool->breaker : "-");
}

static void served_cell(struct sheet *sheet, const struct top_pool *pool)
{
	if (pool->level > 0)
		sheet_set(sheet, POOL_SERVED, pool->level, "%s (level %.0f)",
			  pool->served_by ? pool->served_by : "-", pool->level);
	else
		sheet_set(sheet, POOL_SERVED, 0, "itself");
}

static void add_pool(struct sheet *sheet, const struct top_pool *pool)
{
	struct sheet_row *row = sheet_add(sheet);

	if (!row)
		return;
	row->pool = pool->name;
	row->details = pool->status;
	row->look = top_rank_look(pool->rank);
	set_id(sheet, "%s", pool->name);
	sheet_set(sheet, POOL_NAME, 0, "%s", pool->name);
	sheet_set(sheet, POOL_STATUS, 0, "%s", pool->word);
	if (pool->rate < 0)
		sheet_set(sheet, POOL_RATE, -1, "-");
	else
		sheet_set(sheet, POOL_RATE, pool->rate, "%.*f",
			  pool->rate > 0 && pool->rate < 10 ? 1 : 0, pool->rate);
	if (pool->ok_percent < 0)
		sheet_set(sheet, POOL_OK, 101, "-");
	else /* not rounded up to 100 */
		sheet_set(sheet, POOL_OK, pool->ok_percent, "%u", (unsigned)pool->ok_percent);
	time_cell(sheet, POOL_P50, pool->p50_ms);
	time_cell(sheet, POOL_P99, pool->p99_ms);
	sheet_set(sheet, POOL_QUEUE, pool->queued, "%.0f/%.0f", pool->queued, pool->queue_max);
	sheet_set(sheet, POOL_BUSY, pool->busy, "%.0f/%.0f", pool->busy, pool->workers);
	breaker_cell(sheet, pool);
	served_cell(sheet, pool);
}

static void fill_pools(const struct top_model *model, struct sheet *sheet)
{
	for (size_t i = 0; i < model->pool_count; i++)
		add_pool(sheet, &model->pools[i]);
}

/* --- workers --- */

enum {
	WORKER_POOL,
	WORKER_NUMBER,
	WORKER_PID,
	WORKER_STATE,
	WORKER_SINCE,
	WORKER_BUSY,
	WORKER_SERVED,
	WORKER_FAILED,
	WORKER_RESTARTS,
	WORKER_MEMORY,
	WORKER_NOW,
	WORKER_EXIT
};

static const struct sheet_column worker_columns[] = {
	[WORKER_POOL] = {"POOL", 20, false, 0},	      [WORKER_NUMBER] = {"#", 4, true, 0},
	[WORKER_PID] = {"PID", 8, true, 3},	      [WORKER_STATE] = {"STATE", 22, false, 0},
	[WORKER_SINCE] = {"SINCE", 10, true, 2},      [WORKER_BUSY] = {"HAS", 5, true, 4},
	[WORKER_SERVED] = {"SERVED", 9, true, 4},     [WORKER_FAILED] = {"FAILED", 8, true, 1},
	[WORKER_RESTARTS] = {"RESTARTS", 8, true, 2}, [WORKER_MEMORY] = {"MEMORY", 8, true, 3},
	[WORKER_NOW] = {"NOW", 24, false, 1},	      [WORKER_EXIT] = {"LAST EXIT", 0, false, 2},
};

static enum top_rank worker_rank(const json_t *worker)
{
	enum top_rank state = top_word_rank(field_text(worker, "state"));
	enum top_rank health = top_word_rank(field_text(worker, "health"));

	return health > state && health > TOP_NOTABLE ? health : state;
}

/* What has been running longest, or the step of its start that it is in. */
static void now_cell(struct sheet *sheet, const json_t *worker)
{
	const json_t *running = json_array_get(json_object_get(worker, "running"), 0);
	const json_t *steps = json_object_get(worker, "steps");
	const json_t *step = json_array_size(steps) > 0
				     ? json_array_get(steps, json_array_size(steps) - 1)
				     : NULL;
	const char *name = json_string_value(json_array_get(step, 0));
	char text[UNIT_TEXT_MAX];

	if (running)
		sheet_set(sheet, WORKER_NOW, 0, "%s %s", field_text(running, "method"),
			  field_duration(text, running, "run_ms"));
	else if (name && strcmp(field_text(worker, "state"), "initializing") == 0)
		sheet_set(sheet, WORKER_NOW, 0, "%s", name);
	else
		sheet_set(sheet, WORKER_NOW, 0, "-");
}

static void add_worker(struct sheet *sheet, const json_t *worker)
{
	const char *state = field_text(worker, "state"), *health = field_text(worker, "health");
	bool is_odd = top_word_rank(health) > TOP_NOTABLE && strcmp(state, "terminated") != 0;
	struct sheet_row *row = sheet_add(sheet);

	if (!row)
		return;
	row->pool = json_string_value(json_object_get(worker, "pool"));
	row->worker = json_integer_value(json_object_get(worker, "worker"));
	row->details = worker;
	row->look = top_rank_look(worker_rank(worker));
	set_id(sheet, "%s/%lld", field_text(worker, "pool"), (long long)row->worker);
	text_cell(sheet, WORKER_POOL, worker, "pool");
	count_cell(sheet, WORKER_NUMBER, worker, "worker");
	count_cell(sheet, WORKER_PID, worker, "pid");
	sheet_set(sheet, WORKER_STATE, 0, "%s%s%s", state, is_odd ? ", " : "",
		  is_odd ? health : "");
	duration_cell(sheet, WORKER_SINCE, worker, "since_ms");
	count_cell(sheet, WORKER_BUSY, worker, "in_flight");
	count_cell(sheet, WORKER_SERVED, worker, "served");
	count_cell(sheet, WORKER_FAILED, worker, "failed");
	count_cell(sheet, WORKER_RESTARTS, worker, "restarts");
	size_cell(sheet, WORKER_MEMORY, worker, "rss_bytes");
	now_cell(sheet, worker);
	text_cell(sheet, WORKER_EXIT, worker, "last_exit");
}

static void fill_workers(const struct top_model *model, struct sheet *sheet)
{
	const json_t *list = model->now.answers[TOP_WORKERS], *worker;
	size_t i;

	for (int rank = TOP_BROKEN; rank >= TOP_FINE; rank--)
		json_array_foreach (list, i, worker) {
			if (worker_rank(worker) == (enum top_rank)rank)
				add_worker(sheet, worker);
		}
}

/* --- errors by code --- */

enum {
	ERROR_POOL,
	ERROR_CODE,
	ERROR_NEW,
	ERROR_COUNT,
	ERROR_LAST,
	ERROR_METHOD,
	ERROR_TEXT
};

static const struct sheet_column error_columns[] = {
	[ERROR_POOL] = {"POOL", 20, false, 0},	 [ERROR_CODE] = {"CODE", 24, false, 0},
	[ERROR_NEW] = {"IN 10 S", 8, true, 1},	 [ERROR_COUNT] = {"IN ALL", 9, true, 0},
	[ERROR_LAST] = {"LAST", 10, true, 2},	 [ERROR_METHOD] = {"METHOD", 20, false, 3},
	[ERROR_TEXT] = {"MESSAGE", 0, false, 1},
};

static void last_cells(struct sheet *sheet, const json_t *last, double clock_ms)
{
	double ago = clock_ms - field_number(last, "at_ms");
	char text[UNIT_TEXT_MAX];

	/* The clock of another machine, or one that was set, may be behind. */
	if (last)
		sheet_set(sheet, ERROR_LAST, ago, "%s", unit_duration(text, ago > 0 ? ago : 0));
	else
		sheet_set(sheet, ERROR_LAST, 1e18, "-");
	text_cell(sheet, ERROR_METHOD, last, "method");
	text_cell(sheet, ERROR_TEXT, last, "message");
}

static void add_error(struct sheet *sheet, const struct top_model *model, const char *pool,
		      const char *code, double count)
{
	double grown = top_model_growth(model, pool, "errors", code);
	struct sheet_row *row = sheet_add(sheet);

	if (!row)
		return;
	row->pool = pool;
	row->details = top_model_last_error(model, pool, code);
	row->look = grown > 0 ? LOOK_WARNING : LOOK_PLAIN;
	set_id(sheet, "%s/%s", pool, code);
	sheet_set(sheet, ERROR_POOL, 0, "%s", pool);
	sheet_set(sheet, ERROR_CODE, 0, "%s", code);
	sheet_set(sheet, ERROR_NEW, grown, "%.0f", grown);
	sheet_set(sheet, ERROR_COUNT, count, "%.0f", count);
	last_cells(sheet, row->details, model->now.clock_ms);
}

static void fill_errors(const struct top_model *model, struct sheet *sheet)
{
	json_t *pools = json_object_get(model->now.answers[TOP_STATS], "pools");
	const char *pool, *code;
	json_t *counters, *count;

	json_object_foreach (pools, pool, counters) {
		json_object_foreach (json_object_get(counters, "errors"), code, count) {
			if (json_number_value(count) > 0)
				add_error(sheet, model, pool, code, json_number_value(count));
		}
	}
	sheet_sort(sheet, ERROR_COUNT, true);
	sheet_sort(sheet, ERROR_NEW, true);
}

/* --- requests --- */

enum {
	REQUEST_AGE,
	REQUEST_POOL,
	REQUEST_METHOD,
	REQUEST_STATE,
	REQUEST_WORKER,
	REQUEST_RUN,
	REQUEST_LEFT,
	REQUEST_SESSION,
	REQUEST_PEER,
	REQUEST_ID
};

static const struct sheet_column request_columns[] = {
	[REQUEST_AGE] = {"AGE", 10, true, 0},	     [REQUEST_POOL] = {"POOL", 20, false, 0},
	[REQUEST_METHOD] = {"METHOD", 24, false, 0}, [REQUEST_STATE] = {"STATE", 8, false, 3},
	[REQUEST_WORKER] = {"WORKER", 6, true, 1},   [REQUEST_RUN] = {"RUN", 10, true, 4},
	[REQUEST_LEFT] = {"LEFT", 10, true, 3},	     [REQUEST_SESSION] = {"SESSION", 20, false, 2},
	[REQUEST_PEER] = {"PEER", 34, false, 1},     [REQUEST_ID] = {"ID", 12, true, 2},
};

/* Who asked: a program's own name, its user and its process. */
static void peer_cell(struct sheet *sheet, size_t column, const json_t *object, const char *key)
{
	char uid[UNIT_TEXT_MAX], pid[UNIT_TEXT_MAX];

	sheet_set(sheet, column, field_number(object, "pid"), "%s, user %s, pid %s",
		  field_text(object, key), field_count(uid, object, "uid"),
		  field_count(pid, object, "pid"));
}

static void fill_requests(const struct top_model *model, struct sheet *sheet)
{
	const json_t *list = json_object_get(model->now.answers[TOP_REQUESTS], "requests");
	const json_t *request;
	size_t i;

	json_array_foreach (list, i, request) {
		struct sheet_row *row = sheet_add(sheet);

		if (!row)
			return;
		row->pool = json_string_value(json_object_get(request, "pool"));
		row->request = json_integer_value(json_object_get(request, "id"));
		row->details = request;
		set_id(sheet, "%lld", (long long)row->request);
		duration_cell(sheet, REQUEST_AGE, request, "age_ms");
		text_cell(sheet, REQUEST_POOL, request, "pool");
		text_cell(sheet, REQUEST_METHOD, request, "method");
		text_cell(sheet, REQUEST_STATE, request, "state");
		count_cell(sheet, REQUEST_WORKER, request, "worker");
		/* One that stands behind another at its worker does not run yet. */
		if (strcmp(field_text(request, "state"), "sent") == 0)
			sheet_set(sheet, REQUEST_RUN, 0, "-");
		else
			duration_cell(sheet, REQUEST_RUN, request, "run_ms");
		duration_cell(sheet, REQUEST_LEFT, request, "left_ms");
		text_cell(sheet, REQUEST_SESSION, request, "session");
		peer_cell(sheet, REQUEST_PEER, request, "client");
		count_cell(sheet, REQUEST_ID, request, "id");
	}
}

/* --- clients --- */

enum {
	CLIENT_NUMBER,
	CLIENT_NAME,
	CLIENT_UID,
	CLIENT_PID,
	CLIENT_AGE,
	CLIENT_IDLE,
	CLIENT_FLIGHT,
	CLIENT_QUEUED,
	CLIENT_CALLS,
	CLIENT_UNREAD,
	CLIENT_PAUSED
};

static const struct sheet_column client_columns[] = {
	[CLIENT_NUMBER] = {"CLIENT", 9, true, 0},    [CLIENT_NAME] = {"NAME", 24, false, 0},
	[CLIENT_UID] = {"UID", 7, true, 1},	     [CLIENT_PID] = {"PID", 8, true, 0},
	[CLIENT_AGE] = {"AGE", 10, true, 3},	     [CLIENT_IDLE] = {"IDLE", 10, true, 2},
	[CLIENT_FLIGHT] = {"IN FLIGHT", 9, true, 1}, [CLIENT_QUEUED] = {"QUEUED", 7, true, 2},
	[CLIENT_CALLS] = {"CALLS", 9, true, 1},	     [CLIENT_UNREAD] = {"UNREAD", 9, true, 3},
	[CLIENT_PAUSED] = {"PAUSED", 8, false, 1},
};

static void add_client(struct sheet *sheet, const json_t *client)
{
	struct sheet_row *row = sheet_add(sheet);

	if (!row)
		return;
	row->details = client;
	row->look = json_is_string(json_object_get(client, "paused")) ? LOOK_WARNING : LOOK_PLAIN;
	set_id(sheet, "%lld", (long long)json_integer_value(json_object_get(client, "client")));
	count_cell(sheet, CLIENT_NUMBER, client, "client");
	text_cell(sheet, CLIENT_NAME, client, "name");
	count_cell(sheet, CLIENT_UID, client, "uid");
	count_cell(sheet, CLIENT_PID, client, "pid");
	duration_cell(sheet, CLIENT_AGE, client, "age_ms");
	duration_cell(sheet, CLIENT_IDLE, client, "idle_ms");
	count_cell(sheet, CLIENT_FLIGHT, client, "in_flight");
	count_cell(sheet, CLIENT_QUEUED, client, "queued");
	count_cell(sheet, CLIENT_CALLS, client, "calls");
	size_cell(sheet, CLIENT_UNREAD, client, "unread_bytes");
	text_cell(sheet, CLIENT_PAUSED, client, "paused");
}

/* First those from which the daemon reads nothing. */
static void fill_clients(const struct top_model *model, struct sheet *sheet)
{
	const json_t *list = json_object_get(model->now.answers[TOP_CLIENTS], "clients"), *client;
	size_t i;

	for (int paused = 1; paused >= 0; paused--)
		json_array_foreach (list, i, client) {
			if (json_is_string(json_object_get(client, "paused")) == (paused == 1))
				add_client(sheet, client);
		}
}

/* --- alerts --- */

enum {
	ALERT_STATE,
	ALERT_SEVERITY,
	ALERT_NAME,
	ALERT_POOL,
	ALERT_SINCE,
	ALERT_TEXT
};

static const struct sheet_column alert_columns[] = {
	[ALERT_STATE] = {"STATE", 18, false, 0}, [ALERT_SEVERITY] = {"SEVERITY", 9, false, 1},
	[ALERT_NAME] = {"ALERT", 24, false, 0},	 [ALERT_POOL] = {"POOL", 20, false, 0},
	[ALERT_SINCE] = {"SINCE", 10, true, 2},	 [ALERT_TEXT] = {"TEXT", 0, false, 1},
};

static enum top_rank alert_rank(const json_t *alert)
{
	const char *state = field_text(alert, "state");

	if (strcmp(state, "firing") != 0)
		return top_word_rank(state);
	return top_word_rank(field_text(alert, "severity"));
}

static void add_alert(struct sheet *sheet, const json_t *alert)
{
	bool is_silenced = json_is_number(json_object_get(alert, "silenced_ms"));
	struct sheet_row *row = sheet_add(sheet);

	if (!row)
		return;
	row->pool = json_string_value(json_object_get(alert, "pool"));
	row->details = alert;
	row->look = top_rank_look(alert_rank(alert));
	set_id(sheet, "%s/%s", field_text(alert, "name"), field_text(alert, "pool"));
	sheet_set(sheet, ALERT_STATE, 0, "%s%s", field_text(alert, "state"),
		  is_silenced ? ", silenced" : "");
	text_cell(sheet, ALERT_SEVERITY, alert, "severity");
	text_cell(sheet, ALERT_NAME, alert, "name");
	text_cell(sheet, ALERT_POOL, alert, "pool");
	duration_cell(sheet, ALERT_SINCE, alert, "since_ms");
	text_cell(sheet, ALERT_TEXT, alert, "text");
}

static void fill_alerts(const struct top_model *model, struct sheet *sheet)
{
	const json_t *list = json_object_get(model->now.answers[TOP_ALERTS], "active"), *alert;
	size_t i;

	for (int rank = TOP_BROKEN; rank >= TOP_FINE; rank--)
		json_array_foreach (list, i, alert) {
			if (alert_rank(alert) == (enum top_rank)rank)
				add_alert(sheet, alert);
		}
}

/* --- all of them --- */

static const struct {
	const char *title;
	enum top_answer answer;
	const struct sheet_column *columns;
	size_t column_count;
	void (*fill)(const struct top_model *model, struct sheet *sheet);
} panes[TOP_PANE_COUNT_] = {
	[TOP_PANE_POOLS] = {"Pools", TOP_STATUS, pool_columns, COUNT(pool_columns), fill_pools},
	[TOP_PANE_WORKERS] = {"Workers", TOP_WORKERS, worker_columns, COUNT(worker_columns),
			      fill_workers},
	[TOP_PANE_ERRORS] = {"Errors", TOP_STATS, error_columns, COUNT(error_columns), fill_errors},
	[TOP_PANE_REQUESTS] = {"Requests", TOP_REQUESTS, request_columns, COUNT(request_columns),
			       fill_requests},
	[TOP_PANE_CLIENTS] = {"Clients", TOP_CLIENTS, client_columns, COUNT(client_columns),
			      fill_clients},
	[TOP_PANE_ALERTS] = {"Alerts", TOP_ALERTS, alert_columns, COUNT(alert_columns),
			     fill_alerts},
};

void top_pane_fill(enum top_pane pane, const struct top_model *model, struct sheet *sheet)
{
	sheet_init(sheet, panes[pane].columns, panes[pane].column_count);
	panes[pane].fill(model, sheet);
}

const char *top_pane_title(enum top_pane pane)
{
	return panes[pane].title;
}

enum top_answer top_pane_answer(enum top_pane pane)
{
	return panes[pane].answer;
}

const char *top_pane_note(enum top_pane pane, const struct top_model *model,
			  const struct sheet *sheet, char out[TOP_TEXT_MAX])
{
	const json_t *answer = model->now.answers[panes[pane].answer];
	const char *of = json_is_object(answer) ? " of " : "";
	char count[UNIT_TEXT_MAX] = "";

	if (!answer)
		snprintf(out, TOP_TEXT_MAX, "%s",
			 pane == TOP_PANE_ALERTS ? "the daemon has none" : "no answer yet");
	else if (pane == TOP_PANE_REQUESTS || pane == TOP_PANE_CLIENTS)
		snprintf(out, TOP_TEXT_MAX, "%zu%s%s%s", sheet->row_count, of,
			 field_count(count, answer, "count"),
			 pane == TOP_PANE_REQUESTS ? " open" : "");
	else
		snprintf(out, TOP_TEXT_MAX, "%zu", sheet->row_count);
	return out;
}
