/* What the tests of the configuration share. */
#ifndef POOLD_TESTS_UNIT_TEST_CONFIG_H
#define POOLD_TESTS_UNIT_TEST_CONFIG_H

#include <errno.h>
#include <string.h>

#include "daemon/io/config/config.h"
#include "tests/lib/unit.h"

#define TEXT_MAX 65536

/* Ends the text with a zero byte, so that it can be compared as a string. */
static inline const char *text_of(struct buf *buf)
{
	buf_put(buf, "", 1);
	ck_assert_int_eq(buf_error(buf), 0);
	return (const char *)buf->data;
}

static inline struct bytes bytes_of(const char *text)
{
	return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static inline const struct config *must_parse(const char *text)
{
	const struct config *config = NULL;
	struct buf errors;

	buf_init(&errors, TEXT_MAX);

	int r = config_parse_text("t", bytes_of(text), &config, &errors);

	ck_assert_msg(r == 0, "%s", text_of(&errors));
	ck_assert_uint_eq(errors.len, 0);
	buf_free(&errors);
	return config;
}

/* Both texts are compared whole: the words of an error are part of what the program promises. */
static inline void must_fail_len(struct bytes text, const char *expected)
{
	const struct config *untouched = (const struct config *)&errno, *config = untouched;
	struct buf errors;

	buf_init(&errors, TEXT_MAX);
	ck_assert_int_eq(config_parse_text("t", text, &config, &errors), -EINVAL);
	ck_assert_str_eq(text_of(&errors), expected);
	ck_assert_ptr_eq(config, untouched);
	buf_free(&errors);
}

static inline void must_fail(const char *text, const char *expected)
{
	must_fail_len(bytes_of(text), expected);
}

#endif
