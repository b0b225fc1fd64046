#include "daemon/io/frontend/http_answer.h"

#include "daemon/io/admin/report.h"
#include "daemon/io/admin/report_overview.h"
#include "daemon/io/admin/report_plain.h"
#include "daemon/io/base/json.h"
#include "daemon/io/driver/rights.h"
#include "daemon/io/driver/state.h"
#include "daemon/io/frontend/http_page.h"
#include "daemon/io/observe/metrics.h"
#include "protocol/read.h"

#include <errno.h>
#include <string.h>

/* Bytes of a body at most: 64 pools and 4096 workers need 4 MB. */
#define BODY_MAX ((size_t)16 * 1024 * 1024)

/* A view is shown again for so many times as long as it took to make it, but not longer than that. */
#define SHOWN_FACTOR 20
#define SHOWN_MAX    USEC_PER_SEC

static const char type_text[] = "text/plain; charset=utf-8";
static const char type_metrics[] = "text/plain; version=0.0.4; charset=utf-8";
static const char type_openmetrics[] = "application/openmetrics-text; version=1.0.0; charset=utf-8";
static const char type_json[] = "application/json";
static const char type_html[] = "text/html; charset=utf-8";
static const char type_events[] = "text/event-stream";

/* After so many seconds the plain page asks again. */
#define PLAIN_PAUSE 5

/* What is no page needs nothing in a browser. */
static const char policy_none[] = "default-src 'none'; frame-ancestors 'none'";

static struct bytes text_of(const char *text)
{
	return (struct bytes){(const uint8_t *)text, strlen(text)};
}

/* It only reads, so none of its calls is ever answered. */
static const struct caller_ops reader_ops = {0};

void http_reader_init(struct caller *reader, const struct caller_ops *ops, bool texts)
{
	caller_init(reader, ops);
	reader->uid = RIGHTS_NO_UID;
	reader->is_unknown = !texts;
	/* It has the rights to read all; what it could control, no path offers. */
	reader->may_control = texts;
}

void http_answers_init(struct http_answers *answers, struct driver *driver, const char *listen,
		       bool texts)
{
	const char *colon = strrchr(listen, ':');

	*answers = (struct http_answers){.driver = driver};
	http_reader_init(&answers->reader, &reader_ops, texts);
	answers->takes_every_host = strncmp(listen, "unix:", 5) == 0;
	if (colon)
		answers->own_host =
			(struct bytes){(const uint8_t *)listen, (size_t)(colon - listen)};
}

void http_answers_done(struct http_answers *answers)
{
	for (enum http_view view = 0; view < HTTP_VIEW_COUNT_; view++) {
		chunk_unref(answers->made[view].chunk);
		answers->made[view].chunk = NULL;
	}
}

bool http_answers_tidy(struct http_answers *answers)
{
	bool is_empty = true;

	for (enum http_view view = 0; view < HTTP_VIEW_COUNT_; view++) {
		struct http_made *made = &answers->made[view];

		if (made->chunk && loop_clock() >= made->until) {
			chunk_unref(made->chunk);
			made->chunk = NULL;
		}
		is_empty &= !made->chunk;
	}
	return is_empty;
}

/* --- views --- */

/* Returns 0 or -errno. */
static int write_status(struct http_answers *answers, struct buf *out)
{
	struct buf value;
	int r;

	buf_init(&value, BODY_MAX);
	report_overview(answers->driver, &answers->reader, &value);
	r = buf_error(&value);
	if (r == 0 && json_from_value((struct bytes){value.data, value.len}, out))
		r = buf_error(out) < 0 ? buf_error(out) : -EINVAL;
	buf_free(&value);
	return r;
}

static int write_view(struct http_answers *answers, enum http_view view, struct buf *out)
{
	if (view == HTTP_VIEW_STATUS)
		return write_status(answers, out);
	if (view == HTTP_VIEW_PLAIN)
		report_plain(answers->driver, &answers->reader, PLAIN_PAUSE, out);
	else
		metrics_write(answers->driver,
			      view == HTTP_VIEW_OPENMETRICS ? METRICS_OPENMETRICS
							    : METRICS_PROMETHEUS,
			      out);
	return buf_error(out);
}

