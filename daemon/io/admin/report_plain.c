#include "daemon/io/admin/report_plain.h"

#include "daemon/core/engine_view.h"
#include "daemon/io/admin/problem.h"
#include "daemon/io/admin/report.h"

#include <inttypes.h>
#include <string.h>

/* Rows of the table of workers. */
#define WORKERS_MAX 200

/* No name and no text of ours can be taken for a part of the document. */
static void put_escaped(struct buf *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			buf_printf(out, "&amp;");
			break;
		case '<':
			buf_printf(out, "&lt;");
			break;
		case '>':
			buf_printf(out, "&gt;");
			break;
		case '"':
			buf_printf(out, "&quot;");
			break;
		default:
			buf_put(out, text, 1);
			break;
		}
	}
}

static void put_cell(struct buf *out, const char *text)
{
	buf_printf(out, "<td>");
	put_escaped(out, text);
	buf_printf(out, "</td>");
}

static void put_number(struct buf *out, uint64_t number)
{
	buf_printf(out, "<td align=\"right\">%" PRIu64 "</td>", number);
}

static void put_milliseconds(struct buf *out, usec_t time)
{
	buf_printf(out, "<td align=\"right\">%" PRIu64 ".%01" PRIu64 "</td>", time / USEC_PER_MSEC,
		   time % USEC_PER_MSEC / 100);
}

static void put_seconds_since(struct buf *out, const struct driver *driver, usec_t since)
{
	put_number(out, usec_sub(loop_now(driver->loop), since) / USEC_PER_SEC);
}

static const char *name_of(const struct driver *driver, uint32_t pool)
{
	return driver_pool_config(driver, pool)->name;
}

static void put_pool(const struct driver *driver, uint32_t index, struct buf *out)
{
	const struct pool_stats *stats = engine_pool_stats(driver->engine, index);
	struct pool_view pool;

	engine_view_pool(driver->engine, index, &pool);
	buf_printf(out, "<tr>");
	put_cell(out, name_of(driver, index));
	put_cell(out, pool_health_name(pool.health));
	put_seconds_since(out, driver, pool.health_since);
	put_number(out, stats->requests);
	put_number(out, stats->failed);
	put_milliseconds(out, hist_quantile(&stats->total_time, 500));
	put_milliseconds(out, hist_quantile(&stats->total_time, 990));
	put_number(out, pool.queued);
	put_number(out, pool.queue_max);
	put_number(out, pool.states[WORKER_BUSY]);
	put_number(out, pool.workers_max);
	put_cell(out, pool.circuit_count > 0 ? breaker_state_name(pool.breaker) : "-");
	buf_printf(out, "</tr>\n");
}

/* What is wrong with the pool, or with the daemon: `name` is "" then. */
static void put_problems(const struct driver *driver, const struct caller *caller, uint32_t pool,
			 const char *name, struct buf *out)
{
	struct problem_cursor cursor = {0};
	struct problem problem;

	while (problem_next(driver, caller, pool, &cursor, &problem)) {
		buf_printf(out, "<li><b>");
		put_escaped(out, *name ? name : "the daemon");
		buf_printf(out, "</b>");
		if (problem.since > 0)
			buf_printf(out, " for %" PRIu64 " s",
				   usec_sub(loop_now(driver->loop), problem.since) / USEC_PER_SEC);
		buf_printf(out, ": ");
		put_escaped(out, problem.text);
		buf_printf(out, ". <code>");
		put_escaped(out, problem.command);
		buf_printf(out, "</code> - ");
		put_escaped(out, problem.advice);
		buf_printf(out, "</li>\n");
	}
}

static void put_all_problems(const struct driver *driver, const struct caller *caller,
			     struct buf *out)
{
	buf_printf(out, "<ul>\n");
	put_problems(driver, caller, PROBLEM_NO_POOL, "", out);
	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++)
		put_problems(driver, caller, i, name_of(driver, i), out);
	buf_printf(out, "</ul>\n");
}

static void put_worker(const struct driver *driver, const struct worker_view *worker,
		       struct buf *out)
{
	buf_printf(out, "<tr>");
	put_cell(out, name_of(driver, worker->pool));
	put_number(out, worker->number);
	put_cell(out, worker_state_name(worker->state));
	put_cell(out, worker_health_name(worker->health));
	put_seconds_since(out, driver, worker->since);
	put_number(out, worker->in_flight);
	put_number(out, worker->served);
	put_number(out, worker->failed);
	put_number(out, worker->restarts);
	buf_printf(out, "</tr>\n");
}

/* Column titles are separated by '|'. */
static void begin_table(struct buf *out, const char *title, const char *columns)
{
	buf_printf(out, "<h2>%s</h2>\n<table border=\"1\" cellpadding=\"4\">\n<tr>", title);
	while (*columns) {
		size_t len = strcspn(columns, "|");

		buf_printf(out, "<th scope=\"col\">%.*s</th>", (int)len, columns);
		columns += len + (columns[len] == '|');
	}
	buf_printf(out, "</tr>\n");
}

static void put_workers(const struct driver *driver, struct buf *out)
{
	unsigned left = WORKERS_MAX;

	begin_table(out, "Workers",
		    "pool|worker|state|health|since (s)|in flight|served|failed|restarts");
	for (uint32_t i = 0; i < engine_worker_count(driver->engine) && left > 0; i++) {
		struct worker_view worker;

		engine_view_worker(driver->engine, i, &worker);
		if (!worker.is_shown)
			continue;
		put_worker(driver, &worker, out);
		left--;
	}
	buf_printf(out, "</table>\n%s", left == 0 ? "<p>More are in poolctl workers.</p>\n" : "");
}

void report_plain(const struct driver *driver, const struct caller *caller, unsigned seconds,
		  struct buf *out)
{
	const char *word = pool_health_name(report_overall(driver));

	buf_printf(out,
		   "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		   "<meta http-equiv=\"refresh\" content=\"%u\">\n"
		   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		   "<meta name=\"color-scheme\" content=\"light dark\">\n"
		   "<title>%s - poold</title>\n</head>\n<body>\n<h1>poold is %s</h1>\n<p>",
		   seconds, word, word);
	report_progress(driver, out);
	buf_printf(out,
		   "%s; %" PRIu32 " requests in hand; up %" PRIu64
		   " s. Shown again every %u s.</p>\n",
		   driver_is_stopping(driver) ? "; stopping" : "", driver_open_requests(driver),
		   usec_sub(loop_now(driver->loop), driver->started) / USEC_PER_SEC, seconds);
	put_all_problems(driver, caller, out);
	begin_table(out, "Pools",
		    "pool|status|since (s)|requests|failed|p50 (ms)|p99 (ms)|queued|of|busy|of|"
		    "breaker");
	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++)
		put_pool(driver, i, out);
	buf_printf(out, "</table>\n");
	put_workers(driver, out);
	buf_printf(out, "</body>\n</html>\n");
}
