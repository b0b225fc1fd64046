#include "daemon/core/alert.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/core/prng.h"
#include "tests/lib/unit.h"

#define SEC   USEC_PER_SEC
#define POOLS 2

/* Two pools, a fake clock, and rules that a test gives. */
struct world {
	struct alerts alerts;
	struct alert_rule rules[ALERT_RULES_MAX];
	unsigned rule_count;
	struct alert slots[ALERT_RULES_MAX * (POOLS + 1)];
	struct alert_pool pools[POOLS];
	struct alert_readings readings;
	usec_t now;
};

static struct world world;

/* A rule about error shares: 10 %, fires after 5 s, is resolved below 8 % after 3 s, cools 60 s. */
static struct alert_rule share_rule(void)
{
	struct alert_rule rule = alert_rule_default(ALERT_error_share);

	rule.hold = 5 * SEC;
	rule.resolve_after = 3 * SEC;
	rule.cooldown = 60 * SEC;
	return rule;
}

static void add(struct alert_rule rule, const char *name)
{
	snprintf(rule.name, sizeof(rule.name), "%s", name);
	world.rules[world.rule_count++] = rule;
}

static void begin(void)
{
	for (unsigned i = 0; i < POOLS; i++)
		world.pools[i] = (struct alert_pool){.slo = ALERT_SLO_DEFAULT};
	world.readings = (struct alert_readings){
		.pools = world.pools, .pool_count = POOLS, .memory_max = 100};
	world.now = 1000 * SEC;
	alerts_init(&world.alerts, world.rules, world.rule_count, POOLS, world.slots);
}

/* One rule alone. */
static void begin_with(struct alert_rule rule)
{
	world.rule_count = 0;
	add(rule, "rule");
	begin();
}

static void set_share(unsigned pool, unsigned percent)
{
	world.pools[pool].windows[ALERT_LAST_1MIN] =
		(struct alert_counts){.ended = 100, .failed = percent};
}

/* The readings stay as they are for so many seconds. */
static void pass(unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++) {
		world.now += SEC;
		alerts_update(&world.alerts, &world.readings, world.now);
	}
}

static enum alert_state state(unsigned pool)
{
	return world.slots[pool].state;
}

/* The next effect in words; "": there is none. */
static const char *next(void)
{
	static char text[64];
	struct alert_effect effect;

	if (!alerts_next_effect(&world.alerts, &effect))
		return "";
	snprintf(text, sizeof(text), "%s %s %d%s", world.rules[effect.rule].name,
		 effect.is_raised ? "raised" : "resolved", (int)effect.pool,
		 effect.record.is_test ? " test" : "");
	ck_assert_uint_eq(effect.rule, effect.record.rule);
	ck_assert_uint_eq(effect.pool, effect.record.pool);
	ck_assert(effect.is_raised == (effect.record.resolved == 0));
	return text;
}

/* --- states --- */

START_TEST(states_have_names_and_moves)
{
	static const char moves[ALERT_STATE_COUNT_][ALERT_STATE_COUNT_ + 1] = {
		/* to INACTIVE, PENDING, FIRING, RESOLVED */
		[ALERT_INACTIVE] = ".xx.",
		[ALERT_PENDING] = "x.x.",
		[ALERT_FIRING] = "...x",
		[ALERT_RESOLVED] = "xxx.",
	};

	ck_assert_str_eq(alert_state_name(ALERT_INACTIVE), "inactive");
	ck_assert_str_eq(alert_state_name(ALERT_RESOLVED), "resolved");
	for (unsigned i = 0; i < ALERT_STATE_COUNT_ * ALERT_STATE_COUNT_; i++) {
		enum alert_state from = i / ALERT_STATE_COUNT_, to = i % ALERT_STATE_COUNT_;

		ck_assert(alert_may_move(from, to) == (moves[from][to] == 'x'));
	}
}
END_TEST

