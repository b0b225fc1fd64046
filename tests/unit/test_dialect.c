/* The dialects, byte for byte: what is sent to a worker, and how its messages are understood. */
#include "daemon/io/worker/dialect.h"
#include "protocol/read.h"
#include "tests/lib/speak.h"
#include "tests/lib/unit.h"
#include "tests/lib/wire.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIMIT 4096

/* What was sent to the worker, with a length of four bytes as <LENGTH>, and MessagePack in the
 * words of wire.h. */
static const char *heard(struct speak *speak, bool packets, bool msgpack)
{
	static char text[8192];
	struct bytes bytes = speak_listen(speak);
	struct buf out;

	buf_init(&out, sizeof(text) - 1);
	while (bytes.len > 0) {
		size_t len = bytes.len;

		if (packets) {
			ck_assert_uint_ge(bytes.len, 4);
			len = (size_t)bytes.data[0] << 24 | (size_t)bytes.data[1] << 16 |
			      (size_t)bytes.data[2] << 8 | bytes.data[3];
			bytes.data += 4;
			bytes.len -= 4;
			ck_assert_uint_ge(bytes.len, len);
			buf_printf(&out, "<%zu>", len);
		}
		if (msgpack)
			wire_render(&out, bytes.data, len);
		else
			buf_put(&out, bytes.data, len);
		bytes.data += len;
		bytes.len -= len;
	}
	snprintf(text, sizeof(text), "%.*s", (int)out.len, (const char *)out.data);
	buf_free(&out);
	return text;
}

static void say(struct speak *speak, const char *text)
{
	speak_say(speak, (struct bytes){(const uint8_t *)text, strlen(text)});
}

static void say_packet(struct speak *speak, const void *data, size_t len)
{
	uint8_t packet[LIMIT];

	framing_put_head(packet, (uint32_t)len);
	memcpy(packet + FRAMING_HEAD, data, len);
	/* In two pieces, which may end anywhere. */
	speak_say(speak, (struct bytes){packet, 3});
	speak_say(speak, (struct bytes){packet + 3, len + 1});
}

static void say_json(struct speak *speak, const char *text)
{
	say_packet(speak, text, strlen(text));
}

static void say_msgpack(struct speak *speak, const char *text)
{
	struct buf value;

	buf_init(&value, LIMIT);
	wire_put(&value, text);
	say_packet(speak, value.data, value.len);
	buf_free(&value);
}

/* A worker that is ready, and has been asked one thing. */
static void open_asked(struct speak *speak, const char *options, const char *ready)
{
	speak_open(speak, options, LIMIT);
	if (ready && *ready == '{')
		say_json(speak, ready);
	else if (ready)
		say_msgpack(speak, ready + 1);
	ck_assert_ptr_nonnull(strstr(speak_reported(speak), "ready 1"));
	ck_assert_ptr_null(speak_send(speak, 1, "m", "[1]"));
	(void)speak_listen(speak);
}

/* --- packet4 --- */

#define PACKET_JSON "dialect = packet4-json\n"
#define PONG	    "{\"id\": 0, \"success\": true, \"result\": \"pong\"}"

START_TEST(packets_of_json)
{
	struct speak speak;

	speak_open(&speak, PACKET_JSON, LIMIT);
	ck_assert_str_eq(heard(&speak, true, false),
			 "<35>{\"id\":0,\"command\":\"ping\",\"args\":{}}");
	ck_assert_str_eq(speak_reported(&speak), "");
	say_json(&speak, PONG);
	ck_assert_str_eq(speak_reported(&speak), "ready 1\n");
	ck_assert_ptr_null(speak_send(&speak, 7, "add", "{'a': 1, 'b': 2.0}"));
	ck_assert_str_eq(heard(&speak, true, false),
			 "<47>{\"id\":7,\"command\":\"add\",\"args\":{\"a\":1,\"b\":2.0}}");
	say_json(&speak, "{\"success\": true, \"result\": 3.5, \"id\": 7, \"more\": [1]}");
	ck_assert_str_eq(speak_reported(&speak), "result 7 3.5\n");
	channel_ping(&speak.channel, 8);
	ck_assert_str_eq(heard(&speak, true, false),
			 "<35>{\"id\":8,\"command\":\"ping\",\"args\":{}}");
	ck_assert_str_eq(speak_send(&speak, 9, "x", "{1: 2}"), "a map's key that is not a text");
	ck_assert_str_eq(speak_send(&speak, 9, "\xff", "[]"), "a text that is not UTF-8");
	ck_assert_uint_eq(speak_listen(&speak).len, 0);
	channel_cancel(&speak.channel, 7);
	channel_end_session(&speak.channel, (struct bytes){(const uint8_t *)"s", 1}, "closed");
	ck_assert_uint_eq(speak_listen(&speak).len, 0);
	speak_close(&speak);
}
END_TEST

