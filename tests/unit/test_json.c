#include "daemon/io/base/json.h"

#include "protocol/skip.h"
#include "tests/lib/prop.h"
#include "tests/lib/unit.h"
#include "tests/lib/values.h"
#include "tests/lib/wire.h"

#include <errno.h>
#include <jansson.h>
#include <msgpack.h>
#include <string.h>

#define OUT_MAX ((size_t)64 << 20)

/* What a text of wire.h is in JSON, or "refused: why". */
static const char *said_of(struct bytes value)
{
	static char text[4096];
	struct buf out;
	const char *why;

	buf_init(&out, sizeof(text) - 1);
	why = json_from_value(value, &out);
	if (why)
		snprintf(text, sizeof(text), "refused: %s", why);
	else
		snprintf(text, sizeof(text), "%.*s", (int)out.len, (const char *)out.data);
	buf_free(&out);
	return text;
}

static const char *said(const char *value)
{
	struct buf buf;
	const char *text;

	buf_init(&buf, OUT_MAX);
	wire_put(&buf, value);
	text = said_of((struct bytes){buf.data, buf.len});
	buf_free(&buf);
	return text;
}

START_TEST(values_in_json)
{
	static const char *const cases[][2] = {
		{"nil", "null"},
		{"true", "true"},
		{"false", "false"},
		{"0", "0"},
		{"-1", "-1"},
		{"-9223372036854775808", "-9223372036854775808"},
		{"9223372036854775807", "9223372036854775807"},
		{"1.0", "1.0"},
		{"0.1", "0.1"},
		{"1.5", "1.5"},
		{"-0.0", "-0.0"},
		{"1e300", "1e+300"},
		{"0.30000000000000004", "0.30000000000000004"},
		{"''", "\"\""},
		{"'a\"b/c'", "\"a\\\"b/c\""},
		{"b''", "\"\""},
		{"b'a'", "\"YQ==\""},
		{"b'ab'", "\"YWI=\""},
		{"b'abc'", "\"YWJj\""},
		{"[]", "[]"},
		{"[1, [2, nil]]", "[1,[2,null]]"},
		{"{}", "{}"},
		{"{'b': 1, 'a': {'': []}}", "{\"b\":1,\"a\":{\"\":[]}}"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_str_eq(said(cases[i][0]), cases[i][1]);
}
END_TEST

#define VALUE(text)                                                                                \
	(struct bytes)                                                                             \
	{                                                                                          \
		(const uint8_t *)(text), sizeof(text) - 1                                          \
	}

START_TEST(bytes_in_json)
{
	const struct {
		struct bytes value;
		const char *text;
	} cases[] = {
		{VALUE("\xa6\0\n\x1f\x7f\xc3\xa4"), "\"\\u0000\\u000a\\u001f\x7f\xc3\xa4\""},
		{VALUE("\xa1\\"), "\"\\\\\""},
		{VALUE("\xca\x3f\xc0\0\0"), "1.5"},
		{VALUE("\xca\x3d\xcc\xcc\xcd"), "0.10000000149011612"},
		{VALUE("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"), "9223372036854775807"},
		{VALUE("\xcf\x80\0\0\0\0\0\0\0"), "refused: an integer above 9223372036854775807"},
		{VALUE("\xcb\x7f\xf8\0\0\0\0\0\0"), "refused: a number that is not finite"},
		{VALUE("\xcb\x7f\xf0\0\0\0\0\0\0"), "refused: a number that is not finite"},
		{VALUE("\xca\xff\x80\0\0"), "refused: a number that is not finite"},
		{VALUE("\xd4\x05x"), "refused: an ext value"},
		{VALUE("\x91\xc7\0\x05"), "refused: an ext value"},
		{VALUE("\xa1\xff"), "refused: a text that is not UTF-8"},
		{VALUE("\xa3\xed\xa0\x80"), "refused: a text that is not UTF-8"},
		{VALUE("\x81\xa1\xff\xc0"), "refused: a text that is not UTF-8"},
		{VALUE("\x81\x01\xc0"), "refused: a map's key that is not a text"},
		{VALUE("\x81\xc4\x01x\xc0"), "refused: a map's key that is not a text"},
		{VALUE("\x81\xc0\xc0"), "refused: a map's key that is not a text"},
		{VALUE("\x81\xa1\0\xc0"), "refused: a map's key with a zero byte in it"},
		{VALUE("\x83\xa1x\x01\xa1y\x02\xa1x\x03"), "refused: a map that has a key twice"},
		{VALUE("\x92\x81\xa1x\x01\x81\xa1x\x02"), "[{\"x\":1},{\"x\":2}]"},
		/* What is cut off is not what the daemon hands over, and is not trusted. */
		{VALUE(""), "refused: a value that is cut off"},
		{VALUE("\xc1"), "refused: a value that is cut off"},
		{VALUE("\x92\x01"), "refused: a value that is cut off"},
		{VALUE("\xdf\xff\xff\xff\xff"), "refused: a value that is cut off"},
		{VALUE("\xdd\xff\xff\xff\xff"), "refused: a value that is cut off"},
		{VALUE("\xa5xy"), "refused: a value that is cut off"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_str_eq(said_of(cases[i].value), cases[i].text);
}
END_TEST

/* Twins far apart, in a map too large to be looked at without memory. */
START_TEST(keys_of_a_large_map)
{
	struct buf buf, out;

	buf_init(&buf, OUT_MAX);
	buf_init(&out, OUT_MAX);
	for (unsigned twin = 0; twin < 2; twin++) {
		char key[16];

		buf_reset(&buf);
		pack_map(&buf, 1000);
		for (unsigned i = 0; i < 1000; i++) {
			snprintf(key, sizeof(key), "key %u", twin && i == 999 ? 3 : i);
			pack_str(&buf, key);
			pack_uint(&buf, i);
		}
		if (twin)
			ck_assert_str_eq(json_from_value((struct bytes){buf.data, buf.len}, &out),
					 "a map that has a key twice");
		else
			ck_assert_ptr_null(
				json_from_value((struct bytes){buf.data, buf.len}, &out));
	}
	buf_free(&buf);
	buf_free(&out);
}
END_TEST

/* Nested `depth` deep. */
static const char *say_deep(unsigned depth)
{
	static uint8_t value[JSON_DEPTH_MAX + 2];
	struct buf out;
	const char *why;

	memset(value, 0x91, depth);
	value[depth] = 0xc0;
	buf_init(&out, OUT_MAX);
	why = json_from_value((struct bytes){value, depth + 1}, &out);
	buf_free(&out);
	return why;
}

START_TEST(limits_towards_json)
{
	struct buf buf, out;

	ck_assert_ptr_null(say_deep(JSON_DEPTH_MAX));
	ck_assert_str_eq(say_deep(JSON_DEPTH_MAX + 1), "a value that is nested too deep");

	buf_init(&buf, OUT_MAX);
	buf_init(&out, 10);
	wire_put(&buf, "'0123456789'");
	ck_assert_str_eq(json_from_value((struct bytes){buf.data, buf.len}, &out),
			 "more than there is room for");
	buf_free(&out);

	buf_reset(&buf);
	pack_array(&buf, JSON_WEIGHT_MAX);
	for (size_t i = 0; i < JSON_WEIGHT_MAX; i++)
		pack_nil(&buf);
	buf_init(&out, OUT_MAX);
	ck_assert_str_eq(json_from_value((struct bytes){buf.data, buf.len}, &out),
			 "too many values");
	buf_free(&buf);
	buf_free(&out);
}
END_TEST

/* What a text is as MessagePack, in the words of wire.h, or "refused: why". */
static const char *read_of(struct bytes text, size_t max)
{
	static char result[4096];
	char fault[JSON_FAULT_MAX] = "";
	struct buf out;
	int r;

	buf_init(&out, max);
	r = json_to_value(text, &out, fault);
	if (r < 0)
		snprintf(result, sizeof(result), "refused: %s",
			 r == -ENOBUFS ? "too large" : fault);
	else
		snprintf(result, sizeof(result), "%s", wire_text(out.data, out.len));
	result[strcspn(result, "\n")] = '\0';
	buf_free(&out);
	return result;
}

START_TEST(json_as_values)
{
	static const char *const cases[][2] = {
		{"null", "nil"},
		{" 1 ", "1"},
		{"-0", "0"},
		{"-9223372036854775808", "-9223372036854775808"},
		{"\"\\u00e4\"", "'\xc3\xa4'"},
		{"{\"b\": [1, 2.5], \"a\": true}", "{'b': [1, 2.5], 'a': true}"},
		{"{\"a\": 1, \"a\": 2}", "refused: duplicate object key near '\"a\"', at byte 12"},
		{"9223372036854775808", "refused: too big integer, at byte 19"},
		{"1e999", "refused: real number overflow near '1e999', at byte 5"},
		{"NaN", "refused: invalid token near 'NaN', at byte 3"},
		{"\"\xff\"", "refused: unable to decode byte 0xff near '\"', at byte 1"},
		{"1 2", "refused: end of file expected near '2', at byte 3"},
		{"", "refused: '[' or '{' expected near end of file, at byte 0"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bytes text = {(const uint8_t *)cases[i][0], strlen(cases[i][0])};
		const char *found = read_of(text, OUT_MAX);

		/* The words for a fault are the parser's, and may change with it. */
		if (strncmp(cases[i][1], "refused", 7) == 0)
			ck_assert_msg(strncmp(found, "refused: ", 9) == 0 &&
					      strstr(found, ", at byte "),
				      "%s: %s", cases[i][0], found);
		else
			ck_assert_str_eq(found, cases[i][1]);
	}
	ck_assert_str_eq(read_of(VALUE("\"0123456789\""), 10), "refused: too large");
}
END_TEST

START_TEST(a_heavy_text_is_refused_unread)
{
	static const char *const pieces[] = {"[],", "{},", "0,", "{\"\":0},", "{\"\":"};

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		struct buf text;

		buf_init(&text, OUT_MAX);
		buf_put(&text, "[", 1);
		for (size_t n = 0; n < JSON_WEIGHT_MAX; n++)
			buf_put(&text, pieces[i], strlen(pieces[i]));
		ck_assert_str_eq(read_of((struct bytes){text.data, text.len}, OUT_MAX),
				 "refused: too many values");
		buf_free(&text);
	}
}
END_TEST

START_TEST(weights)
{
	ck_assert_uint_eq(json_weight(VALUE("[1,2,3]")), 5);
	ck_assert_uint_eq(json_weight(VALUE("{\"a\":1}")), 11);
	ck_assert_uint_eq(json_weight(VALUE("\"[{,:\\\"[\"")), 0);
	ck_assert_uint_eq(json_weight(VALUE("\"\\")), 0);
	/* A long text weighs nothing. */
	ck_assert_uint_eq(json_weight(VALUE("[\",,,,\\\\\"]")), 3);
}
END_TEST

/* Whatever can be said comes back as it was, but for binary and the width of floats. */
static void check_round_trip(struct prop *prop, struct bytes value)
{
	char fault[JSON_FAULT_MAX] = "";
	struct buf text, back, again;

	buf_init(&text, OUT_MAX);
	buf_init(&back, OUT_MAX);
	buf_init(&again, OUT_MAX);
	if (!json_from_value(value, &text)) {
		struct bytes first = {text.data, text.len};

		prop_check(prop, json_to_value(first, &back, fault) == 0, "%s", fault);
		prop_check(prop, skip_value(back.data, back.len, back.len) == back.len, "whole");
		prop_check(prop, !json_from_value((struct bytes){back.data, back.len}, &again),
			   "said again");
		prop_check(prop,
			   again.len == text.len && memcmp(again.data, text.data, text.len) == 0,
			   "%.*s", (int)(text.len < 200 ? text.len : 200), (char *)text.data);
	}
	buf_free(&text);
	buf_free(&back);
	buf_free(&again);
}

START_TEST(round_trips)
{
	struct prop_rounds rounds = prop_rounds(3000);
	struct prop prop;

	while (prop_round(&rounds, &prop)) {
		msgpack_sbuffer message;
		msgpack_packer pk;

		msgpack_sbuffer_init(&message);
		msgpack_packer_init(&pk, &message, msgpack_sbuffer_write);
		values_pack(&prop, &pk, 3);
		check_round_trip(&prop,
				 (struct bytes){(const uint8_t *)message.data, message.size});
		msgpack_sbuffer_destroy(&message);
	}
}
END_TEST

/* Random doubles keep every bit. */
START_TEST(floats_keep_their_bits)
{
	struct prop_rounds rounds = prop_rounds(20000);
	struct prop prop;

	while (prop_round(&rounds, &prop)) {
		uint8_t value[9] = {0xcb}, back[9];
		char fault[JSON_FAULT_MAX] = "";
		struct buf text, out;
		uint64_t bits = prop_next(&prop);

		memcpy(value + 1, &bits, 8);
		buf_init(&text, OUT_MAX);
		buf_init(&out, OUT_MAX);
		if (!json_from_value((struct bytes){value, 9}, &text)) {
			prop_check(&prop,
				   json_to_value((struct bytes){text.data, text.len}, &out,
						 fault) == 0,
				   "%s", fault);
			ck_assert_uint_eq(out.len, 9);
			memcpy(back, out.data, 9);
			prop_check(&prop, memcmp(back, value, 9) == 0, "%.*s", (int)text.len,
				   (char *)text.data);
		}
		buf_free(&text);
		buf_free(&out);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		values_in_json,
		bytes_in_json,
		keys_of_a_large_map,
		limits_towards_json,
		json_as_values,
		a_heavy_text_is_refused_unread,
		weights,
		round_trips,
		floats_keep_their_bits,
	};

	return unit_main("json", tests, ARRAY_SIZE(tests));
}
