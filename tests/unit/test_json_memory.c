/* Each allocation fails in turn, alone and with all that follow it.  What comes of it is the same as
 * ever, or that there was no memory: never anything else. */
#include "daemon/io/base/json.h"
#include "daemon/io/config/config_answer.h"
#include "daemon/io/worker/dialect.h"
#include "tests/lib/shortage.h"
#include "tests/lib/speak.h"
#include "tests/lib/unit.h"
#include "tests/lib/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUT_MAX	   ((size_t)1 << 20)
#define ROUNDS_MAX 10000

static void put(struct buf *out, const char *text)
{
	buf_put(out, text, strlen(text));
}

/* A text with all that takes memory: many keys, escapes, a long number, depth, and some size. */
static void put_text(struct buf *out)
{
	put(out, "{\"id\":7,\"success\":true,\"result\":[");
	put(out, "0.1000000000000000055511151231257827021181583404541015625000000000000");
	for (unsigned i = 0; i < 300; i++)
		buf_printf(out, ",{\"a\\u00e4%u\":[%u,\"t\\n\\\"%u\"],\"b\":{\"c\":-1.5e%u}}", i, i,
			   i, i);
	for (unsigned i = 0; i < 100; i++)
		put(out, i > 0 ? "[" : ",[");
	put(out, "1");
	for (unsigned i = 0; i < 100; i++)
		put(out, "]");
	put(out, ",{");
	for (unsigned i = 0; i < 300; i++)
		buf_printf(out, "%s\"key %u\":null", i > 0 ? "," : "", i);
	put(out, "}]}");
	ck_assert_int_eq(buf_error(out), 0);
}

static struct bytes bytes_of(const struct buf *buf)
{
	return (struct bytes){buf->data, buf->len};
}

static void check_equal(struct bytes found, struct bytes expected)
{
	ck_assert_uint_eq(found.len, expected.len);
	ck_assert_mem_eq(found.data, expected.data, found.len);
}

/* Reads the text while memory is short.  Returns whether an allocation failed. */
static bool read_short(unsigned k, bool lasting, struct bytes text, struct bytes expected)
{
	char fault[JSON_FAULT_MAX] = "";
	struct buf out;
	bool failed;
	int r;

	buf_init(&out, OUT_MAX);
	buf_put(&out, "kept", 4);
	shortage_begin(k, lasting);
	r = json_to_value(text, &out, fault);
	failed = shortage_end();
	ck_assert_int_eq(r, failed ? -ENOMEM : 0);
	ck_assert_int_eq(buf_error(&out), r);
	ck_assert_mem_eq(out.data, "kept", 4);
	if (failed)
		ck_assert_uint_eq(out.len, 4);
	else
		check_equal((struct bytes){out.data + 4, out.len - 4}, expected);
	buf_free(&out);
	return failed;
}

static bool write_short(unsigned k, bool lasting, struct bytes value, struct bytes expected)
{
	const char *why;
	struct buf out;
	bool failed;

	buf_init(&out, OUT_MAX);
	shortage_begin(k, lasting);
	why = json_from_value(value, &out);
	failed = shortage_end();
	ck_assert_int_eq(buf_error(&out), failed ? -ENOMEM : 0);
	ck_assert_int_eq(why != NULL, failed);
	if (!failed)
		check_equal(bytes_of(&out), expected);
	buf_free(&out);
	return failed;
}

START_TEST(conversions_without_memory)
{
	char fault[JSON_FAULT_MAX];
	struct buf text, value, written;
	unsigned k = 1;

	buf_init(&text, OUT_MAX);
	buf_init(&value, OUT_MAX);
	buf_init(&written, OUT_MAX);
	put_text(&text);
	ck_assert_int_eq(json_to_value(bytes_of(&text), &value, fault), 0);
	ck_assert_ptr_null(json_from_value(bytes_of(&value), &written));
	for (unsigned lasting = 0; lasting < 2; lasting++) {
		for (k = 1; read_short(k, lasting, bytes_of(&text), bytes_of(&value)); k++)
			ck_assert_uint_lt(k, ROUNDS_MAX);
		ck_assert_uint_gt(k, 10);
		for (k = 1; write_short(k, lasting, bytes_of(&value), bytes_of(&written)); k++)
			ck_assert_uint_lt(k, ROUNDS_MAX);
		ck_assert_uint_gt(k, 10);
	}
	buf_free(&text);
	buf_free(&value);
	buf_free(&written);
}
END_TEST

static bool parse_answer_short(unsigned k, bool lasting, const char *text, struct bytes expected)
{
	char fault[JSON_FAULT_MAX];
	struct buf value = {0};
	bool failed;
	int r;

	shortage_begin(k, lasting);
	r = config_answer_parse(text, &value, fault);
	failed = shortage_end();
	ck_assert_int_eq(r, failed ? -ENOMEM : 0);
	if (!failed)
		check_equal(bytes_of(&value), expected);
	buf_free(&value);
	return failed;
}

