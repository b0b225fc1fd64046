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

START_TEST(kinds)
{
	ck_assert_int_eq(method_info(METHOD_call)->kind, METHOD_KIND_CALL);
	ck_assert_int_eq(method_info(METHOD_health)->kind, METHOD_KIND_READ);
	ck_assert_int_eq(method_info(METHOD_cancel)->kind, METHOD_KIND_NOTE);
}
END_TEST

START_TEST(no_such_method)
{
	static const char *const names[] = {
		"",	      "poold",	     "poold.",	    "call",
		"poold.cal",  "poold.calls", "Poold.call",  "poold.none",
		"poold.CALL", "pool.call",   "poold..call", "poold.call.",
		"poold call", "xpoold.call", "poold.NONE",
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
