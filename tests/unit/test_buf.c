#include "protocol/buf.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#include "tests/lib/input.h"
#include "tests/lib/prop.h"
#include "tests/lib/unit.h"

/* The address sanitizer ends the program when memory is refused, unless it is told not to. */
const char *__asan_default_options(void);

__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void check_bytes(struct buf *buf, const struct input *expected)
{
	ck_assert_int_eq(buf_error(buf), 0);
	ck_assert_uint_eq(buf->len, expected->len);
	ck_assert_mem_eq(buf->data, expected->data, expected->len);
	buf_reset(buf);
}

START_TEST(nothing_reserved_before_it_is_needed)
{
	struct buf buf;

	buf_init(&buf, 100);
	ck_assert_ptr_null(buf.data);
	ck_assert_uint_eq(buf.capacity, 0);
	buf_put(&buf, "", 0);
	buf_put(&buf, NULL, 0);
	ck_assert_ptr_null(buf.data);
	ck_assert_int_eq(buf_error(&buf), 0);
	buf_free(&buf);
	buf_free(&buf);
}
END_TEST

START_TEST(memory_doubles)
{
	struct buf buf;
	size_t growths = 0, capacity = 0;

	buf_init(&buf, 1 << 20);
	for (size_t i = 0; i < 1 << 20; i++) {
		buf_put(&buf, "x", 1);
		growths += buf.capacity != capacity;
		capacity = buf.capacity;
	}
	ck_assert_int_eq(buf_error(&buf), 0);
	ck_assert_uint_eq(buf.len, 1 << 20);
	ck_assert_uint_eq(buf.capacity, 1 << 20);
	ck_assert_uint_le(growths, 13);
	buf_free(&buf);
	ck_assert_uint_eq(buf.max, 1 << 20);
	ck_assert_ptr_null(buf.data);
}
END_TEST

START_TEST(hard_maximum)
{
	struct buf buf;

	buf_init(&buf, 5);
	buf_put(&buf, "abcde", 5);
	ck_assert_int_eq(buf_error(&buf), 0);
	ck_assert_uint_eq(buf.capacity, 5);
	buf_put(&buf, "", 0);
	ck_assert_int_eq(buf_error(&buf), 0);
	buf_put(&buf, "f", 1);
	ck_assert_int_eq(buf_error(&buf), -ENOBUFS);
	ck_assert_uint_eq(buf.len, 5);
	buf_reset(&buf);
	ck_assert_int_eq(buf_error(&buf), 0);
	ck_assert_uint_eq(buf.len, 0);
	buf_put(&buf, "123456", 6);
	ck_assert_int_eq(buf_error(&buf), -ENOBUFS);
	ck_assert_uint_eq(buf.len, 0);
	buf_free(&buf);

	buf_init(&buf, 0);
	pack_nil(&buf);
	ck_assert_int_eq(buf_error(&buf), -ENOBUFS);
	ck_assert_ptr_null(buf.data);
	buf_free(&buf);
}
END_TEST

/* After a failure nothing is written, be it ever so short: what is there is a clean beginning. */
START_TEST(failure_lasts)
{
	struct buf buf;

	buf_init(&buf, 4);
	buf_put(&buf, "ab", 2);
	buf_put(&buf, "cde", 3);
	buf_put(&buf, "f", 1);
	pack_nil(&buf);
	buf_printf(&buf, "g");
	pack_text(&buf, (struct bytes){(const uint8_t *)"h", 1});
	ck_assert_int_eq(buf_error(&buf), -ENOBUFS);
	ck_assert_uint_eq(buf.len, 2);
	buf_free(&buf);
	ck_assert_int_eq(buf_error(&buf), 0);
}
END_TEST

START_TEST(memory_refused)
{
	struct buf buf;
	size_t too_much = SIZE_MAX / 8;

	buf_init(&buf, SIZE_MAX);
	buf_put(&buf, "ab", 2);
	buf_put(&buf, "unread", too_much);
	ck_assert_int_eq(buf_error(&buf), -ENOMEM);
	ck_assert_uint_eq(buf.len, 2);
	ck_assert_mem_eq(buf.data, "ab", 2);
	buf_put(&buf, "c", 1);
	ck_assert_int_eq(buf_error(&buf), -ENOMEM);
	buf_reset(&buf);
	buf_put(&buf, "unread", SIZE_MAX);
	ck_assert_int_eq(buf_error(&buf), -ENOBUFS);
	buf_free(&buf);
}
END_TEST

