#include "daemon/io/worker/steps.h"

#include "protocol/read.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

static void add(struct steps *steps, const char *name, usec_t now)
{
	steps_add(steps, (struct bytes){(const uint8_t *)name, strlen(name)}, now);
}

/* The packed steps as text. */
static const char *packed(const struct steps *steps, usec_t now)
{
	static char text[512];
	struct reader reader;
	uint32_t count = 0, pair = 0;
	struct buf out;

	buf_init(&out, sizeof(text));
	steps_pack(steps, &out, now);
	ck_assert_int_eq(buf_error(&out), 0);
	reader_init(&reader, out.data, out.len);
	ck_assert_int_eq(read_array(&reader, &count), 0);
	text[0] = '\0';
	while (count-- > 0) {
		struct bytes name, value;
		uint64_t bits = 0;
		double ms;

		ck_assert_int_eq(read_array(&reader, &pair), 0);
		ck_assert_uint_eq(pair, 2);
		ck_assert_int_eq(read_str(&reader, &name), 0);
		ck_assert_int_eq(read_value(&reader, &value), 0);
		ck_assert_uint_eq(value.len, 9);
		for (size_t i = 1; i < 9; i++)
			bits = bits << 8 | value.data[i];
		memcpy(&ms, &bits, sizeof(ms));
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%.*s %g; ",
			 (int)name.len, (const char *)name.data, ms);
	}
	buf_free(&out);
	return text;
}

START_TEST(each_lasts_until_the_next)
{
	struct steps steps;

	steps_begin(&steps, "fork", 1000);
	ck_assert_str_eq(packed(&steps, 1500), "fork 0.5; ");
	add(&steps, "exec", 3000);
	add(&steps, "output", 10000);
	ck_assert_str_eq(packed(&steps, 10250), "fork 2; exec 7; output 0.25; ");
	steps_end(&steps, 12000);
	steps_end(&steps, 99000);
	add(&steps, "late", 99000);
	ck_assert_str_eq(packed(&steps, 99000), "fork 2; exec 7; output 2; ");
	steps_begin(&steps, "fork", 100000);
	ck_assert_str_eq(packed(&steps, 100000), "fork 0; ");
}
END_TEST

START_TEST(of_too_many_the_last_is_known)
{
	struct steps steps;
	char name[8], text[64];

	steps_begin(&steps, "0", 1);
	for (unsigned i = 1; i < 20; i++) {
		snprintf(name, sizeof(name), "%u", i);
		add(&steps, name, 1 + i * USEC_PER_SEC);
	}
	ck_assert_uint_eq(steps.count, STEPS_MAX);
	ck_assert_str_eq(steps.list[STEPS_MAX - 2].name, "6");
	steps_describe(&steps, 1 + 22 * USEC_PER_SEC, text, sizeof(text));
	ck_assert_str_eq(text, "19 for 3 s");
}
END_TEST

START_TEST(names_are_cut)
{
	static const char name[] = "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
				   "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
				   "\xe2\x82\xac";
	struct steps steps;

	steps_begin(&steps, name, 1);
	ck_assert_uint_eq(strlen(steps.list[0].name), 30);
}
END_TEST

START_TEST(words_for_where_it_is)
{
	struct steps steps = {0};
	char text[64];

	steps_describe(&steps, 5, text, sizeof(text));
	ck_assert_str_eq(text, "");
	steps_begin(&steps, "exec", 1000);
	steps_describe(&steps, 13500, text, sizeof(text));
	ck_assert_str_eq(text, "exec for 12.5 ms");
	steps_end(&steps, 1000 + 30 * USEC_PER_SEC);
	steps_describe(&steps, 90 * USEC_PER_SEC, text, sizeof(text));
	ck_assert_str_eq(text, "exec for 30 s");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_lasts_until_the_next,
		of_too_many_the_last_is_known,
		names_are_cut,
		words_for_where_it_is,
	};

	return unit_main("steps", tests, ARRAY_SIZE(tests));
}
