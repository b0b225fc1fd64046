#include "daemon/io/driver/refusal.h"

#include "daemon/io/driver/error_report.h"
#include "daemon/io/driver/notify.h"
#include "daemon/io/driver/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Lines in a second, of each code and each reason. */
#define LINES	    5

#define NUMBER_SIZE 16

void refusal_limits_init(struct refusal_limits *limits)
{
	*limits = (struct refusal_limits){0};
	for (unsigned i = 0; i < ERR_COUNT_; i++)
		limits->codes[i].per_second = LINES;
	for (unsigned i = 0; i < CALLER_END_COUNT_; i++)
		limits->ends[i].per_second = LINES;
}

static struct error_record record_of(enum error_kind kind, const struct caller *caller)
{
	return (struct error_record){
		.kind = kind,
		.caller = caller,
		.audience = {.uid = caller->uid, .pool = NO_SLOT},
		.at_ms = loop_wall_ms(),
	};
}

static bool may_report(struct driver *driver, struct log_limit *limit, unsigned *ret_held)
{
	bool may = log_limit_pass(limit, loop_now(driver->loop), ret_held);

	driver->stats.log_lines_held += !may;
	return may;
}

void refusal_report(struct driver *driver, const struct caller *caller, uint32_t pool,
		    const struct error *error)
{
	struct error_record record = record_of(ERROR_REFUSAL, caller);
	unsigned held;

	driver->stats.requests_refused++;
	driver->stats.refusals[error->code]++;
	record.error = error;
	record.audience.pool = pool;
	if (error->code == ERR_memory_limit)
		overload_note(driver, NO_SLOT, error->code);
	notify_error(driver, &record.audience, error);
	if (!may_report(driver, &driver->refusals.codes[error->code], &held))
		return;
	error_report_record(driver, &record, "request refused", held);
}

void refusal_count_unopened(struct driver *driver)
{
	unsigned held;

	driver->stats.connections_accepted++;
	driver->stats.ends[CALLER_END_memory]++;
	if (may_report(driver, &driver->refusals.ends[CALLER_END_memory], &held))
		log_notice("connection cut off: %s (%u times before)",
			   caller_end_text(CALLER_END_memory), held);
}

void refusal_report_lost(struct driver *driver, const struct caller *caller,
			 const struct error *error)
{
	struct error_record record = record_of(ERROR_OF_REQUEST, caller);
	unsigned held;

	driver->stats.answers_lost++;
	record.error = error;
	notify_error(driver, &record.audience, error);
	if (!may_report(driver, &driver->error_limit, &held))
		return;
	error_report_record(driver, &record, "answer lost", held);
}

/* Which limit made the daemon take a place is logged where it does that (places.c). */
static bool is_logged_elsewhere(enum caller_end end)
{
	return end == CALLER_END_evicted || end == CALLER_END_refused;
}

static void log_end(const struct driver *driver, const struct caller *caller, enum caller_end end,
		    unsigned held)
{
	char uid[NUMBER_SIZE], pid[NUMBER_SIZE], more[64] = "";
	const struct log_field fields[] = {
		{"reason", caller_end_name(end)},
		{"uid", uid},
		{"peer_pid", pid},
		{"client", caller->name[0] ? caller->name : NULL},
	};

	snprintf(uid, sizeof(uid), "%" PRIu32, caller->uid);
	snprintf(pid, sizeof(pid), "%" PRId32, caller->pid);
	if (held > 0)
		snprintf(more, sizeof(more), " (%u more of these not logged)", held);
	notify_log(driver, EVENT_KIND_connection, driver->events.sequence, LOG_LEVEL_NOTICE, fields,
		   ARRAY_SIZE(fields), "connection cut off: %s%s", caller_end_text(end), more);
}

void refusal_report_end(struct driver *driver, const struct caller *caller, enum caller_end end)
{
	struct error_record record = record_of(ERROR_CONNECTION, caller);
	unsigned held;

	driver->stats.ends[end]++;
	if (!caller_end_is_cut_off(end))
		return;
	notify_end(driver, caller, end);
	if (!may_report(driver, &driver->refusals.ends[end], &held))
		return;
	record.end = end;
	if (!is_logged_elsewhere(end))
		log_end(driver, caller, end, held);
	error_log_add(&driver->errors, &record);
}
