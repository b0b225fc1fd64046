#include "daemon/io/config/config_alert.h"
#include "tests/unit/test_config.h"

#include <stdio.h>

#define POOLS "[pool a]\ncommand = x\n[pool b]\ncommand = x\n"

/* The rule of that name in the core's types. */
static struct alert_rule rule_of(const struct config *config, const char *name)
{
	static struct alert_rule rules[ALERT_RULES_MAX];
	size_t i = 0;

	config_alert_rules(config, rules);
	while (strcmp(rules[i].name, name) != 0) {
		i++;
		ck_assert_msg(i < config->alert_count, "%s", name);
	}
	return rules[i];
}

START_TEST(without_sections_there_are_the_built_in_rules)
{
	const struct config *config = must_parse(POOLS);
	struct alert_rule rules[ALERT_RULES_MAX];

	ck_assert_uint_eq(config->alert_count, ALERT_KIND_COUNT_);
	ck_assert_uint_eq(config->pools[0].slo, ALERT_SLO_DEFAULT);
	config_alert_rules(config, rules);
	for (enum alert_kind kind = 0; kind < ALERT_KIND_COUNT_; kind++) {
		struct alert_rule built_in = alert_rule_default(kind);

		ck_assert(config_alert_is_default(&config->alerts[kind]));
		ck_assert_str_eq(rules[kind].name, built_in.name);
		ck_assert_int_eq(rules[kind].kind, kind);
		ck_assert_int_eq(rules[kind].severity, built_in.severity);
		ck_assert_uint_eq(rules[kind].threshold, built_in.threshold);
		ck_assert_uint_eq(rules[kind].min, built_in.min);
		ck_assert_uint_eq(rules[kind].hold, built_in.hold);
		ck_assert_uint_eq(rules[kind].resolve_after, built_in.resolve_after);
		ck_assert_uint_eq(rules[kind].resolve_percent, built_in.resolve_percent);
		ck_assert_uint_eq(rules[kind].cooldown, built_in.cooldown);
		ck_assert_uint_eq(rules[kind].pools, 0);
		ck_assert(rules[kind].is_enabled);
	}
	config_unref(config);
}
END_TEST

START_TEST(a_section_changes_what_it_says_and_no_more)
{
	const struct config *config =
		must_parse(POOLS "[alert run_time]\nthreshold = 500ms\nseverity = info\n");
	struct alert_rule rule = rule_of(config, "run_time");
	struct alert_rule built_in = alert_rule_default(ALERT_run_time);

	ck_assert_uint_eq(rule.threshold, 500 * 1000);
	ck_assert_int_eq(rule.severity, ALERT_INFO);
	ck_assert_uint_eq(rule.hold, built_in.hold);
	ck_assert_uint_eq(rule.min, built_in.min);
	ck_assert_uint_eq(config->alert_count, ALERT_KIND_COUNT_);
	ck_assert(!config_alert_is_default(&config->alerts[ALERT_run_time]));
	config_unref(config);
}
END_TEST

START_TEST(a_rule_of_ones_own_takes_the_rest_from_its_kind)
{
	const struct config *config =
		must_parse(POOLS "[alert few]\n"
				 "threshold = 2.5%\nmin = 100\nfor = 1min\n"
				 "resolve_level = 50\nresolve_after = 2min\n"
				 "cooldown = 0\nkind = error_share\npool = b\n");
	struct alert_rule rule = rule_of(config, "few");

	ck_assert_uint_eq(config->alert_count, ALERT_KIND_COUNT_ + 1);
	ck_assert_int_eq(rule.kind, ALERT_error_share);
	ck_assert_int_eq(rule.severity, alert_rule_default(ALERT_error_share).severity);
	ck_assert_uint_eq(rule.threshold, 2500);
	ck_assert_uint_eq(rule.min, 100);
	ck_assert_uint_eq(rule.hold, 60 * USEC_PER_SEC);
	ck_assert_uint_eq(rule.resolve_percent, 50);
	ck_assert_uint_eq(rule.resolve_after, 120 * USEC_PER_SEC);
	ck_assert_uint_eq(rule.cooldown, 0);
	ck_assert_uint_eq(rule.pools, 1u << 1);
	config_unref(config);
}
END_TEST