START_TEST(formatted)
{
	struct buf buf;

	buf_init(&buf, 10);
	buf_printf(&buf, "%s", "");
	ck_assert_uint_eq(buf.len, 0);
	buf_printf(&buf, "%d+%s", 12, "ab");
	buf_printf(&buf, "%05d", 7);
	ck_assert_int_eq(buf_error(&buf), 0);
	ck_assert_uint_eq(buf.len, 10);
	ck_assert_mem_eq(buf.data, "12+ab00007", 10);
	buf_printf(&buf, "x");
	ck_assert_int_eq(buf_error(&buf), -ENOBUFS);
	ck_assert_uint_eq(buf.len, 10);
	buf_free(&buf);
}
END_TEST

/* Wherever the end of the memory falls. */
START_TEST(formatted_at_the_end_of_the_memory)
{
	for (size_t before = 230; before < 270; before++) {
		struct buf buf;

		buf_init(&buf, SIZE_MAX);
		for (size_t i = 0; i < before; i++)
			buf_put(&buf, "-", 1);
		buf_printf(&buf, "%s", "0123456789");
		buf_printf(&buf, "%d", 1);
		ck_assert_int_eq(buf_error(&buf), 0);
		ck_assert_uint_eq(buf.len, before + 11);
		ck_assert_mem_eq(buf.data + before, "01234567891", 11);
		buf_free(&buf);
	}
}
END_TEST

START_TEST(packed_integers)
{
	static const struct {
		int64_t value;
		struct input bytes;
	} cases[] = {
		{0, INPUT(0x00)},
		{127, INPUT(0x7f)},
		{128, INPUT(0xcc, 0x80)},
		{256, INPUT(0xcd, 1, 0)},
		{65536, INPUT(0xce, 0, 1, 0, 0)},
		{(int64_t)1 << 32, INPUT(0xcf, 0, 0, 0, 1, 0, 0, 0, 0)},
		{INT64_MAX, INPUT(0xcf, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)},
		{-1, INPUT(0xff)},
		{-32, INPUT(0xe0)},
		{-33, INPUT(0xd0, 0xdf)},
		{-129, INPUT(0xd1, 0xff, 0x7f)},
		{-32769, INPUT(0xd2, 0xff, 0xff, 0x7f, 0xff)},
		{INT64_MIN, INPUT(0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0)},
	};
	static const struct input largest =
		INPUT(0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
	struct buf buf;

	buf_init(&buf, 100);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		pack_int(&buf, cases[i].value);
		check_bytes(&buf, &cases[i].bytes);
		if (cases[i].value < 0)
			continue;
		pack_uint(&buf, (uint64_t)cases[i].value);
		check_bytes(&buf, &cases[i].bytes);
	}
	pack_uint(&buf, UINT64_MAX);
	check_bytes(&buf, &largest);
	buf_free(&buf);
}
END_TEST

START_TEST(packed_values)
{
	static const struct input all = INPUT(0xc0, 0xc2, 0xc3, 0xcb, 0xbf, 0xf8, 0, 0, 0, 0, 0, 0,
					      0xa2, 'h', 'i', 0xa0, 0xc4, 2, 0, 1, 0x93, 0x82);
	static const struct input wide =
		INPUT(0xdc, 0, 16, 0xde, 0, 16, 0xdd, 0, 1, 0, 0, 0xdf, 0, 1, 0, 0, 0x91, 0x01);
	struct buf buf;

	buf_init(&buf, 100);
	pack_nil(&buf);
	pack_bool(&buf, false);
	pack_bool(&buf, true);
	pack_double(&buf, -1.5);
	pack_str(&buf, "hi");
	pack_str_len(&buf, "not this", 0);
	pack_bin(&buf, "\x00\x01", 2);
	pack_array(&buf, 3);
	pack_map(&buf, 2);
	check_bytes(&buf, &all);

	pack_array(&buf, 16);
	pack_map(&buf, 16);
	pack_array(&buf, 65536);
	pack_map(&buf, 65536);
	pack_raw(&buf, (struct bytes){(const uint8_t *)"\x91\x01", 2});
	pack_raw(&buf, (struct bytes){NULL, 0});
	check_bytes(&buf, &wide);
	buf_free(&buf);
}
END_TEST