START_TEST(a_whole_life)
{
	begin_with(share_rule());
	set_share(0, 9);
	pass(20);
	ck_assert_int_eq(state(0), ALERT_INACTIVE);
	set_share(0, 10);
	pass(1);
	ck_assert_int_eq(state(0), ALERT_PENDING);
	pass(4);
	ck_assert_int_eq(state(0), ALERT_PENDING);
	ck_assert_str_eq(next(), "");
	pass(1);
	ck_assert_int_eq(state(0), ALERT_FIRING);
	ck_assert_str_eq(next(), "rule raised 0");
	pass(100);
	ck_assert_str_eq(next(), "");
	set_share(0, 7);
	pass(3);
	ck_assert_int_eq(state(0), ALERT_FIRING);
	pass(1);
	ck_assert_int_eq(state(0), ALERT_RESOLVED);
	ck_assert_str_eq(next(), "rule resolved 0");
	pass(59);
	ck_assert_int_eq(state(0), ALERT_RESOLVED);
	pass(1);
	ck_assert_int_eq(state(0), ALERT_INACTIVE);
	ck_assert_str_eq(next(), "");
	ck_assert_int_eq(state(1), ALERT_INACTIVE);
}
END_TEST

START_TEST(pending_that_does_not_last_is_inactive_again)
{
	begin_with(share_rule());
	set_share(0, 50);
	pass(5);
	set_share(0, 0);
	pass(1);
	ck_assert_int_eq(state(0), ALERT_INACTIVE);
	set_share(0, 50);
	pass(5);
	ck_assert_int_eq(state(0), ALERT_PENDING);
	ck_assert_str_eq(next(), "");
}
END_TEST

START_TEST(without_a_hold_it_fires_at_once)
{
	struct alert_rule rule = share_rule();

	rule.hold = 0;
	begin_with(rule);
	set_share(0, 10);
	pass(1);
	ck_assert_int_eq(state(0), ALERT_FIRING);
	ck_assert_str_eq(next(), "rule raised 0");
}
END_TEST

START_TEST(between_resolve_level_and_threshold_nothing_changes)
{
	begin_with(share_rule());
	set_share(0, 8);
	set_share(1, 10);
	pass(6);
	ck_assert_int_eq(state(0), ALERT_INACTIVE);
	ck_assert_int_eq(state(1), ALERT_FIRING);
	set_share(1, 8);
	pass(100);
	ck_assert_int_eq(state(1), ALERT_FIRING);
	set_share(1, 7);
	pass(2);
	set_share(1, 8); /* the value must be low without a break */
	pass(1);
	set_share(1, 7);
	pass(3);
	ck_assert_int_eq(state(1), ALERT_FIRING);
	pass(1);
	ck_assert_int_eq(state(1), ALERT_RESOLVED);
}
END_TEST

START_TEST(without_traffic_nothing_fires_and_what_fires_is_resolved)
{
	begin_with(share_rule());
	world.pools[0].windows[ALERT_LAST_1MIN] = (struct alert_counts){.ended = 9, .failed = 9};
	pass(20);
	ck_assert_int_eq(state(0), ALERT_INACTIVE);
	world.pools[0].windows[ALERT_LAST_1MIN] = (struct alert_counts){.ended = 10, .failed = 9};
	pass(6);
	ck_assert_int_eq(state(0), ALERT_FIRING);
	world.pools[0].windows[ALERT_LAST_1MIN] = (struct alert_counts){.ended = 9, .failed = 9};
	pass(4);
	ck_assert_int_eq(state(0), ALERT_RESOLVED);
}
END_TEST

START_TEST(a_state_has_no_resolve_level)
{
	struct alert_rule rule = alert_rule_default(ALERT_breaker_open);

	begin_with(rule);
	world.pools[0].is_breaker_open = true;
	pass(1);
	ck_assert_int_eq(state(0), ALERT_FIRING);
	world.pools[0].is_breaker_open = false;
	pass(30);
	ck_assert_int_eq(state(0), ALERT_FIRING);
	pass(1);
	ck_assert_int_eq(state(0), ALERT_RESOLVED);
}
END_TEST

