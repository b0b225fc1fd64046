#include "daemon/core/alert.h"

#include <errno.h>
#include <string.h>

static const char *const names[] = {
#define STATE(name, word, next, text) [ALERT_##name] = (word),
	ALERT_STATES(STATE)
#undef STATE
};

static const unsigned next_states[] = {
#define STATE(name, word, next, text) [ALERT_##name] = (next),
	ALERT_STATES(STATE)
#undef STATE
};

const char *alert_state_name(enum alert_state state)
{
	return names[state];
}

bool alert_may_move(enum alert_state from, enum alert_state to)
{
	return next_states[from] & 1u << to;
}

/* A rule has a slot for each pool, and one for the daemon behind them. */
size_t alerts_slots(unsigned rule_count, unsigned pool_count)
{
	return (size_t)rule_count * (pool_count + 1);
}

static uint32_t pool_of_column(const struct alerts *alerts, unsigned column)
{
	return column < alerts->pool_count ? column : ALERT_NO_POOL;
}

static struct alert *slot(const struct alerts *alerts, unsigned rule, uint32_t pool)
{
	unsigned column = pool == ALERT_NO_POOL ? alerts->pool_count : pool;

	assert(rule < alerts->rule_count && column <= alerts->pool_count);
	return &alerts->slots[(size_t)rule * (alerts->pool_count + 1) + column];
}

void alerts_init(struct alerts *alerts, const struct alert_rule *rules, unsigned rule_count,
		 unsigned pool_count, struct alert *slots)
{
	assert(rule_count <= ALERT_RULES_MAX && pool_count <= ALERT_POOLS_MAX);
	*alerts = (struct alerts){
		.rules = rules, .rule_count = rule_count, .pool_count = pool_count, .slots = slots};
	memset(slots, 0, alerts_slots(rule_count, pool_count) * sizeof(*slots));
}

bool alerts_applies(const struct alerts *alerts, unsigned index, uint32_t pool)
{
	const struct alert_rule *rule = &alerts->rules[index];

	if (pool == ALERT_NO_POOL)
		return rule->is_enabled && !alert_kind_is_of_pools(rule->kind);
	return alert_rule_applies(alerts->rules, alerts->rule_count, index, pool);
}

/* --- one alert --- */

static void move(struct alert *alert, enum alert_state to, usec_t now)
{
	assert(alert_may_move(alert->state, to));
	alert->state = to;
	alert->since = now;
	alert->low_since = 0;
}

/* The record of the alert's last firing, or NULL if it is forgotten. */
static struct alert_record *record_of(struct alerts *alerts, const struct alert *alert)
{
	struct alert_record *record = &alerts->history[alert->firing % ALERT_HISTORY_MAX];

	return alert->firing > 0 && record->firing == alert->firing ? record : NULL;
}

static void fire(struct alerts *alerts, struct alert *alert, unsigned rule, uint32_t pool,
		 usec_t now)
{
	alert->is_test = alert->test_until > 0;
	alert->firing = ++alerts->firings;
	alerts->history[alert->firing % ALERT_HISTORY_MAX] = (struct alert_record){
		.firing = alert->firing,
		.rule = rule,
		.pool = pool,
		.is_test = alert->is_test,
		.raised = now,
		.highest = alert->value.value,
	};
	move(alert, ALERT_FIRING, now);
}

static void resolve(struct alerts *alerts, struct alert *alert, usec_t now)
{
	struct alert_record *record = record_of(alerts, alert);

	if (record)
		record->resolved = now;
	move(alert, ALERT_RESOLVED, now);
}

static bool is_high(const struct alert_rule *rule, struct alert_value value)
{
	return value.is_known && value.value >= rule->threshold;
}

static bool is_low(const struct alert_rule *rule, struct alert_value value)
{
	if (!value.is_known)
		return true;
	if (rule->resolve_percent >= 100 || alert_kind_unit(rule->kind) == ALERT_STATE)
		return value.value < rule->threshold;
	return value.value < rule->threshold / 100 * rule->resolve_percent +
				     rule->threshold % 100 * rule->resolve_percent / 100;
}

