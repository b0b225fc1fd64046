#include "daemon/io/frontend/request_parse.h"

#include "daemon/core/names.h"
#include "protocol/envelope.h"
#include "protocol/read.h"
#include "protocol/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static COLD int wrong(char *why, const char *format, ...) PRINTF_LIKE(2, 3);

static COLD int wrong(char *why, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, REQUEST_WHY_SIZE, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static int parse_positive(struct reader *reader, uint64_t max, uint64_t *ret, const char *name,
			  char *why)
{
	if (read_uint(reader, ret) < 0 || *ret == 0 || *ret > max)
		return wrong(why, "option %s: an integer from 1 to %llu is wanted", name,
			     (unsigned long long)max);
	return 0;
}

static int parse_bool(struct reader *reader, bool *ret, const char *name, char *why)
{
	if (read_bool(reader, ret) < 0)
		return wrong(why, "option %s: true or false is wanted", name);
	return 0;
}

static int parse_timeout(struct reader *reader, struct parsed_call *ret, char *why)
{
	uint64_t value;

	if (parse_positive(reader, UINT32_MAX, &value, "timeout_ms", why) < 0)
		return -EINVAL;
	ret->options.timeout = value * USEC_PER_MSEC;
	return 0;
}

static int parse_meta(struct reader *reader, struct parsed_call *ret, char *why)
{
	return parse_bool(reader, &ret->wants_meta, "meta", why);
}

static int parse_idempotent(struct reader *reader, struct parsed_call *ret, char *why)
{
	ret->options.has_idempotent = true;
	return parse_bool(reader, &ret->options.is_idempotent, "idempotent", why);
}

static int parse_max_attempts(struct reader *reader, struct parsed_call *ret, char *why)
{
	uint64_t value;

	if (parse_positive(reader, UINT32_MAX, &value, "max_attempts", why) < 0)
		return -EINVAL;
	ret->options.max_attempts = (uint32_t)value;
	return 0;
}

static int parse_priority(struct reader *reader, struct parsed_call *ret, char *why)
{
	struct bytes name;

	if (read_str(reader, &name) == 0) {
		ret->options.priority = priority_find((const char *)name.data, name.len);
		if (ret->options.priority != PRIORITY_COUNT_)
			return 0;
	}
	return wrong(why, "option priority: critical, normal or sheddable is wanted");
}

static int parse_trace(struct reader *reader, struct parsed_call *ret, char *why)
{
	if (read_str(reader, &ret->trace) < 0 || ret->trace.len > TRACE_LEN_MAX)
		return wrong(why, "option trace: a string of at most %d bytes is wanted",
			     TRACE_LEN_MAX);
	return 0;
}

static int parse_tracestate(struct reader *reader, struct parsed_call *ret, char *why)
{
	if (read_str(reader, &ret->tracestate) < 0 || ret->tracestate.len > TRACESTATE_LEN_MAX)
		return wrong(why, "option tracestate: a string of at most %d bytes is wanted",
			     TRACESTATE_LEN_MAX);
	return 0;
}

/* Workers and people read names, so they must be text. */
static int parse_name(struct reader *reader, struct bytes *ret, const char *name, char *why)
{
	if (read_str(reader, ret) < 0 || ret->len == 0 || ret->len > NAME_LEN_MAX ||
	    utf8_valid_prefix(*ret) != ret->len)
		return wrong(why, "option %s: a string of 1 to %d bytes is wanted", name,
			     NAME_LEN_MAX);
	return 0;
}

static int parse_session(struct reader *reader, struct parsed_call *ret, char *why)
{
	return parse_name(reader, &ret->session, "session", why);
}

static int parse_key(struct reader *reader, struct parsed_call *ret, char *why)
{
	return parse_name(reader, &ret->key, "key", why);
}

static int parse_session_create(struct reader *reader, struct parsed_call *ret, char *why)
{
	bool create = true;

	if (parse_bool(reader, &create, "session_create", why) < 0)
		return -EINVAL;
	ret->options.session_exists = !create;
	return 0;
}

static int parse_fallback(struct reader *reader, struct parsed_call *ret, char *why)
{
	bool allowed = true;

	if (parse_bool(reader, &allowed, "fallback", why) < 0)
		return -EINVAL;
	ret->options.no_fallback = !allowed;
	return 0;
}

static int parse_stream(struct reader *reader, struct parsed_call *ret, char *why)
{
	return parse_bool(reader, &ret->options.is_stream, "stream", why);
}

static int parse_restartable(struct reader *reader, struct parsed_call *ret, char *why)
{
	return parse_bool(reader, &ret->options.is_restartable, "restartable", why);
}

static const struct {
	const char *name;
	int (*parse)(struct reader *reader, struct parsed_call *ret, char *why);
} options[] = {
	{"timeout_ms", parse_timeout},
	{"meta", parse_meta},
	{"idempotent", parse_idempotent},
	{"max_attempts", parse_max_attempts},
	{"priority", parse_priority},
	{"trace", parse_trace},
	{"tracestate", parse_tracestate},
	{"session", parse_session},
	{"session_create", parse_session_create},
	{"key", parse_key},
	{"fallback", parse_fallback},
	{"stream", parse_stream},
	{"restartable", parse_restartable},
};

static int parse_option(struct reader *reader, struct parsed_call *ret, char *why)
{
	struct bytes key;

	if (read_str(reader, &key) < 0)
		return wrong(why, "options: every key must be a string");
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (bytes_equal(key, options[i].name))
			return options[i].parse(reader, ret, why);
	return wrong(why, "there is no option %.*s", (int)(key.len < 64 ? key.len : 64),
		     (const char *)key.data);
}

static int parse_options(struct reader *reader, struct parsed_call *ret, char *why)
{
	uint32_t pairs;

	if (read_peek(reader) == VALUE_NIL)
		return read_nil(reader);
	if (read_map(reader, &pairs) < 0)
		return wrong(why, "options: a map is wanted");
	while (pairs-- > 0)
		if (parse_option(reader, ret, why) < 0)
			return -EINVAL;
	return 0;
}

static void set_defaults(struct parsed_call *ret)
{
	*ret = (struct parsed_call){.options.priority = PRIORITY_NORMAL};
}

int request_parse_call(struct bytes params, struct parsed_call *ret, char why[REQUEST_WHY_SIZE])
{
	struct reader reader;
	uint32_t count;

	set_defaults(ret);
	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count < 3 || count > 4)
		return wrong(why, "poold.call takes [pool, method, args, options]");
	if (read_str(&reader, &ret->pool) < 0)
		return wrong(why, "pool: a string is wanted");
	if (read_str(&reader, &ret->method) < 0 || ret->method.len == 0 ||
	    ret->method.len > METHOD_LEN_MAX)
		return wrong(why, "method: a string of 1 to %d bytes is wanted", METHOD_LEN_MAX);
	if (count == 3 && !reader_at_end(&reader)) {
		ret->args = read_rest(&reader);
		return 0;
	}
	if (read_value(&reader, &ret->args) < 0)
		return wrong(why, "args: a value is wanted");
	return parse_options(&reader, ret, why);
}

