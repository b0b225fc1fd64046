#include "daemon/io/base/log_json.h"
#include "protocol/utf8.h"
#include "tests/lib/unit.h"

#include <stdlib.h>
#include <string.h>

/* The line for a message and one field, ended by a zero byte. */
static const char *line_of(const char *message, const char *value, size_t size)
{
	static char out[4097];
	const struct log_field fields[] = {{"pool", value}, {"left", NULL}, {"worker", "3"}};
	const struct log_json record = {.time = "T",
					.level = "warning",
					.message = message,
					.fields = fields,
					.field_count = ARRAY_SIZE(fields)};
	size_t len = log_json_line(&record, out, size);

	ck_assert_uint_le(len, size);
	ck_assert_int_eq(out[len - 1], '\n');
	out[len] = '\0';
	return out;
}

START_TEST(lines)
{
	ck_assert_str_eq(line_of("a \"b\" \\", "p", 4096),
			 "{\"time\":\"T\",\"level\":\"warning\",\"message\":\"a \\\"b\\\" \\\\\","
			 "\"pool\":\"p\",\"worker\":\"3\"}\n");
	ck_assert_ptr_nonnull(strstr(line_of("one\ntwo\t", "", 4096), "\"one\\ntwo\\t\""));
	ck_assert_ptr_nonnull(strstr(line_of("gr\xc3\xbc\xc3\x9f"
					     "e",
					     "", 4096),
				     "gr\xc3\xbc\xc3\x9f"
				     "e"));
	ck_assert_ptr_nonnull(strstr(line_of("\x1b[2J\x7f", "", 4096), "\"\\u001b[2J\\u007f\""));
	ck_assert_ptr_nonnull(strstr(line_of("\xc2\x9b"
					     "1m",
					     "", 4096),
				     "\"\\u009b1m\""));
	ck_assert_ptr_nonnull(strstr(line_of("\xe2\x80\xae", "", 4096), "\"\\u202e\""));
	ck_assert_ptr_nonnull(strstr(line_of("\xff\xc3", "", 4096), "\"\\\\xff\\\\xc3\""));
}
END_TEST

/* Whatever the room, the line is whole. */
START_TEST(long_texts_are_cut)
{
	static char message[8000], value[8000];

	memset(message, 1, sizeof(message) - 1);
	memset(value, '"', sizeof(value) - 1);
	for (size_t size = 512; size <= 4096; size++) {
		const char *line = line_of(message, value, size);
		const char *pool = strstr(line, "\"pool\":\"");

		ck_assert_ptr_nonnull(strstr(line, "...\""));
		ck_assert_ptr_nonnull(pool);
		ck_assert_str_eq(line + strlen(line) - 6, "...\"}\n");
		ck_assert_uint_eq(
			utf8_valid_prefix((struct bytes){(const uint8_t *)line, strlen(line)}),
			strlen(line));
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {lines, long_texts_are_cut};

	return unit_main("log_json", tests, ARRAY_SIZE(tests));
}
