#include "daemon/io/observe/alert_text.h"

#include "daemon/io/driver/rights.h"
#include "daemon/io/observe/alert_suspect.h"

#include <stdio.h>
#include <string.h>

/* %s: the name of the pool. */
static const char *const commands[] = {
	[ALERT_error_share] = "poolctl errors 20",
	[ALERT_burn_fast] = "poolctl errors 20",
	[ALERT_burn_slow] = "poolctl errors 20",
	[ALERT_critical_errors] = "poolctl errors 20",
	[ALERT_run_time] = "poolctl requests %s",
	[ALERT_queue_wait] = "poolctl requests %s",
	[ALERT_restarts] = "poolctl workers %s",
	[ALERT_crash_loop] = "poolctl doctor %s",
	[ALERT_method_errors] = "poolctl methods %s",
	[ALERT_method_slow] = "poolctl methods %s",
	[ALERT_worker_hung] = "poolctl workers %s",
	[ALERT_worker_memory] = "poolctl workers %s",
	[ALERT_memory_restarts] = "poolctl workers %s",
	[ALERT_client_flood] = "poolctl clients",
	[ALERT_output_dropped] = "poolctl logs %s",
	[ALERT_breaker_open] = "poolctl breakers %s",
	[ALERT_breaker_flapping] = "poolctl breakers %s",
	[ALERT_breakers_open] = "poolctl breakers",
	[ALERT_on_fallback] = "poolctl breakers %s",
	[ALERT_no_capacity] = "poolctl doctor %s",
	[ALERT_memory_near_limit] = "poolctl clients",
	[ALERT_loop_lag] = "poolctl doctor",
	[ALERT_log_dropped] = "journalctl -u systemd-journald -n 20",
	[ALERT_sessions_lost] = "poolctl sessions",
};
static_assert(ARRAY_SIZE(commands) == ALERT_KIND_COUNT_, "a kind has no command");

const char *alert_pool_name(const struct driver *driver, uint32_t pool)
{
	return pool == ALERT_NO_POOL ? NULL : driver_pool_config(driver, pool)->name;
}

void alert_format_value(const struct alert_rule *rule, uint64_t value, char *text, size_t size)
{
	snprintf(text, size, "%.10g%s", alert_number(value),
		 alert_unit_text(alert_kind_unit(rule->kind)));
}

enum alert_reader alert_reader_of(const struct driver *driver, const struct caller *caller,
				  uint32_t pool)
{
	uint32_t of = pool == ALERT_NO_POOL ? NO_SLOT : pool;

	return rights_may_control_pool(driver, caller, of) ? ALERT_OPERATORS : ALERT_EVERYBODY;
}

void alert_describe(const struct driver *driver, const struct alert_rule *rule, uint32_t pool,
		    uint64_t value, bool is_test, enum alert_reader reader,
		    char text[ALERT_TEXT_MAX])
{
	char measured[48], threshold[48];

	if (is_test || alert_kind_unit(rule->kind) == ALERT_STATE) {
		snprintf(text, ALERT_TEXT_MAX, "%s%s",
			 is_test ? "this is a test; it would mean: " : "",
			 alert_kind_text(rule->kind));
		return;
	}
	if (alert_suspect_describe(driver, rule->kind, pool, reader, text))
		return;
	alert_format_value(rule, value, measured, sizeof(measured));
	alert_format_value(rule, rule->threshold, threshold, sizeof(threshold));
	snprintf(text, ALERT_TEXT_MAX, "%s: %s, the threshold is %s", alert_kind_text(rule->kind),
		 measured, threshold);
}

void alert_describe_effect(const struct driver *driver, const struct alert_rule *rule,
			   const struct alert_effect *effect, enum alert_reader reader,
			   char text[ALERT_TEXT_MAX])
{
	const struct alert_record *record = &effect->record;

	alert_describe(driver, rule, effect->is_raised ? record->pool : ALERT_NO_POOL,
		       record->highest, record->is_test, reader, text);
}

void alert_first_command(const struct driver *driver, const struct alert_rule *rule, uint32_t pool,
			 char text[ALERT_COMMAND_MAX])
{
	const char *name = alert_pool_name(driver, pool), *format = commands[rule->kind];
	const char *place = strstr(format, "%s");

	if (alert_suspect_command(driver, rule->kind, pool, text))
		return;
	snprintf(text, ALERT_COMMAND_MAX, "%.*s%s",
		 place ? (int)(place - format) : (int)strlen(format), format,
		 place && name ? name : "");
}
