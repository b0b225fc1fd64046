#include "daemon/io/config/config_list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool option_is_list(enum option_type type)
{
	return type >= OPTION_COMMAND && type <= OPTION_DURATIONS;
}

bool is_variable_name(const char *name)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

	return *name && !(*name >= '0' && *name <= '9') && name[strspn(name, letters)] == '\0';
}

bool is_pool_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t len = strlen(name);

	return len > 0 && len <= CONFIG_NAME_MAX && *name >= 'a' && *name <= 'z' &&
	       strspn(name, allowed) == len && strcmp(name, "poold") != 0;
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
	if (count > 0 && words[0][0] == '\0') {
		strv_free(words);
		return -EINVAL;
	}
	copy = strdup(text);
	if (!copy) {
		strv_free(words);
		return -ENOMEM;
	}
	option_clear_list(option, values);
	pool->command = copy;
	pool->argv = words;
	pool->argc = count;
	return 0;
}

/* Sets a list of names, or refuses it where one of them is none. */
static int set_strings(const struct option *option, void *values, char **names,
		       bool (*is_name)(const char *))
{
	char ***field = option_field(option, values);

	for (char **name = names; *name; name++)
		if (!is_name(*name)) {
			strv_free(names);
			return -EINVAL;
		}
	strv_free(*field);
	*field = names;
	return 0;
}

static int set_categories(const struct option *option, void *values, char **names)
{
	unsigned mask = 0;
	int r = 0;

	for (char **name = names; *name && r == 0; name++) {
		enum errcategory category = errcategory_find(*name, strlen(*name));

		if (category == ERRCAT_COUNT_)
			r = -EINVAL;
		else
			mask |= 1u << category;
	}
	strv_free(names);
	if (r == 0)
		*(unsigned *)option_field(option, values) = mask;
	return r;
}

static int set_durations(const struct option *option, void *values, char **texts, size_t count)
{
	struct config_retry *retry = values;
	usec_t *delays = calloc(count + 1, sizeof(*delays));
	int r = delays ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && r == 0; i++)
		if (value_parse_duration(texts[i], &delays[i]) < 0)
			r = -EINVAL;
	strv_free(texts);
	if (r < 0) {
		free(delays);
		return r;
	}
	option_clear_list(option, values);
	retry->delays = delays;
	retry->delay_count = count;
	return 0;
}

int option_set_list(const struct option *option, void *values, const char *text)
{
	char **items;
	size_t count;
	int r;

	if (option->type == OPTION_COMMAND)
		return set_command(option, values, text);
	if (option->type == OPTION_VARIABLES)
		r = value_split_words(text, option->max, &items, &count);
	else
		r = value_split_list(text, option->max, &items, &count);
	if (r < 0)
		return r == -ENOMEM ? r : -EINVAL;
	if (option->type == OPTION_VARIABLES)
		return set_strings(option, values, items, is_variable_name);
	if (option->type == OPTION_POOLS)
		return set_strings(option, values, items, is_pool_name);
	if (option->type == OPTION_CATEGORIES)
		return set_categories(option, values, items);
	return set_durations(option, values, items, count);
}

void option_clear_list(const struct option *option, void *values)
{
	struct config_pool *pool = values;
	struct config_retry *retry = values;
	char ***strings = option_field(option, values);

	if (option->type == OPTION_COMMAND) {
		free(pool->command);
		strv_free(pool->argv);
		pool->command = NULL;
		pool->argv = NULL;
		pool->argc = 0;
	} else if (option->type == OPTION_VARIABLES || option->type == OPTION_POOLS) {
		strv_free(*strings);
		*strings = NULL;
	} else if (option->type == OPTION_DURATIONS) {
		free(retry->delays);
		retry->delays = NULL;
		retry->delay_count = 0;
	}
}

static void print_categories(unsigned mask, struct buf *out)
{
	const char *separator = "";

	for (enum errcategory category = 0; category < ERRCAT_COUNT_; category++)
		if (mask & 1u << category) {
			buf_printf(out, "%s%s", separator, errcategory_name(category));
			separator = " ";
		}
}

static void print_delays(const struct config_retry *retry, struct buf *out)
{
	char text[VALUE_TEXT_MAX];

	for (size_t i = 0; i < retry->delay_count; i++) {
		value_format_duration(retry->delays[i], text);
		buf_printf(out, "%s%s", i > 0 ? " " : "", text);
	}
}

void option_print_list(const struct option *option, const void *values, struct buf *out)
{
	const void *field = option_field_read(option, values);

	switch (option->type) {
	case OPTION_COMMAND:
		buf_printf(out, "%s", *(char *const *)field);
		break;
	case OPTION_VARIABLES:
	case OPTION_POOLS:
		for (char *const *name = *(char **const *)field; *name; name++)
			buf_printf(out, "%s%s", *name, name[1] ? " " : "");
		break;
	case OPTION_CATEGORIES:
		print_categories(*(const unsigned *)field, out);
		break;
	default:
		print_delays(values, out);
		break;
	}
}

void option_print_list_allowed(const struct option *option, struct buf *out)
{
	switch (option->type) {
	case OPTION_COMMAND:
		buf_printf(out,
			   "a program and its arguments, at most %" PRIu64
			   " words, with each quote closed",
			   option->max);
		break;
	case OPTION_VARIABLES:
		buf_printf(out,
			   "names of environment variables, separated by spaces, at most %" PRIu64,
			   option->max);
		break;
	case OPTION_POOLS:
		buf_printf(out, "names of pools, separated by commas or spaces, at most %" PRIu64,
			   option->max);
		break;
	case OPTION_CATEGORIES:
		buf_printf(out, "any of these, separated by commas or spaces: ");
		print_categories(~0u, out);
		break;
	default:
		buf_printf(out,
			   "durations such as 250ms, 5s or 2min, separated by commas or spaces, at "
			   "most %" PRIu64,
			   option->max);
		break;
	}
}

usec_t option_longest_delay(const struct option *option, const void *values)
{
	const struct config_retry *retry = values;
	usec_t longest = 0;

	assert(option->type == OPTION_DURATIONS);
	for (size_t i = 0; i < retry->delay_count; i++)
		longest = usec_max(longest, retry->delays[i]);
	return longest;
}
