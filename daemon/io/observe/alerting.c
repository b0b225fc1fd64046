#include "daemon/io/observe/alerting.h"

#include "daemon/io/base/pack_named.h"
#include "daemon/io/config/config_alert.h"
#include "daemon/io/driver/driver.h"
#include "daemon/io/observe/alert_fill.h"
#include "daemon/io/observe/alert_report.h"
#include "daemon/io/observe/alert_text.h"

#include "protocol/read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define INTERVAL USEC_PER_SEC

static void report(struct alerting *alerting, const struct alert_effect *effect)
{
	const struct alert_rule *rule = &alerting->rules[effect->rule];
	struct alert_notice notice = alert_notice(alerting->driver, rule, effect);

	alert_report(alerting->driver, rule, effect);
	alert_command_send(&alerting->command, &notice);
	alert_post_send(&alerting->post, &notice);
}

static void update(struct alerting *alerting)
{
	struct alert_readings readings;
	struct alert_effect effect;

	alert_fill(alerting->driver, alerting->pools, alerting->suspects, &readings);
	alerts_update(&alerting->alerts, &readings, loop_now(alerting->driver->loop));
	while (alerts_next_effect(&alerting->alerts, &effect))
		report(alerting, &effect);
}

static void on_timer(evutil_socket_t fd, short what, void *argument)
{
	struct alerting *alerting = argument;

	(void)fd;
	(void)what;
	if (driver_is_stopping(alerting->driver))
		return;
	if (alerting->driver->has_started)
		update(alerting);
	loop_set_event_timer(&alerting->timer, INTERVAL);
}

int alerting_init(struct alerting *alerting, struct driver *driver)
{
	const struct config *config = driver->config;
	unsigned pools = (unsigned)config->pool_count;
	unsigned rules = (unsigned)config->alert_count;

	*alerting = (struct alerting){.driver = driver};
	evtimer_assign(&alerting->timer, driver->loop->base, on_timer, alerting);
	alert_command_init(&alerting->command, driver);
	alert_post_init(&alerting->post, driver);
	alerting->slots = calloc(alerts_slots(rules, pools), sizeof(*alerting->slots));
	alerting->pools = calloc(pools + 1, sizeof(*alerting->pools));
	alerting->suspects = calloc(pools + 1, sizeof(*alerting->suspects));
	if (!alerting->slots || !alerting->pools || !alerting->suspects)
		return -ENOMEM;
	config_alert_rules(config, alerting->rules);
	for (unsigned i = 0; i < rules && !config->daemon.alerts; i++)
		alerting->rules[i].is_enabled = false;
	alerts_init(&alerting->alerts, alerting->rules, rules, pools, alerting->slots);
	driver->alerting = alerting;
	return 0;
}

void alerting_done(struct alerting *alerting)
{
	event_del(&alerting->timer);
	alert_command_done(&alerting->command);
	alert_post_done(&alerting->post);
	alerting->driver->alerting = NULL;
	free(alerting->slots);
	free(alerting->pools);
	free(alerting->suspects);
}

void alerting_start(struct alerting *alerting)
{
	if (alerting->driver->config->daemon.alerts)
		loop_set_event_timer(&alerting->timer, INTERVAL);
}

/* --- operators --- */

const struct alert_rule *alerting_find(const struct alerting *alerting, struct bytes name)
{
	for (unsigned i = 0; i < alerting->alerts.rule_count; i++)
		if (bytes_equal(name, alerting->rules[i].name))
			return &alerting->rules[i];
	return NULL;
}

int alerting_test(struct alerting *alerting, const struct alert_rule *rule)
{
	return alerts_test(&alerting->alerts, (unsigned)(rule - alerting->rules), ALERTING_TEST,
			   loop_now(alerting->driver->loop));
}

void alerting_silence(struct alerting *alerting, const struct alert_rule *rule, usec_t span,
		      uint32_t uid)
{
	const struct log_field field = {"alert", rule->name};

	alerts_silence(&alerting->alerts, (unsigned)(rule - alerting->rules), span,
		       loop_now(alerting->driver->loop));
	if (span > 0)
		log_event(LOG_LEVEL_NOTICE, NULL, &field, 1,
			  "alert %s is silenced for %" PRIu64 " s by uid %u", rule->name,
			  (uint64_t)(span / USEC_PER_SEC), uid);
	else
		log_event(LOG_LEVEL_NOTICE, NULL, &field, 1,
			  "alert %s is not silenced any more, by uid %u", rule->name, uid);
}

/* --- reports --- */

bool alerting_next(const struct alerting *alerting, uint32_t pool, size_t *cursor,
		   struct alert_view *ret)
{
	if (!alerting)
		return false;
	while (alerts_next_of(&alerting->alerts, pool, cursor, loop_now(alerting->driver->loop),
			      ret))
		if (ret->state == ALERT_FIRING && !ret->is_test && !ret->is_easing &&
		    ret->silent_until == 0)
			return true;
	return false;
}