START_TEST(thresholds_may_leave_out_a_unit_that_is_no_time)
{
	const struct config *config = must_parse(POOLS "[alert error_share]\nthreshold = 20\n"
						       "[alert burn_fast]\nthreshold = 10.5\n"
						       "[alert restarts]\nthreshold = 7\n");

	ck_assert_uint_eq(rule_of(config, "error_share").threshold, 20000);
	ck_assert_uint_eq(rule_of(config, "burn_fast").threshold, 10500);
	ck_assert_uint_eq(rule_of(config, "restarts").threshold, 7000);
	config_unref(config);
}
END_TEST

START_TEST(faults_of_a_section)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"[alert x]\nthreshold = 5\n",
		 "t:5: [alert x]: the key kind is required, as no built-in rule has that name; "
		 "allowed are error_share, burn_fast, burn_slow, critical_errors, run_time, "
		 "queue_wait, restarts, crash_loop, method_errors, method_slow, worker_hung, "
		 "worker_memory, memory_restarts, client_flood, output_dropped, breaker_open, "
		 "breaker_flapping, breakers_open, on_fallback, no_capacity, memory_near_limit, "
		 "loop_lag, log_dropped or sessions_lost\n"},
		{"[alert restarts]\nkind = crash_loop\n",
		 "t:6: [alert restarts] kind: found crash_loop, but the built-in rule restarts "
		 "keeps its kind; give the rule another name\n"},
		{"[alert run_time]\nthreshold = 5\n",
		 "t:6: [alert run_time] threshold: found 5, allowed for kind = run_time is a value "
		 "such as 10s\n"},
		{"[alert restarts]\nthreshold = 5%\n", "t:6: [alert restarts] threshold: found 5%, "
						       "allowed for kind = restarts is a value "
						       "such as 5\n"},
		{"[alert error_share]\nthreshold = 5s\n",
		 "t:6: [alert error_share] threshold: found 5s, allowed for kind = error_share is "
		 "a value such as 10%\n"},
		{"[alert restarts]\npool = a c\n",
		 "t:6: [alert restarts] pool: found \"c\", which is not a pool\n"},
		{"[alert loop_lag]\npool = a\n",
		 "t:6: [alert loop_lag] pool: found a, but kind = loop_lag is about the whole "
		 "daemon and has no pool\n"},
		{"[alert A]\n", "t:5: alert name: found \"A\", allowed are 1 to 32 of the "
				"characters a-z, 0-9, _ and -, beginning with a letter, but not "
				"\"poold\"\n"},
		{"[alert]\n", "t:5: alert name: found \"\", allowed are 1 to 32 of the "
			      "characters a-z, 0-9, _ and -, beginning with a letter, but not "
			      "\"poold\"\n"},
		/* What follows from a refused value is not told. */
		{"[alert x]\nkind = nothing\n",
		 "t:6: [alert x] kind: found \"nothing\", allowed is error_share, burn_fast, "
		 "burn_slow, critical_errors, run_time, queue_wait, restarts, crash_loop, "
		 "method_errors, method_slow, worker_hung, worker_memory, memory_restarts, "
		 "client_flood, output_dropped, breaker_open, breaker_flapping, breakers_open, "
		 "on_fallback, no_capacity, "
		 "memory_near_limit, loop_lag, log_dropped or sessions_lost\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[1000];

		snprintf(text, sizeof(text), POOLS "%s", cases[i].text);
		must_fail(text, cases[i].expected);
	}
}
END_TEST

#define OFF "lower the threshold, or switch the rule off in a section [alert NAME] with kind = "

