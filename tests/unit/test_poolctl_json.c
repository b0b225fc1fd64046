#include "client/poolctl/json.h"

/* A part of a program, so no library has it. */
#include "client/poolctl/json.c"    // NOLINT(bugprone-suspicious-include)
#include "client/poolctl/json_to.c" // NOLINT(bugprone-suspicious-include)

#include "tests/lib/prop.h"
#include "tests/lib/unit.h"
#include "tests/lib/values.h"

/* The value as JSON text; to be freed. */
static char *text_of(const void *data, size_t len)
{
	json_t *json;

	ck_assert_int_eq(json_from_value((struct poold_bytes){data, len}, JSON_MARKED, &json), 0);

	char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);

	ck_assert_ptr_nonnull(text);
	json_decref(json);
	return text;
}

/* JSON text as MessagePack in a writer, or why not. */
static int value_of(const char *text, struct poold_writer *writer)
{
	json_error_t error;
	json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

	ck_assert_msg(json != NULL, "%s: %s", text, error.text);

	int r = json_to_value(json, JSON_MARKED, writer);

	json_decref(json);
	return r;
}

#define BYTES(literal) literal, sizeof(literal) - 1

static const struct {
	const char *data;
	size_t len;
	const char *text;
} both_ways[] = {
	{BYTES("\xc0"), "null"},
	{BYTES("\xc2"), "false"},
	{BYTES("\xc3"), "true"},
	{BYTES("\x05"), "5"},
	{BYTES("\xe0"), "-32"},
	{BYTES("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"), "9223372036854775807"},
	{BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), "{\"$uint\":\"18446744073709551615\"}"},
	{BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), "-9223372036854775808"},
	{BYTES("\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"), "1.5"},
	{BYTES("\xcb\x40\x00\x00\x00\x00\x00\x00\x00"), "2.0"},
	{BYTES("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), "{\"$float\":\"nan\"}"},
	{BYTES("\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"), "{\"$float\":\"inf\"}"},
	{BYTES("\xcb\xff\xf0\x00\x00\x00\x00\x00\x00"), "{\"$float\":\"-inf\"}"},
	{BYTES("\xa0"), "\"\""},
	{BYTES("\xa3\xe2\x82\xac"), "\"\xe2\x82\xac\""},
	{BYTES("\xa3"
	       "a\x00"
	       "b"),
	 "\"a\\u0000b\""},
	{BYTES("\xa1\xff"), "{\"$text\":\"/w==\"}"},
	{BYTES("\xc4\x00"), "{\"$base64\":\"\"}"},
	{BYTES("\xc4\x01\x00"), "{\"$base64\":\"AA==\"}"},
	{BYTES("\xc4\x02\x00\x01"), "{\"$base64\":\"AAE=\"}"},
	{BYTES("\xc4\x03\xfb\xff\xfe"), "{\"$base64\":\"+//+\"}"},
	{BYTES("\xc4\x04"
	       "abcd"),
	 "{\"$base64\":\"YWJjZA==\"}"},
	{BYTES("\xc9\x00\x00\x00\x01\x05\x01"), "{\"$ext\":5,\"$base64\":\"AQ==\"}"},
	{BYTES("\xc9\x00\x00\x00\x00\xff"), "{\"$ext\":-1,\"$base64\":\"\"}"},
	{BYTES("\x90"), "[]"},
	{BYTES("\x92\x01\x91\x02"), "[1,[2]]"},
	{BYTES("\x80"), "{}"},
	{BYTES("\x82\xa1z\x01\xa1"
	       "a\x02"),
	 "{\"z\":1,\"a\":2}"},
	{BYTES("\x81\x01\x02"), "{\"$map\":[[1,2]]}"},
	{BYTES("\x82\xa1"
	       "a\x01\xa1"
	       "a\x02"),
	 "{\"$map\":[[\"a\",1],[\"a\",2]]}"},
	{BYTES("\x81\xa2$a\x01"), "{\"$a\":1}"},
	{BYTES("\x81\xa4$ref\x01"), "{\"$ref\":1}"},
	{BYTES("\x82\xa5$text\x01\xa7$schema\x02"), "{\"$text\":1,\"$schema\":2}"},
	{BYTES("\x81\xa5$text\x01"), "{\"$map\":[[\"$text\",1]]}"},
	{BYTES("\x81\xa4$map\x90"), "{\"$map\":[[\"$map\",[]]]}"},
	{BYTES("\x81\xa7$base64\xa0"), "{\"$map\":[[\"$base64\",\"\"]]}"},
	{BYTES("\x82\xa4$ext\x01\xa7$base64\xa0"), "{\"$map\":[[\"$ext\",1],[\"$base64\",\"\"]]}"},
	{BYTES("\x81\xa4$ext\x01"), "{\"$ext\":1}"},
	{BYTES("\x82\xa4$ext\x01\xa5$text\xa0"), "{\"$ext\":1,\"$text\":\"\"}"},
	{BYTES("\x83\xa4$ext\x01\xa7$base64\xa0\xa1z\x01"),
	 "{\"$ext\":1,\"$base64\":\"\",\"z\":1}"},
	{BYTES("\x81\xa5$Text\x01"), "{\"$Text\":1}"},
	{BYTES("\x81\xa1\x00\x01"), "{\"$map\":[[\"\\u0000\",1]]}"},
	{BYTES("\x81\xc4\x01"
	       "a\x01"),
	 "{\"$map\":[[{\"$base64\":\"YQ==\"},1]]}"},
};

START_TEST(each_kind_of_value)
{
	for (size_t i = 0; i < sizeof(both_ways) / sizeof(both_ways[0]); i++) {
		struct poold_writer *writer = poold_writer_new();
		char *text = text_of(both_ways[i].data, both_ways[i].len);

		ck_assert_str_eq(text, both_ways[i].text);
		ck_assert_int_eq(value_of(text, writer), 0);

		struct poold_bytes value = poold_writer_bytes(writer);

		ck_assert_uint_eq(value.len, both_ways[i].len);
		ck_assert_mem_eq(value.data, both_ways[i].data, value.len);
		poold_writer_free(writer);
		free(text);
	}
}
END_TEST

START_TEST(json_that_says_nothing)
{
	static const char *texts[] = {
		"{\"$base64\": 5}",
		"{\"$base64\": \"A\"}",
		"{\"$base64\": \"AAA\"}",
		"{\"$base64\": \"A===\"}",
		"{\"$base64\": \"AA=A\"}",
		"{\"$base64\": \"A A=\"}",
		"{\"$base64\": \"A\\u0000A=\"}",
		"{\"$ext\": 128, \"$base64\": \"\"}",
		"{\"$ext\": \"5\", \"$base64\": \"\"}",
		"{\"$uint\": 5}",
		"{\"$uint\": \"-5\"}",
		"{\"$uint\": \"5x\"}",
		"{\"$uint\": \"\"}",
		"{\"$uint\": \"18446744073709551616\"}",
		"{\"$float\": \"1.5\"}",
		"{\"$float\": 1.5}",
		"{\"$map\": {}}",
		"{\"$map\": [1]}",
		"{\"$map\": [[1]]}",
		"{\"$map\": [[1, 2, 3]]}",
		"[{\"a\": {\"$uint\": 1}}]",
		"{\"$map\": [[1, {\"$uint\": 1}]]}",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct poold_writer *writer = poold_writer_new();

		ck_assert_msg(value_of(texts[i], writer) == -EINVAL, "%s was taken", texts[i]);
		poold_writer_free(writer);
	}
}
END_TEST

/* Without marks no object is one, and what JSON has no place for is refused. */
START_TEST(without_marks)
{
	static const struct {
		const char *data;
		size_t len;
		const char *text; /* NULL: it cannot be expressed */
	} cases[] = {
		{BYTES("\x81\xa5$text\xa1x"), "{\"$text\":\"x\"}"},
		{BYTES("\x81\xa4$map\x90"), "{\"$map\":[]}"},
		{BYTES("\x82\xa4$ext\x01\xa7$base64\xa0"), "{\"$ext\":1,\"$base64\":\"\"}"},
		{BYTES("\x93\xc0\xc3\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"), "[null,true,1.5]"},
		{BYTES("\xc4\x02\x00\x01"), "\"AAE=\""},
		{BYTES("\x91\xa1\xff"), NULL},
		{BYTES("\x91\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), NULL},
		{BYTES("\x91\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"), NULL},
		{BYTES("\x91\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), NULL},
		{BYTES("\xc7\x01\x05\x01"), NULL},
		{BYTES("\x81\x01\x02"), NULL},
		{BYTES("\x82\xa1z\x01\xa1z\x02"), NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct poold_bytes value = {cases[i].data, cases[i].len};
		struct poold_writer *writer = poold_writer_new();
		json_t *json = NULL;
		int r = json_from_value(value, JSON_PLAIN, &json);
		char *text;

		ck_assert_int_eq(r, cases[i].text ? 0 : -EINVAL);
		if (r == 0) {
			text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
			ck_assert_str_eq(text, cases[i].text);
			free(text);
			ck_assert_int_eq(json_to_value(json, JSON_PLAIN, writer), 0);
			if (cases[i].data[0] != (char)0xc4) {
				ck_assert_uint_eq(poold_writer_bytes(writer).len, value.len);
				ck_assert_mem_eq(poold_writer_bytes(writer).data, value.data,
						 value.len);
			}
			json_decref(json);
		}
		poold_writer_free(writer);
	}
}
END_TEST

START_TEST(bytes_that_are_not_one_value)
{
	static const struct {
		const char *data;
		size_t len;
	} cases[] = {
		{BYTES("")},
		{BYTES("\xc1")},
		{BYTES("\x01\x02")},
		{BYTES("\x92\x01")},
		{BYTES("\xdd\xff\xff\xff\xff")},
		{BYTES("\xdf\xff\xff\xff\xff")},
		{BYTES("\xc6\xff\xff\xff\xff")},
		{BYTES("\x81\x01")},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *json;
		struct poold_bytes value = {cases[i].data, cases[i].len};

		ck_assert_int_eq(json_from_value(value, JSON_MARKED, &json), -EPROTO);
	}
}
END_TEST

START_TEST(nesting_has_a_limit)
{
	uint8_t nested[1000];
	struct poold_writer *writer = poold_writer_new();
	json_t *json, *deep = json_null();

	memset(nested, 0x91, sizeof(nested));
	nested[sizeof(nested) - 1] = 0xc0;
	ck_assert_int_eq(
		json_from_value((struct poold_bytes){nested, sizeof(nested)}, JSON_MARKED, &json),
		-ELOOP);
	ck_assert_int_eq(
		json_from_value((struct poold_bytes){nested + 499, 501}, JSON_MARKED, &json), 0);
	ck_assert_int_eq(json_to_value(json, JSON_MARKED, writer), 0);
	json_decref(json);
	for (int i = 0; i < 501; i++) {
		json_t *outer = json_array();

		json_array_append_new(outer, deep);
		deep = outer;
	}
	ck_assert_int_eq(json_to_value(deep, JSON_MARKED, writer), -ELOOP);
	json_decref(deep);
	poold_writer_free(writer);
}
END_TEST

/* Any value keeps its JSON when it goes there, back and there again. */
START_TEST(any_value_comes_back)
{
	struct prop_rounds rounds = prop_rounds(2000);
	struct prop prop;

	while (prop_round(&rounds, &prop)) {
		struct poold_writer *writer = poold_writer_new();
		msgpack_sbuffer buffer;
		msgpack_packer pk;

		msgpack_sbuffer_init(&buffer);
		msgpack_packer_init(&pk, &buffer, msgpack_sbuffer_write);
		values_pack(&prop, &pk, 5);

		char *text = text_of(buffer.data, buffer.size);

		prop_check(&prop, value_of(text, writer) == 0, "%.200s", text);

		struct poold_bytes value = poold_writer_bytes(writer);
		char *again = text_of(value.data, value.len);

		prop_check(&prop, strcmp(text, again) == 0, "%.100s became %.100s", text, again);
		free(text);
		free(again);
		msgpack_sbuffer_destroy(&buffer);
		poold_writer_free(writer);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_kind_of_value,  json_that_says_nothing, bytes_that_are_not_one_value,
		nesting_has_a_limit, any_value_comes_back,   without_marks,
	};

	return unit_main("poolctl_json", tests, sizeof(tests) / sizeof(tests[0]));
}