START_TEST(lengths_of_text)
{
	static const struct {
		size_t len;
		size_t head;
		uint8_t marker;
	} cases[] = {
		{31, 1, 0xbf},	{32, 2, 0xd9},	  {255, 2, 0xd9},
		{256, 3, 0xda}, {65535, 3, 0xda}, {65536, 5, 0xdb},
	};
	static char text[65536];
	struct buf buf;

	memset(text, 'x', sizeof(text));
	buf_init(&buf, 1 << 20);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		pack_str_len(&buf, text, cases[i].len);
		ck_assert_uint_eq(buf.len, cases[i].head + cases[i].len);
		ck_assert_uint_eq(buf.data[0], cases[i].marker);
		buf_reset(&buf);
	}
	buf_free(&buf);
}
END_TEST

#if SIZE_MAX > UINT32_MAX
START_TEST(longer_than_a_length_field)
{
	size_t len = (size_t)UINT32_MAX + 1;
	struct buf buf;

	buf_init(&buf, SIZE_MAX);
	pack_str_len(&buf, "unread", len);
	ck_assert_int_eq(buf_error(&buf), -ENOBUFS);
	ck_assert_uint_eq(buf.len, 0);
	buf_reset(&buf);
	pack_bin(&buf, "unread", len);
	ck_assert_int_eq(buf_error(&buf), -ENOBUFS);
	buf_reset(&buf);
	pack_text(&buf, (struct bytes){(const uint8_t *)"unread", len});
	ck_assert_int_eq(buf_error(&buf), -ENOBUFS);
	ck_assert_uint_eq(buf.len, 0);
	buf_free(&buf);
}
END_TEST
#endif

START_TEST(text_is_made_valid)
{
	static const struct {
		const char *from;
		const char *to;
	} cases[] = {
		{"", ""},
		{"plain", "plain"},
		{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
		{"\xff", "?"},
		{"a\xc3", "a?"},
		{"\xc3(", "?("},
		{"\x80\x80z", "??z"},
		{"\xe2\x82\xac \xe2\x82", "\xe2\x82\xac ??"},
		{"\xed\xa0\x80", "???"},
	};
	struct buf buf;

	buf_init(&buf, 100);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t len = strlen(cases[i].from);

		pack_text(&buf, (struct bytes){(const uint8_t *)cases[i].from, len});
		ck_assert_uint_eq(buf.len, 1 + len);
		ck_assert_uint_eq(buf.data[0], 0xa0 + len);
		ck_assert_mem_eq(buf.data + 1, cases[i].to, len);
		buf_reset(&buf);
	}
	buf_free(&buf);
}
END_TEST

/* Random writes against a plain array: the same bytes while they fit, and never one more. */
START_TEST(random_writes)
{
	struct prop_rounds rounds = prop_rounds(2000);
	struct prop prop;

	while (prop_round(&rounds, &prop)) {
		uint8_t model[2048], piece[300];
		size_t model_len = 0;
		size_t max = (size_t)prop_below(&prop, sizeof(model) + 1);
		bool failed = false;
		struct buf buf;

		buf_init(&buf, max);
		for (unsigned i = 0; i < 20; i++) {
			size_t len = (size_t)prop_below(&prop, sizeof(piece));

			memset(piece, (int)prop_below(&prop, 256), len);
			buf_put(&buf, piece, len);
			failed = failed || len > max - model_len;
			if (failed)
				continue;
			memcpy(model + model_len, piece, len);
			model_len += len;
		}
		prop_check(&prop, buf.len == model_len && buf.capacity <= max, "%zu bytes, not %zu",
			   buf.len, model_len);
		prop_check(&prop, model_len == 0 || memcmp(buf.data, model, model_len) == 0,
			   "other bytes");
		prop_check(&prop, buf_error(&buf) == (failed ? -ENOBUFS : 0), "%d",
			   buf_error(&buf));
		buf_free(&buf);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		nothing_reserved_before_it_is_needed,
		memory_doubles,
		hard_maximum,
		failure_lasts,
		memory_refused,
		formatted,
		formatted_at_the_end_of_the_memory,
		packed_integers,
		packed_values,
		lengths_of_text,
#if SIZE_MAX > UINT32_MAX
		longer_than_a_length_field,
#endif
		text_is_made_valid,
		random_writes,
	};

	return unit_main("buf", tests, ARRAY_SIZE(tests));
}
