#include "daemon/io/config/config_option.h"

#include "daemon/io/config/config_address.h"
#include "daemon/io/config/config_answer.h"
#include "daemon/io/config/config_list.h"
#include "daemon/io/config/config_url.h"
#include "daemon/io/config/config_word.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_within(const struct option *option, uint64_t number)
{
	return number >= option->min && number <= option->max;
}

static int set_count(const struct option *option, void *values, const char *text)
{
	unsigned number;
	int r = option->type == OPTION_MODE ? value_parse_mode(text, &number)
					    : value_parse_unsigned(text, &number);

	if (r < 0 || !is_within(option, number))
		return -EINVAL;
	*(unsigned *)option_field(option, values) = number;
	return 0;
}

static int set_size(const struct option *option, void *values, const char *text)
{
	size_t size;

	if (value_parse_size(text, &size) < 0 || !is_within(option, size))
		return -EINVAL;
	*(size_t *)option_field(option, values) = size;
	return 0;
}

static int set_duration(const struct option *option, void *values, const char *text)
{
	usec_t usec;

	if (value_parse_duration(text, &usec) < 0 || !is_within(option, usec))
		return -EINVAL;
	*(usec_t *)option_field(option, values) = usec;
	return 0;
}

static int set_bool(const struct option *option, void *values, const char *text)
{
	return value_parse_bool(text, option_field(option, values));
}

static int set_range(const struct option *option, void *values, const char *text)
{
	struct value_range range;

	/* A pool may keep no worker, but must be able to start one. */
	if (value_parse_range(text, &range) < 0 || !is_within(option, range.max) ||
	    (range.min > 0 && !is_within(option, range.min)))
		return -EINVAL;
	*(struct value_range *)option_field(option, values) = range;
	return 0;
}

static bool is_group_name(const char *name)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

	return *name != '-' && name[strspn(name, allowed)] == '\0';
}

/* Its line has been checked to be UTF-8. */
static bool is_method_name(const char *name)
{
	for (; *name; name++)
		if ((uint8_t)*name <= ' ')
			return false;
	return true;
}

static bool is_json(const char *text)
{
	char fault[JSON_FAULT_MAX];
	struct buf value;
	bool is = config_answer_parse(text, &value, fault) == 0;

	if (is)
		buf_free(&value);
	return is;
}

/* Whether a text that is not empty and of the right length is one of its type. */
static bool is_of_type(enum option_type type, const char *text)
{
	struct sockaddr_storage address;
	struct config_url url;
	socklen_t len;

	switch (type) {
	case OPTION_PATH:
		return *text == '/';
	case OPTION_ADDRESS:
		return config_address_parse(text, &address, &len) == 0;
	case OPTION_LISTEN:
		return config_listen_parse(text, &address, &len) == 0;
	case OPTION_URL:
		return config_url_parse(text, &url) == 0;
	case OPTION_METHOD:
		return is_method_name(text);
	case OPTION_JSON:
		return is_json(text);
	default:
		return is_group_name(text);
	}
}

