#include "protocol/read.h"

#include <check.h>
#include <errno.h>
#include <float.h>
#include <string.h>

#include <msgpack.h>

#include "tests/lib/input.h"
#include "tests/lib/naive.h"
#include "tests/lib/prop.h"
#include "tests/lib/unit.h"
#include "tests/lib/values.h"

static struct reader reader_of(const struct input *input)
{
	struct reader reader;

	reader_init(&reader, input->data, input->len);
	return reader;
}

/* One reader of each kind, its result thrown away. */
static int read_as(struct reader *reader, enum value_type type)
{
	bool boolean;
	int64_t integer;
	double number;
	struct bytes bytes;
	uint32_t count;

	switch (type) {
	case VALUE_NIL:
		return read_nil(reader);
	case VALUE_BOOL:
		return read_bool(reader, &boolean);
	case VALUE_INT:
		return read_int(reader, &integer);
	case VALUE_FLOAT:
		return read_double(reader, &number);
	case VALUE_STR:
		return read_str(reader, &bytes);
	case VALUE_BIN:
		return read_bin(reader, &bytes);
	case VALUE_ARRAY:
		return read_array(reader, &count);
	case VALUE_MAP:
		return read_map(reader, &count);
	default:
		return read_value(reader, &bytes);
	}
}

static const struct {
	struct input input;
	enum value_type type;
} typed[] = {
	{INPUT(0xc0), VALUE_NIL},
	{INPUT(0xc2), VALUE_BOOL},
	{INPUT(0xc3), VALUE_BOOL},
	{INPUT(0x00), VALUE_INT},
	{INPUT(0x7f), VALUE_INT},
	{INPUT(0xe0), VALUE_INT},
	{INPUT(0xff), VALUE_INT},
	{INPUT(0xcc, 1), VALUE_INT},
	{INPUT(0xcd, 1, 2), VALUE_INT},
	{INPUT(0xce, 1, 2, 3, 4), VALUE_INT},
	{INPUT(0xcf, 1, 2, 3, 4, 5, 6, 7, 8), VALUE_INT},
	{INPUT(0xd0, 1), VALUE_INT},
	{INPUT(0xd1, 1, 2), VALUE_INT},
	{INPUT(0xd2, 1, 2, 3, 4), VALUE_INT},
	{INPUT(0xd3, 1, 2, 3, 4, 5, 6, 7, 8), VALUE_INT},
	{INPUT(0xca, 1, 2, 3, 4), VALUE_FLOAT},
	{INPUT(0xcb, 1, 2, 3, 4, 5, 6, 7, 8), VALUE_FLOAT},
	{INPUT(0xa2, 'a', 'b'), VALUE_STR},
	{INPUT(0xa5, 'a', 'b', 'c', 'd', 'e'), VALUE_STR},
	{INPUT(0xd9, 1, 'a'), VALUE_STR},
	{INPUT(0xda, 0, 1, 'a'), VALUE_STR},
	{INPUT(0xdb, 0, 0, 0, 1, 'a'), VALUE_STR},
	{INPUT(0xc4, 1, 'a'), VALUE_BIN},
	{INPUT(0xc5, 0, 1, 'a'), VALUE_BIN},
	{INPUT(0xc6, 0, 0, 0, 1, 'a'), VALUE_BIN},
	{INPUT(0x92), VALUE_ARRAY},
	{INPUT(0xdc, 1, 2), VALUE_ARRAY},
	{INPUT(0xdd, 1, 2, 3, 4), VALUE_ARRAY},
	{INPUT(0x82), VALUE_MAP},
	{INPUT(0xde, 1, 2), VALUE_MAP},
	{INPUT(0xdf, 1, 2, 3, 4), VALUE_MAP},
	{INPUT(0xc7, 1, 5, 'a'), VALUE_EXT},
	{INPUT(0xc8, 0, 1, 5, 'a'), VALUE_EXT},
	{INPUT(0xc9, 0, 0, 0, 1, 5, 'a'), VALUE_EXT},
	{INPUT(0xd4, 5, 1), VALUE_EXT},
	{INPUT(0xd5, 5, 1, 2), VALUE_EXT},
	{INPUT(0xd6, 5, 1, 2, 3, 4), VALUE_EXT},
	{INPUT(0xd7, 5, 1, 2, 3, 4, 5, 6, 7, 8), VALUE_EXT},
	{INPUT(0xd8, 5, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8), VALUE_EXT},
};