START_TEST(counters_fire_by_their_rise)
{
	struct alert_rule rule = alert_rule_default(ALERT_restarts);

	begin_with(rule);
	world.pools[0].restarts = 3;
	pass(1);
	world.pools[0].restarts = 4;
	pass(1);
	ck_assert_int_eq(state(0), ALERT_INACTIVE);
	world.pools[0].restarts = 5;
	pass(1);
	ck_assert_int_eq(state(0), ALERT_FIRING);
	pass(300 + 25 + 30 + 1);
	ck_assert_int_eq(state(0), ALERT_RESOLVED);
}
END_TEST

START_TEST(one_alert_for_the_whole_daemon)
{
	begin_with(alert_rule_default(ALERT_breakers_open));
	world.pools[0].is_breaker_open = true;
	pass(2);
	ck_assert_str_eq(next(), "");
	world.pools[1].is_breaker_open = true;
	pass(2);
	ck_assert_str_eq(next(), "rule raised -1");
	ck_assert_str_eq(next(), "");
}
END_TEST

/* --- reports --- */

static void fire_and_resolve(void)
{
	set_share(0, 50);
	pass(6);
	set_share(0, 0);
	pass(4);
}

START_TEST(in_the_cool_down_it_fires_but_is_not_reported)
{
	begin_with(share_rule());
	fire_and_resolve();
	ck_assert_str_eq(next(), "rule raised 0");
	ck_assert_str_eq(next(), "rule resolved 0");
	fire_and_resolve(); /* 10 of 60 s */
	ck_assert_int_eq(state(0), ALERT_RESOLVED);
	ck_assert_str_eq(next(), "");
	set_share(0, 50);
	pass(1);
	ck_assert_int_eq(state(0), ALERT_PENDING);
	pass(5);
	ck_assert_int_eq(state(0), ALERT_FIRING);
	pass(43);
	ck_assert_str_eq(next(), "");
	pass(1); /* 60 s after it was reported as resolved */
	ck_assert_str_eq(next(), "rule raised 0");
	pass(100);
	ck_assert_str_eq(next(), "");
}
END_TEST

START_TEST(a_silenced_alert_is_reported_when_the_silence_ends)
{
	begin_with(share_rule());
	alerts_silence(&world.alerts, 0, 20 * SEC, world.now);
	set_share(0, 50);
	pass(19);
	ck_assert_int_eq(state(0), ALERT_FIRING);
	ck_assert_str_eq(next(), "");
	pass(1);
	ck_assert_str_eq(next(), "rule raised 0");
}
END_TEST

START_TEST(what_begins_and_ends_in_silence_is_not_reported)
{
	begin_with(share_rule());
	alerts_silence(&world.alerts, 0, 3600 * SEC, world.now);
	fire_and_resolve();
	pass(4000);
	ck_assert_str_eq(next(), "");
	ck_assert_uint_eq(alerts_history(&world.alerts, 0)->resolved, 1010 * SEC);
}
END_TEST

START_TEST(what_was_reported_is_reported_as_resolved_in_silence_too)
{
	begin_with(share_rule());
	set_share(0, 50);
	pass(6);
	ck_assert_str_eq(next(), "rule raised 0");
	alerts_silence(&world.alerts, 0, 3600 * SEC, world.now);
	set_share(0, 0);
	pass(4);
	ck_assert_str_eq(next(), "rule resolved 0");
}
END_TEST

START_TEST(a_silence_can_be_ended)
{
	begin_with(share_rule());
	alerts_silence(&world.alerts, 0, 3600 * SEC, world.now);
	set_share(0, 50);
	pass(6);
	alerts_silence(&world.alerts, 0, 0, world.now);
	pass(1);
	ck_assert_str_eq(next(), "rule raised 0");
}
END_TEST

