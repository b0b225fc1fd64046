/* States of sessions that a worker has handed back before it answered. */
#include "daemon/io/driver/handed.h"

#include "daemon/io/worker/life.h"
#include "tests/lib/unit.h"

#define MOST 8

static struct bytes text(const char *state)
{
	return (struct bytes){(const uint8_t *)state, strlen(state)};
}

static void check_kept(const struct life *life, uint32_t id, const char *state)
{
	const struct handed *handed = handed_find(life, id);

	ck_assert_ptr_nonnull(handed);
	ck_assert_uint_eq(handed->len, strlen(state));
	ck_assert_uint_eq(handed->state.len, strlen(state));
	ck_assert_mem_eq(handed->state.data, state, strlen(state));
}

START_TEST(each_message_has_its_own)
{
	struct life life = {0};

	ck_assert_ptr_null(handed_find(&life, 1));
	ck_assert_int_eq(handed_put(&life, 1, text("one"), MOST), 0);
	ck_assert_int_eq(handed_put(&life, 2, text("two"), MOST), 0);
	ck_assert_int_eq(handed_put(&life, 3, text("three"), MOST), 0);
	check_kept(&life, 1, "one");
	check_kept(&life, 2, "two");
	handed_drop(&life, 2);
	ck_assert_ptr_null(handed_find(&life, 2));
	check_kept(&life, 1, "one");
	check_kept(&life, 3, "three");
	handed_drop(&life, 2);
	handed_drop_all(&life);
	ck_assert_ptr_null(life.handed);
}
END_TEST

START_TEST(the_last_one_counts)
{
	struct life life = {0};

	ck_assert_int_eq(handed_put(&life, 1, text("first"), MOST), 0);
	ck_assert_int_eq(handed_put(&life, 1, text("second"), MOST), 0);
	check_kept(&life, 1, "second");
	handed_drop(&life, 1);
	ck_assert_ptr_null(life.handed);
}
END_TEST

START_TEST(one_that_is_too_large_is_noted_and_not_kept)
{
	struct life life = {0};
	const struct handed *handed;

	ck_assert_int_eq(handed_put(&life, 1, text("12345678"), MOST), 0);
	check_kept(&life, 1, "12345678");
	ck_assert_int_eq(handed_put(&life, 1, text("123456789"), MOST), 0);
	handed = handed_find(&life, 1);
	ck_assert_ptr_nonnull(handed);
	ck_assert_uint_eq(handed->len, 9);
	ck_assert_uint_eq(handed->state.len, 0);
	handed_drop_all(&life);
}
END_TEST

START_TEST(an_empty_one_is_noted)
{
	struct life life = {0};
	const struct handed *handed;

	ck_assert_int_eq(handed_put(&life, 1, (struct bytes){0}, MOST), 0);
	handed = handed_find(&life, 1);
	ck_assert_ptr_nonnull(handed);
	ck_assert_uint_eq(handed->len, 0);
	handed_drop_all(&life);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_message_has_its_own,
		the_last_one_counts,
		one_that_is_too_large_is_noted_and_not_kept,
		an_empty_one_is_noted,
	};

	return unit_main("handed", tests, ARRAY_SIZE(tests));
}
