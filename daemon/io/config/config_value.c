#include "daemon/io/config/config_value.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* From the smallest to the largest: a formatter takes the largest that divides the value. */
static const struct unit duration_units[] = {
	{"us", 1},
	{"ms", 1000},
	{"s", USEC_PER_SEC},
	{"min", 60 * USEC_PER_SEC},
	{"h", 3600 * USEC_PER_SEC},
	{"d", 86400 * USEC_PER_SEC},
};

static const struct unit size_units[] = {
	{"", 1},
	{"K", UINT64_C(1) << 10},
	{"M", UINT64_C(1) << 20},
	{"G", UINT64_C(1) << 30},
};

/* Reads at least one digit; *ret_rest is the first byte that is none. */
static int parse_digits(const char *text, uint64_t *ret_number, const char **ret_rest)
{
	uint64_t number = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*p - '0'), &number))
			return -ERANGE;
	if (p == text)
		return -EINVAL;
	*ret_number = number;
	*ret_rest = p;
	return 0;
}

/* Reads digits and one of the units. */
static int parse_with_unit(const char *text, const struct unit *units, size_t count,
			   uint64_t *ret_value)
{
	uint64_t number;
	const char *rest;
	int r;

	r = parse_digits(text, &number, &rest);
	if (r < 0)
		return r;
	if (number == 0 && *rest == '\0') {
		*ret_value = 0;
		return 0;
	}
	for (size_t i = 0; i < count; i++)
		if (strcmp(rest, units[i].name) == 0)
			return __builtin_mul_overflow(number, units[i].factor, ret_value) ? -ERANGE
											  : 0;
	return -EINVAL;
}

int value_parse_duration(const char *text, usec_t *ret_usec)
{
	uint64_t usec;
	int r;

	r = parse_with_unit(text, duration_units, ARRAY_SIZE(duration_units), &usec);
	if (r < 0)
		return r;
	if (usec == USEC_INFINITY)
		return -ERANGE;
	*ret_usec = usec;
	return 0;
}

/* Reads a number with at most 3 digits behind its point, as thousandths. */
static int parse_decimal(const char *text, uint64_t *ret_thousandths, const char **ret_rest)
{
	uint64_t number, scale = 1000;
	const char *rest;
	int r;

	r = parse_digits(text, &number, &rest);
	if (r < 0)
		return r;
	if (number >= UINT64_MAX / scale)
		return -ERANGE;
	number *= scale;
	if (*rest == '.') {
		for (rest++; *rest >= '0' && *rest <= '9' && scale > 1; rest++) {
			scale /= 10;
			number += scale * (uint64_t)(*rest - '0');
		}
		if (scale == 1000 || (*rest >= '0' && *rest <= '9'))
			return -EINVAL;
	}
	*ret_thousandths = number;
	*ret_rest = rest;
	return 0;
}

int value_parse_threshold(const char *text, struct value_threshold *ret_threshold)
{
	static const char *const units[] = {
		[VALUE_PLAIN] = "", [VALUE_PERCENT] = "%", [VALUE_TIMES] = "x"};
	uint64_t number;
	const char *rest;
	int r;

	r = parse_decimal(text, &number, &rest);
	if (r < 0)
		return r;
	for (enum value_unit unit = 0; unit < ARRAY_SIZE(units); unit++)
		if (strcmp(rest, units[unit]) == 0) {
			*ret_threshold = (struct value_threshold){number, unit};
			return 0;
		}
	r = value_parse_duration(text, &number);
	if (r == 0)
		*ret_threshold = (struct value_threshold){number, VALUE_DURATION};
	return r;
}

int value_parse_percentage(const char *text, unsigned *ret_thousandths)
{
	uint64_t number;
	const char *rest;
	int r;

	r = parse_decimal(text, &number, &rest);
	if (r < 0)
		return r;
	if (*rest != '\0')
		return -EINVAL;
	if (number > 100000)
		return -ERANGE;
	*ret_thousandths = (unsigned)number;
	return 0;
}

int value_parse_size(const char *text, size_t *ret_size)
{
	uint64_t size;
	int r;

	r = parse_with_unit(text, size_units, ARRAY_SIZE(size_units), &size);
	if (r < 0)
		return r;
	if (size > SIZE_MAX)
		return -ERANGE;
	*ret_size = (size_t)size;
	return 0;
}