/* 64 rules for 2 pools make 128 alerts that are raised and then resolved: more than the list holds. */
START_TEST(a_full_list_of_effects_loses_nothing)
{
	struct alert_rule rule = share_rule();
	unsigned raised = 0, resolved = 0;

	rule.hold = 0;
	rule.resolve_after = 0;
	world.rule_count = 0;
	while (world.rule_count < ALERT_RULES_MAX)
		add(rule, "rule");
	begin();
	set_share(0, 50);
	set_share(1, 50);
	pass(1);
	set_share(0, 0);
	set_share(1, 0);
	for (unsigned i = 0; i < 10; i++) {
		struct alert_effect effect;

		pass(1);
		while (alerts_next_effect(&world.alerts, &effect))
			(*(effect.is_raised ? &raised : &resolved))++;
	}
	ck_assert_uint_eq(raised, (uintmax_t)ALERT_RULES_MAX * POOLS);
	ck_assert_uint_eq(resolved, (uintmax_t)ALERT_RULES_MAX * POOLS);
}
END_TEST

/* --- which rules are for which pools --- */

START_TEST(a_rule_that_names_a_pool_replaces_the_others_there)
{
	struct alert_rule strict = share_rule(), none = share_rule();

	strict.threshold = 1000;
	strict.pools = 1u << 1;
	none.kind = ALERT_on_fallback;
	world.rule_count = 0;
	add(share_rule(), "all");
	add(strict, "strict");
	add(none, "other kind");
	begin();
	ck_assert(alerts_applies(&world.alerts, 0, 0));
	ck_assert(!alerts_applies(&world.alerts, 0, 1));
	ck_assert(!alerts_applies(&world.alerts, 0, ALERT_NO_POOL));
	ck_assert(!alerts_applies(&world.alerts, 1, 0));
	ck_assert(alerts_applies(&world.alerts, 1, 1));
	ck_assert(alerts_applies(&world.alerts, 2, 1));
	set_share(0, 5);
	set_share(1, 5);
	pass(6);
	ck_assert_str_eq(next(), "strict raised 1");
	ck_assert_str_eq(next(), "");
}
END_TEST

START_TEST(a_rule_that_is_switched_off_is_silent_for_its_pools_alone)
{
	struct alert_rule off = share_rule();

	off.is_enabled = false;
	off.pools = 1u << 0;
	world.rule_count = 0;
	add(share_rule(), "all");
	add(off, "off");
	begin();
	set_share(0, 50);
	set_share(1, 50);
	pass(6);
	ck_assert_str_eq(next(), "all raised 1");
	ck_assert_str_eq(next(), "");
}
END_TEST

/* --- tests by an operator --- */

START_TEST(a_test_fires_and_is_resolved)
{
	begin_with(share_rule());
	ck_assert_int_eq(alerts_test(&world.alerts, 0, 10 * SEC, world.now), 0);
	ck_assert_int_eq(alerts_test(&world.alerts, 0, 10 * SEC, world.now), -EALREADY);
	pass(1);
	ck_assert_str_eq(next(), "rule raised 0 test");
	ck_assert_int_eq(alerts_test(&world.alerts, 0, 10 * SEC, world.now), -EALREADY);
	pass(8);
	ck_assert_str_eq(next(), "");
	pass(1);
	ck_assert_str_eq(next(), "rule resolved 0 test");
	/* A true alert after it is reported without a cool-down. */
	set_share(0, 50);
	pass(6);
	ck_assert_str_eq(next(), "rule raised 0");
}
END_TEST

START_TEST(a_test_is_reported_although_it_is_silenced)
{
	begin_with(share_rule());
	alerts_silence(&world.alerts, 0, 3600 * SEC, world.now);
	ck_assert_int_eq(alerts_test(&world.alerts, 0, SEC, world.now), 0);
	pass(1);
	ck_assert_str_eq(next(), "rule raised 0 test");
	pass(1);
	ck_assert_str_eq(next(), "rule resolved 0 test");
}
END_TEST

START_TEST(no_test_of_what_fires_or_is_switched_off)
{
	struct alert_rule off = share_rule();

	begin_with(share_rule());
	set_share(0, 50);
	pass(6);
	ck_assert_int_eq(alerts_test(&world.alerts, 0, SEC, world.now), -EALREADY);
	off.is_enabled = false;
	begin_with(off);
	ck_assert_int_eq(alerts_test(&world.alerts, 0, SEC, world.now), -ENOENT);
}
END_TEST

