#include "daemon/io/observe/alert_text.h"

#include <stdio.h>

const char *alert_pool_name(const struct driver *driver, uint32_t pool)
{
	return pool == ALERT_NO_POOL ? NULL : driver_pool_config(driver, pool)->name;
}

void alert_format_value(const struct alert_rule *rule, uint64_t value, char *text, size_t size)
{
	snprintf(text, size, "%.10g%s", alert_number(value),
		 alert_unit_text(alert_kind_unit(rule->kind)));
}

void alert_describe(const struct alert_rule *rule, uint64_t value, bool is_test,
		    char text[ALERT_TEXT_MAX])
{
	char measured[48], threshold[48];

	if (is_test || alert_kind_unit(rule->kind) == ALERT_STATE) {
		snprintf(text, ALERT_TEXT_MAX, "%s%s",
			 is_test ? "this is a test; it would mean: " : "",
			 alert_kind_text(rule->kind));
		return;
	}
	alert_format_value(rule, value, measured, sizeof(measured));
	alert_format_value(rule, rule->threshold, threshold, sizeof(threshold));
	snprintf(text, ALERT_TEXT_MAX, "%s: %s, the threshold is %s", alert_kind_text(rule->kind),
		 measured, threshold);
}
