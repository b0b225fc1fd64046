#include "client/lib/reply.h"

#include "client/lib/value.h"
#include "protocol/errcode.h"
#include "protocol/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Limits of the texts copied from an error, in bytes; longer ones are cut. */
#define WORD_MAX    ((size_t)1024)
#define MESSAGE_MAX ((size_t)1024 * 1024)

/* The fields of the error as received. */
struct fields {
	struct bytes code;
	struct bytes category;
	struct bytes severity;
	struct bytes message;
	struct bytes executed;
	struct bytes session;
	struct bytes circuit;
	struct bytes attempts; /* the whole list, MessagePack */
	bool retryable;
	uint64_t retry_after_ms; /* UINT64_MAX: not given, as below */
	uint64_t queue_depth;
};

struct poold_reply reply_result(struct bytes result)
{
	return (struct poold_reply){.size = sizeof(struct poold_reply),
				    .result = bytes_to_public(result),
				    .error = {.size = sizeof(struct poold_error)}};
}

static enum errcode local_code(int status)
{
	switch (status) {
	case -ETIMEDOUT:
		return ERR_deadline_exceeded;
	case -ECONNRESET:
	case -EPIPE:
		return ERR_peer_closed;
	case -EPROTO:
		return ERR_protocol_violation;
	case -EOVERFLOW:
		return ERR_response_too_large;
	case -EBUSY:
		return ERR_queue_full;
	case -EMSGSIZE:
		return ERR_payload_too_large;
	case -EINVAL:
	case -EDEADLK:
		return ERR_invalid_request;
	case -ECANCELED:
		return ERR_cancelled;
	case -ENOMEM:
		return ERR_internal;
	default:
		return ERR_connect_failed;
	}
}

struct poold_reply reply_local_error(int status, enum poold_executed executed, const char *message)
{
	enum errcode code = local_code(status);
	const struct errinfo *info = errcode_info(code);

	return (struct poold_reply){.size = sizeof(struct poold_reply),
				    .status = status,
				    .error = {.size = sizeof(struct poold_error),
					      .code = info->name,
					      .category = errcategory_name(info->category),
					      .severity = errseverity_name(info->severity),
					      .message = message,
					      .retryable = info->category != ERRCAT_request &&
							   code != ERR_response_too_large,
					      .retry_after_ms = -1,
					      .executed = executed,
					      .session = "",
					      .circuit = "",
					      .queue_depth = -1}};
}

/* Stores one pair of an error map; unknown keys are ignored. */
static void take_field(struct bytes key, struct reader *value, struct fields *fields)
{
	if (bytes_equal(key, "code"))
		read_str(value, &fields->code);
	else if (bytes_equal(key, "category"))
		read_str(value, &fields->category);
	else if (bytes_equal(key, "severity"))
		read_str(value, &fields->severity);
	else if (bytes_equal(key, "message"))
		read_str(value, &fields->message);
	else if (bytes_equal(key, "executed"))
		read_str(value, &fields->executed);
	else if (bytes_equal(key, "retryable"))
		read_bool(value, &fields->retryable);
	else if (bytes_equal(key, "retry_after_ms"))
		read_uint(value, &fields->retry_after_ms);
	else if (bytes_equal(key, "session"))
		read_str(value, &fields->session);
	else if (bytes_equal(key, "circuit"))
		read_str(value, &fields->circuit);
	else if (bytes_equal(key, "queue_depth"))
		read_uint(value, &fields->queue_depth);
	else if (bytes_equal(key, "attempts") && read_peek(value) == VALUE_ARRAY)
		read_value(value, &fields->attempts);
}

static void read_error_map(struct reader *reader, struct fields *fields)
{
	uint32_t pairs = 0;

	read_map(reader, &pairs);
	for (uint32_t i = 0; i < pairs; i++) {
		struct bytes key = {0}, value;
		struct reader inner;

		if (read_peek(reader) == VALUE_STR)
			read_str(reader, &key);
		else
			read_value(reader, &key);
		if (read_value(reader, &value) < 0)
			return;
		reader_init(&inner, value.data, value.len);
		take_field(key, &inner, fields);
	}
}

/* Splits "CODE: text" if CODE is a known error code; else the whole text is the message. */
static void read_error_text(struct bytes text, struct fields *fields)
{
	const uint8_t *colon = text.len > 0 ? memchr(text.data, ':', text.len) : NULL;
	size_t len = colon ? (size_t)(colon - text.data) : 0;

	fields->message = text;
	if (!colon || errcode_find((const char *)text.data, len) == ERR_NONE)
		return;
	fields->code = (struct bytes){text.data, len};
	len += len + 1 < text.len && colon[1] == ' ' ? 2 : 1;
	fields->message = (struct bytes){text.data + len, text.len - len};
}

static void read_fields(struct bytes value, struct fields *fields)
{
	struct reader reader;
	struct bytes text = {0}, number;
	uint32_t count;

	reader_init(&reader, value.data, value.len);
	switch (read_peek(&reader)) {
	case VALUE_MAP:
		read_error_map(&reader, fields);
		break;
	case VALUE_ARRAY:
		if (read_array(&reader, &count) == 0 && count == 2 &&
		    read_value(&reader, &number) == 0 && read_str(&reader, &text) == 0)
			read_error_text(text, fields);
		break;
	default:
		if (read_str(&reader, &text) == 0)
			read_error_text(text, fields);
		break;
	}
}

static enum poold_executed executed_from(struct bytes name)
{
	for (int executed = 0; executed < EXECUTED_COUNT_; executed++) {
		if (bytes_equal(name, executed_name((enum executed)executed)))
			return (enum poold_executed)executed;
	}
	return POOLD_EXECUTED_MAYBE;
}