static void pack_name(const struct alerting *alerting, unsigned rule, uint32_t pool,
		      struct buf *out)
{
	const char *name = alert_pool_name(alerting->driver, pool);

	pack_named_str(out, "name", alerting->rules[rule].name);
	pack_str(out, "pool");
	if (name)
		pack_str(out, name);
	else
		pack_nil(out);
	pack_named_str(out, "severity", alert_severity_name(alerting->rules[rule].severity));
	pack_named_str(out, "unit", alert_unit_text(alert_kind_unit(alerting->rules[rule].kind)));
}

static void pack_number(struct buf *out, const char *name, uint64_t value)
{
	pack_str(out, name);
	pack_double(out, alert_number(value));
}

static void pack_left(struct buf *out, const char *name, usec_t until, usec_t now)
{
	pack_str(out, name);
	if (until > now)
		pack_uint(out, (until - now) / USEC_PER_MSEC);
	else
		pack_nil(out);
}

static void pack_view(const struct alerting *alerting, const struct caller *caller,
		      const struct alert_view *view, usec_t now, struct buf *out)
{
	const struct alert_rule *rule = &alerting->rules[view->rule];
	char text[ALERT_TEXT_MAX];

	alert_describe(alerting->driver, rule, view->pool, view->value.value,
		       view->is_test && view->state == ALERT_FIRING,
		       alert_reader_of(alerting->driver, caller, view->pool), text);
	pack_map(out, 12);
	pack_name(alerting, view->rule, view->pool, out);
	pack_named_str(out, "kind", alert_kind_name(rule->kind));
	pack_named_str(out, "state", alert_state_name(view->state));
	pack_str(out, "since_ms");
	if (view->since > 0)
		pack_uint(out, usec_sub(now, view->since) / USEC_PER_MSEC);
	else
		pack_nil(out);
	pack_left(out, "silenced_ms", view->silent_until, now);
	pack_number(out, "value", view->value.value);
	pack_number(out, "threshold", rule->threshold);
	pack_named_bool(out, "test", view->is_test && view->state == ALERT_FIRING);
	pack_named_str(out, "text", text);
}

static void pack_active(const struct alerting *alerting, const struct caller *caller, usec_t now,
			struct buf *out)
{
	struct alert_view view;
	uint32_t count = 0;
	size_t cursor = 0;

	while (alerts_next(&alerting->alerts, &cursor, now, &view))
		count++;
	pack_array(out, count);
	cursor = 0;
	while (alerts_next(&alerting->alerts, &cursor, now, &view))
		pack_view(alerting, caller, &view, now, out);
}

static void pack_record(const struct alerting *alerting, const struct alert_record *record,
			usec_t now, struct buf *out)
{
	pack_map(out, 8);
	pack_name(alerting, record->rule, record->pool, out);
	pack_named_whole_ms(out, "raised_ms", usec_sub(now, record->raised));
	pack_str(out, "lasted_ms");
	if (record->resolved > 0)
		pack_uint(out, usec_sub(record->resolved, record->raised) / USEC_PER_MSEC);
	else
		pack_nil(out);
	pack_number(out, "highest", record->highest);
	pack_named_bool(out, "test", record->is_test);
}

static void pack_history(const struct alerting *alerting, usec_t now, struct buf *out)
{
	uint32_t count = 0;

	while (alerts_history(&alerting->alerts, count))
		count++;
	pack_array(out, count);
	for (unsigned nth = 0; nth < count; nth++)
		pack_record(alerting, alerts_history(&alerting->alerts, nth), now, out);
}

static void pack_rules(const struct alerting *alerting, struct buf *out)
{
	pack_array(out, alerting->alerts.rule_count);
	for (unsigned i = 0; i < alerting->alerts.rule_count; i++) {
		const struct alert_rule *rule = &alerting->rules[i];

		pack_map(out, 6);
		pack_named_str(out, "name", rule->name);
		pack_named_str(out, "kind", alert_kind_name(rule->kind));
		pack_named_str(out, "severity", alert_severity_name(rule->severity));
		pack_number(out, "threshold", rule->threshold);
		pack_named_str(out, "unit", alert_unit_text(alert_kind_unit(rule->kind)));
		pack_named_bool(out, "enabled", rule->is_enabled);
	}
}

void alerting_pack(const struct alerting *alerting, const struct caller *caller, struct buf *out)
{
	usec_t now = loop_now(alerting->driver->loop);

	pack_map(out, 3);
	pack_str(out, "active");
	pack_active(alerting, caller, now, out);
	pack_str(out, "history");
	pack_history(alerting, now, out);
	pack_str(out, "rules");
	pack_rules(alerting, out);
}
