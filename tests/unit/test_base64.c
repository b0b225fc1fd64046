#include "protocol/base64.h"

#include "tests/lib/unit.h"

#include <errno.h>
#include <string.h>

static struct bytes text_of(const char *text)
{
	return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static void expect_both_ways(struct bytes data, struct bytes text)
{
	char encoded[BASE64_LEN(1000)];
	uint8_t decoded[BASE64_BYTES_MAX(sizeof(encoded))];
	size_t len = SIZE_MAX;

	ck_assert_uint_eq(BASE64_LEN(data.len), text.len);
	ck_assert_uint_eq(base64_encode(data, encoded), text.len);
	ck_assert(text.len == 0 || memcmp(encoded, text.data, text.len) == 0);
	ck_assert_int_eq(base64_decode(text, decoded, &len), 0);
	ck_assert_uint_eq(len, data.len);
	ck_assert(len == 0 || memcmp(decoded, data.data, len) == 0);
}

/* RFC 4648, section 10. */
START_TEST(the_vectors_of_the_standard)
{
	static const char *const vectors[][2] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++)
		expect_both_ways(text_of(vectors[i][0]), text_of(vectors[i][1]));
}
END_TEST

START_TEST(every_digit)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t data[BASE64_BYTES_MAX(sizeof(digits) - 1)];
	size_t len;

	ck_assert_int_eq(base64_decode(text_of(digits), data, &len), 0);
	ck_assert_uint_eq(len, sizeof(data));
	expect_both_ways((struct bytes){data, len}, text_of(digits));
}
END_TEST

START_TEST(every_length)
{
	uint8_t data[1000], decoded[BASE64_BYTES_MAX(BASE64_LEN(1000))];
	char encoded[BASE64_LEN(1000)];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	for (size_t len = 0; len <= sizeof(data); len++) {
		struct bytes text = {(const uint8_t *)encoded, 0};
		size_t decoded_len = SIZE_MAX;

		text.len = base64_encode((struct bytes){data, len}, encoded);
		ck_assert_uint_eq(text.len, BASE64_LEN(len));
		ck_assert_int_eq(base64_decode(text, decoded, &decoded_len), 0);
		ck_assert_uint_eq(decoded_len, len);
		ck_assert(len == 0 || memcmp(decoded, data, len) == 0);
	}
}
END_TEST

START_TEST(what_is_not_base64)
{
	static const char *const cases[] = {
		"Z",	"Zg",	 "Zg=",	  "Zm8",      "=",	"==",	      "===",
		"====", "Z===",	 "Zg==Z", "Zg==Zg==", "Zg=v",	"=Zm9",	      "Zm9vZg=",
		"Zm9 ", "Zm9\n", "Zm-v",  "Zm_v",     "Zm9v\n", "\xc3\xa4Zm", "Zm9v====",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t decoded[16];
		size_t len = 7;

		ck_assert_msg(base64_decode(text_of(cases[i]), decoded, &len) == -EINVAL, "%s",
			      cases[i]);
		ck_assert_uint_eq(len, 7);
	}
	ck_assert_int_eq(base64_decode((struct bytes){(const uint8_t *)"Zm\0v", 4}, (uint8_t[3]){0},
				       &(size_t){0}),
			 -EINVAL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_vectors_of_the_standard,
		every_digit,
		every_length,
		what_is_not_base64,
	};

	return unit_main("base64", tests, ARRAY_SIZE(tests));
}
