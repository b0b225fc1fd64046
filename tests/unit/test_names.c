#include "daemon/core/names.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/shrink.h"
#include "tests/lib/unit.h"

#define SEED 42

static struct bytes text(const char *word)
{
	return (struct bytes){(const uint8_t *)word, strlen(word)};
}

START_TEST(a_table_has_buckets_for_its_names)
{
	static const struct {
		uint32_t count, buckets;
	} cases[] = {{0, 16},
		     {1, 16},
		     {16, 16},
		     {17, 32},
		     {32, 32},
		     {33, 64},
		     {4096, 4096},
		     {8193, 16384},
		     {1u << 30, 1u << 30},
		     {UINT32_MAX, 1u << 30}};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_uint_eq(names_buckets(cases[i].count), cases[i].buckets);
}
END_TEST

START_TEST(an_empty_table_has_no_name)
{
	struct name *buckets[16];
	struct names names;

	memset(buckets, 0xa5, sizeof(buckets));
	names_init(&names, buckets, 16, SEED);
	ck_assert_ptr_null(names_find(&names, 0, 0, text("a")));
}
END_TEST

START_TEST(a_name_is_found_in_its_scope_until_it_is_removed)
{
	struct name *buckets[16], a, b;
	struct names names;

	names_init(&names, buckets, 16, SEED);
	names_add(&names, &a, 1, 0, text("cart"));
	names_add(&names, &b, 2, 0, text("cart"));
	ck_assert_ptr_eq(names_find(&names, 1, 0, text("cart")), &a);
	ck_assert_ptr_eq(names_find(&names, 2, 0, text("cart")), &b);
	ck_assert_ptr_null(names_find(&names, 0, 0, text("cart")));
	ck_assert_ptr_null(names_find(&names, 1, 0, text("car")));
	ck_assert_ptr_null(names_find(&names, 1, 0, text("carts")));
	ck_assert_ptr_null(names_find(&names, 1, 0, text("Cart")));
	names_remove(&names, &a);
	ck_assert_ptr_null(names_find(&names, 1, 0, text("cart")));
	ck_assert_ptr_eq(names_find(&names, 2, 0, text("cart")), &b);
	names_add(&names, &a, 1, 0, text("other"));
	ck_assert_ptr_eq(names_find(&names, 1, 0, text("other")), &a);
}
END_TEST

/* Any bytes, a zero too, of every length: the name keeps a copy of its own. */
START_TEST(names_are_bytes_of_every_length)
{
	struct name *buckets[16], kept[NAME_LEN_MAX];
	uint8_t bytes[NAME_LEN_MAX] = {0};
	struct names names;

	names_init(&names, buckets, 16, SEED);
	for (size_t len = 1; len <= NAME_LEN_MAX; len++) {
		bytes[len - 1] = (uint8_t)(len * 37);
		names_add(&names, &kept[len - 1], 0, 0, (struct bytes){bytes, len});
	}
	for (size_t len = 1; len <= NAME_LEN_MAX; len++) {
		struct bytes name = name_text(&kept[len - 1]);

		ck_assert_uint_eq(name.len, len);
		ck_assert(name.data != bytes && memcmp(name.data, bytes, len) == 0);
		ck_assert_ptr_eq(names_find(&names, 0, 0, (struct bytes){bytes, len}),
				 &kept[len - 1]);
	}
}
END_TEST

START_TEST(names_that_differ_in_a_zero_byte_are_two)
{
	static const uint8_t zeros[9] = {0};
	struct name *buckets[16], kept[9];
	struct names names;

	names_init(&names, buckets, 16, SEED);
	for (size_t len = 1; len <= 9; len++)
		names_add(&names, &kept[len - 1], 0, 0, (struct bytes){zeros, len});
	for (size_t len = 1; len <= 9; len++)
		ck_assert_ptr_eq(names_find(&names, 0, 0, (struct bytes){zeros, len}),
				 &kept[len - 1]);
}
END_TEST

struct addition {
	struct name name;
	struct bytes text;
};

static void add_one(void *argument)
{
	struct addition *addition = argument;
	struct name *bucket;
	struct names names;

	names_init(&names, &bucket, 1, SEED);
	names_add(&names, &addition->name, 0, 0, addition->text);
}