START_TEST(trouble_that_begins_during_a_test_is_reported_after_it)
{
	begin_with(share_rule());
	ck_assert_int_eq(alerts_test(&world.alerts, 0, 10 * SEC, world.now), 0);
	set_share(0, 50);
	pass(10);
	ck_assert_str_eq(next(), "rule raised 0 test");
	ck_assert_str_eq(next(), "rule resolved 0 test");
	pass(6);
	ck_assert_str_eq(next(), "rule raised 0");
}
END_TEST

/* --- what reports show --- */

START_TEST(active_and_silenced_alerts_are_listed)
{
	struct alert_view view;
	size_t cursor = 0;

	begin_with(share_rule());
	ck_assert(!alerts_next(&world.alerts, &cursor, world.now, &view));
	set_share(1, 30);
	pass(6);
	cursor = 0;
	ck_assert(alerts_next(&world.alerts, &cursor, world.now, &view));
	ck_assert_uint_eq(view.pool, 1);
	ck_assert_int_eq(view.state, ALERT_FIRING);
	ck_assert_uint_eq(view.since, world.now);
	ck_assert_uint_eq(view.value.value, 30000);
	ck_assert_uint_eq(view.silent_until, 0);
	ck_assert(!view.is_easing);
	ck_assert(!alerts_next(&world.alerts, &cursor, world.now, &view));
	/* Of one pool, or of the daemon. */
	cursor = 0;
	ck_assert(alerts_next_of(&world.alerts, 1, &cursor, world.now, &view));
	ck_assert_uint_eq(view.pool, 1);
	ck_assert(!alerts_next_of(&world.alerts, 1, &cursor, world.now, &view));
	cursor = 0;
	ck_assert(!alerts_next_of(&world.alerts, 0, &cursor, world.now, &view));
	cursor = 0;
	ck_assert(!alerts_next_of(&world.alerts, ALERT_NO_POOL, &cursor, world.now, &view));
	/* It still fires when the value is low again, until it is resolved. */
	set_share(1, 0);
	pass(1);
	cursor = 0;
	ck_assert(alerts_next(&world.alerts, &cursor, world.now, &view));
	ck_assert_int_eq(view.state, ALERT_FIRING);
	ck_assert(view.is_easing);
	set_share(1, 30);
	pass(1);

	alerts_silence(&world.alerts, 0, 10 * SEC, world.now);
	cursor = 0;
	ck_assert(alerts_next(&world.alerts, &cursor, world.now, &view));
	ck_assert_uint_eq(view.pool, 0);
	ck_assert_int_eq(view.state, ALERT_INACTIVE);
	ck_assert_uint_eq(view.silent_until, world.now + 10 * SEC);
	pass(11);
	cursor = 0;
	ck_assert(alerts_next(&world.alerts, &cursor, world.now, &view));
	ck_assert_uint_eq(view.pool, 1);
}
END_TEST

/* Alert 0 fires and is resolved so often; its value is 60 % at most. */
static void fire_often(unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		set_share(0, 20);
		pass(1);
		set_share(0, 60);
		pass(1);
		set_share(0, 0);
		pass(1);
	}
}

START_TEST(the_history_has_the_newest_firings_and_their_highest_values)
{
	struct alert_rule rule = share_rule();

	rule.hold = 0;
	rule.resolve_after = 0;
	begin_with(rule);
	ck_assert_ptr_null(alerts_history(&world.alerts, 0));
	fire_often(ALERT_HISTORY_MAX + 10);
	for (unsigned nth = 0; nth < ALERT_HISTORY_MAX; nth++) {
		const struct alert_record *record = alerts_history(&world.alerts, nth);

		ck_assert_uint_eq(record->firing, ALERT_HISTORY_MAX + 10 - nth);
		ck_assert_uint_eq(record->highest, 60000);
		ck_assert_uint_eq(record->resolved, record->raised + 2 * SEC);
	}
	ck_assert_ptr_null(alerts_history(&world.alerts, ALERT_HISTORY_MAX));
	set_share(0, 20);
	pass(1);
	ck_assert_uint_eq(alerts_history(&world.alerts, 0)->resolved, 0);
}
END_TEST

