#include "protocol/utf8.h"

#include <check.h>
#include <string.h>

#include "tests/lib/prop.h"
#include "tests/lib/unit.h"

static struct bytes text(const char *string)
{
	return (struct bytes){(const uint8_t *)string, strlen(string)};
}

/* Writes one code point as UTF-8, without asking whether it may be written.  Returns the length. */
static size_t encode(uint32_t point, uint8_t *ret)
{
	if (point < 0x80) {
		ret[0] = (uint8_t)point;
		return 1;
	}

	size_t len = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
	static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = len - 1; i > 0; i--) {
		ret[i] = (uint8_t)(0x80 | (point & 0x3f));
		point >>= 6;
	}
	ret[0] = (uint8_t)(leads[len] | point);
	return len;
}

/* All of Unicode is valid, but the surrogates and what lies above. */
START_TEST(every_code_point)
{
	for (uint32_t point = 0; point <= 0x1fffff; point++) {
		bool valid = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
		uint8_t bytes[4];
		size_t len = encode(point, bytes);

		if (utf8_valid_prefix((struct bytes){bytes, len}) != (valid ? len : 0))
			ck_abort_msg("code point %x", (unsigned)point);
	}
}
END_TEST

START_TEST(prefixes)
{
	static const struct {
		const char *text;
		size_t valid;
	} cases[] = {
		{"", 0},
		{"abc", 3},
		{"ab\xff", 2},
		{"\x80", 0},	 /* a continuation alone */
		{"\xc0\x80", 0}, /* overlong forms of 2, 3 and 4 bytes */
		{"\xc1\xbf", 0},
		{"\xe0\x9f\xbf", 0},
		{"\xf0\x8f\xbf\xbf", 0},
		{"a\xc3", 1}, /* cut off after 1, 2 and 3 bytes */
		{"a\xe2\x82", 1},
		{"a\xf0\x9f\x98", 1},
		{"\xc3\x28", 0}, /* the second, third and fourth byte wrong */
		{"\xe2\x28\xac", 0},
		{"\xe2\x82\x28", 0},
		{"\xf0\x9f\x98\x28", 0},
		{"\xf8\x88\x80\x80\x80", 0},
		{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80!", 10},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_msg(utf8_valid_prefix(text(cases[i].text)) == cases[i].valid, "case %zu",
			      i);
}
END_TEST

START_TEST(a_zero_byte_is_a_character)
{
	ck_assert_uint_eq(utf8_valid_prefix((struct bytes){(const uint8_t *)"a\0b", 3}), 3);
}
END_TEST

START_TEST(cuts)
{
	static const struct {
		const char *text;
		size_t max;
		size_t len;
	} cases[] = {
		{"abc", 5, 3},
		{"abc", 3, 3},
		{"abc", 2, 2},
		{"abc", 0, 0},
		{"", 0, 0},
		{"a\xc3\xa9", 2, 1},
		{"a\xc3\xa9", 3, 3},
		{"\xe2\x82\xac", 1, 0},
		{"\xe2\x82\xac", 2, 0},
		{"\xf0\x9f\x98\x80x", 1, 0},
		{"\xf0\x9f\x98\x80x", 3, 0},
		{"\xf0\x9f\x98\x80x", 4, 4},
		{"\x80\x80\x80\x80\x80\x80", 5, 5}, /* no character begins here: cut anywhere */
		{"\xff\x80\x80\x80", 2, 2},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bytes cut = utf8_cut(text(cases[i].text), cases[i].max);

		ck_assert_msg(cut.len == cases[i].len, "case %zu: %zu bytes", i, cut.len);
		ck_assert_ptr_eq(cut.data, cases[i].text);
	}
}
END_TEST

/* A valid text stays valid wherever it is cut, and loses three bytes more at most. */
START_TEST(random_cuts)
{
	struct prop_rounds rounds = prop_rounds(5000);
	struct prop prop;

	while (prop_round(&rounds, &prop)) {
		uint8_t bytes[80];
		size_t len = 0;

		while (len < sizeof(bytes) - 4) {
			uint32_t point =
				(uint32_t)(prop_next(&prop) >> prop_between(&prop, 43, 63));

			if (point <= 0x10ffff && (point < 0xd800 || point > 0xdfff))
				len += encode(point, bytes + len);
		}

		size_t max = (size_t)prop_below(&prop, len);
		struct bytes cut = utf8_cut((struct bytes){bytes, len}, max);

		prop_check(&prop, cut.len <= max && cut.len + 3 >= max, "%zu of %zu", cut.len, max);
		prop_check(&prop, utf8_valid_prefix(cut) == cut.len, "cut in a character");
	}
}
END_TEST

/* What terminals obey, by the table of Unicode, and the characters beside it, which are shown. */
START_TEST(commands)
{
	static const struct {
		uint32_t first, last;
	} obeyed[] = {{0, 0x1f},	{0x7f, 0x9f},	  {0x61c, 0x61c},
		      {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069}};

	for (uint32_t point = 0; point < 0x3000; point++) {
		uint8_t bytes[4];
		struct bytes character = {bytes, encode(point, bytes)};
		bool wanted = false;

		for (size_t i = 0; i < ARRAY_SIZE(obeyed); i++)
			wanted |= point >= obeyed[i].first && point <= obeyed[i].last;
		ck_assert_msg(utf8_is_command(character) == wanted, "U+%04X", point);
		ck_assert_uint_eq(utf8_code(character), point);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_code_point, prefixes, a_zero_byte_is_a_character, cuts, random_cuts, commands,
	};

	return unit_main("utf8", tests, ARRAY_SIZE(tests));
}