START_TEST(what_is_empty_or_too_long_is_no_name)
{
	static const uint8_t bytes[NAME_LEN_MAX + 1] = {0};
	static const struct {
		size_t len;
		bool good;
	} cases[] = {{0, false}, {1, true}, {NAME_LEN_MAX, true}, {NAME_LEN_MAX + 1, false}};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct addition addition = {.text = {bytes, cases[i].len}};

		ck_assert_int_eq(unit_aborts(add_one, &addition, true), !cases[i].good);
	}
}
END_TEST

/* A client that has found names of one bucket has found nothing for a daemon of another seed. */
START_TEST(the_seed_decides_the_bucket)
{
	struct name *buckets[1024], kept;
	struct names names;
	unsigned same = 0;
	uint32_t first;

	names_init(&names, buckets, 1024, 0);
	names_add(&names, &kept, 0, 0, text("cart"));
	first = kept.bucket;
	for (uint64_t seed = 1; seed <= 1000; seed++) {
		names_init(&names, buckets, 1024, seed);
		names_add(&names, &kept, 0, 0, text("cart"));
		same += kept.bucket == first;
	}
	ck_assert_uint_lt(same, 10);
}
END_TEST

START_TEST(like_names_spread_over_the_buckets)
{
	struct name *buckets[256], kept[1024];
	unsigned fill[256] = {0}, most = 0;
	struct names names;

	names_init(&names, buckets, 256, SEED);
	for (unsigned i = 0; i < ARRAY_SIZE(kept); i++) {
		char word[16];

		snprintf(word, sizeof(word), "cart-%u", i);
		names_add(&names, &kept[i], i % 2, 0, text(word));
		if (++fill[kept[i].bucket] > most)
			most = fill[kept[i].bucket];
	}
	ck_assert_uint_lt(most, 20);
}
END_TEST

/* --- against a model: which of a few names, of two users in two scopes, are in the table --- */

#define WORDS  8
#define SCOPES 2
#define USERS  2

static const char *const words[WORDS] = {"a",	     "b",	  "ab", "ba",
					 "12345678", "123456789", "x",	"12345678a"};

static const char *agrees_with_model(const uint64_t *ops, size_t len)
{
	struct name *buckets[4], kept[SCOPES][USERS][WORDS];
	bool there[SCOPES][USERS][WORDS] = {{{false}}};
	struct names names;

	names_init(&names, buckets, 4, len);
	for (size_t i = 0; i < len; i++) {
		unsigned scope = ops[i] % SCOPES, word = (ops[i] >> 8) % WORDS;
		unsigned user = (ops[i] >> 16) % USERS;
		struct name *found, *other;

		found = names_find(&names, scope, user, text(words[word]));
		if (found != (there[scope][user][word] ? &kept[scope][user][word] : NULL))
			return "what is found is not what is there";
		other = names_find_other(&names, scope, user, text(words[word]));
		if (other != (there[scope][1 - user][word] ? &kept[scope][1 - user][word] : NULL))
			return "a namesake is found that is not there, or not found";
		if (found)
			names_remove(&names, found);
		else
			names_add(&names, &kept[scope][user][word], scope, user, text(words[word]));
		there[scope][user][word] = !found;
	}
	return NULL;
}

static void describe(uint64_t op, char *line, size_t size)
{
	snprintf(line, size, "add or remove %s of user %u in scope %u", words[(op >> 8) % WORDS],
		 (unsigned)(op >> 16) % USERS, (unsigned)(op % SCOPES));
}

START_TEST(random_sequences_agree_with_the_model)
{
	static const struct shrink_property property = {"names", agrees_with_model, describe, NULL};

	shrink_check(&property, 1000, 200);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_table_has_buckets_for_its_names,
		an_empty_table_has_no_name,
		a_name_is_found_in_its_scope_until_it_is_removed,
		names_are_bytes_of_every_length,
		names_that_differ_in_a_zero_byte_are_two,
		what_is_empty_or_too_long_is_no_name,
		the_seed_decides_the_bucket,
		like_names_spread_over_the_buckets,
		random_sequences_agree_with_the_model,
	};

	return unit_main("names", tests, ARRAY_SIZE(tests));
}
