/*
 * The vectors of protocol/vectors/, each against the C code: what is said in JSON packs to the
 * bytes, and the bytes are read as what is said.
 *
 * They are looked for below the folder that POOLD_ROOT names, else below the current one.
 */
#include <check.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/io/base/framing.h"
#include "daemon/io/base/json.h"
#include "protocol/envelope.h"
#include "protocol/error.h"
#include "protocol/read.h"
#include "protocol/skip.h"
#include "tests/lib/unit.h"

#define MESSAGE_MAX ((uint64_t)16 << 20)

static json_t *load(const char *name)
{
	const char *root = getenv("POOLD_ROOT");
	char path[4096];
	json_error_t error;

	snprintf(path, sizeof(path), "%s/protocol/vectors/%s", root ? root : ".", name);

	json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, &error);

	ck_assert_msg(file, "%s:%d: %s", path, error.line, error.text);
	return file;
}

static const char *string_of(const json_t *object, const char *key)
{
	const char *string = json_string_value(json_object_get(object, key));

	ck_assert_msg(string, "a case has no %s", key);
	return string;
}

/* Hexadecimal digits, two for a byte, with spaces between the bytes. */
static void put_hex(struct buf *buf, const char *hex)
{
	unsigned byte;

	for (; *hex; hex += hex[2] == ' ' ? 3 : 2) {
		ck_assert_int_eq(sscanf(hex, "%2x", &byte), 1);
		buf_put(buf, &(uint8_t){(uint8_t)byte}, 1);
	}
}

/* Packs what a JSON value means; {"$bin": hex} is binary. */
static void pack_json(struct buf *buf, const json_t *value);

static void pack_json_object(struct buf *buf, const json_t *object)
{
	const json_t *binary = json_object_get(object, "$bin");

	if (binary) {
		struct buf bytes;

		buf_init(&bytes, 1024);
		put_hex(&bytes, json_string_value(binary));
		pack_bin(buf, bytes.data, bytes.len);
		buf_free(&bytes);
		return;
	}
	pack_map(buf, (uint32_t)json_object_size(object));
	for (void *at = json_object_iter((json_t *)(uintptr_t)object); at;
	     at = json_object_iter_next((json_t *)(uintptr_t)object, at)) {
		pack_str(buf, json_object_iter_key(at));
		pack_json(buf, json_object_iter_value(at));
	}
}

static void pack_json(struct buf *buf, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		pack_json_object(buf, value);
		break;
	case JSON_ARRAY:
		pack_array(buf, (uint32_t)json_array_size(value));
		for (size_t i = 0; i < json_array_size(value); i++)
			pack_json(buf, json_array_get(value, i));
		break;
	case JSON_STRING:
		pack_str_len(buf, json_string_value(value), json_string_length(value));
		break;
	case JSON_INTEGER:
		pack_int(buf, json_integer_value(value));
		break;
	case JSON_REAL:
		pack_double(buf, json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		pack_bool(buf, json_is_true(value));
		break;
	case JSON_NULL:
		pack_nil(buf);
		break;
	}
}

static void check_same(const char *name, const struct buf *made, const struct buf *given)
{
	ck_assert_int_eq(buf_error(made), 0);
	ck_assert_int_eq(buf_error(given), 0);
	ck_assert_msg(made->len == given->len && memcmp(made->data, given->data, made->len) == 0,
		      "%s: other bytes", name);
}

/* Compares a slice of a message with what the JSON says it is. */
static void check_slice(const char *name, struct bytes slice, const json_t *value)
{
	struct buf expected;

	buf_init(&expected, MESSAGE_MAX);
	pack_json(&expected, value);
	ck_assert_msg(slice.len == expected.len &&
			      memcmp(slice.data, expected.data, slice.len) == 0,
		      "%s: another part", name);
	buf_free(&expected);
}

