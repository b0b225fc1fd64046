#include "daemon/io/observe/alert_report.h"

#include "daemon/io/base/pack_named.h"
#include "daemon/io/observe/alert_text.h"

#include <inttypes.h>
#include <stdio.h>

/* Explained in the journal's catalog, systemd/poold.catalog. */
#define RAISED_MESSAGE_ID   "0d5ce2a1b7f44c0f8a6f5d1c9e3b7a42"
#define RESOLVED_MESSAGE_ID "c1a94e7f3b284d6eb0f2d87a5e619c03"

static enum log_level level_of(const struct alert_rule *rule)
{
	switch (rule->severity) {
	case ALERT_CRITICAL:
		return LOG_LEVEL_ERROR;
	case ALERT_WARNING:
		return LOG_LEVEL_WARNING;
	case ALERT_INFO:
	case ALERT_SEVERITY_COUNT_:
		break;
	}
	return LOG_LEVEL_NOTICE;
}

static void log_raised(const struct driver *driver, const struct alert_rule *rule,
		       const struct alert_record *record)
{
	const struct log_field fields[] = {{"pool", alert_pool_name(driver, record->pool)},
					   {"alert", rule->name},
					   {"alert_kind", alert_kind_name(rule->kind)},
					   {"severity", alert_severity_name(rule->severity)}};
	char text[ALERT_TEXT_MAX];

	alert_describe(driver, rule, record->pool, record->highest, record->is_test,
		       ALERT_OPERATORS, text);
	log_event(record->is_test ? LOG_LEVEL_NOTICE : level_of(rule), RAISED_MESSAGE_ID, fields,
		  ARRAY_SIZE(fields), "alert %s: %s", rule->name, text);
}

static void log_resolved(const struct driver *driver, const struct alert_rule *rule,
			 const struct alert_record *record)
{
	char seconds[24], highest[48];
	const struct log_field fields[] = {{"pool", alert_pool_name(driver, record->pool)},
					   {"alert", rule->name},
					   {"alert_kind", alert_kind_name(rule->kind)},
					   {"severity", alert_severity_name(rule->severity)},
					   {"lasted_s", seconds}};

	snprintf(seconds, sizeof(seconds), "%" PRIu64,
		 (uint64_t)(usec_sub(record->resolved, record->raised) / USEC_PER_SEC));
	alert_format_value(rule, record->highest, highest, sizeof(highest));
	log_event(LOG_LEVEL_NOTICE, RESOLVED_MESSAGE_ID, fields, ARRAY_SIZE(fields),
		  "alert %s%s is resolved after %s s; the highest value was %s", rule->name,
		  record->is_test ? " (a test)" : "", seconds, highest);
}

static void send_event(struct driver *driver, const struct alert_rule *rule,
		       const struct alert_effect *effect)
{
	const char *pool = alert_pool_name(driver, effect->pool);
	struct buf *out = events_begin(&driver->events, EVENT_KIND_alert, pool ? 8 : 7);
	char text[ALERT_TEXT_MAX];

	if (!out)
		return;
	alert_describe_effect(driver, rule, effect, ALERT_EVERYBODY, text);
	pack_named_str(out, "name", rule->name);
	if (pool)
		pack_named_str(out, "pool", pool);
	pack_named_str(out, "what", effect->is_raised ? "raised" : "resolved");
	pack_named_str(out, "severity", alert_severity_name(rule->severity));
	pack_str(out, "highest");
	pack_double(out, alert_number(effect->record.highest));
	pack_str(out, "threshold");
	pack_double(out, alert_number(rule->threshold));
	pack_named_bool(out, "test", effect->record.is_test);
	pack_named_str(out, "text", text);
	events_send(&driver->events);
}

void alert_report(struct driver *driver, const struct alert_rule *rule,
		  const struct alert_effect *effect)
{
	if (effect->is_raised)
		log_raised(driver, rule, &effect->record);
	else
		log_resolved(driver, rule, &effect->record);
	send_event(driver, rule, effect);
}
