#include "protocol/traceparent.h"

#include <errno.h>
#include <string.h>

#include "protocol/read.h"
#include "tests/lib/unit.h"

#define TRACE  "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static struct bytes text_of(const char *text)
{
	return (struct bytes){(const uint8_t *)text, strlen(text)};
}

START_TEST(what_is_one)
{
	static const char *const texts[] = {
		"00-" TRACE "-" PARENT "-01",
		"00-" TRACE "-" PARENT "-00",
		"00-" TRACE "-" PARENT "-ff",
		/* A later version is read as far as it is known. */
		"01-" TRACE "-" PARENT "-01",
		"cc-" TRACE "-" PARENT "-01-what comes later",
		"fe-" TRACE "-" PARENT "-01-",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct traceparent found;

		ck_assert_msg(traceparent_parse(text_of(texts[i]), &found) == 0, "%s", texts[i]);
		ck_assert(bytes_equal(found.trace_id, TRACE));
		ck_assert_uint_eq(found.parent, 0x00f067aa0ba902b7u);
	}
}
END_TEST

START_TEST(what_is_none)
{
	static const char *const texts[] = {
		"",
		"an id of ours",
		"00-" TRACE "-" PARENT "-0",
		"00-" TRACE "-" PARENT "-011",
		"00-" TRACE "-" PARENT "-01-",
		"00-" TRACE "-" PARENT "-01-more",
		"01-" TRACE "-" PARENT "-01.",
		"ff-" TRACE "-" PARENT "-01",
		"0-" TRACE "-" PARENT "-001",
		"00-00000000000000000000000000000000-" PARENT "-01",
		"00-" TRACE "-0000000000000000-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01",
		"00-" TRACE "-00F067AA0BA902B7-01",
		"00-" TRACE "-" PARENT "-0g",
		"0x-" TRACE "-" PARENT "-01",
		"00_" TRACE "-" PARENT "-01",
		"00-" TRACE "_" PARENT "-01",
		"00-" TRACE "-" PARENT "_01",
		" 00-" TRACE "-" PARENT "-01",
		"00-" TRACE "-" PARENT "-01 ",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct traceparent found = {.parent = 77};

		ck_assert_msg(traceparent_parse(text_of(texts[i]), &found) == -EINVAL, "%s",
			      texts[i]);
		ck_assert_uint_eq(found.parent, 77);
	}
}
END_TEST

/* Each byte of one, replaced by each other byte, is still one only if that is a digit, or another
 * version. */
START_TEST(every_byte_counts)
{
	char text[] = "00-" TRACE "-" PARENT "-01";

	for (size_t at = 0; at < TRACEPARENT_LEN; at++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			char was = text[at];
			struct traceparent found;
			bool is_digit = byte != 0 && strchr("0123456789abcdef", (int)byte);
			bool is_dash = at == 2 || at == 35 || at == 52;

			text[at] = (char)byte;
			ck_assert_int_eq(
				traceparent_parse((struct bytes){(uint8_t *)text, TRACEPARENT_LEN},
						  &found) == 0,
				is_dash ? byte == '-' : is_digit);
			text[at] = was;
		}
	}
}
END_TEST

START_TEST(written_with_another_parent)
{
	struct traceparent found;
	uint8_t out[TRACEPARENT_LEN], span[SPAN_ID_LEN];

	ck_assert_int_eq(traceparent_parse(text_of("cc-" TRACE "-" PARENT "-ff-x"), &found), 0);
	traceparent_format(&found, 0xabc, out);
	ck_assert(
		bytes_equal((struct bytes){out, sizeof(out)}, "00-" TRACE "-0000000000000abc-03"));
	traceparent_format_span(UINT64_MAX, span);
	ck_assert(bytes_equal((struct bytes){span, sizeof(span)}, "ffffffffffffffff"));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {what_is_one, what_is_none, every_byte_counts,
				      written_with_another_parent};

	return unit_main("traceparent", tests, ARRAY_SIZE(tests));
}