/* Params that begin with an id, as the daemon writes those of a chunk. */
static void check_params_with_id(const char *name, const struct envelope *envelope,
				 const json_t *params)
{
	uint8_t head[1 + ENVELOPE_HEAD_MAX];
	size_t len;

	if (!json_is_integer(json_array_get(params, 0)))
		return;
	head[0] = (uint8_t)(0x90 + json_array_size(params));
	len = 1 +
	      envelope_put_id(head + 1, (uint32_t)json_integer_value(json_array_get(params, 0)));
	ck_assert_msg(len <= envelope->params.len && memcmp(head, envelope->params.data, len) == 0,
		      "%s: another id in the params", name);
}

/* Writes the envelope with the functions that the daemon uses. */
static void put_envelope(struct buf *buf, const struct envelope *envelope)
{
	uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX];

	switch (envelope->type) {
	case ENVELOPE_REQUEST:
		buf_put(buf, head, envelope_put_request(head, envelope->id, envelope->method));
		pack_raw(buf, envelope->params);
		break;
	case ENVELOPE_NOTIFICATION:
		buf_put(buf, head, envelope_put_notification(head, envelope->method));
		pack_raw(buf, envelope->params);
		break;
	case ENVELOPE_RESPONSE:
		if (envelope->error.data[0] == 0xc0) {
			buf_put(buf, head, envelope_put_result(head, envelope->id));
			pack_raw(buf, envelope->result);
		} else {
			buf_put(buf, head, envelope_put_error(head, envelope->id));
			pack_raw(buf, envelope->error);
			pack_nil(buf);
		}
		break;
	}
}

static void check_envelope(const char *name, const struct buf *bytes, const json_t *message)
{
	struct envelope envelope;
	struct buf again;
	bool has_id = json_integer_value(json_array_get(message, 0)) != ENVELOPE_NOTIFICATION;
	size_t at = has_id ? 2 : 1;

	ck_assert_int_eq(envelope_read(bytes->data, bytes->len, &envelope), 0);
	ck_assert_int_eq(envelope.type, json_integer_value(json_array_get(message, 0)));
	if (has_id)
		ck_assert_int_eq(envelope.id, json_integer_value(json_array_get(message, 1)));
	if (envelope.type == ENVELOPE_RESPONSE) {
		check_slice(name, envelope.error, json_array_get(message, at));
		check_slice(name, envelope.result, json_array_get(message, at + 1));
	} else {
		ck_assert(bytes_equal(envelope.method,
				      json_string_value(json_array_get(message, at))));
		check_slice(name, envelope.params, json_array_get(message, at + 1));
		if (envelope.type == ENVELOPE_NOTIFICATION)
			check_params_with_id(name, &envelope, json_array_get(message, at + 1));
	}

	buf_init(&again, MESSAGE_MAX);
	put_envelope(&again, &envelope);
	check_same(name, &again, bytes);
	buf_free(&again);
}

static void check_message(const json_t *vector)
{
	const char *name = string_of(vector, "name");
	const json_t *message = json_object_get(vector, "message");
	struct buf bytes, packed;

	buf_init(&bytes, MESSAGE_MAX);
	buf_init(&packed, MESSAGE_MAX);
	put_hex(&bytes, string_of(vector, "hex"));
	pack_json(&packed, message);
	check_same(name, &packed, &bytes);
	ck_assert_uint_eq(skip_value(bytes.data, bytes.len, MESSAGE_MAX), bytes.len);
	check_envelope(name, &bytes, message);
	buf_free(&bytes);
	buf_free(&packed);
}

static void check_file(const char *name)
{
	json_t *file = load(name);
	json_t *cases = json_object_get(file, "cases");

	ck_assert_uint_gt(json_array_size(cases), 0);
	for (size_t i = 0; i < json_array_size(cases); i++)
		check_message(json_array_get(cases, i));
	json_decref(file);
}

START_TEST(client_messages)
{
	check_file("client.json");
}
END_TEST

START_TEST(worker_messages)
{
	check_file("worker.json");
}
END_TEST

/* --- errors --- */

static struct bytes text_of(const json_t *map, const char *key)
{
	const json_t *value = json_object_get(map, key);

	return (struct bytes){(const uint8_t *)json_string_value(value), json_string_length(value)};
}