START_TEST(answers_of_the_configuration_without_memory)
{
	static const char text[] = "{\"a\": [1, \"\\u00e4\", {\"b\": 0.1}]}";
	struct buf expected;
	unsigned k = 1;

	buf_init(&expected, OUT_MAX);
	wire_put(&expected, "{'a': [1, '\xc3\xa4', {'b': 0.1}]}");
	for (unsigned lasting = 0; lasting < 2; lasting++) {
		for (k = 1; parse_answer_short(k, lasting, text, bytes_of(&expected)); k++)
			ck_assert_uint_lt(k, ROUNDS_MAX);
		ck_assert_uint_gt(k, 1);
	}
	buf_free(&expected);
}
END_TEST

/* --- dialects --- */

static const struct {
	const char *options;
	bool is_line;
	const char *ready;
} dialects[] = {
	{"dialect = packet4-json\n", false, "{\"id\":0,\"success\":true,\"result\":1}"},
	{"dialect = jsonrpc\n", true, NULL},
};

static void put_frame(struct buf *out, bool is_line, struct bytes message)
{
	uint8_t head[FRAMING_HEAD];

	framing_put_head(head, (uint32_t)message.len);
	buf_put(out, head, is_line ? 0 : sizeof(head));
	buf_put(out, message.data, message.len);
	buf_put(out, "\n", is_line);
}

static void open_ready(struct speak *speak, size_t dialect)
{
	const char *ready = dialects[dialect].ready;
	struct buf frame;

	speak_open(speak, dialects[dialect].options, OUT_MAX);
	buf_init(&frame, OUT_MAX);
	if (ready)
		put_frame(&frame, false, (struct bytes){(const uint8_t *)ready, strlen(ready)});
	speak_say(speak, bytes_of(&frame));
	buf_free(&frame);
	ck_assert_ptr_nonnull(strstr(speak_reported(speak), "ready 1"));
	(void)speak_listen(speak);
}

/* The report takes no memory of its own any more, up to `len` bytes. */
static void reserve_report(struct speak *speak, size_t len)
{
	uint8_t *room = calloc(1, len);

	ck_assert_ptr_nonnull(room);
	buf_put(&speak->reported, room, len);
	buf_reset(&speak->reported);
	free(room);
}

/* The worker answers request 7.  Returns whether an allocation failed; not each is needed. */
static bool answer_short(size_t dialect, unsigned k, bool lasting, struct bytes frame,
			 const char *expected)
{
	struct speak speak;
	const char *reported;
	bool failed;

	open_ready(&speak, dialect);
	reserve_report(&speak, OUT_MAX);
	shortage_begin(k, lasting);
	speak.channel.dialect->on_message(&speak.channel, NULL, frame);
	failed = shortage_end();
	reported = speak_reported(&speak);
	ck_assert_msg(strcmp(reported, expected) == 0 ||
			      (failed && strcmp(reported, "lost 7\n") == 0),
		      "allocation %u: %.200s", k, reported);
	speak_close(&speak);
	return failed;
}

START_TEST(answers_of_workers_without_memory)
{
	for (size_t i = 0; i < ARRAY_SIZE(dialects); i++) {
		struct buf message;
		char *expected;
		unsigned k = 1;
		struct speak speak;

		buf_init(&message, OUT_MAX);
		put_text(&message);
		message.len--;
		put(&message, ",\"jsonrpc\":\"2.0\"}");
		open_ready(&speak, i);
		speak.channel.dialect->on_message(&speak.channel, NULL, bytes_of(&message));
		expected = strdup(speak_reported(&speak));
		ck_assert_ptr_nonnull(expected);
		ck_assert_int_eq(strncmp(expected, "result 7 [0.1, ", 15), 0);
		speak_close(&speak);
		for (unsigned lasting = 0; lasting < 2; lasting++) {
			for (k = 1; answer_short(i, k, lasting, bytes_of(&message), expected); k++)
				ck_assert_uint_lt(k, ROUNDS_MAX);
			ck_assert_uint_gt(k, 10);
		}
		free(expected);
		buf_free(&message);
	}
}
END_TEST

