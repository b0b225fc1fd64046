#include "daemon/io/config_option.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELD_DAEMON struct config_daemon
#define FIELD_POOL   struct config_pool

static const struct option options[] = {
#define OPTION(section_, key_, type_, initial_, min_, max_, help_)                                 \
	[OPTION_##section_##_##key_] = {.key = #key_,                                              \
					.initial = initial_,                                       \
					.help = help_,                                             \
					.min = min_,                                               \
					.max = max_,                                               \
					.offset = offsetof(FIELD_##section_, key_),                \
					.section = SECTION_##section_,                             \
					.type = OPTION_##type_},
#include "daemon/io/config.def"
#undef OPTION
};

const struct option *option_get(enum option_id id)
{
	return &options[id];
}

const struct option *option_find(enum option_section section, const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (options[i].section == section && strcmp(options[i].key, key) == 0)
			return &options[i];
	return NULL;
}

enum option_id option_id(const struct option *option)
{
	return (enum option_id)(option - options);
}

static void *field_of(const struct option *option, void *values)
{
	return (char *)values + option->offset;
}

static const void *field_read(const struct option *option, const void *values)
{
	return (const char *)values + option->offset;
}

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
	*(unsigned *)field_of(option, values) = number;
	return 0;
}

static int set_size(const struct option *option, void *values, const char *text)
{
	size_t size;

	if (value_parse_size(text, &size) < 0 || !is_within(option, size))
		return -EINVAL;
	*(size_t *)field_of(option, values) = size;
	return 0;
}

static int set_duration(const struct option *option, void *values, const char *text)
{
	usec_t usec;

	if (value_parse_duration(text, &usec) < 0 || !is_within(option, usec))
		return -EINVAL;
	*(usec_t *)field_of(option, values) = usec;
	return 0;
}

static int set_bool(const struct option *option, void *values, const char *text)
{
	return value_parse_bool(text, field_of(option, values));
}

static int set_range(const struct option *option, void *values, const char *text)
{
	struct value_range range;

	if (value_parse_range(text, &range) < 0 || !is_within(option, range.min) ||
	    !is_within(option, range.max))
		return -EINVAL;
	*(struct value_range *)field_of(option, values) = range;
	return 0;
}

static int set_string(const struct option *option, void *values, const char *text)
{
	char **field = field_of(option, values);
	char *copy;

	if (!is_within(option, strlen(text)))
		return -EINVAL;
	if (option->type == OPTION_PATH && *text && *text != '/')
		return -EINVAL;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

static int set_command(const struct option *option, void *values, const char *text)
{
	struct config_pool *pool = values;
	char *copy, **words;
	size_t count;
	int r;

	r = value_split_words(text, option->max, &words, &count);
	if (r < 0)
		return r == -ENOMEM ? r : -EINVAL;
	if (count < option->min || words[0][0] == '\0') {
		strv_free(words);
		return -EINVAL;
	}
	copy = strdup(text);
	if (!copy) {
		strv_free(words);
		return -ENOMEM;
	}
	option_clear(option, values);
	pool->command = copy;
	pool->argv = words;
	pool->argc = count;
	return 0;
}

bool is_variable_name(const char *name)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

	return *name && !(*name >= '0' && *name <= '9') && name[strspn(name, letters)] == '\0';
}

static int set_variables(const struct option *option, void *values, const char *text)
{
	char ***field = field_of(option, values), **names;
	size_t count;
	int r;

	r = value_split_words(text, option->max, &names, &count);
	if (r < 0)
		return r == -ENOMEM ? r : -EINVAL;
	for (size_t i = 0; i < count; i++)
		if (!is_variable_name(names[i])) {
			strv_free(names);
			return -EINVAL;
		}
	strv_free(*field);
	*field = names;
	return 0;
}

static int set_level(const struct option *option, void *values, const char *text)
{
	return log_level_from_name(text, field_of(option, values));
}

static int set_target(const struct option *option, void *values, const char *text)
{
	return log_target_from_name(text, field_of(option, values));
}

int option_set(const struct option *option, void *values, const char *text)
{
	static int (*const setters[])(const struct option *, void *, const char *) = {
		[OPTION_COUNT] = set_count,	    [OPTION_SIZE] = set_size,
		[OPTION_DURATION] = set_duration,   [OPTION_BOOL] = set_bool,
		[OPTION_RANGE] = set_range,	    [OPTION_MODE] = set_count,
		[OPTION_PATH] = set_string,	    [OPTION_COMMAND] = set_command,
		[OPTION_VARIABLES] = set_variables, [OPTION_LEVEL] = set_level,
		[OPTION_TARGET] = set_target,
	};
	static_assert(ARRAY_SIZE(setters) == OPTION_TYPE_COUNT_, "a setter for each type");

	return setters[option->type](option, values, text);
}

void option_clear(const struct option *option, void *values)
{
	char **string = field_of(option, values);

	if (option->type == OPTION_PATH || option->type == OPTION_COMMAND) {
		free(*string);
		*string = NULL;
	}
	if (option->type == OPTION_COMMAND) {
		struct config_pool *pool = values;

		strv_free(pool->argv);
		pool->argv = NULL;
		pool->argc = 0;
	}
	if (option->type == OPTION_VARIABLES) {
		char ***list = field_of(option, values);

		strv_free(*list);
		*list = NULL;
	}
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

void option_print(const struct option *option, const void *values, struct buf *out)
{
	const void *field = field_read(option, values);

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
	case OPTION_COMMAND:
		buf_printf(out, "%s", *(char *const *)field);
		break;
	case OPTION_VARIABLES:
		for (char *const *name = *(char **const *)field; *name; name++)
			buf_printf(out, "%s%s", *name, name[1] ? " " : "");
		break;
	case OPTION_LEVEL:
		buf_printf(out, "%s", log_level_name(*(const enum log_level *)field));
		break;
	case OPTION_TARGET:
		buf_printf(out, "%s", log_target_name(*(const enum log_target *)field));
		break;
	case OPTION_TYPE_COUNT_:
		break;
	}
}

void option_print_allowed(const struct option *option, struct buf *out)
{
	switch (option->type) {
	case OPTION_COUNT:
		buf_printf(out, "a number from %" PRIu64 " to %" PRIu64, option->min, option->max);
		break;
	case OPTION_MODE:
		buf_printf(out, "permission bits in octal, such as 0660");
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
	case OPTION_BOOL:
		buf_printf(out, "yes or no");
		break;
	case OPTION_RANGE:
		buf_printf(out, "a number or a range such as 2..8, from %" PRIu64 " to %" PRIu64,
			   option->min, option->max);
		break;
	case OPTION_PATH:
		buf_printf(out, "a path that begins with /, of at most %" PRIu64 " bytes%s",
			   option->max, option->min ? "" : ", or nothing");
		break;
	case OPTION_COMMAND:
		buf_printf(out,
			   "a program and its arguments, at most %" PRIu64
			   " words, each quote closed",
			   option->max);
		break;
	case OPTION_VARIABLES:
		buf_printf(out,
			   "names of environment variables with spaces between, at most %" PRIu64,
			   option->max);
		break;
	case OPTION_LEVEL:
		buf_printf(out, "error, warning, notice, info or debug");
		break;
	case OPTION_TARGET:
		buf_printf(out, "auto, journal or stderr");
		break;
	case OPTION_TYPE_COUNT_:
		break;
	}
}

uint64_t option_number(const struct option *option, const void *values)
{
	const void *field = field_read(option, values);

	switch (option->type) {
	case OPTION_COUNT:
		return *(const unsigned *)field;
	case OPTION_SIZE:
		return *(const size_t *)field;
	case OPTION_DURATION:
		return *(const usec_t *)field;
	case OPTION_RANGE:
		return ((const struct value_range *)field)->max;
	default:
		assert(false && "an option that is no number");
		return 0;
	}
}
