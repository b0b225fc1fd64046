#include "protocol/error.h"

#include "protocol/read.h"
#include "protocol/traceparent.h"
#include "protocol/utf8.h"

#include <inttypes.h>
#include <string.h>

static struct bytes text_bytes(const char *text)
{
	return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static const char *message_of(const struct error *error)
{
	return error->message ? error->message : errcode_info(error->code)->text;
}

/*
 * Writes the fields of a map in two passes: the first, without a buffer, counts the fields that are
 * present, since a map begins with their number.
 */
struct fields {
	struct buf *buf; /* NULL: only count */
	uint32_t count;
};

/* Begins a field.  Returns whether its value is to be written. */
static bool field(struct fields *fields, const char *name)
{
	fields->count++;
	if (!fields->buf)
		return false;
	pack_str(fields->buf, name);
	return true;
}

static void field_text(struct fields *fields, const char *name, struct bytes text)
{
	if (text.len > 0 && field(fields, name))
		pack_text(fields->buf, text);
}

static void field_string(struct fields *fields, const char *name, const char *text)
{
	if (text && field(fields, name))
		pack_text(fields->buf, text_bytes(text));
}

static void field_bool(struct fields *fields, const char *name, bool value)
{
	if (field(fields, name))
		pack_bool(fields->buf, value);
}

static void field_number(struct fields *fields, const char *name, uint64_t number)
{
	if (number > 0 && field(fields, name))
		pack_uint(fields->buf, number);
}

/* A time span in milliseconds, with microseconds as decimals. */
static void field_span(struct fields *fields, const char *name, usec_t span)
{
	if (span != USEC_INFINITY && field(fields, name))
		pack_double(fields->buf, (double)span / (double)USEC_PER_MSEC);
}

static void field_span_id(struct fields *fields, const char *name, uint64_t span)
{
	uint8_t text[SPAN_ID_LEN];

	if (span == 0 || !field(fields, name))
		return;
	traceparent_format_span(span, text);
	pack_str_len(fields->buf, (const char *)text, sizeof(text));
}

/* A delay in milliseconds, rounded up. */
static void field_delay(struct fields *fields, const char *name, usec_t delay)
{
	if (delay != USEC_INFINITY && field(fields, name))
		pack_uint(fields->buf, delay / USEC_PER_MSEC + (delay % USEC_PER_MSEC > 0 ? 1 : 0));
}

static void put_attempt_fields(struct fields *fields, const struct error_attempt *attempt)
{
	field_string(fields, "pool", attempt->pool);
	field_number(fields, "worker", attempt->worker);
	field_string(fields, "code", errcode_name(attempt->code));
	field_string(fields, "message", attempt->message);
	field_span(fields, "started_ms", attempt->started);
	field_span(fields, "run_ms", attempt->run);
	field_span(fields, "delay_ms", attempt->delay);
	field_span_id(fields, "span", attempt->span);
}

static void pack_attempt(struct buf *buf, const struct error_attempt *attempt)
{
	struct fields counted = {0};
	struct fields written = {.buf = buf};

	put_attempt_fields(&counted, attempt);
	pack_map(buf, counted.count);
	put_attempt_fields(&written, attempt);
}

static void field_attempts(struct fields *fields, const struct error *error)
{
	if (error->attempt_count == 0 || !field(fields, "attempts"))
		return;
	pack_array(fields->buf, (uint32_t)error->attempt_count);
	for (size_t i = 0; i < error->attempt_count; i++)
		pack_attempt(fields->buf, &error->attempts[i]);
}

static void put_error_fields(struct fields *fields, const struct error *error)
{
	const struct errinfo *info = errcode_info(error->code);

	field_string(fields, "code", info->name);
	field_string(fields, "category", errcategory_name(info->category));
	field_string(fields, "severity", errseverity_name(error->severity));
	field_string(fields, "strategy", errstrategy_name(error->strategy));
	field_string(fields, "message", message_of(error));
	field_bool(fields, "retryable", error->is_retryable);
	field_delay(fields, "retry_after_ms", error->retry_after);
	field_string(fields, "executed", executed_name(error->executed));
	field_number(fields, "request", error->request);
	field_string(fields, "pool", error->pool);
	field_string(fields, "adapter", error->adapter);
	field_number(fields, "worker", error->worker);
	field_number(fields, "pid", error->pid > 0 ? (uint64_t)error->pid : 0);
	field_text(fields, "session", error->session);
	field_text(fields, "method", error->method);
	field_number(fields, "attempt", error->attempt);
	field_span(fields, "elapsed_ms", error->elapsed);
	field_span(fields, "queue_ms", error->queued);
	field_span(fields, "run_ms", error->run);
	field_string(fields, "circuit", error->circuit);
	if (error->request > 0 && field(fields, "queue_depth"))
		pack_uint(fields->buf, error->queue_depth);
	field_string(fields, "outcome", error->outcome);
	field_text(fields, "trace", error->trace);
	field_span_id(fields, "span", error->span);
	field_span_id(fields, "attempt_span", error->attempt_span);
	field_attempts(fields, error);
	if (error->detail.len > 0 && field(fields, "detail"))
		pack_raw(fields->buf, error->detail);
}

struct error error_make(enum errcode code)
{
	return (struct error){
		.code = code,
		.severity = errcode_info(code)->severity,
		.strategy = errcode_info(code)->strategy,
		.retry_after = USEC_INFINITY,
		.elapsed = USEC_INFINITY,
		.queued = USEC_INFINITY,
		.run = USEC_INFINITY,
	};
}

uint32_t error_count_fields(const struct error *error)
{
	struct fields counted = {0};

	put_error_fields(&counted, error);
	return counted.count;
}

void error_pack_fields(struct buf *buf, const struct error *error)
{
	struct fields written = {.buf = buf};

	put_error_fields(&written, error);
}

void error_pack_map(struct buf *buf, const struct error *error)
{
	pack_map(buf, error_count_fields(error));
	error_pack_fields(buf, error);
}

/* --- for logs --- */

static void say_text(struct buf *buf, const char *name, struct bytes text)
{
	buf_printf(buf, " %s=", name);
	if (text.len > 0)
		buf_put_text(buf, text);
	else
		buf_printf(buf, "N/A");
}

static void say_string(struct buf *buf, const char *name, const char *text)
{
	say_text(buf, name, text ? text_bytes(text) : (struct bytes){0});
}

static void say_number(struct buf *buf, const char *name, uint64_t number)
{
	if (number > 0)
		buf_printf(buf, " %s=%llu", name, (unsigned long long)number);
	else
		buf_printf(buf, " %s=N/A", name);
}

static void say_span(struct buf *buf, const char *name, usec_t span)
{
	if (span != USEC_INFINITY)
		buf_printf(buf, " %s=%.3f", name, (double)span / (double)USEC_PER_MSEC);
	else
		buf_printf(buf, " %s=N/A", name);
}

static void say_span_id(struct buf *buf, const char *name, uint64_t span)
{
	if (span != 0)
		buf_printf(buf, " %s=%016" PRIx64, name, span);
	else
		buf_printf(buf, " %s=N/A", name);
}

static void say_peer(struct buf *buf, const struct error_peer *peer)
{
	if (peer)
		buf_printf(buf, " uid=%" PRIu32, peer->uid);
	else
		buf_printf(buf, " uid=N/A");
	say_number(buf, "peer_pid", peer && peer->pid > 0 ? (uint64_t)peer->pid : 0);
	say_string(buf, "client", peer && peer->client[0] ? peer->client : NULL);
}

void error_format(struct buf *buf, const struct error *error)
{
	buf_printf(buf, "code=%s category=%s severity=%s strategy=%s executed=%s",
		   errcode_name(error->code), errcategory_name(errcode_info(error->code)->category),
		   errseverity_name(error->severity), errstrategy_name(error->strategy),
		   executed_name(error->executed));
	say_number(buf, "request", error->request);
	say_string(buf, "pool", error->pool);
	say_number(buf, "worker", error->worker);
	say_number(buf, "pid", error->pid > 0 ? (uint64_t)error->pid : 0);
	say_text(buf, "session", error->session);
	say_text(buf, "method", error->method);
	buf_printf(buf, " attempt=%u", error->attempt > 0 ? error->attempt : 1);
	say_span(buf, "elapsed_ms", error->elapsed);
	say_span(buf, "queue_ms", error->queued);
	say_span(buf, "run_ms", error->run);
	say_string(buf, "circuit", error->circuit);
	say_string(buf, "outcome", error->outcome);
	say_number(buf, "arrived_ms", error->arrived_ms);
	say_peer(buf, error->peer);
	say_text(buf, "trace", error->trace);
	say_span_id(buf, "span", error->span);
	say_span_id(buf, "attempt_span", error->attempt_span);
	buf_printf(buf, ": ");
	buf_put_text(buf, text_bytes(message_of(error)));
}

/* --- errors of workers --- */

void error_pack_stock(struct buf *buf, const struct error *error)
{
	struct bytes code = text_bytes(errcode_name(error->code));
	struct bytes message = text_bytes(message_of(error));

	pack_array(buf, 2);
	pack_uint(buf, 0);
	pack_str_head(buf, code.len + 2 + message.len);
	buf_put(buf, code.data, code.len);
	buf_put(buf, ": ", 2);
	buf_put_text(buf, message);
}

static enum errcode worker_code(struct bytes name)
{
	enum errcode code = errcode_find((const char *)name.data, name.len);

