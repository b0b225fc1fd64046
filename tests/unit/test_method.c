#include "protocol/method.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/unit.h"

static struct bytes bytes_of(const char *text)
{
	return (struct bytes){(const uint8_t *)text, strlen(text)};
}

START_TEST(every_row)
{
	for (enum method method = METHOD_NONE + 1; method < METHOD_COUNT_; method++) {
		const struct method_info *info = method_info(method);
		char full[64];

		ck_assert_uint_gt(strlen(info->name), 0);
		ck_assert_uint_gt(strlen(info->help), 0);
		ck_assert_int_le(info->kind, METHOD_KIND_NOTE);
		snprintf(full, sizeof(full), "poold.%s", info->name);
		ck_assert_int_eq(method_find(bytes_of(full)), method);
	}
}
END_TEST

/* Who may do what: what changes something is for administrators, and nothing else is. */
START_TEST(kinds)
{
	static const struct {
		enum method method;
		enum method_kind kind;
	} table[] = {
		{METHOD_call, METHOD_KIND_CALL},
		{METHOD_hello, METHOD_KIND_READ},
		{METHOD_health, METHOD_KIND_READ},
		{METHOD_status, METHOD_KIND_READ},
		{METHOD_metrics, METHOD_KIND_READ},
		{METHOD_stats, METHOD_KIND_READ},
		{METHOD_pools, METHOD_KIND_READ},
		{METHOD_methods, METHOD_KIND_READ},
		{METHOD_workers, METHOD_KIND_READ},
		{METHOD_breakers, METHOD_KIND_READ},
		{METHOD_recoveries, METHOD_KIND_READ},
		{METHOD_doctor, METHOD_KIND_READ},
		{METHOD_errors, METHOD_KIND_READ},
		{METHOD_sessions, METHOD_KIND_READ},
		{METHOD_clients, METHOD_KIND_READ},
		{METHOD_requests, METHOD_KIND_READ},
		{METHOD_alerts, METHOD_KIND_READ},
		{METHOD_session_close, METHOD_KIND_READ},
		{METHOD_subscribe, METHOD_KIND_READ},
		{METHOD_breaker_reset, METHOD_KIND_CONTROL},
		{METHOD_breaker_open, METHOD_KIND_CONTROL},
		{METHOD_breaker_disable, METHOD_KIND_CONTROL},
		{METHOD_breaker_observe, METHOD_KIND_CONTROL},
		{METHOD_recovery_cancel, METHOD_KIND_CONTROL},
		{METHOD_config, METHOD_KIND_CONTROL},
		{METHOD_request_cancel, METHOD_KIND_CONTROL},
		{METHOD_restart_workers, METHOD_KIND_CONTROL},
		{METHOD_resize, METHOD_KIND_CONTROL},
		{METHOD_stack, METHOD_KIND_CONTROL},
		{METHOD_kill_worker, METHOD_KIND_CONTROL},
		{METHOD_drain, METHOD_KIND_CONTROL},
		{METHOD_resume, METHOD_KIND_CONTROL},
		{METHOD_alert_test, METHOD_KIND_CONTROL},
		{METHOD_alert_silence, METHOD_KIND_CONTROL},
		{METHOD_version, METHOD_KIND_READ},
		{METHOD_cancel, METHOD_KIND_NOTE},
	};

	static_assert(ARRAY_SIZE(table) == METHOD_COUNT_ - 1, "a method without its kind here");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		ck_assert_msg(method_info(table[i].method)->kind == table[i].kind, "%s",
			      method_info(table[i].method)->name);
}
END_TEST

START_TEST(no_such_method)
{
	static const char *const names[] = {
		"",
		"poold",
		"poold.",
		"call",
		"poold.cal",
		"poold.calls",
		"Poold.call",
		"poold.none",
		"poold.CALL",
		"pool.call",
		"poold..call",
		"poold.call.",
		"poold call",
		"xpoold.call",
		"poold.NONE",
		"poold.breaker",
		"poold.breaker_close",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		ck_assert_msg(method_find(bytes_of(names[i])) == METHOD_NONE, "%s", names[i]);
	ck_assert_int_eq(method_find((struct bytes){NULL, 0}), METHOD_NONE);
	ck_assert_int_eq(method_find((struct bytes){(const uint8_t *)"poold.call\0", 11}),
			 METHOD_NONE);
}
END_TEST

static void ask_for(void *method)
{
	(void)method_info(*(enum method *)method);
}

START_TEST(no_such_row)
{
	enum method none = METHOD_NONE, beyond = METHOD_COUNT_;

	ck_assert(unit_aborts(ask_for, &none, true));
	ck_assert(unit_aborts(ask_for, &beyond, true));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {every_row, kinds, no_such_method, no_such_row};

	return unit_main("method", tests, ARRAY_SIZE(tests));
}