int value_parse_unsigned(const char *text, unsigned *ret_number)
{
	uint64_t number;
	const char *rest;
	int r;

	r = parse_digits(text, &number, &rest);
	if (r < 0)
		return r;
	if (*rest != '\0')
		return -EINVAL;
	if (number > UINT_MAX)
		return -ERANGE;
	*ret_number = (unsigned)number;
	return 0;
}

int value_parse_bool(const char *text, bool *ret_yes)
{
	if (strcmp(text, "yes") == 0)
		*ret_yes = true;
	else if (strcmp(text, "no") == 0)
		*ret_yes = false;
	else
		return -EINVAL;
	return 0;
}

int value_parse_range(const char *text, struct value_range *ret_range)
{
	uint64_t min, max;
	const char *rest;
	int r;

	r = parse_digits(text, &min, &rest);
	if (r < 0)
		return r;
	max = min;
	if (strncmp(rest, "..", 2) == 0) {
		r = parse_digits(rest + 2, &max, &rest);
		if (r < 0)
			return r;
	}
	if (*rest != '\0' || min > max)
		return -EINVAL;
	if (max > UINT_MAX)
		return -ERANGE;
	*ret_range = (struct value_range){(unsigned)min, (unsigned)max};
	return 0;
}

int value_parse_nice(const char *text, int *ret_nice)
{
	bool is_negative = *text == '-';
	unsigned number;
	int r = value_parse_unsigned(text + is_negative, &number);

	if (r < 0)
		return r;
	if (number > (is_negative ? 20 : 19))
		return -ERANGE;
	*ret_nice = is_negative ? -(int)number : (int)number;
	return 0;
}

int value_parse_limit(const char *text, uint64_t *ret_limit)
{
	size_t size;
	int r;

	if (*text == '\0' || strcmp(text, "none") == 0) {
		*ret_limit = *text == '\0' ? VALUE_LIMIT_UNSET : VALUE_LIMIT_NONE;
		return 0;
	}
	r = value_parse_size(text, &size);
	if (r < 0)
		return r;
	if (size >= VALUE_LIMIT_UNSET)
		return -ERANGE;
	*ret_limit = size;
	return 0;
}

int value_parse_requests(const char *text, unsigned *ret_requests)
{
	unsigned number;
	int r;

	if (strcmp(text, "failed") == 0)
		number = VALUE_REQUESTS_FAILED;
	else if (strcmp(text, "slow") == 0)
		number = VALUE_REQUESTS_SLOW;
	else if (strcmp(text, "all") == 0)
		number = 1;
	else if (strncmp(text, "1/", 2) != 0)
		return -EINVAL;
	else if ((r = value_parse_unsigned(text + 2, &number)) < 0)
		return r;
	else if (number == 0 || number > VALUE_REQUESTS_MAX)
		return -ERANGE;
	*ret_requests = number;
	return 0;
}

void value_format_requests(unsigned requests, char text[static VALUE_TEXT_MAX])
{
	if (requests == VALUE_REQUESTS_FAILED || requests == VALUE_REQUESTS_SLOW || requests == 1)
		snprintf(text, VALUE_TEXT_MAX, "%s",
			 requests == 1			     ? "all"
			 : requests == VALUE_REQUESTS_FAILED ? "failed"
							     : "slow");
	else
		snprintf(text, VALUE_TEXT_MAX, "1/%u", requests);
}

int value_parse_mode(const char *text, unsigned *ret_mode)
{
	unsigned mode = 0;

	if (*text == '\0')
		return -EINVAL;
	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '7')
			return -EINVAL;
		mode = mode * 8 + (unsigned)(*p - '0');
		if (mode > 0777)
			return -ERANGE;
	}
	*ret_mode = mode;
	return 0;
}

static void format_with_unit(uint64_t value, const struct unit *units, size_t count, char *text)
{
	size_t i = count - 1;

	while (i > 0 && value % units[i].factor != 0)
		i--;
	snprintf(text, VALUE_TEXT_MAX, "%" PRIu64 "%s", value / units[i].factor,
		 value ? units[i].name : "");
}