START_TEST(packets_of_msgpack)
{
	struct speak speak;

	speak_open(&speak, "dialect = packet4-msgpack\nready_call = hello\nready_params = [1]\n",
		   LIMIT);
	ck_assert_str_eq(heard(&speak, true, true),
			 "<26>{'id': 0, 'command': 'hello', 'args': [1]}\n");
	say_msgpack(&speak, "{'id': 0, 'success': true}");
	ck_assert_str_eq(speak_reported(&speak), "ready 1\n");
	ck_assert_ptr_null(speak_send(&speak, 70000, "m", "nil"));
	ck_assert_str_eq(heard(&speak, true, true),
			 "<25>{'id': 70000, 'command': 'm', 'args': {}}\n");
	say_msgpack(&speak,
		    "{'id': 70000, 'success': false, 'error': {'type': 'T', 'message': 'M'}}");
	ck_assert_str_eq(speak_reported(&speak), "failed 70000 exception T|M\n");
	speak_close(&speak);
}
END_TEST

START_TEST(answers_in_packets)
{
	static const char *const cases[][2] = {
		{"{\"id\":1,\"success\":true,\"result\":[null]}", "result 1 [nil]\n"},
		{"{\"id\":1,\"success\":true}", "result 1 nil\n"},
		{"{\"id\":1,\"success\":true,\"result\":{\"error\":\"E\"}}",
		 "failed 1 exception |E\n"},
		{"{\"id\":1,\"success\":true,\"result\":{\"error\":\"E\",\"x\":1}}",
		 "result 1 {'error': 'E', 'x': 1}\n"},
		{"{\"id\":1,\"success\":false,\"error\":\"E\"}", "failed 1 exception |E\n"},
		{"{\"id\":1,\"success\":false,\"error\":[2,\"E\"]}", "failed 1 exception |E\n"},
		{"{\"id\":1,\"success\":false,\"result\":1}", "failed 1 exception |\n"},
		{"{\"id\":1,\"success\":false,\"error\":{\"code\":\"rejected\",\"message\":\"E\"}}",
		 "failed 1 rejected |E\n"},
		{"{\"success\":true,\"result\":1}",
		 "broken protocol_violation: its answer has no id"},
		{"{\"id\":null,\"success\":true}",
		 "broken protocol_violation: its answer has no id"},
		{"{\"id\":\"1\",\"success\":true}",
		 "broken protocol_violation: its message is not an answer"},
		{"{\"id\":-1,\"success\":true}",
		 "broken protocol_violation: its message is not an answer"},
		{"{\"id\":4294967296,\"success\":true}",
		 "broken protocol_violation: its message is not an answer"},
		{"{\"id\":1.0,\"success\":true}",
		 "broken protocol_violation: its message is not an answer"},
		{"{\"id\":1,\"success\":1}",
		 "broken protocol_violation: its message is not an answer"},
		{"{\"id\":1,\"result\":1}",
		 "broken protocol_violation: its answer does not say whether it succeeded"},
		{"[]", "broken protocol_violation: its message is not a map"},
		{"5", "broken protocol_violation: its message is not a map"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct speak speak;
		char expected[512];

		open_asked(&speak, PACKET_JSON, PONG);
		say_json(&speak, cases[i][0]);
		/* What is wrong is quoted. */
		if (strncmp(cases[i][1], "broken", 6) == 0)
			snprintf(expected, sizeof(expected), "%s: \"%s\"\n", cases[i][1],
				 cases[i][0]);
		else
			snprintf(expected, sizeof(expected), "%s", cases[i][1]);
		ck_assert_str_eq(speak_reported(&speak), expected);
		speak_close(&speak);
	}
}
END_TEST

START_TEST(packets_that_cannot_be_read)
{
	static const struct {
		const char *options, *ready, *bytes;
		size_t len;
		const char *reported;
	} cases[] = {
		{PACKET_JSON, PONG, "\0\0\0\0", 4, "broken decode_error: its message is not JSON"},
		{PACKET_JSON, PONG, "\0\0\0\x01{", 5,
		 "broken decode_error: its message is not JSON"},
		{PACKET_JSON, PONG, "\0\0\x10\x01", 4,
		 "broken response_too_large: its message is over response_max"},
		{PACKET_JSON, PONG, "Hell", 4,
		 "broken decode_error: text, such as a stray print, stands where the length of its "
		 "message belongs: \"Hell\"\n"},
		{PACKET_JSON, PONG, "ok\n\0", 4, /* and the first byte of a length */
		 "broken decode_error: text, such as a stray print, stands where the length of its "
		 "message belongs: \"ok\\n\\x00\"\n"},
		{PACKET_JSON, PONG, "H\x01\x02\x03", 4,
		 "broken response_too_large: its message is over response_max\n"},
		{"dialect = packet4-msgpack\n", "={'id': 0, 'success': true}", "\0\0\0\0", 4,
		 "broken decode_error: its message is not one MessagePack value"},
		{"dialect = packet4-msgpack\n", "={'id': 0, 'success': true}", "\0\0\0\x01\xc1", 5,
		 "broken decode_error: its message is not one MessagePack value"},
		{"dialect = packet4-msgpack\n", "={'id': 0, 'success': true}", "\0\0\0\x02\x01\x02",
		 6, "broken decode_error: its message is not one MessagePack value"},
		{"dialect = packet4-msgpack\n", "={'id': 0, 'success': true}", "\0\0\0\x01\x92", 5,
		 "broken decode_error: its message is not one MessagePack value"},
		{"dialect = packet4-msgpack\n", "={'id': 0, 'success': true}",
		 "\0\0\0\x0b\x82\xa2id\x01\xa2id\x02\xc0", 15, "broken "},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct speak speak;
		const char *reported;

		open_asked(&speak, cases[i].options, cases[i].ready);
		speak_say(&speak, (struct bytes){(const uint8_t *)cases[i].bytes, cases[i].len});
		reported = speak_reported(&speak);
		ck_assert_msg(strncmp(reported, cases[i].reported, strlen(cases[i].reported)) == 0,
			      "%s", reported);
		speak_close(&speak);
	}
}
END_TEST

/* Of what is wrong the first 60 bytes are quoted, with escapes, also of what was read behind it. */
START_TEST(what_is_wrong_is_quoted)
{
	static const char rpc[] = "dialect = msgpack-rpc\n";
	static const char line[] = "dialect = jsonrpc\nready_call = x\n";
	static const struct {
		const char *options, *bytes, *reported;
	} cases[] = {
		{rpc, "print\n",
		 "broken protocol_violation: its message is not MessagePack-RPC: \"print\\n\"\n"},
		{rpc, "\xc1\x01",
		 "broken decode_error: its bytes are not MessagePack: \"\\xc1\\x01\"\n"},
		{line, "[1\xc3\xa4\x1b]\n", "1\xc3\xa4\\x1b]\"\n"},
		{line, "(23456789012345678901234567890123456789012345678901234567890\n",
		 ": \"(23456789012345678901234567890123456789012345678901234567890\"\n"},
		{line, "(234567890123456789012345678901234567890123456789012345678901\n",
		 ": \"(23456789012345678901234567890123456789012345678901234567890\"...\n"},
		{line, "\n{}\n",
		 "broken protocol_violation: its message is not JSON-RPC 2.0: \"{}\"\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct speak speak;
		const char *reported;

		speak_open(&speak, cases[i].options, LIMIT);
		speak_say(&speak,
			  (struct bytes){(const uint8_t *)cases[i].bytes, strlen(cases[i].bytes)});
		reported = speak_reported(&speak);
		ck_assert_msg(strstr(reported, cases[i].reported), "%s", reported);
		speak_close(&speak);
	}
}
END_TEST

/* A message without an end, before the worker is ready. */
START_TEST(what_is_cut_off_is_quoted)
{
	struct speak speak;

	speak_open(&speak, "dialect = jsonrpc\nready_call = x\n", LIMIT);
	say(&speak, "usage: x FILE");
	shutdown(speak.peer, SHUT_WR);
	link_drain(speak.channel.link);
	ck_assert_str_eq(speak_reported(&speak),
			 "broken peer_closed: it began with what is no whole message: \"usage: x "
			 "FILE\"\n");
	ck_assert(speak.channel.was_cut_off);
	speak_close(&speak);

	speak_open(&speak, "dialect = jsonrpc\nready_call = x\n", LIMIT);
	say(&speak, "loading");
	channel_close(&speak.channel);
	ck_assert(speak.channel.was_cut_off);
	ck_assert_str_eq(speak.channel.last_why,
			 "it began with what is no whole message: \"loading\"");
	speak_close(&speak);

	speak_open(&speak, "dialect = jsonrpc\n", LIMIT);
	(void)speak_reported(&speak);
	say(&speak, "half an answer");
	channel_close(&speak.channel);
	ck_assert(!speak.channel.was_cut_off);
	speak_close(&speak);
}
END_TEST

START_TEST(a_handshake_that_fails)
{
	struct speak speak;

	speak_open(&speak, PACKET_JSON, LIMIT);
	say_json(&speak, "{\"id\":0,\"success\":false,\"error\":\"not today\"}");
	ck_assert_str_eq(speak_reported(&speak),
			 "broken protocol_violation: it answered ping with an error: not today\n");
	speak_close(&speak);

	/* Only the first answer of that id is one. */
	speak_open(&speak, PACKET_JSON, LIMIT);
	say_json(&speak, PONG);
	say_json(&speak, PONG);
	ck_assert_str_eq(speak_reported(&speak), "ready 1\nresult 0 'pong'\n");
	speak_close(&speak);
}
END_TEST

/* Arguments that lie in no chunk, and are longer than what would be copied anyway. */
START_TEST(a_long_handshake)
{
	static const char *const dialects[] = {"msgpack-rpc", "packet4-msgpack", "packet4-json",
					       "jsonrpc"};
	char options[8000], text[7001];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(dialects); i++) {
		struct speak speak;
		struct bytes bytes;

		snprintf(options, sizeof(options),
			 "dialect = %s\nready_call = hello\nready_params = [\"%s\"]\n", dialects[i],
			 text);
		speak_open(&speak, options, LIMIT);
		bytes = speak_listen(&speak);
		ck_assert_ptr_nonnull(memmem(bytes.data, bytes.len, text, sizeof(text) - 1));
		speak_close(&speak);
	}
}
END_TEST

/* --- jsonrpc --- */

#define JSONRPC "dialect = jsonrpc\n"
#define TOOLS                                                                                      \
	JSONRPC "ready_call = initialize\nready_params = {\"v\": 1.0}\n"                           \
		"ready_then = notifications/initialized\n"                                         \
		"cancel_notification = notifications/cancelled\n"

START_TEST(lines_of_json_rpc)
{
	struct speak speak;

	speak_open(&speak, TOOLS, LIMIT);
	ck_assert_str_eq(heard(&speak, false, false),
			 "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\","
			 "\"params\":{\"v\":1.0}}\n");
	say(&speak, "{\"jsonrpc\":\"2.0\",\"method\":\"news\"}\n");
	ck_assert_str_eq(speak_reported(&speak), "alive\n");
	say(&speak, "{\"jsonrpc\":\"2.0\",\"id\":0,");
	say(&speak, "\"result\":{}}\r\n\n");
	ck_assert_str_eq(speak_reported(&speak), "ready 1 batches\n");
	ck_assert_str_eq(heard(&speak, false, false),
			 "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
	ck_assert_ptr_null(speak_send(&speak, 1, "a/b", "{'x': 'a\nb'}"));
	ck_assert_ptr_null(speak_send(&speak, 2, "m", "nil"));
	ck_assert_ptr_null(speak_send(&speak, 3, "m", "5"));
	ck_assert_ptr_null(speak_send(&speak, 4, "m", "[]"));
	ck_assert_ptr_null(speak_send(&speak, 5, "m", "{}"));
	ck_assert_ptr_null(speak_send(&speak, 6, "m", "[[]]"));
	ck_assert_str_eq(heard(&speak, false, false),
			 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a/b\","
			 "\"params\":{\"x\":\"a\\u000ab\"}}\n"
			 "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"m\"}\n"
			 "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"m\",\"params\":[5]}\n"
			 "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"m\"}\n"
			 "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"m\",\"params\":{}}\n"
			 "{\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"m\",\"params\":[[]]}\n");
	say(&speak,
	    "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":null}\n"
	    "{\"id\":1,\"error\":{\"code\":-32000,\"message\":\"M\"},\"jsonrpc\":\"2.0\"}\n"
	    "{\"jsonrpc\":\"2.0\",\"id\":3,\"error\":{\"code\":-32601,\"message\":\"N\"}}\n");
	ck_assert_str_eq(speak_reported(&speak), "result 2 nil\nfailed 1 exception -32000|M\n"
						 "failed 3 unknown_method -32601|N\n");
	channel_cancel(&speak.channel, 3);
	channel_ping(&speak.channel, 4);
	ck_assert_str_eq(heard(&speak, false, false),
			 "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\","
			 "\"params\":{\"requestId\":3}}\n"
			 "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"ping\"}\n");
	speak_close(&speak);
}
END_TEST

START_TEST(requests_of_a_json_rpc_worker)
{
	static const char *const ids[] = {"5", "\"a\\\"b\"", "null", "1.5"};

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		struct speak speak;
		char text[200];

		speak_open(&speak, JSONRPC, LIMIT);
		ck_assert_str_eq(speak_reported(&speak), "ready 1 batches\n");
		snprintf(text, sizeof(text),
			 "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"sampling\",\"params\":{}}\n",
			 ids[i]);
		say(&speak, text);
		snprintf(text, sizeof(text),
			 "{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":-32601,\"message\":"
			 "\"the daemon takes no requests from workers\"}}\n",
			 ids[i]);
		ck_assert_str_eq(heard(&speak, false, false), text);
		ck_assert_str_eq(speak_reported(&speak), "alive\n");
		speak_close(&speak);
	}
}
END_TEST

