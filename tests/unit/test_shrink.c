#include "tests/lib/shrink.h"

#include <stdlib.h>

#include "tests/lib/unit.h"

/* A property that two operations break together: an odd one, and later one that divides by 8. */
static const char *no_odd_before_eighth(const uint64_t *ops, size_t len)
{
	bool odd = false;

	for (size_t i = 0; i < len; i++) {
		if (odd && ops[i] % 8 == 0)
			return "an odd one came before one that divides by 8";
		odd = odd || ops[i] % 2 == 1;
	}
	return NULL;
}

static const char *holds_always(const uint64_t *ops, size_t len)
{
	(void)ops;
	(void)len;
	return NULL;
}

static const char *aborts_at_eighth(const uint64_t *ops, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (ops[i] % 8 == 0)
			abort();
	return NULL;
}

START_TEST(a_failing_sequence_shrinks_to_what_is_needed)
{
	static const struct shrink_property property = {"odd", no_odd_before_eighth, NULL, NULL};
	uint64_t ops[SHRINK_OPS_MAX], seed;
	size_t len;

	ck_assert_ptr_nonnull(shrink_find(&property, 100, 100, ops, &len, &seed));
	ck_assert_uint_eq(len, 2);
	ck_assert_uint_eq(ops[0] % 2, 1);
	ck_assert_uint_eq(ops[1] % 8, 0);
}
END_TEST

START_TEST(an_abort_shrinks_too)
{
	static const struct shrink_property property = {"abort", aborts_at_eighth, NULL, NULL};
	uint64_t ops[SHRINK_OPS_MAX], seed;
	size_t len;

	ck_assert_ptr_nonnull(shrink_find(&property, 100, 100, ops, &len, &seed));
	ck_assert_uint_eq(len, 1);
}
END_TEST

START_TEST(what_holds_is_not_blamed)
{
	static const struct shrink_property property = {"always", holds_always, NULL, NULL};
	uint64_t ops[SHRINK_OPS_MAX], seed;
	size_t len;

	ck_assert_ptr_null(shrink_find(&property, 100, 100, ops, &len, &seed));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_failing_sequence_shrinks_to_what_is_needed,
		an_abort_shrinks_too,
		what_holds_is_not_blamed,
	};

	return unit_main("shrink", tests, ARRAY_SIZE(tests));
}
