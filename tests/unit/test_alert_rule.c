#include "daemon/core/alert_rule.h"

#include <string.h>

#include "tests/lib/unit.h"

START_TEST(every_kind_has_a_built_in_rule_of_its_name)
{
	for (enum alert_kind kind = 0; kind < ALERT_KIND_COUNT_; kind++) {
		struct alert_rule rule = alert_rule_default(kind);

		ck_assert_str_eq(rule.name, alert_kind_name(kind));
		ck_assert_int_eq(rule.kind, kind);
		ck_assert_int_eq(alert_kind_find(rule.name), kind);
		ck_assert(rule.is_enabled);
		ck_assert_uint_gt(strlen(alert_kind_text(kind)), 20);
		ck_assert_int_lt(rule.severity, ALERT_SEVERITY_COUNT_);
		ck_assert_uint_eq(rule.cooldown, 300 * USEC_PER_SEC);
	}
	ck_assert_int_eq(alert_kind_find("error_shar"), ALERT_KIND_COUNT_);
	ck_assert_int_eq(alert_kind_find(""), ALERT_KIND_COUNT_);
}
END_TEST

START_TEST(the_rules_that_operators_rely_on)
{
	struct alert_rule share = alert_rule_default(ALERT_error_share);
	struct alert_rule fast = alert_rule_default(ALERT_burn_fast);
	struct alert_rule slow = alert_rule_default(ALERT_burn_slow);

	ck_assert_uint_eq(share.threshold, 10 * 1000); /* 10 % */
	ck_assert_uint_eq(share.min, 10);
	ck_assert_uint_eq(alert_kind_window(ALERT_error_share), 60 * USEC_PER_SEC);
	ck_assert_uint_eq(fast.threshold, 14400);
	ck_assert_int_eq(fast.severity, ALERT_CRITICAL);
	ck_assert_uint_eq(alert_kind_window(ALERT_burn_fast), 300 * USEC_PER_SEC);
	ck_assert_uint_eq(slow.threshold, 6000);
	ck_assert_int_eq(slow.severity, ALERT_WARNING);
	ck_assert_uint_eq(alert_kind_window(ALERT_burn_slow), 1800 * USEC_PER_SEC);
}
END_TEST

START_TEST(severities_and_units_have_names)
{
	ck_assert_str_eq(alert_severity_name(ALERT_INFO), "info");
	ck_assert_str_eq(alert_severity_name(ALERT_CRITICAL), "critical");
	ck_assert_str_eq(alert_unit_text(ALERT_PERCENT), "%");
	ck_assert_str_eq(alert_unit_text(ALERT_STATE), "");
}
END_TEST

/* If all requests fail, the burn rate is 100 % / (100 % - slo): 14.285 at 93 %, 14.400 at 93.056 %. */
START_TEST(a_burn_rate_above_the_highest_one_is_refused)
{
	static const struct {
		unsigned slo;
		uint64_t highest;
		enum alert_flaw fast, slow;
	} cases[] = {
		{99999, 100000000, ALERT_FLAW_NONE, ALERT_FLAW_NONE},
		{99900, 1000000, ALERT_FLAW_NONE, ALERT_FLAW_NONE},
		{93100, 14492, ALERT_FLAW_NONE, ALERT_FLAW_NONE},
		{93056, 14400, ALERT_FLAW_NONE, ALERT_FLAW_NONE},
		{93055, 14398, ALERT_NEVER_FIRES, ALERT_FLAW_NONE},
		{93000, 14285, ALERT_NEVER_FIRES, ALERT_FLAW_NONE},
		{83300, 5988, ALERT_NEVER_FIRES, ALERT_NEVER_FIRES},
		{50000, 2000, ALERT_NEVER_FIRES, ALERT_NEVER_FIRES},
	};
	struct alert_rule fast = alert_rule_default(ALERT_burn_fast);
	struct alert_rule slow = alert_rule_default(ALERT_burn_slow);

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		ck_assert_uint_eq(alert_rule_highest(&fast, cases[i].slo, 1), cases[i].highest);
		ck_assert_int_eq(alert_rule_flaw(&fast, cases[i].slo, 1), cases[i].fast);
		ck_assert_int_eq(alert_rule_flaw(&slow, cases[i].slo, 1), cases[i].slow);
	}
}
END_TEST

START_TEST(other_rules_that_can_not_fire_or_always_do)
{
	struct alert_rule rule = alert_rule_default(ALERT_error_share);

	rule.threshold = 100 * 1000;
	ck_assert_int_eq(alert_rule_flaw(&rule, 99900, 1), ALERT_FLAW_NONE);
	rule.threshold = 100 * 1000 + 1;
	ck_assert_int_eq(alert_rule_flaw(&rule, 99900, 1), ALERT_NEVER_FIRES);
	rule.threshold = 0;
	ck_assert_int_eq(alert_rule_flaw(&rule, 99900, 1), ALERT_ALWAYS_FIRES);

	rule = alert_rule_default(ALERT_breakers_open);
	ck_assert_int_eq(alert_rule_flaw(&rule, 99900, 1), ALERT_NEVER_FIRES);
	ck_assert_int_eq(alert_rule_flaw(&rule, 99900, 2), ALERT_FLAW_NONE);

	rule = alert_rule_default(ALERT_on_fallback);
	rule.threshold = 1001;
	ck_assert_int_eq(alert_rule_flaw(&rule, 99900, 1), ALERT_NEVER_FIRES);

	rule = alert_rule_default(ALERT_restarts);
	rule.threshold = UINT64_MAX;
	ck_assert_int_eq(alert_rule_flaw(&rule, 99900, 1), ALERT_FLAW_NONE);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_kind_has_a_built_in_rule_of_its_name,
		the_rules_that_operators_rely_on,
		severities_and_units_have_names,
		a_burn_rate_above_the_highest_one_is_refused,
		other_rules_that_can_not_fire_or_always_do,
	};

	return unit_main("alert_rule", tests, ARRAY_SIZE(tests));
}
