/* A record of the log as one line of JSON. */
#ifndef POOLD_IO_BASE_LOG_JSON_H
#define POOLD_IO_BASE_LOG_JSON_H

#include "daemon/io/base/log.h"

struct log_json {
	const char *time;
	const char *level;
	const char *message_id; /* NULL: none */
	const char *message;
	const struct log_field *fields;
	size_t field_count;
};

/*
 * Writes {"time": ..., "level": ..., "message": ..., NAME: VALUE, ...} and a newline to `out`
 * (`size` bytes, at least 256) and returns its length.  It is valid JSON and UTF-8 whatever the
 * texts hold: characters that a terminal may obey (utf8_is_command) become \uNNNN, each byte that
 * is not UTF-8 the text \xNN.  A text that doesn't fit is cut and ends with "..."; a field that
 * doesn't fit at all is left out.
 */
size_t log_json_line(const struct log_json *record, char *out, size_t size);

#endif
