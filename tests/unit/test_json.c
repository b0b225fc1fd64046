#include "daemon/io/base/json.h"

#include "protocol/read.h"
#include "protocol/skip.h"
#include "tests/lib/input.h"
#include "tests/lib/prop.h"
#include "tests/lib/unit.h"
#include "tests/lib/values.h"
#include "tests/lib/wire.h"

#include <errno.h>
#include <msgpack.h>
#include <stdlib.h>
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

/* JSON, and what it is in the words of wire.h. */
START_TEST(json_as_values)
{
	static const char *const cases[][2] = {
		{"null", "nil"},
		{"true", "true"},
		{" \t\r\n1 \t\r\n", "1"},
		{"0", "0"},
		{"-0", "0"},
		{"-1", "-1"},
		{"9223372036854775807", "9223372036854775807"},
		{"-9223372036854775808", "-9223372036854775808"},
		{"1.5e-1", "0.15"},
		{"\"\"", "''"},
		{"\"\\u00e4\"", "'\xc3\xa4'"},
		{"\"\\u00E4\\u20ac\\ud83d\\uDE00\"", "'\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80'"},
		{"\"\\/\\\\a\"", "'/\\a'"},
		{"\"\x7f\xf4\x8f\xbf\xbf\"", "'\x7f\xf4\x8f\xbf\xbf'"},
		{"[]", "[]"},
		{"{}", "{}"},
		{"[ [ ] , { } ]", "[[], {}]"},
		{"{\"b\": [1, 2.5], \"a\": true}", "{'b': [1, 2.5], 'a': true}"},
		{"[{\"a\":1},{\"a\":{\"a\":2}}]", "[{'a': 1}, {'a': {'a': 2}}]"},
		{"{\"\":0}", "{'': 0}"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bytes text = {(const uint8_t *)cases[i][0], strlen(cases[i][0])};

		ck_assert_str_eq(read_of(text, OUT_MAX), cases[i][1]);
	}
	ck_assert_str_eq(read_of(VALUE("\"0123456789\""), 11), "'0123456789'");
	ck_assert_str_eq(read_of(VALUE("\"0123456789\""), 10), "refused: too large");
	ck_assert_str_eq(read_of(VALUE("[[[[[[]]]]]]"), 6), "[[[[[[]]]]]]");
	ck_assert_str_eq(read_of(VALUE("[[[[[[]]]]]]"), 5), "refused: too large");
}
END_TEST

START_TEST(what_is_no_json)
{
	const struct {
		struct bytes text;
		const char *why;
	} cases[] = {
		{VALUE(""), "a value expected, at byte 0"},
		{VALUE(" "), "a value expected, at byte 1"},
		{VALUE("\xef\xbb\xbf"
		       "1"),
		 "a value expected, at byte 0"},
		{VALUE("NaN"), "a value expected, at byte 0"},
		{VALUE("Infinity"), "a value expected, at byte 0"},
		{VALUE("nul"), "a value expected, at byte 0"},
		{VALUE("True"), "a value expected, at byte 0"},
		{VALUE("'a'"), "a value expected, at byte 0"},
		{VALUE("truex"), "the end of the text expected, at byte 4"},
		{VALUE("1 2"), "the end of the text expected, at byte 2"},
		{VALUE("1\0"), "the end of the text expected, at byte 1"},
		{VALUE("[1e5\0]"), "a comma or the end of an array expected, at byte 4"},
		{VALUE("[\0]"), "a value expected, at byte 1"},
		{VALUE("01"), "the end of the text expected, at byte 1"},
		{VALUE("-"), "a digit expected, at byte 1"},
		{VALUE("-a"), "a digit expected, at byte 1"},
		{VALUE("1."), "a digit expected, at byte 2"},
		{VALUE("1.e1"), "a digit expected, at byte 2"},
		{VALUE("1e"), "a digit expected, at byte 2"},
		{VALUE("1e+"), "a digit expected, at byte 3"},
		{VALUE("+1"), "a value expected, at byte 0"},
		{VALUE(".5"), "a value expected, at byte 0"},
		{VALUE("0x10"), "the end of the text expected, at byte 1"},
		{VALUE("9223372036854775808"), "an integer outside of 64 bits, at byte 0"},
		{VALUE("[18446744073709551616]"), "an integer outside of 64 bits, at byte 1"},
		{VALUE("-9223372036854775809"), "an integer outside of 64 bits, at byte 0"},
		{VALUE("1e400"), "a number too large for a float, at byte 0"},
		{VALUE("[-1e999]"), "a number too large for a float, at byte 1"},
		{VALUE("\""), "a text without an end, at byte 1"},
		{VALUE("\"a"), "a text without an end, at byte 2"},
		{VALUE("\"\\"), "an escape that stands for no character, at byte 1"},
		{VALUE("\"\\\""), "a text without an end, at byte 3"},
		{VALUE("\"\\x41\""), "an escape that stands for no character, at byte 1"},
		{VALUE("\"\\\0\""), "an escape that stands for no character, at byte 1"},
		{VALUE("\"\\u12g4\""), "an escape that stands for no character, at byte 1"},
		{VALUE("\"\\u12\""), "an escape that stands for no character, at byte 1"},
		{VALUE("\"a\\ud83d\""), "an escape that stands for no character, at byte 2"},
		{VALUE("\"\\ud83dx\""), "an escape that stands for no character, at byte 1"},
		{VALUE("\"\\ud83d\\u0041\""), "an escape that stands for no character, at byte 1"},
		{VALUE("\"\\ude00\""), "an escape that stands for no character, at byte 1"},
		{VALUE("\"a\nb\""), "a control character in a text, at byte 2"},
		{VALUE("\"\0\""), "a control character in a text, at byte 1"},
		{VALUE("\"01234567\x1f\""), "a control character in a text, at byte 9"},
		{VALUE("\"\xff\""), "a byte that is not UTF-8, at byte 1"},
		{VALUE("\"\x80\""), "a byte that is not UTF-8, at byte 1"},
		{VALUE("\"\xc3\""), "a byte that is not UTF-8, at byte 1"},
		{VALUE("\"\xc0\x80\""), "a byte that is not UTF-8, at byte 1"},
		{VALUE("\"\xed\xa0\x80\""), "a byte that is not UTF-8, at byte 1"},
		{VALUE("\"\xf4\x90\x80\x80\""), "a byte that is not UTF-8, at byte 1"},
		{VALUE("\"01234567\xe2\x82"), "a byte that is not UTF-8, at byte 9"},
		{VALUE("["), "a value expected, at byte 1"},
		{VALUE("]"), "a value expected, at byte 0"},
		{VALUE("[1"), "a comma or the end of an array expected, at byte 2"},
		{VALUE("[1 2]"), "a comma or the end of an array expected, at byte 3"},
		{VALUE("[1}"), "a comma or the end of an array expected, at byte 2"},
		{VALUE("[1,]"), "a value expected, at byte 3"},
		{VALUE("[,1]"), "a value expected, at byte 1"},
		{VALUE("[1]]"), "the end of the text expected, at byte 3"},
		{VALUE("{"), "a key expected, at byte 1"},
		{VALUE("{1:2}"), "a key expected, at byte 1"},
		{VALUE("{a:2}"), "a key expected, at byte 1"},
		{VALUE("{\"a\"}"), "a colon expected, at byte 4"},
		{VALUE("{\"a\":}"), "a value expected, at byte 5"},
		{VALUE("{\"a\":1"), "a comma or the end of an object expected, at byte 6"},
		{VALUE("{\"a\":1]"), "a comma or the end of an object expected, at byte 6"},
		{VALUE("{\"a\":1,}"), "a key expected, at byte 7"},
		{VALUE("{\"\\u0000\":1}"), "a key with a zero byte in it, at byte 9"},
		{VALUE("{\"a\":1,\"\\u0061\":2}"),
		 "an object with the key \"a\" twice, at byte 18"},
		{VALUE("{\"\\n\":{},\"\\n\":2}"), "an object with the key \"?\" twice, at byte 16"},
		{VALUE("[1] // c"), "the end of the text expected, at byte 4"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		/* What lies behind the text is no part of it. */
		uint8_t *exact = input_exact(cases[i].text.data, cases[i].text.len);
		char expected[200];

		snprintf(expected, sizeof(expected), "refused: %s", cases[i].why);
		ck_assert_str_eq(read_of((struct bytes){exact, cases[i].text.len}, OUT_MAX),
				 expected);
		free(exact);
	}
}
END_TEST

/* The bytes, where wire.h has no words for them. */
START_TEST(json_as_bytes)
{
	const struct {
		struct bytes text, value;
	} cases[] = {
		{VALUE("\"\\u0000\""), VALUE("\xa1\0")},
		{VALUE("\"\\\"\\b\\f\\n\\r\\t\""), VALUE("\xa6\"\b\f\n\r\t")},
		{VALUE("\"\\u007f\\u0080\\u07ff\\u0800\\uffff\""),
		 VALUE("\xab\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf")},
		{VALUE("\"\\ud800\\udc00\\udbff\\udfff\""),
		 VALUE("\xa8\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")},
		{VALUE("1.0"), VALUE("\xcb\x3f\xf0\0\0\0\0\0\0")},
		{VALUE("1e2"), VALUE("\xcb\x40\x59\0\0\0\0\0\0")},
		{VALUE("1E+2"), VALUE("\xcb\x40\x59\0\0\0\0\0\0")},
		{VALUE("1e-400"), VALUE("\xcb\0\0\0\0\0\0\0\0")},
		{VALUE("-0e0"), VALUE("\xcb\x80\0\0\0\0\0\0\0")},
		{VALUE("9223372036854775808.0"), VALUE("\xcb\x43\xe0\0\0\0\0\0\0")},
		{VALUE("18446744073709551616e0"), VALUE("\xcb\x43\xf0\0\0\0\0\0\0")},
		{VALUE("0.30000000000000004"), VALUE("\xcb\x3f\xd3\x33\x33\x33\x33\x33\x34")},
		{VALUE("-0.0"), VALUE("\xcb\x80\0\0\0\0\0\0\0")},
		{VALUE("5e-324"), VALUE("\xcb\0\0\0\0\0\0\0\x01")},
		{VALUE("2.4703282292062327e-324"), VALUE("\xcb\0\0\0\0\0\0\0\0")},
		{VALUE("1.7976931348623157e308"), VALUE("\xcb\x7f\xef\xff\xff\xff\xff\xff\xff")},
		{VALUE("2.2250738585072011e-308"), VALUE("\xcb\0\x0f\xff\xff\xff\xff\xff\xff")},
		/* Half way between two floats, and a little more, behind what fits on the stack. */
		{VALUE("9007199254740993.0"), VALUE("\xcb\x43\x40\0\0\0\0\0\0")},
		{VALUE("9007199254740993."
		       "0000000000000000000000000000000000000000000000000000000000001"),
		 VALUE("\xcb\x43\x40\0\0\0\0\0\x01")},
		/* Heads of every length. */
		{VALUE("[0,0,0,0,0,0,0,0,0,0,0,0,0,0,[0]]"),
		 VALUE("\x9f\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x91\0")},
		{VALUE("[0,0,0,0,0,0,0,0,0,0,0,0,0,0,{},0]"),
		 VALUE("\xdc\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80\0")},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char fault[JSON_FAULT_MAX];
		struct buf out;

		buf_init(&out, OUT_MAX);
		buf_put(&out, "kept", 4);
		ck_assert_int_eq(json_to_value(cases[i].text, &out, fault), 0);
		ck_assert_uint_eq(out.len - 4, cases[i].value.len);
		ck_assert_mem_eq(out.data, "kept", 4);
		ck_assert_mem_eq(out.data + 4, cases[i].value.data, cases[i].value.len);
		buf_free(&out);
	}
}
END_TEST

/* 65535 and 65536 items and members: the heads on both sides of the border. */
START_TEST(long_containers)
{
	for (unsigned map = 0; map < 2; map++)
		for (unsigned count = 65535; count <= 65536; count++) {
			char fault[JSON_FAULT_MAX];
			struct buf text, out, expected;

			buf_init(&text, OUT_MAX);
			buf_init(&out, OUT_MAX);
			buf_init(&expected, OUT_MAX);
			buf_put(&text, map ? "{" : "[", 1);
			(map ? pack_map : pack_array)(&expected, count);
			for (unsigned i = 0; i < count; i++) {
				char key[16];

				snprintf(key, sizeof(key), "%x", i);
				if (map)
					pack_str(&expected, key);
				pack_uint(&expected, i);
				if (map)
					buf_printf(&text, "%s\"%s\":%u", i > 0 ? "," : "", key, i);
				else
					buf_printf(&text, "%s%u", i > 0 ? "," : "", i);
			}
			buf_put(&text, map ? "}" : "]", 1);
			ck_assert_int_eq(
				json_to_value((struct bytes){text.data, text.len}, &out, fault), 0);
			ck_assert_uint_eq(out.len, expected.len);
			ck_assert_mem_eq(out.data, expected.data, out.len);
			buf_free(&text);
			buf_free(&out);
			buf_free(&expected);
		}
}
END_TEST

/* Nested `depth` deep, in arrays and objects in turn. */
static const char *read_deep(unsigned depth)
{
	const char *found;
	struct buf text;

	buf_init(&text, OUT_MAX);
	for (unsigned i = 0; i < depth; i++)
		buf_printf(&text, "%s", i % 2 ? "{\"a\":" : "[");
	buf_put(&text, "0", 1);
	for (unsigned i = depth; i-- > 0;)
		buf_put(&text, i % 2 ? "}" : "]", 1);
	found = read_of((struct bytes){text.data, text.len}, OUT_MAX);
	buf_free(&text);
	return found;
}

START_TEST(depth_from_json)
{
	ck_assert_int_ne(strncmp(read_deep(JSON_READ_DEPTH_MAX), "refused", 7), 0);
	ck_assert_str_eq(read_deep(JSON_READ_DEPTH_MAX + 1),
			 "refused: nested too deep, at byte 6144");
}
END_TEST

/* Keys of one hash and one length are told apart, and twins among very many are found. */
START_TEST(many_keys_in_json)
{
	for (unsigned twin = 0; twin < 2; twin++)
		for (unsigned count = 2; count < 3000; count = count * 3 / 2 + 1) {
			const char *found;
			struct buf text;

			buf_init(&text, OUT_MAX);
			for (unsigned i = 0; i < count; i++)
				buf_printf(&text, "%s\"%u\":[]", i > 0 ? "," : "[{",
					   twin && i == count - 1 ? count / 3 : i);
			buf_printf(&text, "}]");
			found = read_of((struct bytes){text.data, text.len}, OUT_MAX);
			ck_assert_msg((strstr(found, " twice, at byte ") != NULL) == (twin == 1),
				      "%u keys: %.100s", count, found);
			buf_free(&text);
		}
}
END_TEST

START_TEST(a_heavy_text_is_refused)
{
	static const struct {
		const char *piece;
		const char *why;
	} cases[] = {
		{"[],", "refused: too many values, at byte "},
		{"{},", "refused: too many values, at byte "},
		{"0,", "refused: too many values, at byte "},
		{"{\"\":0},", "refused: too many values, at byte "},
		{"{\"\":", "refused: nested too deep, at byte "},
		{"[", "refused: nested too deep, at byte "},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf text;

		buf_init(&text, OUT_MAX);
		buf_put(&text, "[", 1);
		for (size_t n = 0; n < JSON_WEIGHT_MAX; n++)
			buf_put(&text, cases[i].piece, strlen(cases[i].piece));
		ck_assert_ptr_nonnull(strstr(read_of((struct bytes){text.data, text.len}, OUT_MAX),
					     cases[i].why));
		buf_free(&text);
	}
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
		values_in_json,		bytes_in_json,		 keys_of_a_large_map,
		limits_towards_json,	json_as_values,		 what_is_no_json,
		json_as_bytes,		long_containers,	 depth_from_json,
		many_keys_in_json,	a_heavy_text_is_refused, round_trips,
		floats_keep_their_bits,
	};

	return unit_main("json", tests, ARRAY_SIZE(tests));
}
