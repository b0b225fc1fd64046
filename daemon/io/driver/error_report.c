#include "daemon/io/driver/error_report.h"

#include "daemon/io/base/log.h"
#include "daemon/io/driver/notify.h"
#include "daemon/io/driver/state.h"

#include <inttypes.h>
#include <stdio.h>

/* The fault of a caller or of the application is for the caller to read, not for the operator to
 * mend; nor is what a caller asks beyond its own limits. */
static enum log_level level_of(const struct error_record *record)
{
	const struct error *error = record->error;
	enum errcategory category = errcode_info(error->code)->category;

	if (category == ERRCAT_request || category == ERRCAT_application)
		return LOG_LEVEL_INFO;
	/* That the daemon stops was logged once already. */
	if (error->code == ERR_shutting_down)
		return LOG_LEVEL_INFO;
	if (record->kind == ERROR_REFUSAL)
		return LOG_LEVEL_NOTICE;
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

/* A span in milliseconds; NULL where it is not known. */
static const char *span_text(usec_t span, char text[NUMBER_SIZE])
{
	if (span == USEC_INFINITY)
		return NULL;
	snprintf(text, NUMBER_SIZE, "%.3f", (double)span / 1e3);
	return text;
}

static const char *span_id_text(uint64_t span, char text[NUMBER_SIZE])
{
	if (span == 0)
		return NULL;
	snprintf(text, NUMBER_SIZE, "%016" PRIx64, span);
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
static void log_fields(const struct error_record *record, uint64_t seq, const char *what,
		       struct bytes line)
{
	char number[NUMBER_SIZE];
	const struct error *error = record->error;
	const struct caller *caller = record->caller;
	char uid[NUMBER_SIZE], peer_pid[NUMBER_SIZE], arrived[NUMBER_SIZE];
	char queued[NUMBER_SIZE], run[NUMBER_SIZE], trace[NAME_LEN_MAX + 1];
	char span[NUMBER_SIZE], attempt_span[NUMBER_SIZE];
	char request[NUMBER_SIZE], worker[NUMBER_SIZE], pid[NUMBER_SIZE], attempt[NUMBER_SIZE];
	char elapsed[NUMBER_SIZE], session[NAME_LEN_MAX + 1], method[NAME_LEN_MAX + 1];
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
		{"outcome", error->outcome},
		{"arrived_ms", number_text(error->arrived_ms, arrived)},
		{"elapsed_ms", span_text(error->elapsed, elapsed)},
		{"queue_ms", span_text(error->queued, queued)},
		{"run_ms", span_text(error->run, run)},
		{"circuit", error->circuit},
		{"uid", caller ? uid : NULL},
		{"peer_pid",
		 number_text(caller && caller->pid > 0 ? (uint64_t)caller->pid : 0, peer_pid)},
		{"client", caller && caller->name[0] ? caller->name : NULL},
		{"trace", name_value(error->trace, trace)},
		{"span", span_id_text(error->span, span)},
		{"attempt_span", span_id_text(error->attempt_span, attempt_span)},
		{"seq", number_text(seq, number)},
	};

	snprintf(uid, sizeof(uid), "%u", caller ? caller->uid : 0);
	log_event(level_of(record), seq > 0 ? event_message_id(EVENT_KIND_error) : NULL, fields,
		  log_has_fields() ? ARRAY_SIZE(fields) : 0, "%s: %.*s", what, (int)line.len,
		  (const char *)line.data);
}

/* `seq`: of its event; 0: it has none. */
static void put_line(const struct error_record *record, uint64_t seq, const char *what,
		     unsigned held)
{
	const struct caller *caller = record->caller;
	struct error error = *record->error;
	struct error_peer peer;
	struct buf line;

	if (caller) {
		peer = (struct error_peer){caller->uid, caller->pid, caller->name};
		error.peer = &peer;
	}
	buf_init(&line, LOG_TEXT_MAX);
	error_format(&line, &error);
	if (held > 0)
		buf_printf(&line, " (%u more of these not logged)", held);
	if (buf_error(&line) == 0)
		log_fields(record, seq, what, (struct bytes){line.data, line.len});
	buf_free(&line);
}

void error_report_line(const struct error_record *record, const char *what, unsigned held)
{
	put_line(record, 0, what, held);
}

/* Whether a pool that is overloaded or down answers thousands of requests with it. */
static bool is_refusal(enum errcode code)
{
	return errcode_info(code)->category == ERRCAT_resource || code == ERR_connect_failed;
}

void error_report_record(struct driver *driver, const struct error_record *record, const char *what,
			 unsigned held)
{
	put_line(record, driver->events.sequence, what, held);
	error_log_add(&driver->errors, record);
}

void error_report(struct driver *driver, const struct error_record *record, const char *what)
{
	bool is_limited_apart = is_refusal(record->error->code) && record->kind == ERROR_OF_REQUEST;
	struct log_limit *limit = is_limited_apart ? &driver->refusal_limits[record->audience.pool]
						   : &driver->error_limit;
	unsigned held;

	if (record->kind == ERROR_OF_REQUEST)
		overload_note(driver, record->audience.pool, record->error->code);
	notify_error(driver, &record->audience, record->error);
	if (log_limit_pass(limit, loop_now(driver->loop), &held))
		error_report_record(driver, record, what, held);
	else
		driver->stats.log_lines_held++;
}