/* A firing that outlives the history is still reported as resolved. */
START_TEST(a_forgotten_firing_is_resolved_too)
{
	struct alert_rule brief = share_rule();
	struct alert_effect effect;
	unsigned of_the_long_one = 0;

	brief.hold = 0;
	brief.resolve_after = 0;
	brief.cooldown = 0;
	world.rule_count = 0;
	add(brief, "rule");
	begin();
	set_share(1, 50);
	for (unsigned i = 0; i < ALERT_HISTORY_MAX + 10; i++) {
		set_share(0, 50);
		pass(1);
		set_share(0, 0);
		pass(1);
		while (alerts_next_effect(&world.alerts, &effect))
			of_the_long_one += effect.pool == 1;
	}
	ck_assert_uint_eq(of_the_long_one, 1);
	set_share(1, 0);
	pass(1);
	ck_assert_str_eq(next(), "rule resolved 1");
}
END_TEST

/* Whatever is measured: every move is allowed (an assertion checks that), reports alternate, and an
 * alert that is not firing any more is reported as resolved. */
START_TEST(random_readings_report_in_turns)
{
	bool raised[POOLS] = {false};
	unsigned reports = 0;
	struct prng prng;

	begin_with(share_rule());
	prng_init(&prng, 7);
	for (unsigned i = 0; i < 100000; i++) {
		unsigned dice = (unsigned)(prng_next(&prng) >> 33);
		struct alert_effect effect;

		if (dice % 8 == 0)
			set_share(dice / 8 % POOLS, dice / 16 % 24);
		if (dice % 1000 == 1)
			alerts_silence(&world.alerts, 0, dice / 1000 % 30 * SEC, world.now);
		if (dice % 1000 == 2)
			alerts_test(&world.alerts, 0, dice / 1000 % 30 * SEC, world.now);
		pass(1);
		while (alerts_next_effect(&world.alerts, &effect)) {
			ck_assert(effect.is_raised != raised[effect.pool]);
			raised[effect.pool] = effect.is_raised;
			reports++;
		}
		for (unsigned pool = 0; pool < POOLS; pool++)
			ck_assert(!raised[pool] || state(pool) == ALERT_FIRING);
	}
	ck_assert_uint_gt(reports, 100);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		states_have_names_and_moves,
		a_whole_life,
		pending_that_does_not_last_is_inactive_again,
		without_a_hold_it_fires_at_once,
		between_resolve_level_and_threshold_nothing_changes,
		without_traffic_nothing_fires_and_what_fires_is_resolved,
		a_state_has_no_resolve_level,
		counters_fire_by_their_rise,
		one_alert_for_the_whole_daemon,
		in_the_cool_down_it_fires_but_is_not_reported,
		a_silenced_alert_is_reported_when_the_silence_ends,
		what_begins_and_ends_in_silence_is_not_reported,
		what_was_reported_is_reported_as_resolved_in_silence_too,
		a_silence_can_be_ended,
		a_full_list_of_effects_loses_nothing,
		a_rule_that_names_a_pool_replaces_the_others_there,
		a_rule_that_is_switched_off_is_silent_for_its_pools_alone,
		a_test_fires_and_is_resolved,
		a_test_is_reported_although_it_is_silenced,
		no_test_of_what_fires_or_is_switched_off,
		trouble_that_begins_during_a_test_is_reported_after_it,
		active_and_silenced_alerts_are_listed,
		the_history_has_the_newest_firings_and_their_highest_values,
		a_forgotten_firing_is_resolved_too,
		random_readings_report_in_turns,
	};

	return unit_main("alert", tests, ARRAY_SIZE(tests));
}
