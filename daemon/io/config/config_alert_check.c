#include "daemon/io/config/config_alert_check.h"

#include "daemon/io/config/config_alert.h"
#include "daemon/io/config/config_option.h"
#include "daemon/io/config/config_word.h"

/* --- one section --- */

static const struct config_origin *origin_of(const struct config_draft *draft, size_t i,
					     enum option_id id)
{
	return &draft->alerts[i].options[id];
}

/* Whether the rule has a kind that it may have. */
static bool check_kind(struct config_draft *draft, size_t i)
{
	struct config_alert *alert = &draft->config->alerts[i];
	const struct config_origin *origin = origin_of(draft, i, OPTION_ALERT_kind);
	enum alert_kind own = alert_kind_find(alert->name);
	struct buf kinds;

	if (alert->is_built_in && alert->rule_kind != own) {
		config_fault(
			&draft->faults, *origin,
			"[alert %s] kind: found %s, but the built-in rule %s keeps its kind; give "
			"the rule another name",
			alert->name, alert_kind_name(alert->rule_kind), alert->name);
		return false;
	}
	if (alert->rule_kind != ALERT_KIND_COUNT_)
		return true;
	if (draft->alerts[i].has_bad_key)
		return false;
	buf_init(&kinds, CONFIG_LINE_MAX);
	option_print_words(OPTION_ALERT_KIND, &kinds);
	config_fault(
		&draft->faults, draft->alerts[i].sections[SECTION_ALERT],
		"[alert %s]: the key kind is required, as no built-in rule has that name; allowed "
		"are %.*s",
		alert->name, (int)kinds.len, (const char *)kinds.data);
	buf_free(&kinds);
	return false;
}

/* What the section does not say is as the kind has it. */
static void fill_in(struct config_draft *draft, size_t i)
{
	struct config_alert *alert = &draft->config->alerts[i];
	const struct config_alert said = *alert;

	config_alert_take_defaults(alert);
	if (origin_of(draft, i, OPTION_ALERT_severity)->file)
		alert->rule_severity = said.rule_severity;
	if (origin_of(draft, i, OPTION_ALERT_threshold)->file)
		alert->rule_threshold = said.rule_threshold;
	if (origin_of(draft, i, OPTION_ALERT_for)->file)
		alert->rule_for = said.rule_for;
	if (origin_of(draft, i, OPTION_ALERT_min)->file)
		alert->rule_min = said.rule_min;
}

/* A number alone will do for percentages and factors, but not for durations. */
static void check_unit(struct config_draft *draft, size_t i)
{
	struct config_alert *alert = &draft->config->alerts[i];
	struct value_threshold example = config_alert_threshold(alert->rule_kind);
	char found[VALUE_TEXT_MAX], allowed[VALUE_TEXT_MAX];

	if (alert->rule_threshold.unit == VALUE_PLAIN && example.unit != VALUE_DURATION)
		alert->rule_threshold.unit = example.unit;
	if (alert->rule_threshold.unit == example.unit)
		return;
	value_format_threshold(&alert->rule_threshold, found);
	value_format_threshold(&example, allowed);
	config_fault(&draft->faults, *origin_of(draft, i, OPTION_ALERT_threshold),
		     "[alert %s] threshold: found %s, allowed for kind = %s is a value such as %s",
		     alert->name, found, alert_kind_name(alert->rule_kind), allowed);
}

static void resolve_pools(struct config_draft *draft, size_t i)
{
	struct config_alert *alert = &draft->config->alerts[i];
	const struct config_origin *origin = origin_of(draft, i, OPTION_ALERT_pool);

	alert->pools = 0;
	if (alert->rule_pool[0] && !alert_kind_is_of_pools(alert->rule_kind)) {
		config_fault(
			&draft->faults, *origin,
			"[alert %s] pool: found %s, but kind = %s is about the whole daemon and "
			"has no pool",
			alert->name, alert->rule_pool[0], alert_kind_name(alert->rule_kind));
		return;
	}
	for (char **name = alert->rule_pool; *name; name++) {
		const struct config_pool *pool = config_find_pool(draft->config, *name);

		if (pool)
			alert->pools |= UINT64_C(1) << (pool - draft->config->pools);
		else
			config_fault(&draft->faults, *origin,
				     "[alert %s] pool: found \"%s\", which is not a pool",
				     alert->name, *name);
	}
}