/* A server asks whether its client lives, also before it is ready. */
START_TEST(pings_of_a_json_rpc_worker)
{
	static const char *const ids[] = {"5", "\"ping-1\"", "null"};
	struct speak speak;
	char text[200];

	speak_open(&speak, TOOLS, LIMIT);
	(void)speak_listen(&speak);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		snprintf(text, sizeof(text),
			 "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"ping\"}\n", ids[i]);
		say(&speak, text);
		snprintf(text, sizeof(text), "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{}}\n",
			 ids[i]);
		ck_assert_str_eq(heard(&speak, false, false), text);
		ck_assert_str_eq(speak_reported(&speak), "alive\n");
	}
	/* A notification of that name is no question. */
	say(&speak, "{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}\n");
	ck_assert_uint_eq(speak_listen(&speak).len, 0);
	speak_close(&speak);
}
END_TEST

/* Some libraries write all members of a message, with null in those that it does not have. */
START_TEST(members_that_are_null)
{
	static const char *const cases[][2] = {
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":null,\"result\":5}", "result 1 5\n"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":[],\"error\":null}", "result 1 []\n"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null,\"error\":null}", "result 1 nil\n"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null,\"error\":{\"code\":7,\"message\":"
		 "\"E\"}}",
		 "failed 1 exception 7|E\n"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":null,\"params\":null,\"result\":5,"
		 "\"error\":null}",
		 "result 1 5\n"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":7,\"message\":null,\"data\":"
		 "null}}",
		 "failed 1 exception 7|\n"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"news\",\"params\":null,\"result\":null,"
		 "\"error\":null}",
		 "alive\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct speak speak;

		open_asked(&speak, JSONRPC, NULL);
		say(&speak, cases[i][0]);
		say(&speak, "\n");
		ck_assert_str_eq(speak_reported(&speak), cases[i][1]);
		speak_close(&speak);
	}
}
END_TEST