static void judge_firing(struct alerts *alerts, struct alert *alert, const struct alert_rule *rule,
			 usec_t now)
{
	struct alert_record *record = record_of(alerts, alert);

	if (record)
		record->highest = usec_max(record->highest, alert->value.value);
	if (!is_low(rule, alert->value)) {
		alert->low_since = 0;
		return;
	}
	if (alert->low_since == 0)
		alert->low_since = now;
	if (now >= usec_add(alert->low_since, rule->resolve_after))
		resolve(alerts, alert, now);
}

/* Whether there is a test; it then decides alone, and what is measured goes on after it. */
static bool judge_test(struct alerts *alerts, struct alert *alert, unsigned rule, uint32_t pool,
		       usec_t now)
{
	if (alert->test_until == 0)
		return false;
	if (alert->state != ALERT_FIRING)
		fire(alerts, alert, rule, pool, now);
	else if (now >= alert->test_until)
		resolve(alerts, alert, now);
	if (alert->state != ALERT_FIRING)
		alert->test_until = 0;
	return true;
}

/* One update of one alert makes as many moves as are due: pending for 0 s is firing. */
static void judge(struct alerts *alerts, struct alert *alert, unsigned index, uint32_t pool,
		  usec_t now)
{
	const struct alert_rule *rule = &alerts->rules[index];

	if (judge_test(alerts, alert, index, pool, now))
		return;
	if (alert->state == ALERT_FIRING) {
		judge_firing(alerts, alert, rule, now);
		return;
	}
	if (!is_high(rule, alert->value)) {
		if (alert->state == ALERT_PENDING ||
		    (alert->state == ALERT_RESOLVED &&
		     now >= usec_add(alert->since, rule->cooldown)))
			move(alert, ALERT_INACTIVE, now);
		return;
	}
	if (rule->hold > 0 && alert->state != ALERT_PENDING)
		move(alert, ALERT_PENDING, now);
	else if (now >= usec_add(alert->since, rule->hold) || rule->hold == 0)
		fire(alerts, alert, index, pool, now);
}

/* --- reports --- */

static bool push(struct alerts *alerts, const struct alert_record *record, bool is_raised)
{
	unsigned at = (alerts->effect_first + alerts->effect_count) % ALERT_EFFECTS_MAX;

	if (alerts->effect_count == ALERT_EFFECTS_MAX)
		return false;
	alerts->effects[at] = (struct alert_effect){
		.is_raised = is_raised,
		.rule = record->rule,
		.pool = record->pool,
		.record = *record,
	};
	alerts->effect_count++;
	return true;
}

bool alerts_next_effect(struct alerts *alerts, struct alert_effect *ret_effect)
{
	if (alerts->effect_count == 0)
		return false;
	*ret_effect = alerts->effects[alerts->effect_first];
	alerts->effect_first = (alerts->effect_first + 1) % ALERT_EFFECTS_MAX;
	alerts->effect_count--;
	return true;
}

/* Brings what was reported up to what is.  Where the list has no room, a later update does it. */
static void report(struct alerts *alerts, struct alert *alert, unsigned rule, uint32_t pool,
		   usec_t now)
{
	bool fires = alert->state == ALERT_FIRING;
	bool may = alert->is_test || (now >= alert->silent_until && now >= alert->quiet_until);
	const struct alert_record *kept = record_of(alerts, alert);
	/* Of a firing that is forgotten only what matters is known. */
	const struct alert_record record =
		kept ? *kept
		     : (struct alert_record){.firing = alert->firing,
					     .rule = rule,
					     .pool = pool,
					     .is_test = alert->is_test,
					     .raised = alert->since,
					     .resolved = fires ? 0 : now,
					     .highest = alert->value.value};

	if (fires && !alert->is_reported && may && push(alerts, &record, true))
		alert->is_reported = true;
	if (!fires && alert->is_reported && push(alerts, &record, false)) {
		alert->is_reported = false;
		if (!alert->is_test)
			alert->quiet_until = usec_add(now, alerts->rules[rule].cooldown);
	}
}