	switch (code) {
	case ERR_rejected:
	case ERR_unknown_method:
	case ERR_encode_error:
	case ERR_response_too_large:
	case ERR_cancelled:
		return code;
	default:
		return ERR_exception;
	}
}

/* Milliseconds as microseconds; the longest finite span if that does not fit. */
static usec_t msec_to_usec(uint64_t msec)
{
	return msec < USEC_INFINITY / USEC_PER_MSEC ? msec * USEC_PER_MSEC : USEC_INFINITY - 1;
}

static void take_code(struct worker_error *error, struct bytes name)
{
	error->code = worker_code(name);
	error->is_recalled = bytes_equal(name, "recalled");
}

static void take_severity(struct worker_error *error, struct bytes name)
{
	enum errseverity severity = errseverity_find((const char *)name.data, name.len);

	error->has_severity = severity != SEVERITY_COUNT_;
	if (error->has_severity)
		error->severity = severity;
}

/* Takes one pair of a worker's error.  A value of another type than the key's is ignored. */
static void worker_error_take(struct worker_error *error, struct bytes key, struct bytes value)
{
	struct reader reader;
	struct bytes name;
	uint64_t msec;

	reader_init(&reader, value.data, value.len);
	if (bytes_equal(key, "code") && read_str(&reader, &name) == 0)
		take_code(error, name);
	else if (bytes_equal(key, "type"))
		(void)read_str(&reader, &error->type);
	else if (bytes_equal(key, "message"))
		(void)read_str(&reader, &error->message);
	else if (bytes_equal(key, "traceback"))
		(void)read_str(&reader, &error->traceback);
	else if (bytes_equal(key, "retryable"))
		error->has_retryable = read_bool(&reader, &error->is_retryable) == 0;
	else if (bytes_equal(key, "severity") && read_str(&reader, &name) == 0)
		take_severity(error, name);
	else if (bytes_equal(key, "fatal"))
		(void)read_bool(&reader, &error->is_fatal);
	else if (bytes_equal(key, "retry_after_ms") && read_uint(&reader, &msec) == 0)
		error->retry_after = msec_to_usec(msec);
}

static void worker_error_read_map(struct reader *reader, struct worker_error *error)
{
	uint32_t pairs;

	if (read_map(reader, &pairs) < 0)
		return;
	for (uint32_t i = 0; i < pairs; i++) {
		struct bytes key, value;
		struct reader key_reader;
		struct bytes name;

		if (read_value(reader, &key) < 0 || read_value(reader, &value) < 0)
			return;
		reader_init(&key_reader, key.data, key.len);
		if (read_str(&key_reader, &name) == 0)
			worker_error_take(error, name, value);
	}
}

/* [number, text] */
static void worker_error_read_stock(struct reader *reader, struct worker_error *error)
{
	uint32_t count;
	struct bytes number;

	if (read_array(reader, &count) == 0 && count == 2 && read_peek(reader) == VALUE_INT &&
	    read_value(reader, &number) == 0)
		(void)read_str(reader, &error->message);
}

void worker_error_read(struct bytes value, struct worker_error *ret)
{
	struct reader reader;

	*ret = (struct worker_error){.code = ERR_exception, .retry_after = USEC_INFINITY};
	reader_init(&reader, value.data, value.len);
	switch (read_peek(&reader)) {
	case VALUE_MAP:
		worker_error_read_map(&reader, ret);
		break;
	case VALUE_ARRAY:
		worker_error_read_stock(&reader, ret);
		break;
	case VALUE_STR:
		(void)read_str(&reader, &ret->message);
		break;
	default:
		break;
	}
}

static void put_detail_fields(struct fields *fields, const struct worker_error *error,
			      size_t text_max)
{
	field_text(fields, "type", utf8_cut(error->type, text_max));
	field_text(fields, "message", utf8_cut(error->message, text_max));
	field_text(fields, "traceback", utf8_cut(error->traceback, text_max));
	if (error->data.len > 0 && error->data.len <= text_max && field(fields, "data"))
		pack_raw(fields->buf, error->data);
}

void worker_error_pack_detail(struct buf *buf, const struct worker_error *error, size_t text_max)
{
	struct fields counted = {0};
	struct fields written = {.buf = buf};

	put_detail_fields(&counted, error, text_max);
	pack_map(buf, counted.count);
	put_detail_fields(&written, error, text_max);
}