static usec_t span_of(const json_t *map, const char *key)
{
	const json_t *value = json_object_get(map, key);

	return value ? (usec_t)(json_number_value(value) * (double)USEC_PER_MSEC) : USEC_INFINITY;
}

static enum errcode code_of(const json_t *map)
{
	struct bytes code = text_of(map, "code");

	return errcode_find((const char *)code.data, code.len);
}

static enum errseverity severity_of(const json_t *map)
{
	struct bytes name = text_of(map, "severity");

	return errseverity_find((const char *)name.data, name.len);
}

static enum errstrategy strategy_of(const json_t *map)
{
	enum errstrategy strategy = 0;

	while (strcmp(errstrategy_name(strategy), string_of(map, "strategy")) != 0)
		strategy++;
	return strategy;
}

static enum executed executed_of(const json_t *map)
{
	enum executed executed = EXECUTED_NO;

	while (strcmp(executed_name(executed), string_of(map, "executed")) != 0)
		executed++;
	return executed;
}

static uint64_t number_of(const json_t *map, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(map, key));
}

static size_t attempts_of(const json_t *map, struct error_attempt *ret, size_t max)
{
	const json_t *attempts = json_object_get(map, "attempts");
	size_t count = json_array_size(attempts);

	ck_assert_uint_le(count, max);
	for (size_t i = 0; i < count; i++) {
		const json_t *attempt = json_array_get(attempts, i);

		ret[i] = (struct error_attempt){
			.pool = string_of(attempt, "pool"),
			.worker = (uint32_t)number_of(attempt, "worker"),
			.code = code_of(attempt),
			.message = json_string_value(json_object_get(attempt, "message")),
			.started = span_of(attempt, "started_ms"),
			.run = span_of(attempt, "run_ms"),
			.delay = span_of(attempt, "delay_ms"),
		};
	}
	return count;
}

static uint64_t span_id_of(const json_t *map, const char *key)
{
	const char *text = json_string_value(json_object_get(map, key));

	return text ? strtoull(text, NULL, 16) : 0;
}

/* Makes the error that a map speaks of, and packs it: the same bytes must come out. */
static void check_error_map(const char *name, const json_t *map, struct bytes given)
{
	struct error_attempt attempts[4];
	const json_t *detail = json_object_get(map, "detail");
	struct buf detail_bytes, packed,
		expected = {.data = (uint8_t *)(uintptr_t)given.data, .len = given.len};
	struct error error = {
		.code = code_of(map),
		.severity = severity_of(map),
		.strategy = strategy_of(map),
		.message = string_of(map, "message"),
		.is_retryable = json_is_true(json_object_get(map, "retryable")),
		.retry_after = span_of(map, "retry_after_ms"),
		.executed = executed_of(map),
		.request = number_of(map, "request"),
		.pool = json_string_value(json_object_get(map, "pool")),
		.adapter = json_string_value(json_object_get(map, "adapter")),
		.worker = (uint32_t)number_of(map, "worker"),
		.pid = (int)number_of(map, "pid"),
		.session = text_of(map, "session"),
		.method = text_of(map, "method"),
		.attempt = (unsigned)number_of(map, "attempt"),
		.elapsed = span_of(map, "elapsed_ms"),
		.queued = span_of(map, "queue_ms"),
		.run = span_of(map, "run_ms"),
		.circuit = json_string_value(json_object_get(map, "circuit")),
		.queue_depth = (unsigned)number_of(map, "queue_depth"),
		.outcome = json_string_value(json_object_get(map, "outcome")),
		.trace = text_of(map, "trace"),
		.span = span_id_of(map, "span"),
		.attempt_span = span_id_of(map, "attempt_span"),
		.attempts = attempts,
		.attempt_count = attempts_of(map, attempts, ARRAY_SIZE(attempts)),
	};

	ck_assert_msg(error.code != ERR_NONE && error.severity != SEVERITY_COUNT_ &&
			      error.strategy != STRATEGY_COUNT_,
		      "%s: a word that there is not", name);
	buf_init(&detail_bytes, MESSAGE_MAX);
	if (detail)
		pack_json(&detail_bytes, detail);
	error.detail = (struct bytes){detail_bytes.data, detail_bytes.len};
	buf_init(&packed, MESSAGE_MAX);
	error_pack_map(&packed, &error);
	check_same(name, &packed, &expected);
	buf_free(&packed);
	buf_free(&detail_bytes);
}