void value_format_duration(usec_t usec, char text[static VALUE_TEXT_MAX])
{
	format_with_unit(usec, duration_units, ARRAY_SIZE(duration_units), text);
}

void value_format_size(size_t size, char text[static VALUE_TEXT_MAX])
{
	format_with_unit(size, size_units, ARRAY_SIZE(size_units), text);
}

void value_format_limit(uint64_t limit, char text[static VALUE_TEXT_MAX])
{
	if (limit == VALUE_LIMIT_UNSET)
		*text = '\0';
	else if (limit == VALUE_LIMIT_NONE)
		memcpy(text, "none", sizeof("none"));
	else
		value_format_size((size_t)limit, text);
}

/* The number without zeros at its end, and what follows it. */
static void format_decimal(uint64_t thousandths, const char *unit, char text[static VALUE_TEXT_MAX])
{
	int len = snprintf(text, VALUE_TEXT_MAX, "%" PRIu64 ".%03u", thousandths / 1000,
			   (unsigned)(thousandths % 1000));

	while (text[len - 1] == '0')
		len--;
	if (text[len - 1] == '.')
		len--;
	snprintf(text + len, VALUE_TEXT_MAX - (size_t)len, "%s", unit);
}

void value_format_threshold(const struct value_threshold *threshold,
			    char text[static VALUE_TEXT_MAX])
{
	static const char *const units[] = {
		[VALUE_PLAIN] = "", [VALUE_PERCENT] = "%", [VALUE_TIMES] = "x"};

	if (threshold->unit == VALUE_DURATION)
		value_format_duration(threshold->thousandths, text);
	else
		format_decimal(threshold->thousandths, units[threshold->unit], text);
}

void value_format_percentage(unsigned thousandths, char text[static VALUE_TEXT_MAX])
{
	format_decimal(thousandths, "", text);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Copies one word without its quotes to `word`; *text is then the byte after it. */
static int split_word(const char **text, char *word)
{
	const char *p = *text;
	char quote = '\0';

	for (; *p && (quote || !is_blank(*p)); p++) {
		if (quote == '\0' && (*p == '\'' || *p == '"')) {
			quote = *p;
		} else if (*p == quote) {
			quote = '\0';
		} else if (*p == '\\' &&
			   (quote == '\0' || (quote == '"' && strchr("\"\\", p[1])))) {
			if (*++p == '\0')
				return -EINVAL;
			*word++ = *p;
		} else {
			*word++ = *p;
		}
	}
	*word = '\0';
	*text = p;
	return quote ? -EINVAL : 0;
}

int value_split_words(const char *text, size_t max, char ***ret_words, size_t *ret_count)
{
	char *word = malloc(strlen(text) + 1); /* no word is longer than the text */
	char **words = calloc(max + 1, sizeof(*words));
	size_t count = 0;
	int r = word && words ? 0 : -ENOMEM;

	while (r == 0) {
		while (is_blank(*text))
			text++;
		if (*text == '\0')
			break;
		if (count == max) {
			r = -E2BIG;
			break;
		}
		r = split_word(&text, word);
		if (r == 0 && !(words[count++] = strdup(word)))
			r = -ENOMEM;
	}
	free(word);
	if (r < 0) {
		strv_free(words);
		return r;
	}
	*ret_words = words;
	*ret_count = count;
	return 0;
}

int value_split_list(const char *text, size_t max, char ***ret_items, size_t *ret_count)
{
	static const char separators[] = " \t,";
	char **items = calloc(max + 1, sizeof(*items));
	size_t count = 0;
	int r = items ? 0 : -ENOMEM;

	for (text += strspn(text, separators); *text && r == 0; text += strspn(text, separators)) {
		size_t len = strcspn(text, separators);

		if (count == max)
			r = -E2BIG;
		else if (!(items[count++] = strndup(text, len)))
			r = -ENOMEM;
		text += len;
	}
	if (r < 0) {
		strv_free(items);
		return r;
	}
	*ret_items = items;
	*ret_count = count;
	return 0;
}

void strv_free(char **list)
{
	for (char **p = list; p && *p; p++)
		free(*p);
	free(list);
}
