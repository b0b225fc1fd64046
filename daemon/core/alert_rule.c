#include "daemon/core/alert_rule.h"

#include <string.h>

/* What the built-in rules have in common. */
#define RESOLVE_AFTER	(30 * USEC_PER_SEC)
#define RESOLVE_PERCENT 80
#define COOLDOWN	(300 * USEC_PER_SEC)

enum scope {
	SCOPE_POOL = 0,
	SCOPE_DAEMON
};

struct kind {
	const char *name;
	const char *text;
	enum scope scope;
	enum alert_unit unit;
	usec_t window;
	enum alert_severity severity;
	uint64_t threshold;
	uint64_t min;
	usec_t hold;
};

static const struct kind kinds[] = {
#define ALERT(kind_, scope_, unit_, window_, severity_, threshold_, min_, hold_, text_)            \
	[ALERT_##kind_] = {.name = #kind_,                                                         \
			   .text = text_,                                                          \
			   .scope = SCOPE_##scope_,                                                \
			   .unit = ALERT_##unit_,                                                  \
			   .window = (window_)*USEC_PER_SEC,                                       \
			   .severity = ALERT_##severity_,                                          \
			   .threshold = threshold_,                                                \
			   .min = min_,                                                            \
			   .hold = (hold_)*USEC_PER_SEC},
#include "daemon/core/alert_rule.def"
#undef ALERT
};

static const char *const severities[] = {
	[ALERT_INFO] = "info", [ALERT_WARNING] = "warning", [ALERT_CRITICAL] = "critical"};
static_assert(ARRAY_SIZE(severities) == ALERT_SEVERITY_COUNT_, "a severity has no name");

struct alert_rule alert_rule_default(enum alert_kind kind)
{
	const struct kind *row = &kinds[kind];
	struct alert_rule rule = {.kind = kind,
				  .severity = row->severity,
				  .threshold = row->threshold,
				  .min = row->min,
				  .hold = row->hold,
				  .resolve_after = RESOLVE_AFTER,
				  .resolve_percent = RESOLVE_PERCENT,
				  .cooldown = COOLDOWN,
				  .is_enabled = true};
	size_t len = strlen(row->name);

	assert(len <= ALERT_NAME_MAX);
	memcpy(rule.name, row->name, len + 1);
	return rule;
}

const char *alert_kind_name(enum alert_kind kind)
{
	return kinds[kind].name;
}

const char *alert_kind_text(enum alert_kind kind)
{
	return kinds[kind].text;
}

enum alert_unit alert_kind_unit(enum alert_kind kind)
{
	return kinds[kind].unit;
}

bool alert_kind_is_of_pools(enum alert_kind kind)
{
	return kinds[kind].scope == SCOPE_POOL;
}

usec_t alert_kind_window(enum alert_kind kind)
{
	return kinds[kind].window;
}

const char *alert_severity_name(enum alert_severity severity)
{
	return severities[severity];
}

const char *alert_unit_text(enum alert_unit unit)
{
	static const char *const texts[] = {
		[ALERT_COUNT] = "",   [ALERT_PERCENT] = "%", [ALERT_TIMES] = "x",
		[ALERT_MSEC] = " ms", [ALERT_STATE] = "",
	};
	static_assert(ARRAY_SIZE(texts) == ALERT_UNIT_COUNT_, "a unit has no text");

	return texts[unit];
}

enum alert_kind alert_kind_find(const char *name)
{
	enum alert_kind kind = 0;

	while (kind < ALERT_KIND_COUNT_ && strcmp(kinds[kind].name, name) != 0)
		kind++;
	return kind;
}

/* Whether any rule of the kind names the pool. */
static bool is_named(const struct alert_rule *rules, unsigned count, enum alert_kind kind,
		     unsigned pool)
{
	for (unsigned i = 0; i < count; i++)
		if (rules[i].kind == kind && rules[i].pools & UINT64_C(1) << pool)
			return true;
	return false;
}

bool alert_rule_applies(const struct alert_rule *rules, unsigned count, unsigned index,
			unsigned pool)
{
	const struct alert_rule *rule = &rules[index];

	assert(index < count && pool < ALERT_POOLS_MAX);
	if (!rule->is_enabled || !alert_kind_is_of_pools(rule->kind))
		return false;
	if (rule->pools != 0)
		return rule->pools & UINT64_C(1) << pool;
	return !is_named(rules, count, rule->kind, pool);
}

uint64_t alert_rule_highest(const struct alert_rule *rule, unsigned slo, unsigned pool_count)
{
	assert(slo >= ALERT_SLO_MIN && slo <= ALERT_SLO_MAX);
	switch (kinds[rule->kind].unit) {
	case ALERT_PERCENT:
		return UINT64_C(100) * 1000;
	case ALERT_TIMES:
		if (rule->kind == ALERT_method_slow)
			break;
		/* All requests fail. */
		return UINT64_C(100000) * 1000 / (100000 - slo);
	case ALERT_STATE:
		return 1000;
	case ALERT_COUNT:
	case ALERT_MSEC:
	case ALERT_UNIT_COUNT_:
		break;
	}
	return rule->kind == ALERT_breakers_open ? (uint64_t)pool_count * 1000 : UINT64_MAX;
}

enum alert_flaw alert_rule_flaw(const struct alert_rule *rule, unsigned slo, unsigned pool_count)
{
	if (rule->threshold == 0)
		return ALERT_ALWAYS_FIRES;
	if (rule->threshold > alert_rule_highest(rule, slo, pool_count))
		return ALERT_NEVER_FIRES;
	return ALERT_FLAW_NONE;
}