/* [0, "CODE: text"] */
static void check_error_stock(const char *name, const json_t *pair, struct bytes given)
{
	const char *text = json_string_value(json_array_get(pair, 1));
	size_t code_len = strcspn(text, ":");
	struct error error = {.code = errcode_find(text, code_len), .message = text + code_len + 2};
	struct buf packed, expected = {.data = (uint8_t *)(uintptr_t)given.data, .len = given.len};

	ck_assert_msg(error.code != ERR_NONE, "%s: no such code", name);
	buf_init(&packed, MESSAGE_MAX);
	error_pack_stock(&packed, &error);
	check_same(name, &packed, &expected);
	buf_free(&packed);
}

/* Calls the function with every error of a file.  Returns their number. */
static size_t each_error(const char *name,
			 void (*check)(const char *name, const json_t *error, struct bytes bytes))
{
	json_t *file = load(name);
	json_t *cases = json_object_get(file, "cases");
	size_t count = 0;

	for (size_t i = 0; i < json_array_size(cases); i++) {
		const json_t *vector = json_array_get(cases, i);
		const json_t *message = json_object_get(vector, "message");
		struct envelope envelope;
		struct buf bytes;

		if (json_integer_value(json_array_get(message, 0)) != ENVELOPE_RESPONSE ||
		    json_is_null(json_array_get(message, 2)))
			continue;
		buf_init(&bytes, MESSAGE_MAX);
		put_hex(&bytes, string_of(vector, "hex"));
		ck_assert_int_eq(envelope_read(bytes.data, bytes.len, &envelope), 0);
		check(string_of(vector, "name"), json_array_get(message, 2), envelope.error);
		buf_free(&bytes);
		count++;
	}
	json_decref(file);
	return count;
}

static void check_client_error(const char *name, const json_t *error, struct bytes bytes)
{
	if (json_is_object(error))
		check_error_map(name, error, bytes);
	else
		check_error_stock(name, error, bytes);
}

START_TEST(errors_to_clients)
{
	ck_assert_uint_ge(each_error("client.json", check_client_error), 11);
}
END_TEST