/* What cannot be read for want of memory, and what becomes of it. */
START_TEST(messages_that_are_lost)
{
	static const struct {
		const char *message, *reported;
	} cases[] = {
		{"{\"result\":{\"id\":8},\"id\":7,\"jsonrpc\":\"2.0\"}", "lost 7\n"},
		{"{\"jsonrpc\":\"2.0\",\"id\":4294967295,\"error\":{\"code\":1}}",
		 "lost 4294967295\n"},
		/* Nobody waits for it. */
		{"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{\"id\":7}}", ""},
		/* An id of the worker's own. */
		{"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"m\"}",
		 "broken memory_limit: there was no memory for its message\n"},
		{"{\"jsonrpc\":\"2.0\",\"id\":\"7\",\"result\":1}",
		 "broken memory_limit: there was no memory for its message\n"},
		{"{\"jsonrpc\":\"2.0\",\"id\":4294967296,\"result\":1}",
		 "broken memory_limit: there was no memory for its message\n"},
		{"{\"jsonrpc\":\"2.0\",\"id\":7,\"id\":8,\"result\":1}",
		 "broken memory_limit: there was no memory for its message\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *message = cases[i].message;
		struct speak speak;

		open_ready(&speak, 1);
		reserve_report(&speak, 256);
		shortage_begin(1, true);
		speak.channel.dialect->on_message(
			&speak.channel, NULL,
			(struct bytes){(const uint8_t *)message, strlen(message)});
		ck_assert(shortage_end());
		ck_assert_str_eq(speak_reported(&speak), cases[i].reported);
		speak_close(&speak);
	}
}
END_TEST

/* An answer in its frame, with the id at its end, as many servers write it. */
static void put_answer(struct buf *out, bool is_line, unsigned id, size_t len)
{
	struct buf message;

	buf_init(&message, OUT_MAX);
	put(&message, "{\"result\":\"");
	for (size_t i = 0; i < len; i++)
		put(&message, "x");
	buf_printf(&message, "\",\"jsonrpc\":\"2.0\",\"success\":true,\"id\":%u}", id);
	put_frame(out, is_line, bytes_of(&message));
	buf_free(&message);
}

/* A message too large for memory_max is skipped while it comes, and those around it are taken; so
 * is one that has room as JSON, but not beside it as MessagePack. */
START_TEST(answers_above_the_limit)
{
	for (size_t i = 0; i < ARRAY_SIZE(dialects); i++) {
		struct buf frames;
		struct speak speak;

		open_ready(&speak, i);
		buf_init(&frames, OUT_MAX);
		put_answer(&frames, dialects[i].is_line, 6, 1);
		put_answer(&frames, dialects[i].is_line, 7, 300000);
		put_answer(&frames, dialects[i].is_line, 8, 2);
		put_answer(&frames, dialects[i].is_line, 9, 60000);
		put_answer(&frames, dialects[i].is_line, 10, 3);
		speak.loop.store.bytes_max = 100000;
		speak_say(&speak, bytes_of(&frames));
		ck_assert_str_eq(speak_reported(&speak), "result 6 'x'\nlost 7\nresult 8 'xx'\n"
							 "lost 9\nresult 10 'xxx'\n");
		buf_free(&frames);
		speak_close(&speak);
	}
}
END_TEST

/* Sends request 7.  Returns whether an allocation failed. */
static bool send_short(size_t dialect, unsigned k, bool lasting, struct bytes args,
		       struct bytes expected)
{
	const struct channel_request request = {
		.id = 7, .attempt = 1, .method = {(const uint8_t *)"m", 1}, .args = args};
	struct speak speak;
	struct bytes heard;
	const char *why;
	bool failed;

	open_ready(&speak, dialect);
	shortage_begin(k, lasting);
	why = channel_send(&speak.channel, &request);
	failed = shortage_end();
	heard = speak_listen(&speak);
	if (why) {
		ck_assert_ptr_eq(why, dialect_no_memory);
		ck_assert(failed);
		ck_assert_uint_eq(heard.len, 0);
		ck_assert_str_eq(speak_reported(&speak), "");
		/* The worker serves on. */
		ck_assert_ptr_null(channel_send(&speak.channel, &request));
		heard = speak_listen(&speak);
	}
	/* Where what is to be written has no place in the queue, the link ends. */
	if (!strstr(speak_reported(&speak), "broken memory_limit: "))
		check_equal(heard, expected);
	else
		ck_assert(failed && heard.len == 0);
	speak_close(&speak);
	return failed;
}

START_TEST(requests_without_memory)
{
	struct buf text, args;
	char fault[JSON_FAULT_MAX];

	buf_init(&text, OUT_MAX);
	buf_init(&args, OUT_MAX);
	put_text(&text);
	ck_assert_int_eq(json_to_value(bytes_of(&text), &args, fault), 0);
	for (size_t i = 0; i < ARRAY_SIZE(dialects); i++) {
		struct buf message, expected;
		unsigned k = 1;

		buf_init(&message, OUT_MAX);
		buf_init(&expected, OUT_MAX);
		buf_printf(&message,
			   dialects[i].is_line
				   ? "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"m\",\"params\":"
				   : "{\"id\":7,\"command\":\"m\",\"args\":");
		ck_assert_ptr_null(json_from_value(bytes_of(&args), &message));
		buf_put(&message, "}", 1);
		put_frame(&expected, dialects[i].is_line, bytes_of(&message));
		for (unsigned lasting = 0; lasting < 2; lasting++) {
			for (k = 1; send_short(i, k, lasting, bytes_of(&args), bytes_of(&expected));
			     k++)
				ck_assert_uint_lt(k, ROUNDS_MAX);
			ck_assert_uint_gt(k, 10);
		}
		buf_free(&message);
		buf_free(&expected);
	}
	buf_free(&text);
	buf_free(&args);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		conversions_without_memory,	   answers_of_the_configuration_without_memory,
		answers_of_workers_without_memory, messages_that_are_lost,
		answers_above_the_limit,	   requests_without_memory,
	};

	return unit_main("json_memory", tests, ARRAY_SIZE(tests));
}