void config_check_alerts(struct config_draft *draft)
{
	static_assert(CONFIG_POOLS_MAX <= ALERT_POOLS_MAX, "a pool has no bit");
	static_assert(CONFIG_NAME_MAX <= ALERT_NAME_MAX, "a name has no room");

	for (size_t i = 0; i < draft->config->alert_count; i++) {
		if (!check_kind(draft, i))
			continue;
		fill_in(draft, i);
		check_unit(draft, i);
		resolve_pools(draft, i);
	}
}

/* --- all of them together --- */

/* "14.285x": the highest value that the rule can measure. */
static void format_highest(const struct alert_rule *rule, unsigned slo, unsigned pools,
			   char text[static VALUE_TEXT_MAX])
{
	const struct value_threshold highest = {alert_rule_highest(rule, slo, pools),
						config_alert_unit(rule->kind)};

	value_format_threshold(&highest, text);
}

/* A burn rate that the pool's slo does not allow. */
static void check_burn(struct config_draft *draft, const struct alert_rule *rules, size_t i,
		       size_t pool)
{
	const struct config *config = draft->config;
	const struct config_origin *slo = &draft->pools[pool].options[OPTION_POOL_slo];
	const struct config_origin *threshold = origin_of(draft, i, OPTION_ALERT_threshold);
	char level[VALUE_TEXT_MAX], wanted[VALUE_TEXT_MAX], highest[VALUE_TEXT_MAX];

	if (!alert_rule_applies(rules, (unsigned)config->alert_count, (unsigned)i,
				(unsigned)pool) ||
	    alert_rule_flaw(&rules[i], config->pools[pool].slo, 1) == ALERT_FLAW_NONE)
		return;
	value_format_percentage(config->pools[pool].slo, level);
	value_format_threshold(&config->alerts[i].rule_threshold, wanted);
	format_highest(&rules[i], config->pools[pool].slo, 1, highest);
	config_fault(
		&draft->faults, slo->file ? *slo : *threshold,
		"[alert %s] can't fire for the pool %s: with slo = %s the burn rate is %s when all "
		"requests fail, and the threshold is %s; lower the threshold, or switch the rule "
		"off in a section [alert NAME] with kind = %s, pool = %s and enabled = no",
		rules[i].name, config->pools[pool].name, level, highest, wanted,
		alert_kind_name(rules[i].kind), config->pools[pool].name);
}

/* Built-in thresholds are for all configurations, so that two open breakers are no fault where there
 * is one pool. */
static void check_highest(struct config_draft *draft, const struct alert_rule *rule, size_t i)
{
	const struct config_origin *origin = origin_of(draft, i, OPTION_ALERT_threshold);
	unsigned pools = (unsigned)draft->config->pool_count;
	char wanted[VALUE_TEXT_MAX], highest[VALUE_TEXT_MAX];

	if (rule->threshold == alert_rule_default(rule->kind).threshold || !rule->is_enabled ||
	    alert_rule_flaw(rule, ALERT_SLO_DEFAULT, pools) == ALERT_FLAW_NONE)
		return;
	value_format_threshold(&draft->config->alerts[i].rule_threshold, wanted);
	format_highest(rule, ALERT_SLO_DEFAULT, pools, highest);
	config_fault(&draft->faults, *origin,
		     "[alert %s] can't fire: its threshold is %s, and kind = %s is %s at most%s",
		     rule->name, wanted, alert_kind_name(rule->kind), highest,
		     rule->kind == ALERT_breakers_open ? ", the number of pools" : "");
}

void config_check_alerts_fire(struct config_draft *draft)
{
	const struct config *config = draft->config;
	struct alert_rule rules[ALERT_RULES_MAX];

	config_alert_rules(config, rules);
	for (size_t i = 0; i < config->alert_count; i++) {
		if (alert_kind_unit(rules[i].kind) != ALERT_TIMES) {
			check_highest(draft, &rules[i], i);
			continue;
		}
		for (size_t pool = 0; pool < config->pool_count; pool++)
			check_burn(draft, rules, i, pool);
	}
}