static_assert((int)POOLD_EXECUTED_NO == (int)EXECUTED_NO &&
		      (int)POOLD_EXECUTED_MAYBE == (int)EXECUTED_MAYBE &&
		      (int)POOLD_EXECUTED_YES == (int)EXECUTED_YES,
	      "the public values are the protocol's");

static struct bytes text_bytes(const char *text)
{
	return (struct bytes){(const uint8_t *)text, strlen(text)};
}

/* Fills in code and category from the table if the daemon left them out. */
static void complete(struct fields *fields)
{
	enum errcode code;

	if (fields->code.len == 0)
		fields->code = text_bytes(errcode_name(ERR_exception));
	code = errcode_find((const char *)fields->code.data, fields->code.len);
	if (fields->category.len == 0 && code != ERR_NONE)
		fields->category = text_bytes(errcategory_name(errcode_info(code)->category));
}

/* Cuts a text that is longer than `max` bytes, between two characters of UTF-8. */
static struct bytes cut(struct bytes text, size_t max)
{
	if (text.len <= max)
		return text;
	while (max > 0 && (text.data[max] & 0xc0) == 0x80)
		max--;
	return (struct bytes){text.data, max};
}

static size_t put_text(struct buf *texts, struct bytes text, size_t max)
{
	size_t at = texts->len;

	text = cut(text, max);
	buf_put(texts, text.data, text.len);
	buf_put(texts, "", 1);
	return at;
}

/* -1 if the number was not given, or does not fit. */
static int64_t number_or_none(uint64_t number)
{
	return number > INT64_MAX ? -1 : (int64_t)number;
}

struct poold_reply reply_remote_error(struct bytes value, struct buf *texts)
{
	struct fields fields = {.retry_after_ms = UINT64_MAX, .queue_depth = UINT64_MAX};
	size_t code, category, severity, message, session, circuit;
	struct reader reader;
	const char *data;
	bool is_map;

	read_fields(value, &fields);
	complete(&fields);
	buf_reset(texts);
	code = put_text(texts, fields.code, WORD_MAX);
	category = put_text(texts, fields.category, WORD_MAX);
	severity = put_text(texts, fields.severity, WORD_MAX);
	message = put_text(texts, fields.message, MESSAGE_MAX);
	session = put_text(texts, fields.session, WORD_MAX);
	circuit = put_text(texts, fields.circuit, WORD_MAX);
	if (buf_error(texts) < 0)
		return reply_local_error(-ENOMEM, executed_from(fields.executed),
					 "no memory for the daemon's error");
	data = (const char *)texts->data;
	reader_init(&reader, value.data, value.len);
	is_map = read_peek(&reader) == VALUE_MAP;
	return (struct poold_reply){
		.size = sizeof(struct poold_reply),
		.status = -EREMOTEIO,
		.error = {.size = sizeof(struct poold_error),
			  .code = data + code,
			  .category = data + category,
			  .severity = data + severity,
			  .message = data + message,
			  .retryable = fields.retryable,
			  .retry_after_ms = number_or_none(fields.retry_after_ms),
			  .executed = executed_from(fields.executed),
			  .session = data + session,
			  .circuit = data + circuit,
			  .queue_depth = number_or_none(fields.queue_depth),
			  .attempts = bytes_to_public(fields.attempts),
			  .map = is_map ? bytes_to_public(value) : (struct poold_bytes){0}}};
}

/* Copies to *to, advances *to, and returns the copy. */
static void *put(uint8_t **to, const void *data, size_t len)
{
	void *at = *to;

	memcpy(at, data, len);
	*to += len;
	return at;
}

static size_t text_size(const char *text)
{
	return strlen(text) + 1;
}

static size_t error_size(const struct poold_error *error)
{
	return text_size(error->code) + text_size(error->category) + text_size(error->severity) +
	       text_size(error->message) + text_size(error->session) + text_size(error->circuit) +
	       error->map.len;
}

static void copy_error(const struct poold_error *from, uint8_t *to, struct poold_error *ret)
{
	*ret = *from;
	ret->code = put(&to, from->code, text_size(from->code));
	ret->category = put(&to, from->category, text_size(from->category));
	ret->severity = put(&to, from->severity, text_size(from->severity));
	ret->message = put(&to, from->message, text_size(from->message));
	ret->session = put(&to, from->session, text_size(from->session));
	ret->circuit = put(&to, from->circuit, text_size(from->circuit));
	if (from->map.len == 0)
		return;
	ret->map.data = put(&to, from->map.data, from->map.len);
	/* The attempts are a slice of the map. */
	if (from->attempts.len > 0)
		ret->attempts.data =
			(const uint8_t *)ret->map.data +
			((const uint8_t *)from->attempts.data - (const uint8_t *)from->map.data);
}

void reply_copy(const struct poold_reply *from, struct poold_reply *ret)
{
	const struct poold_error *error = &from->error;
	bool is_error = error->code != NULL;
	size_t size = is_error ? error_size(error) : from->result.len;
	uint8_t *memory = malloc(size);

	if (!memory) {
		*ret = reply_local_error(-ENOMEM, is_error ? error->executed : POOLD_EXECUTED_YES,
					 "no memory for the answer");
		return;
	}
	*ret = (struct poold_reply){.size = sizeof(*ret),
				    .status = from->status,
				    .error = {.size = sizeof(ret->error)},
				    .memory = memory};
	if (is_error) {
		copy_error(error, memory, &ret->error);
	} else {
		memcpy(memory, from->result.data, size);
		ret->result = (struct poold_bytes){memory, size};
	}
}

void poold_reply_free(struct poold_reply *reply)
{
	free(reply->memory);
	*reply = (struct poold_reply){0};
}
