#include "daemon/io/driver/error_report.h"

#include "daemon/io/base/log.h"
#include "daemon/io/driver/notify.h"
#include "daemon/io/driver/state.h"

#include <stdio.h>

/* The fault of a caller or of the application is for the caller to read, not for the operator to
 * mend. */
static enum log_level level_of(const struct error *error)
{
	enum errcategory category = errcode_info(error->code)->category;

	if (category == ERRCAT_request || category == ERRCAT_application)
		return LOG_LEVEL_INFO;
	/* That the daemon stops was logged once already. */
	if (error->code == ERR_shutting_down)
		return LOG_LEVEL_INFO;
	switch (error->severity) {
	case SEVERITY_CRITICAL:
		return LOG_LEVEL_ERROR;
	case SEVERITY_MAJOR:
		return LOG_LEVEL_WARNING;
	case SEVERITY_MINOR:
		return LOG_LEVEL_NOTICE;
	case SEVERITY_WARNING:
	case SEVERITY_COUNT_:
		break;
	}
	return LOG_LEVEL_INFO;
}

#define NUMBER_SIZE 24

/* A number for a field; NULL, so that the field is left out, when it is 0. */
static const char *number_text(uint64_t number, char text[NUMBER_SIZE])
{
	if (number == 0)
		return NULL;
	snprintf(text, NUMBER_SIZE, "%llu", (unsigned long long)number);
	return text;
}

static const char *name_value(struct bytes name, char text[NAME_LEN_MAX + 1])
{
	if (name.len == 0)
		return NULL;
	snprintf(text, NAME_LEN_MAX + 1, "%.*s",
		 (int)(name.len < NAME_LEN_MAX ? name.len : NAME_LEN_MAX), (const char *)name.data);
	return text;
}

/* The journal gets each field by its name; on standard error they are part of the line. */
static void log_fields(const struct error *error, const char *what, struct bytes line)
{
	char request[NUMBER_SIZE], worker[NUMBER_SIZE], pid[NUMBER_SIZE], attempt[NUMBER_SIZE];
	char elapsed[NUMBER_SIZE], session[NAME_LEN_MAX + 1], method[NAME_LEN_MAX + 1];
	usec_t elapsed_ms = error->elapsed == USEC_INFINITY ? 0 : error->elapsed / USEC_PER_MSEC;
	const struct log_field fields[] = {
		{"code", errcode_name(error->code)},
		{"category", errcategory_name(errcode_info(error->code)->category)},
		{"severity", errseverity_name(error->severity)},
		{"strategy", errstrategy_name(error->strategy)},
		{"executed", executed_name(error->executed)},
		{"pool", error->pool},
		{"request", number_text(error->request, request)},
		{"worker", number_text(error->worker, worker)},
		{"pid", number_text(error->pid > 0 ? (uint64_t)error->pid : 0, pid)},
		{"session", name_value(error->session, session)},
		{"method", name_value(error->method, method)},
		{"attempt", number_text(error->attempt, attempt)},
		{"elapsed_ms", number_text(elapsed_ms, elapsed)},
		{"circuit", error->circuit},
	};

	log_event(level_of(error), NULL, fields, log_has_fields() ? ARRAY_SIZE(fields) : 0,
		  "%s: %.*s", what, (int)line.len, (const char *)line.data);
}

void error_report_line(const struct error *error, const char *what, unsigned held)
{
	struct buf line;

	buf_init(&line, LOG_TEXT_MAX);
	error_format(&line, error);
	if (held > 0)
		buf_printf(&line, " (%u more of these not logged)", held);
	if (buf_error(&line) == 0)
		log_fields(error, what, (struct bytes){line.data, line.len});
	buf_free(&line);
}

/* Whether a pool that is overloaded or down answers thousands of requests with it. */
static bool is_refusal(enum errcode code)
{
	return errcode_info(code)->category == ERRCAT_resource || code == ERR_connect_failed;
}

void error_report(struct driver *driver, const struct audience *audience, const struct error *error,
		  const char *what, bool is_incident)
{
	struct log_limit *limit = is_refusal(error->code) && !is_incident
					  ? &driver->refusal_limits[audience->pool]
					  : &driver->error_limit;
	unsigned held;

	if (!log_limit_pass(limit, loop_now(driver->loop), &held))
		return;
	error_report_line(error, what, held);
	error_log_add(&driver->errors, error, audience, is_incident, loop_wall_ms());
	notify_error(driver, audience, error);
}