void alerts_update(struct alerts *alerts, const struct alert_readings *readings, usec_t now)
{
	assert(readings->pool_count == alerts->pool_count);
	for (unsigned rule = 0; rule < alerts->rule_count; rule++) {
		for (unsigned column = 0; column <= alerts->pool_count; column++) {
			uint32_t pool = pool_of_column(alerts, column);
			struct alert *alert = slot(alerts, rule, pool);

			if (!alerts_applies(alerts, rule, pool))
				continue;
			alert->value = alert_measure(&alerts->rules[rule], readings, column,
						     &alert->rise, now);
			judge(alerts, alert, rule, pool, now);
			report(alerts, alert, rule, pool, now);
		}
	}
}

/* --- operators --- */

int alerts_test(struct alerts *alerts, unsigned rule, usec_t span, usec_t now)
{
	for (unsigned column = 0; column <= alerts->pool_count; column++) {
		uint32_t pool = pool_of_column(alerts, column);
		struct alert *alert = slot(alerts, rule, pool);

		if (!alerts_applies(alerts, rule, pool))
			continue;
		if (alert->state == ALERT_FIRING || alert->test_until > 0)
			return -EALREADY;
		alert->test_until = usec_add(now, span);
		return 0;
	}
	return -ENOENT;
}

void alerts_silence(struct alerts *alerts, unsigned rule, usec_t span, usec_t now)
{
	for (unsigned column = 0; column <= alerts->pool_count; column++)
		slot(alerts, rule, pool_of_column(alerts, column))->silent_until =
			span > 0 ? usec_add(now, span) : 0;
}

/* --- reports --- */

/* Returns whether there is anything to say of the alert. */
static bool view(const struct alerts *alerts, unsigned rule, uint32_t pool, usec_t now,
		 struct alert_view *ret)
{
	const struct alert *alert = slot(alerts, rule, pool);
	usec_t silent_until = alert->silent_until > now ? alert->silent_until : 0;

	if (!alerts_applies(alerts, rule, pool) ||
	    (alert->state == ALERT_INACTIVE && silent_until == 0))
		return false;
	*ret = (struct alert_view){.rule = rule,
				   .pool = pool,
				   .state = alert->state,
				   .since = alert->since,
				   .silent_until = silent_until,
				   .is_easing = alert->low_since > 0,
				   .value = alert->value,
				   .is_test = alert->is_test};
	return true;
}

bool alerts_next(const struct alerts *alerts, size_t *cursor, usec_t now, struct alert_view *ret)
{
	size_t columns = (size_t)alerts->pool_count + 1;
	bool found = false;

	while (!found && *cursor < alerts_slots(alerts->rule_count, alerts->pool_count)) {
		unsigned rule = (unsigned)(*cursor / columns);
		uint32_t pool = pool_of_column(alerts, (unsigned)(*cursor % columns));

		found = view(alerts, rule, pool, now, ret);
		++*cursor;
	}
	return found;
}

bool alerts_next_of(const struct alerts *alerts, uint32_t pool, size_t *cursor, usec_t now,
		    struct alert_view *ret)
{
	bool found = false;

	while (!found && *cursor < alerts->rule_count) {
		found = view(alerts, (unsigned)*cursor, pool, now, ret);
		++*cursor;
	}
	return found;
}

const struct alert_record *alerts_history(const struct alerts *alerts, unsigned nth)
{
	const struct alert_record *record;
	uint64_t firing;

	if (nth >= alerts->firings || nth >= ALERT_HISTORY_MAX)
		return NULL;
	firing = alerts->firings - nth;
	record = &alerts->history[firing % ALERT_HISTORY_MAX];
	assert(record->firing == firing);
	return record;
}