START_TEST(lines_that_break_json_rpc)
{
	static const char *const cases[][2] = {
		{"x\n", "decode_error"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":1}\n", "decode_error"},
		{"[]\n", "protocol_violation: it sent a batch"},
		{"5\n", "protocol_violation: its message is not JSON-RPC 2.0"},
		{"{}\n", "protocol_violation: its message is not JSON-RPC 2.0"},
		{"{\"jsonrpc\":\"2.0\"}\n", "protocol_violation: its answer has no id"},
		{"{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":1}\n",
		 "protocol_violation: its answer has no id"},
		{"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":1,\"message\":\"\"}}\n",
		 "protocol_violation: its answer has no id"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1}\n",
		 "protocol_violation: its answer must have a result or an error"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":null}\n",
		 "protocol_violation: its answer must have a result or an error"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":1},\"result\":1}\n",
		 "protocol_violation: its answer must have a result or an error"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":false,\"result\":1}\n",
		 "protocol_violation: its answer must have a result or an error"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":5}\n",
		 "protocol_violation: its error is not one of JSON-RPC"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"message\":\"x\"}}\n",
		 "protocol_violation: its error is not one of JSON-RPC"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct speak speak;
		const char *reported;

		open_asked(&speak, JSONRPC, NULL);
		say(&speak, cases[i][0]);
		reported = speak_reported(&speak);
		ck_assert_msg(strncmp(reported, "broken ", 7) == 0 &&
				      strncmp(reported + 7, cases[i][1], strlen(cases[i][1])) == 0,
			      "%s: %s", cases[i][0], reported);
		speak_close(&speak);
	}
}
END_TEST

