/* The word behind --since: a number, a time, or how long ago. */
/* Part of a program, so no library has it. */
#include "client/poolctl/argument.c" // NOLINT(bugprone-suspicious-include)
#include "client/poolctl/since.c"    // NOLINT(bugprone-suspicious-include)

#include "protocol/base.h"

#include <inttypes.h>
#include <stdlib.h>

#include "tests/lib/unit.h"

/* 2026-11-25 16:29:36 UTC */
#define NOW    INT64_C(1795624176000)

#define MINUTE 60000
#define HOUR   (60 * MINUTE)

static void must_be(const char *text, uint64_t at_ms)
{
	struct since since;

	ck_assert_msg(since_read(text, NOW, &since), "%s", text);
	ck_assert(!since.is_seq);
	ck_assert_msg(since.at_ms == at_ms, "%s: %" PRIu64, text, since.at_ms);
}

START_TEST(numbers_are_events)
{
	struct since since;

	ck_assert(since_read("0", NOW, &since));
	ck_assert(since.is_seq);
	ck_assert_uint_eq(since.seq, 0);
	ck_assert_uint_eq(since.at_ms, 0);
	ck_assert(since_read("18446744073709551615", NOW, &since));
	ck_assert_uint_eq(since.seq, UINT64_MAX);
}
END_TEST

START_TEST(times)
{
	must_be("90s", NOW - 90000);
	must_be("15min", NOW - 15 * MINUTE);
	must_be("2h", NOW - 2 * HOUR);
	must_be("16:29:36", NOW);
	must_be("16:29", NOW - 36000);
	must_be("00:00", NOW - 36000 - 29 * MINUTE - 16 * HOUR);
	/* It is to come today. */
	must_be("16:30", NOW + 24000 - 24 * HOUR);
	must_be("2026-11-25 16:29:36", NOW);
	must_be("2026-11-25T16:29:35", NOW - 1000);
	must_be("2026-11-25 16:28", NOW - 96000);
	must_be("2026-11-25", NOW - 36000 - 29 * MINUTE - 16 * HOUR);
}
END_TEST

START_TEST(words_that_are_none)
{
	static const char *const words[] = {"",
					    "-1",
					    "5m",
					    "yesterday",
					    "25:00",
					    "12:00x",
					    "18446744073709551616",
					    "2026-13-01",
					    "2026-11-25 "};
	struct since since = {.seq = 7};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		ck_assert_msg(!since_read(words[i], NOW, &since), "%s", words[i]);
	ck_assert_uint_eq(since.seq, 7);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {numbers_are_events, times, words_that_are_none};

	setenv("TZ", "UTC", 1);
	return unit_main("poolctl_since", tests, ARRAY_SIZE(tests));
}
