#include "daemon/io/base/framing.h"

#include "protocol/read.h"
#include "tests/lib/input.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT 16

struct frame_case {
	enum framing_kind kind;
	const char *data;
	size_t len;
	enum skip_result result;
	const char *message; /* of the first frame */
};

#define BYTES(text) text, sizeof(text) - 1

static const struct frame_case cases[] = {
	{FRAMING_MSGPACK, BYTES("\x92\x01\xa1x\x05"), SKIP_DONE, "\x92\x01\xa1x"},
	{FRAMING_MSGPACK, BYTES("\x92\x01"), SKIP_MORE, NULL},
	{FRAMING_MSGPACK, BYTES("\xc1"), SKIP_BAD, NULL},
	{FRAMING_MSGPACK, BYTES("\xb1"), SKIP_TOO_LARGE, NULL},
	{FRAMING_PACKET4, BYTES("\0\0\0\x02{}more"), SKIP_DONE, "{}"},
	{FRAMING_PACKET4, BYTES("\0\0\0\0x"), SKIP_DONE, ""},
	{FRAMING_PACKET4,
	 BYTES("\0\0\0\x10"
	       "0123456789abcdef"),
	 SKIP_DONE, "0123456789abcdef"},
	{FRAMING_PACKET4, BYTES(""), SKIP_MORE, NULL},
	{FRAMING_PACKET4, BYTES("\0\0\0"), SKIP_MORE, NULL},
	{FRAMING_PACKET4, BYTES("\0\0\0\x02{"), SKIP_MORE, NULL},
	{FRAMING_PACKET4, BYTES("\0\0\0\x11"), SKIP_TOO_LARGE, NULL},
	{FRAMING_PACKET4, BYTES("\xff\xff\xff\xff"), SKIP_TOO_LARGE, NULL},
	{FRAMING_LINE, BYTES("{}\nmore\n"), SKIP_DONE, "{}"},
	{FRAMING_LINE, BYTES("\n"), SKIP_DONE, ""},
	{FRAMING_LINE, BYTES("0123456789abcdef\n"), SKIP_DONE, "0123456789abcdef"},
	{FRAMING_LINE, BYTES("0123456789abcdefg\n"), SKIP_TOO_LARGE, NULL},
	{FRAMING_LINE, BYTES("0123456789abcdefg"), SKIP_TOO_LARGE, NULL},
	{FRAMING_LINE, BYTES("0123456789abcdef"), SKIP_MORE, NULL},
	{FRAMING_LINE, BYTES(""), SKIP_MORE, NULL},
	{FRAMING_HTTP, BYTES("GET\r\na\r\n\r\nmore"), SKIP_DONE, "GET\r\na\r\n\r\n"},
	{FRAMING_HTTP, BYTES("GET\n\nmore"), SKIP_DONE, "GET\n\n"},
	{FRAMING_HTTP, BYTES("\r\n\nGET\n\r\n"), SKIP_DONE, "\r\n\nGET\n\r\n"},
	{FRAMING_HTTP, BYTES("GET / HTTP/1.0\n\n"), SKIP_DONE, "GET / HTTP/1.0\n\n"},
	{FRAMING_HTTP, BYTES("GET / HTTP/1.0\r\n\n"), SKIP_TOO_LARGE, NULL},
	{FRAMING_HTTP, BYTES("\n\n\n\n"), SKIP_MORE, NULL},
	{FRAMING_HTTP, BYTES("\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"), SKIP_TOO_LARGE, NULL},
	{FRAMING_HTTP, BYTES("GET\r\n\r"), SKIP_MORE, NULL},
	{FRAMING_HTTP, BYTES(""), SKIP_MORE, NULL},
};

/* Feeds the bytes in pieces of that size.  *ret_taken: what belongs to the frame. */
static enum skip_result feed(struct framing *framing, const struct frame_case *given, size_t piece,
			     size_t *ret_taken)
{
	enum skip_result result = SKIP_MORE;

	*ret_taken = 0;
	for (size_t at = 0; at < given->len && result == SKIP_MORE; at += piece) {
		size_t len = given->len - at < piece ? given->len - at : piece;
		/* On the heap, so that a sanitizer sees whoever reads beyond. */
		uint8_t *copy = input_exact((const uint8_t *)given->data + at, len);
		size_t taken = 99;

		result = framing_feed(framing, copy, len, &taken);
		ck_assert_uint_le(taken, len);
		ck_assert(result != SKIP_MORE || taken == len);
		*ret_taken += taken;
		free(copy);
	}
	return result;
}

