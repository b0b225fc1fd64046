#include "daemon/io/config/config_value.h"
#include "tests/lib/unit.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

START_TEST(durations)
{
	static const struct {
		const char *text;
		int r;
		usec_t usec;
	} cases[] = {
		{"0", 0, 0},
		{"0s", 0, 0},
		{"1us", 0, 1},
		{"250ms", 0, 250000},
		{"5s", 0, 5000000},
		{"2min", 0, 120000000},
		{"1h", 0, UINT64_C(3600000000)},
		{"7d", 0, UINT64_C(604800000000)},
		{"007s", 0, 7000000},
		{"18446744073709551614us", 0, UINT64_MAX - 1},
		{"18446744073709551615us", -ERANGE, 0}, /* is USEC_INFINITY */
		{"18446744073709551616us", -ERANGE, 0},
		{"18446744073709551615d", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"5", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"5 s", -EINVAL, 0},
		{"-5s", -EINVAL, 0},
		{"+5s", -EINVAL, 0},
		{"1.5s", -EINVAL, 0},
		{"5S", -EINVAL, 0},
		{"5m", -EINVAL, 0},
		{"5sec", -EINVAL, 0},
		{"1min30s", -EINVAL, 0},
		{"0x10s", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		usec_t usec = 77;

		ck_assert_msg(value_parse_duration(cases[i].text, &usec) == cases[i].r, "%s",
			      cases[i].text);
		ck_assert_uint_eq(usec, cases[i].r == 0 ? cases[i].usec : 77);
	}
}
END_TEST

START_TEST(thresholds)
{
	static const struct {
		const char *text;
		int r;
		uint64_t thousandths;
		enum value_unit unit;
	} cases[] = {
		{"0", 0, 0, VALUE_PLAIN},
		{"5", 0, 5000, VALUE_PLAIN},
		{"0.001", 0, 1, VALUE_PLAIN},
		{"12.5%", 0, 12500, VALUE_PERCENT},
		{"14.4x", 0, 14400, VALUE_TIMES},
		{"100.05x", 0, 100050, VALUE_TIMES},
		{"500ms", 0, 500000, VALUE_DURATION},
		{"10s", 0, 10000000, VALUE_DURATION},
		{"18446744073709550", 0, UINT64_C(18446744073709550000), VALUE_PLAIN},
		{"18446744073709551", -ERANGE, 0, VALUE_PLAIN},
		{"99999999999999999999", -ERANGE, 0, VALUE_PLAIN},
		{"", -EINVAL, 0, VALUE_PLAIN},
		{".5", -EINVAL, 0, VALUE_PLAIN},
		{"5.", -EINVAL, 0, VALUE_PLAIN},
		{"5.0001", -EINVAL, 0, VALUE_PLAIN},
		{"1.5s", -EINVAL, 0, VALUE_PLAIN},
		{"5 %", -EINVAL, 0, VALUE_PLAIN},
		{"5%%", -EINVAL, 0, VALUE_PLAIN},
		{"-5", -EINVAL, 0, VALUE_PLAIN},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct value_threshold threshold = {77, VALUE_PLAIN};
		char text[VALUE_TEXT_MAX];

		ck_assert_msg(value_parse_threshold(cases[i].text, &threshold) == cases[i].r, "%s",
			      cases[i].text);
		ck_assert_uint_eq(threshold.thousandths,
				  cases[i].r == 0 ? cases[i].thousandths : 77);
		if (cases[i].r < 0)
			continue;
		ck_assert_int_eq(threshold.unit, cases[i].unit);
		value_format_threshold(&threshold, text);
		ck_assert_str_eq(text, cases[i].text);
	}
}
END_TEST

START_TEST(percentages)
{
	unsigned thousandths = 77;
	char text[VALUE_TEXT_MAX];

	ck_assert_int_eq(value_parse_percentage("99.95", &thousandths), 0);
	ck_assert_uint_eq(thousandths, 99950);
	value_format_percentage(thousandths, text);
	ck_assert_str_eq(text, "99.95");
	ck_assert_int_eq(value_parse_percentage("100", &thousandths), 0);
	ck_assert_int_eq(value_parse_percentage("100.001", &thousandths), -ERANGE);
	ck_assert_int_eq(value_parse_percentage("99.9%", &thousandths), -EINVAL);
	ck_assert_int_eq(value_parse_percentage("", &thousandths), -EINVAL);
	ck_assert_uint_eq(thousandths, 100000);
}
END_TEST

START_TEST(sizes)
{
	static const struct {
		const char *text;
		int r;
		size_t size;
	} cases[] = {
		{"0", 0, 0},
		{"1", 0, 1},
		{"64K", 0, 65536},
		{"16M", 0, 16777216},
		{"1G", 0, 1073741824},
		{"18446744073709551615", 0, SIZE_MAX},
		{"17179869184G", -ERANGE, 0},
		{"18446744073709551616", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"K", -EINVAL, 0},
		{"64k", -EINVAL, 0},
		{"64KB", -EINVAL, 0},
		{"64KiB", -EINVAL, 0},
		{"1T", -EINVAL, 0},
		{"1 K", -EINVAL, 0},
		{"-1", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t size = 77;

		ck_assert_msg(value_parse_size(cases[i].text, &size) == cases[i].r, "%s",
			      cases[i].text);
		ck_assert_uint_eq(size, cases[i].r == 0 ? cases[i].size : 77);
	}
}
END_TEST

START_TEST(limits)
{
	uint64_t limit = 7;

	ck_assert_int_eq(value_parse_limit("64K", &limit), 0);
	ck_assert_uint_eq(limit, 65536);
	ck_assert_int_eq(value_parse_limit("none", &limit), 0);
	ck_assert_uint_eq(limit, VALUE_LIMIT_NONE);
	ck_assert_int_eq(value_parse_limit("", &limit), 0);
	ck_assert_uint_eq(limit, VALUE_LIMIT_UNSET);
	ck_assert_int_eq(value_parse_limit("many", &limit), -EINVAL);
	/* The largest numbers stand for these two words. */
	ck_assert_int_eq(value_parse_limit("18446744073709551615", &limit), -ERANGE);
	ck_assert_uint_eq(limit, VALUE_LIMIT_UNSET);
}
END_TEST

START_TEST(requests_that_are_logged)
{
	static const struct {
		const char *text;
		int r;
		unsigned number;
	} cases[] = {
		{"failed", 0, VALUE_REQUESTS_FAILED},
		{"slow", 0, VALUE_REQUESTS_SLOW},
		{"all", 0, 1},
		{"1/2", 0, 2},
		{"1/1000000", 0, VALUE_REQUESTS_MAX},
		{"1/1000001", -ERANGE, 0},
		{"1/0", -ERANGE, 0},
		{"1/", -EINVAL, 0},
		{"1/x", -EINVAL, 0},
		{"2/3", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"none", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[VALUE_TEXT_MAX];
		unsigned number = 77;

		ck_assert_int_eq(value_parse_requests(cases[i].text, &number), cases[i].r);
		ck_assert_uint_eq(number, cases[i].r == 0 ? cases[i].number : 77);
		value_format_requests(number, text);
		if (cases[i].r == 0)
			ck_assert_str_eq(text, cases[i].text);
	}
}
END_TEST

START_TEST(numbers)
{
	unsigned number = 77;

	ck_assert_int_eq(value_parse_unsigned("4294967296", &number), -ERANGE);
	ck_assert_int_eq(value_parse_unsigned("", &number), -EINVAL);
	ck_assert_int_eq(value_parse_unsigned("1x", &number), -EINVAL);
	ck_assert_int_eq(value_parse_unsigned(" 1", &number), -EINVAL);
	ck_assert_int_eq(value_parse_unsigned("-1", &number), -EINVAL);
	ck_assert_uint_eq(number, 77);
	ck_assert_int_eq(value_parse_unsigned("4294967295", &number), 0);
	ck_assert_uint_eq(number, UINT_MAX);
}
END_TEST

START_TEST(booleans)
{
	bool yes = false;

	ck_assert_int_eq(value_parse_bool("yes", &yes), 0);
	ck_assert(yes);
	ck_assert_int_eq(value_parse_bool("true", &yes), -EINVAL);
	ck_assert_int_eq(value_parse_bool("Yes", &yes), -EINVAL);
	ck_assert_int_eq(value_parse_bool("1", &yes), -EINVAL);
	ck_assert_int_eq(value_parse_bool("", &yes), -EINVAL);
	ck_assert(yes);
	ck_assert_int_eq(value_parse_bool("no", &yes), 0);
	ck_assert(!yes);
}
END_TEST

START_TEST(ranges)
{
	static const struct {
		const char *text;
		int r;
		struct value_range range;
	} cases[] = {
		{"1", 0, {1, 1}},
		{"2..8", 0, {2, 8}},
		{"3..3", 0, {3, 3}},
		{"0..4", 0, {0, 4}},
		{"8..2", -EINVAL, {0, 0}},
		{"2..", -EINVAL, {0, 0}},
		{"..8", -EINVAL, {0, 0}},
		{"2...8", -EINVAL, {0, 0}},
		{"2-8", -EINVAL, {0, 0}},
		{"2 .. 8", -EINVAL, {0, 0}},
		{"", -EINVAL, {0, 0}},
		{"2..8..9", -EINVAL, {0, 0}},
		{"1..4294967296", -ERANGE, {0, 0}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct value_range range = {0, 0};

		ck_assert_msg(value_parse_range(cases[i].text, &range) == cases[i].r, "%s",
			      cases[i].text);
		ck_assert_uint_eq(range.min, cases[i].range.min);
		ck_assert_uint_eq(range.max, cases[i].range.max);
	}
}
END_TEST

START_TEST(modes)
{
	unsigned mode = 1;

	ck_assert_int_eq(value_parse_mode("1777", &mode), -ERANGE);
	ck_assert_int_eq(value_parse_mode("08", &mode), -EINVAL);
	ck_assert_int_eq(value_parse_mode("rw", &mode), -EINVAL);
	ck_assert_int_eq(value_parse_mode("", &mode), -EINVAL);
	ck_assert_int_eq(value_parse_mode("77777777777777777777777", &mode), -ERANGE);
	ck_assert_uint_eq(mode, 1);
	ck_assert_int_eq(value_parse_mode("0660", &mode), 0);
	ck_assert_uint_eq(mode, 0660);
	ck_assert_int_eq(value_parse_mode("777", &mode), 0);
	ck_assert_uint_eq(mode, 0777);
}
END_TEST

START_TEST(formats_read_back)
{
	static const struct {
		usec_t value;
		const char *duration, *size;
	} cases[] = {
		{0, "0", "0"},
		{1, "1us", "1"},
		{1024, "1024us", "1K"},
		{1500, "1500us", "1500"},
		{250000, "250ms", "250000"},
		{90000000, "90s", "90000000"},
		{120000000, "2min", "120000000"},
		{UINT64_C(3600000000), "1h", "3515625K"},
		{UINT64_C(5) << 30, "5368709120us", "5G"},
		{UINT64_MAX - 1, "18446744073709551614us", "18446744073709551614"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[VALUE_TEXT_MAX];
		usec_t usec;
		size_t size;

		value_format_duration(cases[i].value, text);
		ck_assert_str_eq(text, cases[i].duration);
		ck_assert_int_eq(value_parse_duration(text, &usec), 0);
		ck_assert_uint_eq(usec, cases[i].value);

		value_format_size(cases[i].value, text);
		ck_assert_int_eq(value_parse_size(text, &size), 0);
		ck_assert_uint_eq(size, cases[i].value);
		ck_assert_str_eq(text, cases[i].size);
	}
}
END_TEST

/* The words of a command with | between. */
static const char *split(const char *text, size_t max, int *ret_error)
{
	static char joined[256];
	char **words;
	size_t count;

	joined[0] = '\0';
	*ret_error = value_split_words(text, max, &words, &count);
	if (*ret_error < 0)
		return joined;
	ck_assert_ptr_null(words[count]);
	for (size_t i = 0; i < count; i++) {
		strcat(joined, words[i]);
		strcat(joined, "|");
	}
	strv_free(words);
	return joined;
}

START_TEST(words)
{
	static const struct {
		const char *text;
		int r;
		const char *words;
	} cases[] = {
		{"", 0, ""},
		{" \t ", 0, ""},
		{"python3 -m poold.worker  examples.text", 0,
		 "python3|-m|poold.worker|examples.text|"},
		{"sh -c 'a b \"c\" \\d'", 0, "sh|-c|a b \"c\" \\d|"},
		{"\"a \\\" b\" \"c\\\\d\" \"e\\f\"", 0, "a \" b|c\\d|e\\f|"},
		{"a\\ b \\'c", 0, "a b|'c|"},
		{"'' \"\" x", 0, "||x|"},
		{"a'b'\"c\"d", 0, "abcd|"},
		{"$HOME *.py ~ `x`; a > b", 0, "$HOME|*.py|~|`x`;|a|>|b|"},
		{"a b c d e f g h", 0, "a|b|c|d|e|f|g|h|"},
		{"a b c d e f g h i", -E2BIG, ""},
		{"'a", -EINVAL, ""},
		{"\"a", -EINVAL, ""},
		{"\"a\\", -EINVAL, ""},
		{"a\\", -EINVAL, ""},
		{"a'b", -EINVAL, ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r;

		ck_assert_str_eq(split(cases[i].text, 8, &r), cases[i].words);
		ck_assert_msg(r == cases[i].r, "%s: %d", cases[i].text, r);
	}
}
END_TEST

START_TEST(lists)
{
	static const struct {
		const char *text;
		size_t max;
		int r;
		size_t count;
		const char *last;
	} cases[] = {
		{"", 2, 0, 0, NULL},
		{" ,\t, ", 2, 0, 0, NULL},
		{"a", 2, 0, 1, "a"},
		{"a,b", 2, 0, 2, "b"},
		{" a ,, \t'b\\ ", 2, 0, 2, "'b\\"},
		{"a b c", 2, -E2BIG, 0, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char **items = NULL;
		size_t count = 0;

		ck_assert_msg(value_split_list(cases[i].text, cases[i].max, &items, &count) ==
				      cases[i].r,
			      "%s", cases[i].text);
		ck_assert_uint_eq(count, cases[i].count);
		if (cases[i].last)
			ck_assert_str_eq(items[count - 1], cases[i].last);
		if (items)
			ck_assert_ptr_null(items[count]);
		strv_free(items);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		durations,   thresholds,
		percentages, sizes,
		numbers,     requests_that_are_logged,
		booleans,    ranges,
		modes,	     formats_read_back,
		words,	     lists,
		limits,
	};

	return unit_main("config_value", tests, ARRAY_SIZE(tests));
}