/* 14.4 times the 7 % that an slo of 93 % allows are more than all requests. */
START_TEST(a_rule_that_can_not_fire_is_refused)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"[pool a]\ncommand = x\nslo = 93\n",
		 "t:3: [alert burn_fast] can't fire for the pool a: with slo = 93 the burn rate is "
		 "14.285x when all requests fail, and the threshold is 14.4x; " OFF
		 "burn_fast, pool = a and enabled = no\n"},
		{"[pool a]\ncommand = x\nslo = 93.1\n", NULL},
		{"[pool a]\ncommand = x\nslo = 93.056\n", NULL},
		{"[pool a]\ncommand = x\nslo = 93\n[alert burn_fast]\nthreshold = 14\n", NULL},
		{"[pool a]\ncommand = x\nslo = 93\n[alert burn_fast]\nenabled = no\n", NULL},
		{"[pool a]\ncommand = x\nslo = 93\n"
		 "[alert off]\nkind = burn_fast\npool = a\nenabled = no\n",
		 NULL},
		{"[pool a]\ncommand = x\n[pool b]\ncommand = x\nslo = 93\n"
		 "[alert off]\nkind = burn_fast\npool = a\nenabled = no\n",
		 "t:5: [alert burn_fast] can't fire for the pool b: with slo = 93 the burn rate is "
		 "14.285x when all requests fail, and the threshold is 14.4x; " OFF
		 "burn_fast, pool = b and enabled = no\n"},
		{"[pool a]\ncommand = x\n[alert burn_slow]\nthreshold = 1001\n",
		 "t:4: [alert burn_slow] can't fire for the pool a: with slo = 99.9 the burn rate "
		 "is "
		 "1000x when all requests fail, and the threshold is 1001x; " OFF
		 "burn_slow, pool = a and enabled = no\n"},
		{"[pool a]\ncommand = x\n[alert error_share]\nthreshold = 100.5%\n",
		 "t:4: [alert error_share] can't fire: its threshold is 100.5%, and kind = "
		 "error_share is 100% at most\n"},
		{"[pool a]\ncommand = x\n[alert error_share]\nthreshold = 100.5%\nenabled = no\n",
		 NULL},
		{"[pool a]\ncommand = x\n[alert on_fallback]\nthreshold = 2\n",
		 "t:4: [alert on_fallback] can't fire: its threshold is 2, and kind = on_fallback "
		 "is "
		 "1 at most\n"},
		{"[pool a]\ncommand = x\n[alert breakers_open]\nthreshold = 3\n",
		 "t:4: [alert breakers_open] can't fire: its threshold is 3, and kind = "
		 "breakers_open is 1 at most, the number of pools\n"},
		{"[pool a]\ncommand = x\n[alert breakers_open]\nthreshold = 2\nseverity = info\n",
		 NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (cases[i].expected)
			must_fail(cases[i].text, cases[i].expected);
		else
			config_unref(must_parse(cases[i].text));
	}
}
END_TEST

START_TEST(there_is_room_for_so_many_rules)
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	buf_printf(&text, "[pool a]\ncommand = x\n");
	for (unsigned i = ALERT_KIND_COUNT_; i < ALERT_RULES_MAX; i++)
		buf_printf(&text, "[alert r%u]\nkind = restarts\n", i);
	config_unref(must_parse(text_of(&text)));
	text.len--; /* the zero byte */
	buf_printf(&text, "[alert more]\nkind = restarts\n");
	must_fail(text_of(&text), "t:83: [alert more]: found more than 64 rules, allowed are 64 at "
				  "most, the built-in ones included\n");
	buf_free(&text);
}
END_TEST

/* What differs from the built-in rules is printed, and reads back to the same. */
START_TEST(rules_are_dumped_and_read_back)
{
	const struct config *config =
		must_parse(POOLS "[alert burn_fast]\nthreshold = 10\n"
				 "[alert mine]\nkind = queue_wait\npool = b, a\nmin = 3\n"
				 "[alert restarts]\nseverity = warning\n");
	const struct config *again;
	struct buf first, second;

	buf_init(&first, TEXT_MAX);
	buf_init(&second, TEXT_MAX);
	config_dump(config, &first);
	ck_assert_ptr_nonnull(strstr(text_of(&first), "[alert burn_fast]\nkind = burn_fast\n"));
	ck_assert_ptr_nonnull(strstr((char *)first.data, "threshold = 10x\n"));
	ck_assert_ptr_nonnull(
		strstr((char *)first.data, "[alert mine]\nkind = queue_wait\npool = b a\n"));
	ck_assert_ptr_null(strstr((char *)first.data, "[alert restarts]"));
	again = must_parse((char *)first.data);
	config_dump(again, &second);
	ck_assert_str_eq((char *)first.data, text_of(&second));
	buf_free(&first);
	buf_free(&second);
	config_unref(config);
	config_unref(again);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		without_sections_there_are_the_built_in_rules,
		a_section_changes_what_it_says_and_no_more,
		a_rule_of_ones_own_takes_the_rest_from_its_kind,
		thresholds_may_leave_out_a_unit_that_is_no_time,
		faults_of_a_section,
		a_rule_that_can_not_fire_is_refused,
		there_is_room_for_so_many_rules,
		rules_are_dumped_and_read_back,
	};

	return unit_main("config_alert", tests, ARRAY_SIZE(tests));
}