static bool same_text(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static void check_worker_error(const char *name, const json_t *said, struct bytes bytes)
{
	struct worker_error error;
	const json_t *text = json_is_array(said) ? json_array_get(said, 1) : said;
	bool is_map = json_is_object(said);
	enum errcode code = is_map ? code_of(said) : ERR_NONE;
	struct bytes message = is_map ? text_of(said, "message")
				      : (struct bytes){(const uint8_t *)json_string_value(text),
						       json_string_length(text)};

	worker_error_read(bytes, &error);
	ck_assert_msg(error.code == (code == ERR_NONE ? ERR_exception : code), "%s: %s", name,
		      errcode_name(error.code));
	ck_assert_msg(same_text(error.message, message), "%s: another message", name);
	if (!is_map)
		return;
	ck_assert_msg(same_text(error.type, text_of(said, "type")), "%s: another type", name);
	ck_assert(same_text(error.traceback, text_of(said, "traceback")));
	ck_assert_int_eq(error.has_retryable, json_object_get(said, "retryable") != NULL);
	ck_assert_int_eq(error.is_retryable, json_is_true(json_object_get(said, "retryable")));
	ck_assert_int_eq(error.has_severity, json_object_get(said, "severity") != NULL);
	if (error.has_severity)
		ck_assert_int_eq(error.severity, severity_of(said));
	ck_assert_int_eq(error.is_fatal, json_is_true(json_object_get(said, "fatal")));
	ck_assert_uint_eq(error.retry_after, span_of(said, "retry_after_ms"));
}

START_TEST(errors_of_workers)
{
	ck_assert_uint_ge(each_error("worker.json", check_worker_error), 10);
}
END_TEST

/* --- malformed messages --- */

/* What the daemon's reading finds, in the words of malformed.json. */
static const char *verdict_of(const struct buf *bytes, uint64_t limit)
{
	struct envelope envelope;
	struct skip skip;
	size_t taken;

	skip_init(&skip, limit);
	switch (skip_feed(&skip, bytes->data, bytes->len, &taken)) {
	case SKIP_MORE:
		return "wait";
	case SKIP_BAD:
		return "not_messagepack";
	case SKIP_TOO_LARGE:
		return "too_large";
	case SKIP_DONE:
		break;
	}

	int r = envelope_read(bytes->data, taken, &envelope);

	if (r == -EBADMSG)
		return "answerable";
	if (r == 0 && envelope.type == ENVELOPE_RESPONSE)
		return "response";
	return r == 0 ? "well formed" : "not_envelope";
}

/* An answer is possible where the beginning of a request could be read. */
static void check_answer(const char *name, const json_t *vector, const struct buf *bytes,
			 size_t len)
{
	const json_t *answer = json_object_get(vector, "answer");
	struct envelope envelope;
	int r = envelope_read(bytes->data, len, &envelope);
	bool has_id = r == -EBADMSG || (r == 0 && envelope.type == ENVELOPE_REQUEST);

	if (strcmp(string_of(vector, "verdict"), "wait") == 0)
		return;
	ck_assert_msg(has_id == (answer != NULL), "%s: %d", name, r);
	if (!answer)
		return;
	ck_assert_int_eq(envelope.id, json_integer_value(json_object_get(answer, "id")));
	ck_assert_int_ne(code_of(answer), ERR_NONE);
}

START_TEST(malformed_messages)
{
	json_t *file = load("malformed.json");
	json_t *cases = json_object_get(file, "cases");

	ck_assert_uint_gt(json_array_size(cases), 0);
	for (size_t i = 0; i < json_array_size(cases); i++) {
		const json_t *vector = json_array_get(cases, i);
		const json_t *given = json_object_get(vector, "limit");
		const char *name = string_of(vector, "name");
		uint64_t limit = given ? (uint64_t)json_integer_value(given) : MESSAGE_MAX;
		struct buf bytes;

		buf_init(&bytes, MESSAGE_MAX);
		put_hex(&bytes, string_of(vector, "hex"));

		const char *verdict = verdict_of(&bytes, limit);
		size_t whole = skip_value(bytes.data, bytes.len, limit);

		ck_assert_msg(strcmp(verdict, string_of(vector, "verdict")) == 0, "%s: %s", name,
			      verdict);
		check_answer(name, vector, &bytes, whole > 0 ? whole : bytes.len);
		buf_free(&bytes);
	}
	json_decref(file);
}
END_TEST

/* --- dialects --- */

#define RESPONSE_MAX ((uint64_t)64 << 20)

/* The message of a frame as MessagePack in `out`; else why it can't be had, in the words of the
 * file. */
static const char *read_frame(const char *dialect, struct bytes data, uint64_t limit,
			      struct buf *out)
{
	bool is_line = strcmp(dialect, "jsonrpc") == 0;
	char fault[JSON_FAULT_MAX];
	struct framing framing;
	struct bytes message;
	size_t taken;

	framing_init(&framing, is_line ? FRAMING_LINE : FRAMING_PACKET4, limit);
	switch (framing_feed(&framing, data.data, data.len, &taken)) {
	case SKIP_MORE:
		return "wait";
	case SKIP_TOO_LARGE:
		return "too_large";
	default:
		break;
	}
	ck_assert_uint_eq(taken, data.len);
	message = framing_message(&framing, data);
	if (strcmp(dialect, "packet4-msgpack") != 0)
		return json_to_value(message, out, fault) < 0 ? "unreadable" : NULL;
	if (message.len == 0 || skip_value(message.data, message.len, message.len) != message.len)
		return "unreadable";
	pack_raw(out, message);
	return NULL;
}

/* The frame of a message, as the daemon writes it. */
static void put_frame(struct buf *out, const char *dialect, struct bytes message)
{
	bool is_line = strcmp(dialect, "jsonrpc") == 0;
	uint8_t head[FRAMING_HEAD] = {0};
	size_t begin;

	buf_put(out, head, is_line ? 0 : sizeof(head));
	begin = out->len;
	if (strcmp(dialect, "packet4-msgpack") == 0)
		pack_raw(out, message);
	else
		ck_assert_ptr_null(json_from_value(message, out));
	if (is_line)
		buf_put(out, "\n", 1);
	else
		framing_put_head(out->data, (uint32_t)(out->len - begin));
}

static void check_value(const json_t *vector)
{
	const json_t *ext = json_object_get(json_object_get(vector, "message"), "$ext");
	const char *name = string_of(vector, "name");
	struct buf bytes, data;
	struct reader reader;

	buf_init(&bytes, MESSAGE_MAX);
	buf_init(&data, MESSAGE_MAX);
	put_hex(&bytes, string_of(vector, "hex"));
	put_hex(&data, json_string_value(json_array_get(ext, 1)));
	ck_assert_msg(skip_value(bytes.data, bytes.len, bytes.len) == bytes.len, "%s: its end",
		      name);
	reader_init(&reader, bytes.data, bytes.len);
	ck_assert_int_eq(read_peek(&reader), VALUE_EXT);
	ck_assert_msg(memcmp(bytes.data + bytes.len - data.len, data.data, data.len) == 0,
		      "%s: other data", name);
	ck_assert_int_eq(bytes.data[bytes.len - data.len - 1],
			 json_integer_value(json_array_get(ext, 0)));
	buf_free(&bytes);
	buf_free(&data);
}

START_TEST(values)
{
	json_t *file = load("values.json");
	json_t *cases = json_object_get(file, "cases");

	ck_assert_uint_ge(json_array_size(cases), 15);
	for (size_t i = 0; i < json_array_size(cases); i++)
		check_value(json_array_get(cases, i));
	json_decref(file);
}
END_TEST

static void check_dialect(const json_t *vector)
{
	const char *name = string_of(vector, "name"), *dialect = string_of(vector, "dialect");
	const json_t *message = json_object_get(vector, "message");
	const json_t *limit = json_object_get(vector, "limit");
	struct buf bytes, expected, read, written;
	const char *why;

	buf_init(&bytes, MESSAGE_MAX);
	buf_init(&expected, MESSAGE_MAX);
	buf_init(&read, MESSAGE_MAX);
	buf_init(&written, MESSAGE_MAX);
	put_hex(&bytes, string_of(vector, "hex"));
	why = read_frame(dialect, (struct bytes){bytes.data, bytes.len},
			 limit ? (uint64_t)json_integer_value(limit) : RESPONSE_MAX, &read);
	if (message) {
		ck_assert_msg(!why, "%s: %s", name, why);
		pack_json(&expected, message);
		check_same(name, &read, &expected);
		put_frame(&written, dialect, (struct bytes){expected.data, expected.len});
		check_same(name, &written, &bytes);
	} else {
		ck_assert_msg(why && strcmp(why, string_of(vector, "verdict")) == 0, "%s: %s", name,
			      why ? why : "can be read");
	}
	buf_free(&bytes);
	buf_free(&expected);
	buf_free(&read);
	buf_free(&written);
}

START_TEST(dialects)
{
	json_t *file = load("dialect.json");
	json_t *cases = json_object_get(file, "cases");

	ck_assert_uint_ge(json_array_size(cases), 30);
	for (size_t i = 0; i < json_array_size(cases); i++)
		check_dialect(json_array_get(cases, i));
	json_decref(file);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		client_messages,
		worker_messages,
		errors_to_clients,
		errors_of_workers,
		malformed_messages,
		dialects,
		values,
	};

	return unit_main("vectors", tests, ARRAY_SIZE(tests));
}