/* Makes it anew.  False: there is no memory for it. */
static bool make_view(struct http_answers *answers, enum http_view view)
{
	struct http_made *made = &answers->made[view];
	usec_t begun = loop_clock(), shown;
	struct buf text;

	chunk_unref(made->chunk);
	made->chunk = NULL;
	chunk_buf_init(&text, BODY_MAX);
	if (write_view(answers, view, &text) == 0) {
		made->len = chunk_buf_bytes(&text).len;
		made->chunk = chunk_from_buf(&answers->driver->loop->store, &text);
	}
	buf_free(&text);
	shown = usec_sub(loop_clock(), begun) * SHOWN_FACTOR;
	made->until = usec_add(loop_clock(), shown < SHOWN_MAX ? shown : SHOWN_MAX);
	return made->chunk != NULL;
}

static void show_view(struct http_answers *answers, enum http_view view, const char *type,
		      struct http_answer *ret)
{
	struct http_made *made = &answers->made[view];

	if ((!made->chunk || loop_clock() >= made->until) && !make_view(answers, view)) {
		http_answer_status(HTTP_UNAVAILABLE, ret);
		return;
	}
	*ret = (struct http_answer){
		.status = HTTP_OK,
		.type = type,
		.policy = policy_none,
		.chunk = chunk_ref(made->chunk),
		.body = {made->chunk->data, made->len},
	};
}

void http_answer_state(struct http_answers *answers, struct http_answer *ret)
{
	show_view(answers, HTTP_VIEW_STATUS, type_json, ret);
}

/* --- texts --- */

static void show_text(enum http_status status, const char *text, struct http_answer *ret)
{
	*ret = (struct http_answer){
		.status = status,
		.type = type_text,
		.policy = policy_none,
		.body = text_of(text),
	};
}

static void show_page(struct http_answer *ret)
{
	*ret = (struct http_answer){
		.status = HTTP_OK,
		.type = type_html,
		.policy = http_page_policy,
		.body = {http_page, http_page_size},
	};
}

static void show_stream(struct http_answer *ret)
{
	*ret = (struct http_answer){
		.status = HTTP_OK,
		.type = type_events,
		.policy = policy_none,
		.is_stream = true,
	};
}

static void show_readiness(const struct http_answers *answers, struct http_answer *ret)
{
	const struct driver *driver = answers->driver;
	enum pool_health health = report_overall(driver);

	if (driver_is_stopping(driver))
		show_text(HTTP_UNAVAILABLE, "stopping\n", ret);
	else if (!driver->has_started)
		show_text(HTTP_UNAVAILABLE, "starting\n", ret);
	else if (health == POOL_OK)
		show_text(HTTP_OK, "ok\n", ret);
	else if (health == POOL_DEGRADED)
		show_text(HTTP_OK, "degraded\n", ret);
	else
		show_text(HTTP_UNAVAILABLE, "down\n", ret);
}

void http_answer_status(enum http_status status, struct http_answer *ret)
{
	show_text(status, http_status_text(status), ret);
}

static bool knows_host(const struct http_answers *answers, struct bytes host)
{
	return answers->takes_every_host || http_host_is_local(host) ||
	       (host.len == answers->own_host.len &&
		memcmp(host.data, answers->own_host.data, host.len) == 0);
}

void http_answer(struct http_answers *answers, const struct http_request *request,
		 struct http_answer *ret)
{
	struct bytes path = request->path;

	if (!knows_host(answers, request->host))
		http_answer_status(HTTP_MISDIRECTED_REQUEST, ret);
	else if (bytes_equal(path, "/metrics") && request->wants_openmetrics)
		show_view(answers, HTTP_VIEW_OPENMETRICS, type_openmetrics, ret);
	else if (bytes_equal(path, "/metrics"))
		show_view(answers, HTTP_VIEW_METRICS, type_metrics, ret);
	else if (bytes_equal(path, "/api/status"))
		http_answer_state(answers, ret);
	else if (bytes_equal(path, "/api/events"))
		show_stream(ret);
	else if (bytes_equal(path, "/healthz"))
		show_text(HTTP_OK, "ok\n", ret);
	else if (bytes_equal(path, "/readyz"))
		show_readiness(answers, ret);
	else if (bytes_equal(path, "/"))
		show_page(ret);
	else if (bytes_equal(path, "/plain"))
		show_view(answers, HTTP_VIEW_PLAIN, type_html, ret);
	else
		http_answer_status(HTTP_NOT_FOUND, ret);
}
