#include "daemon/io/admin/control_alerts.h"

#include "daemon/io/base/pack_named.h"
#include "daemon/io/driver/caller.h"
#include "daemon/io/driver/state.h"
#include "daemon/io/observe/alerting.h"
#include "protocol/nearest.h"
#include "protocol/read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* [name], or with a span [name, seconds]. */
static int read_params(struct bytes params, struct bytes *ret_name, uint64_t *ret_seconds)
{
	uint32_t wanted = ret_seconds ? 2 : 1, count;
	struct reader reader;

	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count != wanted || read_str(&reader, ret_name) < 0)
		return -EINVAL;
	return ret_seconds ? read_uint(&reader, ret_seconds) : 0;
}

static enum errcode no_such_rule(const struct alerting *alerting, struct bytes name, char *why)
{
	char word[ALERT_NAME_MAX + 1];
	struct nearest nearest;

	snprintf(word, sizeof(word), "%.*s", (int)(name.len < ALERT_NAME_MAX ? name.len : 0),
		 (const char *)name.data);
	nearest_init(&nearest, word);
	for (unsigned i = 0; i < alerting->alerts.rule_count; i++)
		nearest_offer(&nearest, alerting->rules[i].name);
	snprintf(why, CONTROL_WHY_SIZE, "there is no alert of that name%s%s%s",
		 nearest.found ? "; did you mean " : ": see poold.alerts",
		 nearest.found ? nearest.found : "", nearest.found ? "?" : "");
	return ERR_invalid_request;
}

static enum errcode test(struct alerting *alerting, struct bytes params, struct buf *out, char *why)
{
	const struct alert_rule *rule;
	struct bytes name;
	int r;

	if (read_params(params, &name, NULL) < 0) {
		snprintf(why, CONTROL_WHY_SIZE, "[alert] is wanted");
		return ERR_invalid_request;
	}
	rule = alerting_find(alerting, name);
	if (!rule)
		return no_such_rule(alerting, name, why);
	r = alerting_test(alerting, rule);
	if (r < 0) {
		snprintf(why, CONTROL_WHY_SIZE,
			 r == -EALREADY ? "it fires already"
					: "the rule is switched off, or no pool is left for it");
		return ERR_invalid_request;
	}
	pack_map(out, 2);
	pack_named_str(out, "alert", rule->name);
	pack_named_whole_ms(out, "for_ms", ALERTING_TEST);
	return ERR_NONE;
}

static enum errcode silence(struct alerting *alerting, const struct caller *caller,
			    struct bytes params, struct buf *out, char *why)
{
	const struct alert_rule *rule;
	struct bytes name;
	uint64_t seconds;

	if (read_params(params, &name, &seconds) < 0 ||
	    seconds > ALERTING_SILENCE_MAX / USEC_PER_SEC) {
		snprintf(why, CONTROL_WHY_SIZE,
			 "[alert, seconds] is wanted, with at most %" PRIu64 " seconds",
			 (uint64_t)(ALERTING_SILENCE_MAX / USEC_PER_SEC));
		return ERR_invalid_request;
	}
	rule = alerting_find(alerting, name);
	if (!rule)
		return no_such_rule(alerting, name, why);
	alerting_silence(alerting, rule, seconds * USEC_PER_SEC, caller->uid);
	pack_map(out, 2);
	pack_named_str(out, "alert", rule->name);
	pack_named_uint(out, "silenced_ms", seconds * 1000);
	return ERR_NONE;
}

enum errcode control_alerts(struct driver *driver, const struct caller *caller, enum method method,
			    struct bytes params, struct buf *out, char why[CONTROL_WHY_SIZE])
{
	if (method == METHOD_alert_test)
		return test(driver->alerting, params, out, why);
	return silence(driver->alerting, caller, params, out, why);
}