#define PROGRESS JSONRPC "progress_notification = p\n"

/* The token is the daemon's own; what else the arguments hold stays. */
START_TEST(tokens_for_progress)
{
	static const struct {
		const char *args;
		const char *stream; /* the params where the caller takes parts; NULL: none */
		const char *whole;  /* and where it does not */
	} cases[] = {
		{"nil", "{\"_meta\":{\"progressToken\":9}}", NULL},
		{"[]", "{\"_meta\":{\"progressToken\":9}}", NULL},
		{"{}", "{\"_meta\":{\"progressToken\":9}}", "{}"},
		{"{'a': 1}", "{\"a\":1,\"_meta\":{\"progressToken\":9}}", "{\"a\":1}"},
		{"{'_meta': {}, 'a': 1}", "{\"a\":1,\"_meta\":{\"progressToken\":9}}",
		 "{\"_meta\":{},\"a\":1}"},
		{"{'a': 1, '_meta': {'x': 2, 'progressToken': 5, 'y': 3}, 'b': 4}",
		 "{\"a\":1,\"b\":4,\"_meta\":{\"x\":2,\"y\":3,\"progressToken\":9}}",
		 "{\"a\":1,\"b\":4,\"_meta\":{\"x\":2,\"y\":3}}"},
		{"{'_meta': {'progressToken': [{}]}}", "{\"_meta\":{\"progressToken\":9}}",
		 "{\"_meta\":{}}"},
		/* These can have no token. */
		{"[1]", "[1]", "[1]"},
		{"5", "[5]", "[5]"},
		{"{'_meta': 5}", "{\"_meta\":5}", "{\"_meta\":5}"},
		{"{'_meta': nil}", "{\"_meta\":null}", "{\"_meta\":null}"},
	};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		bool is_stream = i % 2 == 0;
		const char *args = cases[i / 2].args;
		const char *params = is_stream ? cases[i / 2].stream : cases[i / 2].whole;
		struct speak speak;
		char text[300];

		snprintf(text, sizeof(text),
			 "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"m\"%s%s}\n",
			 params ? ",\"params\":" : "", params ? params : "");
		speak_open(&speak, PROGRESS, LIMIT);
		ck_assert_ptr_null(is_stream ? speak_stream(&speak, 9, "m", args)
					     : speak_send(&speak, 9, "m", args));
		ck_assert_str_eq(heard(&speak, false, false), text);
		speak_close(&speak);
	}
}
END_TEST

