/*
 * The daemon's log: to the journal, or as lines to standard error.
 *
 * Logging never blocks: what the journal or the pipe behind standard error doesn't take at once is
 * dropped and counted, and the count is logged when lines pass again.  All text is escaped here
 * (control bytes and invalid UTF-8 become \xNN, a newline \n), so untrusted text may be passed as
 * it is.  A message is cut at LOG_TEXT_MAX bytes, and then ends with "...".
 */
#ifndef POOLD_IO_BASE_LOG_H
#define POOLD_IO_BASE_LOG_H

#include "protocol/base.h"

#define LOG_TEXT_MAX   2048 /* bytes of a message, and of a field's value, once escaped */
#define LOG_FIELDS_MAX 26   /* fields of an event; the rest is left out */

/* The numbers are the journal's priorities. */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

enum log_target {
	/* The journal where standard error is connected to it, else standard error. */
	LOG_TARGET_AUTO = 0,
	LOG_TARGET_JOURNAL,
	LOG_TARGET_STDERR,
	LOG_TARGET_COUNT_
};

/* How lines on standard error are written; the journal's records are as they are. */
enum log_format {
	LOG_FORMAT_TEXT = 0,
	LOG_FORMAT_JSON, /* one object a line, with each field apart (log_json.h) */
	LOG_FORMAT_COUNT_
};

/* A named value: `pool=python` on standard error, `POOLD_POOL=python` in the journal. */
struct log_field {
	const char *name;  /* lower case letters, digits and _ */
	const char *value; /* NULL: the field is left out */
};

/*
 * Chooses where to log to and from which level on.  Before it is called, lines from LOG_LEVEL_INFO
 * on go to standard error.  May be called again.  SIGPIPE must be ignored.  Returns 0 or -errno (no
 * socket to be had), and then logging stays as it was.
 */
int log_open(enum log_target target, enum log_level level);
/* Closes what log_open opened; logging goes on as before it. */
void log_close(void);
/* After log_open, which begins with text. */
void log_set_format(enum log_format format);
/* Whether fields are stored apart from the message, as in the journal and in JSON.  On standard
 * error they follow the message, so a message that has their values already needs none. */
bool log_has_fields(void);
/* Whether a line of that level would be written, for arguments that are costly to make. */
bool log_is_enabled(enum log_level level);

/*
 * Logs one event.  Where fields are stored apart, the message begins with the values of `pool` and
 * `worker`, as "python/3: ": who reads only the text must know whom it is about.  `message_id` is
 * 32 hexadecimal digits that the journal's catalog explains, or NULL.  errno is kept.
 */
void log_event(enum log_level level, const char *message_id, const struct log_field *fields,
	       size_t field_count, const char *format, ...) PRINTF_LIKE(5, 6);

#define log_error(...)	 log_event(LOG_LEVEL_ERROR, NULL, NULL, 0, __VA_ARGS__)
#define log_warning(...) log_event(LOG_LEVEL_WARNING, NULL, NULL, 0, __VA_ARGS__)
#define log_notice(...)	 log_event(LOG_LEVEL_NOTICE, NULL, NULL, 0, __VA_ARGS__)
#define log_info(...)	 log_event(LOG_LEVEL_INFO, NULL, NULL, 0, __VA_ARGS__)
#define log_debug(...)	 log_event(LOG_LEVEL_DEBUG, NULL, NULL, 0, __VA_ARGS__)

/* Lines that were dropped since the start because they could not be written at once. */
uint64_t log_dropped(void);

/* Limits a kind of line to so many a second.  Set `per_second`, leave the rest 0. */
struct log_limit {
	unsigned per_second;
	unsigned passed;
	unsigned held;
	usec_t second_begin;
};

/*
 * Whether a line of this kind may be logged at `now` (monotonic).  If so, *ret_held is how many
 * were held back since the last that was logged; the caller adds that to the line.
 */
bool log_limit_pass(struct log_limit *limit, usec_t now, unsigned *ret_held);

/* "error" .. "debug"; "auto" .. "stderr"; "text", "json"; NULL: there is no such value. */
const char *log_level_name(enum log_level level);
const char *log_target_name(enum log_target target);
const char *log_format_name(enum log_format format);

#endif
