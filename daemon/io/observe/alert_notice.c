#include "daemon/io/observe/alert_notice.h"

#include "daemon/io/base/json.h"

#include <string.h>
#include <time.h>

/* Milliseconds since 1970 of a moment of the monotonic clock. */
static uint64_t wall_ms(const struct driver *driver, usec_t at)
{
	return loop_wall_ms() - usec_sub(loop_now(driver->loop), at) / USEC_PER_MSEC;
}

struct alert_notice alert_notice(const struct driver *driver, const struct alert_rule *rule,
				 const struct alert_effect *effect)
{
	const struct alert_record *record = &effect->record;
	struct alert_notice notice = {
		.rule = rule,
		.pool = alert_pool_name(driver, record->pool),
		.is_raised = effect->is_raised,
		.is_test = record->is_test,
		.firing = record->firing,
		.highest = record->highest,
		.raised_ms = wall_ms(driver, record->raised),
		.resolved_ms = effect->is_raised ? 0 : wall_ms(driver, record->resolved),
	};

	alert_describe_effect(driver, rule, effect, ALERT_OPERATORS, notice.text);
	return notice;
}

/* A key with a text, or with null. */
static void put_text(struct buf *out, const char *key, const char *text)
{
	buf_printf(out, "\"%s\": ", key);
	if (text)
		(void)json_from_text((struct bytes){(const uint8_t *)text, strlen(text)}, out);
	else
		buf_printf(out, "null");
}

/* As RFC 3339 has it; 0: null. */
static void put_time(struct buf *out, const char *key, uint64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char text[32] = "";
	struct tm tm;

	if (ms == 0 || !gmtime_r(&seconds, &tm)) {
		put_text(out, key, NULL);
		return;
	}
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_printf(out, "\"%s\": \"%s.%03uZ\"", key, text, (unsigned)(ms % 1000));
}

void alert_notice_json(const struct alert_notice *notice, struct buf *out)
{
	const struct alert_rule *rule = notice->rule;

	buf_printf(out, "{");
	put_text(out, "alert", rule->name);
	buf_printf(out, ", ");
	put_text(out, "kind", alert_kind_name(rule->kind));
	buf_printf(out, ", ");
	put_text(out, "pool", notice->pool);
	buf_printf(out, ", ");
	put_text(out, "severity", alert_severity_name(rule->severity));
	buf_printf(out, ", ");
	put_text(out, "state", notice->is_raised ? "raised" : "resolved");
	buf_printf(out, ", \"highest\": %.10g, \"threshold\": %.10g, ",
		   alert_number(notice->highest), alert_number(rule->threshold));
	put_text(out, "unit", alert_unit_text(alert_kind_unit(rule->kind)));
	buf_printf(out, ", \"test\": %s, ", notice->is_test ? "true" : "false");
	put_time(out, "raised_at", notice->raised_ms);
	buf_printf(out, ", ");
	put_time(out, "resolved_at", notice->resolved_ms);
	buf_printf(out, ", ");
	put_text(out, "text", notice->text);
	buf_printf(out, "}\n");
}

void alert_notice_post(const struct alert_notice *notice, uint64_t until_ms, struct buf *out)
{
	const struct alert_rule *rule = notice->rule;
	char highest[48];

	alert_format_value(rule, notice->highest, highest, sizeof(highest));
	buf_printf(out, "{\"labels\": {");
	put_text(out, "alertname", rule->name);
	buf_printf(out, ", ");
	put_text(out, "kind", alert_kind_name(rule->kind));
	buf_printf(out, ", ");
	put_text(out, "severity", alert_severity_name(rule->severity));
	if (notice->pool) {
		buf_printf(out, ", ");
		put_text(out, "pool", notice->pool);
	}
	buf_printf(out, ", \"job\": \"poold\"%s}, \"annotations\": {",
		   notice->is_test ? ", \"test\": \"true\"" : "");
	put_text(out, "summary", notice->text);
	buf_printf(out, ", ");
	put_text(out, "highest", highest);
	buf_printf(out, ", \"explain\": \"poolctl explain %s\"}, ", alert_kind_name(rule->kind));
	put_time(out, "startsAt", notice->raised_ms);
	buf_printf(out, ", ");
	put_time(out, "endsAt", notice->resolved_ms > 0 ? notice->resolved_ms : until_ms);
	buf_printf(out, "}");
}
