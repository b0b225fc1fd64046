#include "daemon/io/config/config_alert.h"

#include <stdio.h>

enum value_unit config_alert_unit(enum alert_kind kind)
{
	switch (alert_kind_unit(kind)) {
	case ALERT_PERCENT:
		return VALUE_PERCENT;
	case ALERT_TIMES:
		return VALUE_TIMES;
	case ALERT_MSEC:
		return VALUE_DURATION;
	case ALERT_COUNT:
	case ALERT_STATE:
	case ALERT_UNIT_COUNT_:
		break;
	}
	return VALUE_PLAIN;
}

struct value_threshold config_alert_threshold(enum alert_kind kind)
{
	return (struct value_threshold){alert_rule_default(kind).threshold,
					config_alert_unit(kind)};
}

void config_alert_take_defaults(struct config_alert *alert)
{
	const struct alert_rule rule = alert_rule_default(alert->rule_kind);

	alert->rule_severity = rule.severity;
	alert->rule_threshold = config_alert_threshold(rule.kind);
	alert->rule_for = rule.hold;
	alert->rule_min = (unsigned)rule.min;
}

bool config_alert_is_default(const struct config_alert *alert)
{
	const struct alert_rule rule = alert_rule_default(alert->rule_kind);

	return alert->is_built_in && !alert->rule_pool[0] && alert->rule_enabled &&
	       alert->rule_severity == rule.severity &&
	       alert->rule_threshold.thousandths == rule.threshold &&
	       alert->rule_for == rule.hold && alert->rule_min == rule.min &&
	       alert->rule_resolve_level == rule.resolve_percent &&
	       alert->rule_resolve_after == rule.resolve_after &&
	       alert->rule_cooldown == rule.cooldown;
}

static struct alert_rule rule_of(const struct config_alert *alert)
{
	struct alert_rule rule = {
		.kind = alert->rule_kind,
		.severity = alert->rule_severity,
		.threshold = alert->rule_threshold.thousandths,
		.min = alert->rule_min,
		.hold = alert->rule_for,
		.resolve_after = alert->rule_resolve_after,
		.resolve_percent = alert->rule_resolve_level,
		.cooldown = alert->rule_cooldown,
		.pools = alert->pools,
		.is_enabled = alert->rule_enabled,
	};

	snprintf(rule.name, sizeof(rule.name), "%s", alert->name);
	return rule;
}

void config_alert_rules(const struct config *config, struct alert_rule ret[ALERT_RULES_MAX])
{
	assert(config->alert_count <= ALERT_RULES_MAX);
	for (size_t i = 0; i < config->alert_count; i++)
		ret[i] = rule_of(&config->alerts[i]);
}