int request_parse_short(struct bytes name, struct bytes params, struct parsed_call *ret)
{
	const uint8_t *dot = memchr(name.data, '.', name.len);

	set_defaults(ret);
	if (!dot || dot == name.data || dot + 1 == name.data + name.len)
		return -EINVAL;
	ret->pool = (struct bytes){name.data, (size_t)(dot - name.data)};
	ret->method = (struct bytes){dot + 1, name.len - ret->pool.len - 1};
	ret->args = params;
	return 0;
}

static int parse_errors(struct reader *reader, bool *ret_errors_map, char *why)
{
	struct bytes shape;

	if (read_str(reader, &shape) == 0) {
		*ret_errors_map = bytes_equal(shape, "map");
		if (*ret_errors_map || bytes_equal(shape, "stock"))
			return 0;
	}
	return wrong(why, "errors: map or stock is wanted");
}

static int parse_hello_pair(struct reader *reader, struct parsed_hello *ret, char *why)
{
	struct bytes key, value;

	if (read_str(reader, &key) < 0)
		return wrong(why, "poold.hello: every key must be a string");
	if (bytes_equal(key, "errors"))
		return parse_errors(reader, &ret->wants_errors_map, why);
	if (bytes_equal(key, "closing"))
		return parse_bool(reader, &ret->wants_closing, "closing", why);
	if (bytes_equal(key, "client") && read_str(reader, &ret->client) == 0)
		return 0;
	if (bytes_equal(key, "version") && read_str(reader, &ret->version) == 0)
		return 0;
	if (read_value(reader, &value) < 0)
		return wrong(why, "poold.hello: a value is missing");
	return 0;
}

int request_parse_hello(struct bytes params, struct parsed_hello *ret, char why[REQUEST_WHY_SIZE])
{
	struct reader reader;
	uint32_t count, pairs;

	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count > 1)
		return wrong(why, "poold.hello takes [{client, version, errors, closing}]");
	if (count == 0)
		return 0;
	if (read_map(&reader, &pairs) < 0)
		return wrong(why, "poold.hello: a map is wanted");
	while (pairs-- > 0)
		if (parse_hello_pair(&reader, ret, why) < 0)
			return -EINVAL;
	return 0;
}

int request_begun(struct bytes begun, uint32_t *ret_id, struct bytes *ret_method)
{
	struct reader reader;
	uint32_t count;
	uint64_t type, id;

	reader_init(&reader, begun.data, begun.len);
	if (begun.len == 0 || read_array(&reader, &count) < 0 || count != 4 ||
	    read_uint(&reader, &type) < 0 || type != ENVELOPE_REQUEST ||
	    read_uint(&reader, &id) < 0 || id > UINT32_MAX)
		return -EPROTO;
	*ret_id = (uint32_t)id;
	if (read_str(&reader, ret_method) < 0)
		*ret_method = (struct bytes){0};
	return 0;
}