static void say_progress(struct speak *speak, const char *params)
{
	char text[200];

	snprintf(text, sizeof(text), "{\"jsonrpc\":\"2.0\",\"method\":\"p\",\"params\":%s}\n",
		 params);
	say(speak, text);
}

START_TEST(progress_as_parts)
{
	static const char *const unknown[] = {
		"{\"progress\":1}",
		"{\"progressToken\":7,\"progress\":1}",
		"{\"progressToken\":1,\"progress\":1}",
		"{\"progressToken\":\"4\",\"progress\":1}",
		"{\"progressToken\":4.0,\"progress\":1}",
		"{\"progressToken\":null,\"progress\":1}",
		"{\"progressToken\":4294967300,\"progress\":1}",
		"[4,1]",
		"null",
	};
	struct speak speak;

	speak_open(&speak, PROGRESS, LIMIT);
	/* 1 takes no parts, and 2 was never sent. */
	ck_assert_ptr_null(speak_send(&speak, 1, "m", "{'_meta': {'progressToken': 4}}"));
	ck_assert_ptr_nonnull(speak_stream(&speak, 2, "m", "{1: 2}"));
	ck_assert_ptr_nonnull(speak_stream(&speak, 2, "\xff", "{}"));
	ck_assert_ptr_null(speak_stream(&speak, 3, "m", "nil"));
	ck_assert_ptr_null(speak_stream(&speak, 4, "m", "{'_meta': {'progressToken': 'own'}}"));
	ck_assert_ptr_null(speak_stream(&speak, 5, "m", "{'_meta': {'progressToken': 4}}"));
	(void)speak_reported(&speak);
	say_progress(&speak, "{\"progressToken\":4,\"progress\":1,\"total\":2.5}");
	say_progress(&speak, "{\"progress\":1,\"progressToken\":3}");
	say_progress(&speak, "{\"progress\":1,\"progressToken\":5}");
	say_progress(&speak, "{\"progress\":1,\"progressToken\":2}");
	ck_assert_str_eq(speak_reported(&speak),
			 "part 4 {'progress': 1, 'total': 2.5, 'progressToken': 'own'}\n"
			 "part 3 {'progress': 1}\n"
			 "part 5 {'progress': 1, 'progressToken': 4}\n"
			 "alive\n");
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		say_progress(&speak, unknown[i]);
		ck_assert_str_eq(speak_reported(&speak), "alive\n");
	}
	/* Late. */
	say(&speak, "{\"jsonrpc\":\"2.0\",\"id\":4,\"result\":1}\n");
	say_progress(&speak, "{\"progressToken\":4,\"progress\":2}");
	ck_assert_str_eq(speak_reported(&speak), "result 4 1\nalive\n");
	speak_close(&speak);

	/* Without the option nothing is changed, and nothing is a part. */
	speak_open(&speak, JSONRPC, LIMIT);
	ck_assert_ptr_null(speak_stream(&speak, 4, "m", "{'_meta': {'progressToken': 4}}"));
	ck_assert_str_eq(heard(&speak, false, false),
			 "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"m\",\"params\":"
			 "{\"_meta\":{\"progressToken\":4}}}\n");
	say_progress(&speak, "{\"progressToken\":4,\"progress\":1}");
	ck_assert_str_eq(speak_reported(&speak), "ready 1 batches\nalive\n");
	speak_close(&speak);
}
END_TEST