/* A form is read by the reader of its type, whole, and by no other; cut short, by none. */
static void check_form(const struct input *input, enum value_type type)
{
	struct reader reader = reader_of(input);

	ck_assert_int_eq(read_peek(&reader), type);
	for (enum value_type other = VALUE_NIL; other <= VALUE_MAP; other++) {
		bool fits = other == type || (other == VALUE_FLOAT && type == VALUE_INT) ||
			    (other == VALUE_BIN && type == VALUE_STR);

		reader = reader_of(input);
		ck_assert_int_eq(read_as(&reader, other), fits ? 0 : -EPROTO);
		ck_assert_ptr_eq(reader.at, input->data + (fits ? input->len : 0));
	}
	for (size_t len = 0; len < input->len; len++) {
		uint8_t *cut = input_exact(input->data, len);

		reader_init(&reader, cut, len);
		ck_assert_int_eq(read_as(&reader, type), -EPROTO);
		ck_assert_ptr_eq(reader.at, cut);
		free(cut);
	}
}

START_TEST(every_form)
{
	for (size_t i = 0; i < ARRAY_SIZE(typed); i++)
		check_form(&typed[i].input, typed[i].type);
}
END_TEST

START_TEST(no_value)
{
	static const struct input never = INPUT(0xc1);
	struct reader reader = reader_of(&never);
	struct bytes value;

	ck_assert_int_eq(read_peek(&reader), VALUE_NONE);
	ck_assert_int_eq(read_value(&reader, &value), -EPROTO);
	reader_init(&reader, never.data, 0);
	ck_assert_int_eq(read_peek(&reader), VALUE_NONE);
	ck_assert(reader_at_end(&reader));
	for (enum value_type type = VALUE_NIL; type <= VALUE_NONE; type++)
		ck_assert_int_eq(read_as(&reader, type), -EPROTO);
	reader_init(&reader, NULL, 0);
	ck_assert_int_eq(read_value(&reader, &value), -EPROTO);
}
END_TEST

static const struct integer_case {
	struct input input;
	bool is_uint, is_int;
	uint64_t as_uint;
	int64_t as_int;
	double as_double;
} integers[] = {
	{INPUT(0x7f), true, true, 127, 127, 127},
	{INPUT(0xff), false, true, 0, -1, -1},
	{INPUT(0xe0), false, true, 0, -32, -32},
	{INPUT(0xcc, 0xff), true, true, 255, 255, 255},
	{INPUT(0xcd, 0xff, 0xfe), true, true, 65534, 65534, 65534},
	{INPUT(0xce, 0xff, 0xff, 0xff, 0xff), true, true, UINT32_MAX, UINT32_MAX, UINT32_MAX},
	{INPUT(0xcf, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), true, true, INT64_MAX,
	 INT64_MAX, 0x1p63},
	{INPUT(0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0), true, false, (uint64_t)1 << 63, 0, 0x1p63},
	{INPUT(0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), true, false, UINT64_MAX, 0,
	 0x1p64},
	{INPUT(0xd0, 0x05), true, true, 5, 5, 5},
	{INPUT(0xd0, 0x80), false, true, 0, INT8_MIN, INT8_MIN},
	{INPUT(0xd1, 0x80, 0x00), false, true, 0, INT16_MIN, INT16_MIN},
	{INPUT(0xd2, 0x80, 0, 0, 0), false, true, 0, INT32_MIN, INT32_MIN},
	{INPUT(0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0), false, true, 0, INT64_MIN, -0x1p63},
	{INPUT(0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe), false, true, 0, -2, -2},
	{INPUT(0xd3, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), true, true, INT64_MAX,
	 INT64_MAX, 0x1p63},
};

/* However much stands behind it: with enough of that, its bytes are read as part of a wider number. */
static void check_followed(const struct integer_case *expected)
{
	const struct input *input = &expected->input;
	uint8_t bytes[32];

	memset(bytes, 0xa5, sizeof(bytes));
	memcpy(bytes, input->data, input->len);
	for (size_t len = input->len; len <= input->len + sizeof(uint64_t) + 1; len++) {
		struct reader reader;
		uint64_t number = 77;

		reader_init(&reader, bytes, len);
		ck_assert_int_eq(read_uint(&reader, &number), expected->is_uint ? 0 : -ERANGE);
		ck_assert_uint_eq(number, expected->is_uint ? expected->as_uint : 77);
		ck_assert_ptr_eq(reader.at, bytes + (expected->is_uint ? input->len : 0));
	}
}

static void check_integer(const struct integer_case *expected)
{
	const struct input *input = &expected->input;
	struct reader reader = reader_of(input);
	uint64_t as_uint = 77;
	int64_t as_int = 77;
	double as_double;

	ck_assert_int_eq(read_uint(&reader, &as_uint), expected->is_uint ? 0 : -ERANGE);
	ck_assert_uint_eq(as_uint, expected->is_uint ? expected->as_uint : 77);
	ck_assert_ptr_eq(reader.at, input->data + (expected->is_uint ? input->len : 0));

	reader = reader_of(input);
	ck_assert_int_eq(read_int(&reader, &as_int), expected->is_int ? 0 : -ERANGE);
	ck_assert_int_eq(as_int, expected->is_int ? expected->as_int : 77);
	ck_assert_ptr_eq(reader.at, input->data + (expected->is_int ? input->len : 0));

	reader = reader_of(input);
	ck_assert_int_eq(read_double(&reader, &as_double), 0);
	ck_assert_double_eq(as_double, expected->as_double);
}

