/* Values as text: durations, sizes, numbers, ranges, words of a command, items of a list. */
#ifndef POOLD_IO_CONFIG_CONFIG_VALUE_H
#define POOLD_IO_CONFIG_CONFIG_VALUE_H

#include "protocol/base.h"

struct value_range {
	unsigned min;
	unsigned max;
};

/* Room for any formatted duration, size or number with its terminating zero. */
#define VALUE_TEXT_MAX 32

/*
 * The parsers take a text without space around it.  They return 0, -EINVAL (it has another form) or
 * -ERANGE (the number is too large); on failure the output is untouched.
 */

/* A whole number and a unit: us, ms, s, min, h, d ("250ms").  0 needs no unit. */
int value_parse_duration(const char *text, usec_t *ret_usec);
/* Bytes: a whole number, or one with K, M or G (times 1024). */
int value_parse_size(const char *text, size_t *ret_size);
int value_parse_unsigned(const char *text, unsigned *ret_number);
/* "yes" or "no". */
int value_parse_bool(const char *text, bool *ret_yes);
/* "N", or "A..B" with A <= B. */
int value_parse_range(const char *text, struct value_range *ret_range);
/* Permission bits in octal, up to 0777. */
int value_parse_mode(const char *text, unsigned *ret_mode);

/* A nice value, -20 to 19. */
int value_parse_nice(const char *text, int *ret_nice);
/* A number or size, "none" for VALUE_LIMIT_NONE, or "" for VALUE_LIMIT_UNSET. */
#define VALUE_LIMIT_NONE  UINT64_MAX
#define VALUE_LIMIT_UNSET (UINT64_MAX - 1)
int value_parse_limit(const char *text, uint64_t *ret_limit);

/* Which requests are logged: VALUE_REQUESTS_FAILED ("failed"), VALUE_REQUESTS_SLOW ("slow"), 1
 * ("all"), or N ("1/N": one in N, which is 1000000 at most). */
#define VALUE_REQUESTS_FAILED 0
#define VALUE_REQUESTS_SLOW   UINT32_MAX
#define VALUE_REQUESTS_MAX    1000000
int value_parse_requests(const char *text, unsigned *ret_requests);

/*
 * A threshold: a number with up to 3 digits behind its point, and what it counts.  A duration is in
 * ms, so that its thousandths are µs.
 */
enum value_unit {
	VALUE_PLAIN = 0, /* "5" */
	VALUE_PERCENT,	 /* "12.5%" */
	VALUE_TIMES,	 /* "14.4x" */
	VALUE_DURATION	 /* "500ms" */
};

struct value_threshold {
	uint64_t thousandths;
	enum value_unit unit;
};

int value_parse_threshold(const char *text, struct value_threshold *ret_threshold);
/* A percentage without its sign, in thousandths: "99.95" is 99950. */
int value_parse_percentage(const char *text, unsigned *ret_thousandths);

/* The shortest text that the parser reads back to the same value. */
void value_format_duration(usec_t usec, char text[static VALUE_TEXT_MAX]);
void value_format_size(size_t size, char text[static VALUE_TEXT_MAX]);
void value_format_limit(uint64_t limit, char text[static VALUE_TEXT_MAX]);
void value_format_requests(unsigned requests, char text[static VALUE_TEXT_MAX]);
void value_format_threshold(const struct value_threshold *threshold,
			    char text[static VALUE_TEXT_MAX]);
void value_format_percentage(unsigned thousandths, char text[static VALUE_TEXT_MAX]);

/*
 * Splits a command into words as a shell does: spaces and tabs separate words; '...' keeps all
 * characters as they are; "..." keeps all but a backslash before " or \; a backslash outside of
 * quotes keeps the next byte.  Nothing is expanded.  The list ends with a NULL; the caller frees it
 * with strv_free.  Returns 0, -EINVAL (a quote is not closed, or the text ends with a backslash),
 * -E2BIG (more than `max` words) or -ENOMEM.
 */
int value_split_words(const char *text, size_t max, char ***ret_words, size_t *ret_count);

/* The same for a list whose items are separated by spaces, tabs or commas; never -EINVAL. */
int value_split_list(const char *text, size_t max, char ***ret_items, size_t *ret_count);

/* Frees a list that ends with a NULL, and its strings.  Takes NULL. */
void strv_free(char **list);

#endif