/* A client's call of the handshake is answered with what the worker said at its start. */
START_TEST(one_handshake_in_a_life)
{
	struct speak speak;

	speak_open(&speak, TOOLS, LIMIT);
	say(&speak, "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"serverInfo\":{}}}\n");
	(void)speak_listen(&speak);
	(void)speak_reported(&speak);
	ck_assert_ptr_null(speak_send(&speak, 1, "initialize", "{'v': 2}"));
	ck_assert_ptr_null(speak_stream(&speak, 2, "initialize", "nil"));
	ck_assert_uint_eq(speak_listen(&speak).len, 0);
	ck_assert_str_eq(speak_reported(&speak), "");
	channel_answer_kept(&speak.channel);
	ck_assert_str_eq(speak_reported(&speak),
			 "result 2 {'serverInfo': {}}\nresult 1 {'serverInfo': {}}\n");
	channel_answer_kept(&speak.channel);
	ck_assert_str_eq(speak_reported(&speak), "");
	ck_assert_ptr_null(speak_send(&speak, 3, "initialize", "{'v': 2}"));
	channel_answer_kept(&speak.channel);
	ck_assert_str_eq(speak_reported(&speak), "result 3 {'serverInfo': {}}\n");
	ck_assert_ptr_null(speak_send(&speak, 4, "initialize", "{'v': 2}"));
	channel_close(&speak.channel);
	channel_answer_kept(&speak.channel);
	ck_assert_str_eq(speak_reported(&speak), "");
	speak_close(&speak);

	/* Where no notification follows it, it is a call like any other. */
	speak_open(&speak, JSONRPC "ready_call = m\n", LIMIT);
	say(&speak, "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{}}\n");
	(void)speak_listen(&speak);
	ck_assert_ptr_null(speak_send(&speak, 1, "m", "nil"));
	ck_assert_str_eq(heard(&speak, false, false),
			 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"}\n");
	speak_close(&speak);
}
END_TEST

/* A worker that sends requests without end and reads no answer has broken the protocol. */
START_TEST(a_flood_of_requests_ends)
{
	static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"}\n";
	static char many[(sizeof(request) - 1) * 1500];
	struct speak speak;
	unsigned rounds = 0;

	for (size_t i = 0; i < sizeof(many); i += sizeof(request) - 1)
		memcpy(many + i, request, sizeof(request) - 1);
	speak_open(&speak, JSONRPC, LIMIT);
	(void)speak_reported(&speak);
	/* Straight to the dialect: what it answers is not written before the turn's end. */
	while (speak.channel.link && rounds++ < 100)
		for (size_t i = 0; i < 1500 && speak.channel.link; i++)
			speak.channel.dialect->on_message(
				&speak.channel, NULL,
				(struct bytes){(const uint8_t *)many, sizeof(request) - 2});
	ck_assert_ptr_nonnull(strstr(
		speak_reported(&speak),
		"alive\nbroken protocol_violation: it asks and does not read the answers\n"));
	speak_close(&speak);
}
END_TEST

/* --- MessagePack-RPC --- */

START_TEST(stock_messagepack_rpc)
{
	static const uint8_t requests[] = {0x94, 0, 0x05, 0xa1, 'm', 0x90};
	static const uint8_t ready[] = {0x93, 2, 0xa5, 'h', 'e', 'l', 'l', 'o', 0x90};
	static const uint8_t answer[] = {0x94, 1, 0x01, 0xc0, 0xd4, 0x05, 'x'};
	struct speak speak;

	speak_open(&speak, "dialect = msgpack-rpc\nready_notification = hello\n", LIMIT);
	ck_assert_str_eq(speak_reported(&speak), "");
	speak_say(&speak, (struct bytes){requests, sizeof(requests)});
	ck_assert_str_eq(speak_reported(&speak), "alive\n");
	ck_assert_str_eq(heard(&speak, false, true),
			 "[1, 5, [0, 'unknown_method: the daemon takes no requests from workers'], "
			 "nil]\n");
	speak_say(&speak, (struct bytes){ready, sizeof(ready)});
	speak_say(&speak, (struct bytes){ready, sizeof(ready)});
	ck_assert_str_eq(speak_reported(&speak), "alive\nready 1\nalive\n");
	ck_assert_ptr_null(speak_send(&speak, 1, "m", "nil"));
	ck_assert_ptr_null(speak_send(&speak, 2, "m", "{'a': 1}"));
	channel_ping(&speak.channel, 3);
	ck_assert_str_eq(heard(&speak, false, true), "[0, 1, 'm', []]\n[0, 2, 'm', [{'a': 1}]]\n"
						     "[0, 3, 'ping', []]\n");
	speak_say(&speak, (struct bytes){answer, sizeof(answer)});
	ck_assert_ptr_nonnull(strstr(speak_reported(&speak), "result 1 "));
	speak_close(&speak);
}
END_TEST