START_TEST(integers_of_every_width)
{
	for (size_t i = 0; i < ARRAY_SIZE(integers); i++) {
		check_integer(&integers[i]);
		check_followed(&integers[i]);
	}
}
END_TEST

START_TEST(floats)
{
	static const struct input single = INPUT(0xca, 0xbf, 0xc0, 0, 0);
	static const struct input wide =
		INPUT(0xcb, 0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18);
	struct reader reader = reader_of(&single);
	double number;

	ck_assert_int_eq(read_double(&reader, &number), 0);
	ck_assert_double_eq(number, -1.5);
	reader = reader_of(&wide);
	ck_assert_int_eq(read_double(&reader, &number), 0);
	ck_assert_double_eq(number, 3.141592653589793);
	ck_assert(reader_at_end(&reader));
}
END_TEST

START_TEST(one_value_after_the_other)
{
	static const struct input input =
		INPUT(0x82, 0xa1, 'a', 0x92, 0xc0, 0xc3, 0xc4, 2, 0, 1, 0xdc, 0, 1, 0x05);
	struct reader reader = reader_of(&input);
	struct bytes bytes;
	uint32_t count;
	uint64_t number;

	ck_assert_int_eq(read_map(&reader, &count), 0);
	ck_assert_uint_eq(count, 2);
	ck_assert_int_eq(read_str(&reader, &bytes), 0);
	ck_assert(bytes_equal(bytes, "a"));
	ck_assert_int_eq(read_value(&reader, &bytes), 0);
	ck_assert_ptr_eq(bytes.data, input.data + 3);
	ck_assert_uint_eq(bytes.len, 3);
	ck_assert_int_eq(read_str(&reader, &bytes), -EPROTO);
	ck_assert_int_eq(read_bin(&reader, &bytes), 0);
	ck_assert_ptr_eq(bytes.data, input.data + 8);
	ck_assert_uint_eq(bytes.len, 2);
	ck_assert_int_eq(read_array(&reader, &count), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(read_uint(&reader, &number), 0);
	ck_assert_uint_eq(number, 5);
	ck_assert(reader_at_end(&reader));
}
END_TEST

START_TEST(text_compared)
{
	static const uint8_t text[] = "abc";

	ck_assert(bytes_equal((struct bytes){text, 3}, "abc"));
	ck_assert(!bytes_equal((struct bytes){text, 2}, "abc"));
	ck_assert(!bytes_equal((struct bytes){text, 3}, "ab"));
	ck_assert(!bytes_equal((struct bytes){text, 3}, "abd"));
	ck_assert(!bytes_equal((struct bytes){text, 4}, "abc"));
	ck_assert(bytes_equal((struct bytes){NULL, 0}, ""));
	ck_assert(!bytes_equal((struct bytes){NULL, 0}, "a"));
}
END_TEST

/* A reader that took something moved to where the value ends, else it stands where it was. */
static void check_reader(struct prop *prop, const uint8_t *data, size_t len, enum value_type type)
{
	struct naive naive = naive_value(data, len);
	struct reader reader;

	reader_init(&reader, data, len);

	int r = read_as(&reader, type);
	bool nested = type == VALUE_ARRAY || type == VALUE_MAP;

	if (r < 0) {
		prop_check(prop, reader.at == data, "type %d moved by %td", type, reader.at - data);
		return;
	}
	prop_check(prop, reader.at > data && reader.at <= reader.end, "type %d", type);
	if (!nested)
		prop_check(prop, !naive.bad && !naive.cut && reader.at == data + naive.at,
			   "type %d read %td bytes, not %zu", type, reader.at - data, naive.at);
}

START_TEST(random_bytes)
{
	struct prop_rounds rounds = prop_rounds(5000);
	struct prop prop;

	while (prop_round(&rounds, &prop)) {
		msgpack_sbuffer message;
		msgpack_packer pk;

		msgpack_sbuffer_init(&message);
		msgpack_packer_init(&pk, &message, msgpack_sbuffer_write);
		values_pack(&prop, &pk, 2);
		if (prop_chance(&prop, 50))
			message.data[prop_below(&prop, message.size)] = (char)prop_next(&prop);

		size_t len = (size_t)prop_between(&prop, 0, message.size);
		uint8_t *exact = input_exact((uint8_t *)message.data, len);

		for (enum value_type type = VALUE_NIL; type <= VALUE_NONE; type++)
			check_reader(&prop, exact, len, type);
		free(exact);
		msgpack_sbuffer_destroy(&message);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_form,
		no_value,
		integers_of_every_width,
		floats,
		one_value_after_the_other,
		text_compared,
		random_bytes,
	};

	return unit_main("read", tests, ARRAY_SIZE(tests));
}
