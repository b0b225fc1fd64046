/* Numbers and durations as words of poolctl's command line. */
/* Part of a program, so no library has it. */
#include "client/poolctl/argument.c" // NOLINT(bugprone-suspicious-include)

#include "tests/lib/unit.h"

START_TEST(numbers)
{
	uint64_t number = 7;

	ck_assert(argument_number("0", &number));
	ck_assert_uint_eq(number, 0);
	ck_assert(argument_number("18446744073709551615", &number));
	ck_assert_uint_eq(number, UINT64_MAX);
}
END_TEST

START_TEST(words_that_are_no_numbers)
{
	static const char *const words[] = {"",	  "-1", "+1",  " 1",
					    "1 ", "1x", "0x1", "18446744073709551616"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		uint64_t number = 7;

		ck_assert_msg(!argument_number(words[i], &number), "%s", words[i]);
		ck_assert_uint_eq(number, 7);
	}
}
END_TEST

START_TEST(durations)
{
	static const struct {
		const char *word;
		uint64_t ms;
	} cases[] = {{"250ms", 250}, {"5s", 5000},     {"5", 5000},	{"0.5", 500},
		     {"1ms", 1},     {"2min", 120000}, {"1h", 3600000}, {"24h", 86400000}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t ms = 0;

		ck_assert_msg(argument_duration(cases[i].word, &ms), "%s", cases[i].word);
		ck_assert_uint_eq(ms, cases[i].ms);
	}
}
END_TEST

START_TEST(words_that_are_no_durations)
{
	static const char *const words[] = {"",	   "s",	  "0",	"0.5ms", "-1s",
					    "25h", "5 s", "1d", "nan"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		uint64_t ms = 7;

		ck_assert_msg(!argument_duration(words[i], &ms), "%s", words[i]);
		ck_assert_uint_eq(ms, 7);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		numbers,
		words_that_are_no_numbers,
		durations,
		words_that_are_no_durations,
	};

	return unit_main("poolctl_argument", tests, sizeof(tests) / sizeof(tests[0]));
}