/* --- poold's own --- */

static void say_value(struct speak *speak, const char *text)
{
	struct buf value;

	buf_init(&value, LIMIT);
	wire_put(&value, text);
	speak_say(speak, (struct bytes){value.data, value.len});
	buf_free(&value);
}

static void give_recall_socket(struct speak *speak, int *ret_worker_end)
{
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	speak->channel.recall = ends[0];
	*ret_worker_end = ends[1];
}

START_TEST(requests_are_given_back)
{
	static const uint8_t expected[] = "\x93\x02\xa6recall\x91\xce\x00\x00\x00\x11";
	uint8_t asked[64];
	struct speak speak;
	int end;

	speak_open(&speak, "", LIMIT);
	give_recall_socket(&speak, &end);
	say_value(&speak, "[2, 'ready', [{'started': true, 'recall': true}]]");
	ck_assert_str_eq(speak_reported(&speak), "ready 1 announces recalls\n");
	channel_recall(&speak.channel, 17);
	ck_assert_int_eq(read(end, asked, sizeof(asked)), sizeof(expected) - 1);
	ck_assert_mem_eq(asked, expected, sizeof(expected) - 1);
	ck_assert_uint_eq(speak_listen(&speak).len, 0);
	say_value(&speak, "[1, 17, {'code': 'recalled'}, nil]");
	ck_assert_str_eq(speak_reported(&speak), "recalled 17\n");
	channel_close(&speak.channel);
	ck_assert_int_eq(read(end, asked, sizeof(asked)), 0);
	close(end);
	speak_close(&speak);
}
END_TEST

/* Only where it was agreed is the word more than any other. */
START_TEST(recalled_is_a_code_like_any_other)
{
	struct speak speak;
	int end;

	speak_open(&speak, "", LIMIT); /* it has no socket to be asked on */
	say_value(&speak, "[2, 'ready', [{'recall': true}]]");
	say_value(&speak, "[1, 17, {'code': 'recalled'}, nil]");
	ck_assert_str_eq(speak_reported(&speak), "ready 1\nfailed 17 exception |\n");
	speak_close(&speak);

	speak_open(&speak, "", LIMIT); /* it does not say that it can */
	give_recall_socket(&speak, &end);
	say_value(&speak, "[2, 'ready', []]");
	say_value(&speak, "[1, 17, {'code': 'recalled'}, nil]");
	ck_assert_str_eq(speak_reported(&speak), "ready 1\nfailed 17 exception |\n");
	speak_close(&speak);
	close(end);

	speak_open(&speak, "dialect = msgpack-rpc\n", LIMIT); /* no worker of this dialect can */
	say_value(&speak, "[1, 17, {'code': 'recalled'}, nil]");
	ck_assert_ptr_nonnull(strstr(speak_reported(&speak), "failed 17 exception"));
	speak_close(&speak);
}
END_TEST

/* --- the end --- */

START_TEST(the_end_of_the_input_comes_behind_what_was_said)
{
	struct speak speak;
	uint8_t byte;

	open_asked(&speak, JSONRPC, NULL);
	ck_assert_ptr_null(speak_send(&speak, 2, "last", "nil"));
	channel_shutdown(&speak.channel);
	ck_assert_str_eq(heard(&speak, false, false),
			 "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"last\"}\n");
	ck_assert_int_eq(recv(speak.peer, &byte, 1, MSG_DONTWAIT), 0);
	/* It may still answer, and nothing more is sent to it. */
	say(&speak, "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":1}\n");
	ck_assert_str_eq(speak_reported(&speak), "result 2 1\n");
	ck_assert_ptr_null(speak_send(&speak, 3, "more", "nil"));
	ck_assert_uint_eq(speak_listen(&speak).len, 0);
	speak_close(&speak);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		packets_of_json,
		packets_of_msgpack,
		answers_in_packets,
		packets_that_cannot_be_read,
		what_is_wrong_is_quoted,
		what_is_cut_off_is_quoted,
		a_handshake_that_fails,
		a_long_handshake,
		lines_of_json_rpc,
		requests_of_a_json_rpc_worker,
		lines_that_break_json_rpc,
		a_flood_of_requests_ends,
		stock_messagepack_rpc,
		the_end_of_the_input_comes_behind_what_was_said,
		tokens_for_progress,
		progress_as_parts,
		one_handshake_in_a_life,
		pings_of_a_json_rpc_worker,
		members_that_are_null,
		requests_are_given_back,
		recalled_is_a_code_like_any_other,
	};

	return unit_main("dialect", tests, ARRAY_SIZE(tests));
}