static int set_string(const struct option *option, void *values, const char *text)
{
	char **field = option_field(option, values);
	char *copy;

	if (!is_within(option, strlen(text)))
		return -EINVAL;
	if (*text && !is_of_type(option->type, text))
		return -EINVAL;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

static int set_word(const struct option *option, void *values, const char *text)
{
	unsigned number;
	int r = option_find_word(option->type, text, &number);

	static_assert(sizeof(enum log_level) == sizeof(number), "an enum is no unsigned");
	if (r == 0)
		memcpy(option_field(option, values), &number, sizeof(number));
	return r;
}

static int set_nice(const struct option *option, void *values, const char *text)
{
	return value_parse_nice(text, option_field(option, values)) < 0 ? -EINVAL : 0;
}

static int set_umask(const struct option *option, void *values, const char *text)
{
	uint64_t *field = option_field(option, values);
	unsigned mask;

	if (*text == '\0') {
		*field = VALUE_LIMIT_UNSET;
		return 0;
	}
	if (value_parse_mode(text, &mask) < 0)
		return -EINVAL;
	*field = mask;
	return 0;
}

static int set_limit(const struct option *option, void *values, const char *text)
{
	return value_parse_limit(text, option_field(option, values)) < 0 ? -EINVAL : 0;
}

static int set_requests(const struct option *option, void *values, const char *text)
{
	return value_parse_requests(text, option_field(option, values)) < 0 ? -EINVAL : 0;
}

static int set_percentage(const struct option *option, void *values, const char *text)
{
	unsigned thousandths;

	if (value_parse_percentage(text, &thousandths) < 0 || !is_within(option, thousandths))
		return -EINVAL;
	*(unsigned *)option_field(option, values) = thousandths;
	return 0;
}

static int set_threshold(const struct option *option, void *values, const char *text)
{
	struct value_threshold threshold;

	if (value_parse_threshold(text, &threshold) < 0 ||
	    !is_within(option, threshold.thousandths))
		return -EINVAL;
	*(struct value_threshold *)option_field(option, values) = threshold;
	return 0;
}

int option_set(const struct option *option, void *values, const char *text)
{
	static int (*const setters[])(const struct option *, void *, const char *) = {
		[OPTION_COUNT] = set_count,
		[OPTION_SIZE] = set_size,
		[OPTION_DURATION] = set_duration,
		[OPTION_BOOL] = set_bool,
		[OPTION_RANGE] = set_range,
		[OPTION_MODE] = set_count,
		[OPTION_PATH] = set_string,
		[OPTION_ADDRESS] = set_string,
		[OPTION_LISTEN] = set_string,
		[OPTION_URL] = set_string,
		[OPTION_GROUP] = set_string,
		[OPTION_USER] = set_string,
		[OPTION_METHOD] = set_string,
		[OPTION_JSON] = set_string,
		[OPTION_NICE] = set_nice,
		[OPTION_UMASK] = set_umask,
		[OPTION_LIMIT] = set_limit,
		[OPTION_REQUESTS] = set_requests,
		[OPTION_PERCENTAGE] = set_percentage,
		[OPTION_THRESHOLD] = set_threshold,
	};
	static_assert(ARRAY_SIZE(setters) == OPTION_COMMAND, "a setter for each type");

	if (option_is_list(option->type))
		return option_set_list(option, values, text);
	if (option_is_word(option->type))
		return set_word(option, values, text);
	return setters[option->type](option, values, text);
}

static bool is_string(enum option_type type)
{
	return type >= OPTION_PATH && type <= OPTION_JSON;
}

void option_clear(const struct option *option, void *values)
{
	if (is_string(option->type)) {
		char **string = option_field(option, values);

		free(*string);
		*string = NULL;
	}
	if (option_is_list(option->type))
		option_clear_list(option, values);
}

static void print_range(const struct value_range *range, struct buf *out)
{
	if (range->min == range->max)
		buf_printf(out, "%u", range->min);
	else
		buf_printf(out, "%u..%u", range->min, range->max);
}

static void print_size(uint64_t size, struct buf *out)
{
	char text[VALUE_TEXT_MAX];

	value_format_size(size, text);
	buf_printf(out, "%s", text);
}

static void print_duration(usec_t usec, struct buf *out)
{
	char text[VALUE_TEXT_MAX];

	value_format_duration(usec, text);
	buf_printf(out, "%s", text);
}

static void print_limit(uint64_t limit, struct buf *out)
{
	char text[VALUE_TEXT_MAX];

	value_format_limit(limit, text);
	buf_printf(out, "%s", text);
}

static void print_requests(unsigned requests, struct buf *out)
{
	char text[VALUE_TEXT_MAX];

	value_format_requests(requests, text);
	buf_printf(out, "%s", text);
}

static void print_umask(uint64_t mask, struct buf *out)
{
	if (mask != VALUE_LIMIT_UNSET)
		buf_printf(out, "%04o", (unsigned)mask);
}

static void print_percentage(unsigned thousandths, struct buf *out)
{
	char text[VALUE_TEXT_MAX];

	value_format_percentage(thousandths, text);
	buf_printf(out, "%s", text);
}

static void print_threshold(const struct value_threshold *threshold, struct buf *out)
{
	char text[VALUE_TEXT_MAX];

	value_format_threshold(threshold, text);
	buf_printf(out, "%s", text);
}

static void print_word(const struct option *option, const void *values, struct buf *out)
{
	unsigned number;

	memcpy(&number, option_field_read(option, values), sizeof(number));
	buf_printf(out, "%s", option_word(option->type, number));
}

void option_print(const struct option *option, const void *values, struct buf *out)
{
	const void *field = option_field_read(option, values);

	switch (option->type) {
	case OPTION_COUNT:
		buf_printf(out, "%u", *(const unsigned *)field);
		break;
	case OPTION_MODE:
		buf_printf(out, "%04o", *(const unsigned *)field);
		break;
	case OPTION_SIZE:
		print_size(*(const size_t *)field, out);
		break;
	case OPTION_DURATION:
		print_duration(*(const usec_t *)field, out);
		break;
	case OPTION_BOOL:
		buf_printf(out, "%s", *(const bool *)field ? "yes" : "no");
		break;
	case OPTION_RANGE:
		print_range(field, out);
		break;
	case OPTION_PATH:
	case OPTION_ADDRESS:
	case OPTION_LISTEN:
	case OPTION_URL:
	case OPTION_GROUP:
	case OPTION_USER:
	case OPTION_METHOD:
	case OPTION_JSON:
		buf_printf(out, "%s", *(char *const *)field);
		break;
	case OPTION_NICE:
		buf_printf(out, "%d", *(const int *)field);
		break;
	case OPTION_UMASK:
		print_umask(*(const uint64_t *)field, out);
		break;
	case OPTION_LIMIT:
		print_limit(*(const uint64_t *)field, out);
		break;
	case OPTION_REQUESTS:
		print_requests(*(const unsigned *)field, out);
		break;
	case OPTION_PERCENTAGE:
		print_percentage(*(const unsigned *)field, out);
		break;
	case OPTION_THRESHOLD:
		print_threshold(field, out);
		break;
	default:
		if (option_is_list(option->type))
			option_print_list(option, values, out);
		else
			print_word(option, values, out);
		break;
	}
}

/* What is allowed, where the option does not matter. */
static const char *const allowed_texts[] = {
	[OPTION_MODE] = "permission bits in octal, such as 0660",
	[OPTION_BOOL] = "yes or no",
	[OPTION_LISTEN] =
		("an address of this machine such as 127.0.0.1:9464 or [::1]:9464, or unix: "
		 "and an absolute path, or empty"),
	[OPTION_URL] =
		("unix: and the absolute path of a socket, or http://IP:PORT/PATH with an IP of "
		 "this machine in numbers, such as http://127.0.0.1:9093/api/v2/alerts, or "
		 "empty"),
	[OPTION_NICE] = "a number from -20 to 19",
	[OPTION_UMASK] = "permission bits in octal, such as 0027, or empty",
	[OPTION_LIMIT] = "a number or a size such as 64 or 16M, none, or empty",
	[OPTION_JSON] = "one JSON value, or empty",
	[OPTION_THRESHOLD] =
		("a number above 0, a percentage, a factor or a duration such as 5, 10%, "
		 "14.4x or 500ms"),
};

void option_print_allowed(const struct option *option, struct buf *out)
{
	switch (option->type) {
	case OPTION_COUNT:
		buf_printf(out, "a number from %" PRIu64 " to %" PRIu64, option->min, option->max);
		break;
	case OPTION_SIZE:
		buf_printf(out, "a size such as 64K or 16M, from ");
		print_size(option->min, out);
		buf_printf(out, " to ");
		print_size(option->max, out);
		break;
	case OPTION_DURATION:
		buf_printf(out, "a duration such as 250ms, 5s or 2min, from ");
		print_duration(option->min, out);
		buf_printf(out, " to ");
		print_duration(option->max, out);
		break;
	case OPTION_RANGE:
		buf_printf(out,
			   "a number or a range such as 2..8 or 0..4, from %" PRIu64 " to %" PRIu64,
			   option->min, option->max);
		break;
	case OPTION_PATH:
		buf_printf(out, "an absolute path of at most %" PRIu64 " bytes%s", option->max,
			   option->min ? "" : ", or empty");
		break;
	case OPTION_ADDRESS:
		buf_printf(out,
			   "an absolute path of at most %" PRIu64
			   " bytes, or tcp:IP:PORT with the IP in numbers, such as "
			   "tcp:127.0.0.1:4000 or tcp:[::1]:4000",
			   option->max);
		break;
	case OPTION_GROUP:
	case OPTION_USER:
		buf_printf(out,
			   "a %s name of at most %" PRIu64 " letters, digits, _, . and -, or empty",
			   option->type == OPTION_USER ? "user" : "group", option->max);
		break;
	case OPTION_REQUESTS:
		buf_printf(out, "failed, slow, all, or a share from 1/1 to 1/%d",
			   VALUE_REQUESTS_MAX);
		break;
	case OPTION_METHOD:
		buf_printf(out, "a method name of at most %" PRIu64 " bytes, or empty",
			   option->max);
		break;
	case OPTION_PERCENTAGE:
		buf_printf(out, "a percentage from ");
		print_percentage((unsigned)option->min, out);
		buf_printf(out, " to ");
		print_percentage((unsigned)option->max, out);
		break;
	default:
		if (option_is_list(option->type))
			option_print_list_allowed(option, out);
		else if (option->type < ARRAY_SIZE(allowed_texts) && allowed_texts[option->type])
			buf_printf(out, "%s", allowed_texts[option->type]);
		else
			option_print_words(option->type, out);
		break;
	}
}

uint64_t option_number(const struct option *option, const void *values)
{
	const void *field = option_field_read(option, values);

	switch (option->type) {
	case OPTION_COUNT:
		return *(const unsigned *)field;
	case OPTION_SIZE:
		return *(const size_t *)field;
	case OPTION_DURATION:
		return *(const usec_t *)field;
	case OPTION_RANGE:
		return ((const struct value_range *)field)->max;
	case OPTION_DURATIONS:
		return option_longest_delay(option, values);
	default:
		assert(false && "an option that is no number");
		return 0;
	}
}