static void check_in_pieces(const struct frame_case *given)
{
	for (size_t piece = 1; piece <= given->len + 1; piece++) {
		struct framing framing;
		struct bytes message;
		size_t taken;

		framing_init(&framing, given->kind, LIMIT);
		ck_assert_int_eq(feed(&framing, given, piece, &taken), given->result);
		if (given->result == SKIP_MORE)
			ck_assert_uint_gt(framing_need(&framing), 0);
		if (given->result != SKIP_DONE)
			continue;
		message = framing_message(&framing,
					  (struct bytes){(const uint8_t *)given->data, taken});
		ck_assert_uint_eq(message.len, strlen(given->message));
		ck_assert_mem_eq(message.data, given->message, message.len);
	}
}

START_TEST(frames_end_where_they_end_however_they_are_split)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_in_pieces(&cases[i]);
}
END_TEST

START_TEST(one_frame_follows_the_other)
{
	static const struct frame_case streams[] = {
		{FRAMING_PACKET4, BYTES("\0\0\0\x01x\0\0\0\0\0\0\0\x02yz"), SKIP_DONE, NULL},
		{FRAMING_LINE, BYTES("x\n\nyz\n"), SKIP_DONE, NULL},
	};
	static const char *const messages[] = {"x", "", "yz"};

	for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
		const uint8_t *data = (const uint8_t *)streams[i].data;
		struct framing framing;
		size_t at = 0, taken;

		framing_init(&framing, streams[i].kind, LIMIT);
		for (size_t n = 0; n < ARRAY_SIZE(messages); n++) {
			struct bytes message;

			ck_assert_int_eq(
				framing_feed(&framing, data + at, streams[i].len - at, &taken),
				SKIP_DONE);
			message = framing_message(&framing, (struct bytes){data + at, taken});
			ck_assert(bytes_equal(message, messages[n]));
			framing_restart(&framing);
			at += taken;
		}
		ck_assert_uint_eq(at, streams[i].len);
	}
}
END_TEST

/* What is known of the rest, so that room for it can be made in time. */
START_TEST(the_need_is_known)
{
	struct framing framing;
	size_t taken;

	framing_init(&framing, FRAMING_PACKET4, LIMIT);
	ck_assert_uint_eq(framing_need(&framing), 4);
	framing_feed(&framing, (const uint8_t *)"\0\0\0", 3, &taken);
	ck_assert_uint_eq(framing_need(&framing), 1);
	framing_feed(&framing, (const uint8_t *)"\x09x", 2, &taken);
	ck_assert_uint_eq(framing_need(&framing), 8);

	framing_init(&framing, FRAMING_LINE, LIMIT);
	ck_assert_uint_eq(framing_need(&framing), 1);
	framing_feed(&framing, (const uint8_t *)"12345", 5, &taken);
	ck_assert_uint_eq(framing_need(&framing), 5);
}
END_TEST

START_TEST(a_head_is_what_is_read_back)
{
	static const uint32_t lengths[] = {0, 1, 255, 256, 65536, 0x01020304};

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct framing framing;
		uint8_t head[FRAMING_HEAD];
		size_t taken;

		framing_put_head(head, lengths[i]);
		framing_init(&framing, FRAMING_PACKET4, UINT32_MAX);
		ck_assert_int_eq(framing_feed(&framing, head, sizeof(head), &taken),
				 lengths[i] == 0 ? SKIP_DONE : SKIP_MORE);
		ck_assert_uint_eq(framing_need(&framing), lengths[i]);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		frames_end_where_they_end_however_they_are_split,
		one_frame_follows_the_other,
		the_need_is_known,
		a_head_is_what_is_read_back,
	};

	return unit_main("framing", tests, ARRAY_SIZE(tests));
}
