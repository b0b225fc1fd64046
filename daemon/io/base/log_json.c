#include "daemon/io/base/log_json.h"

#include "protocol/utf8.h"

#include <stdio.h>
#include <string.h>

#define SPELLED_MAX 16 /* the longest way to write one character, and a zero byte */
#define TAIL	    6  /* `..."` of a text, and `}` and the newline of the line */

/* A line under construction, which always has room for its end: a text keeps that of a TAIL before
 * it. */
struct line {
	char *data;
	size_t len;
	size_t max;
};

static size_t room_of(const struct line *line)
{
	size_t used = line->len + TAIL;

	return used < line->max ? line->max - used : 0;
}

static void put(struct line *line, const char *text, size_t len)
{
	memcpy(line->data + line->len, text, len);
	line->len += len;
}

/* Writes how the first character of the text is spelled in JSON; returns the bytes it takes of the
 * text. */
static size_t spell(struct bytes text, char out[static SPELLED_MAX])
{
	size_t len = utf8_char(text.data, text.len);
	struct bytes character = {text.data, len};

	if (len == 0) {
		snprintf(out, SPELLED_MAX, "\\\\x%02x", text.data[0]);
		return 1;
	}
	if (*text.data == '\n')
		snprintf(out, SPELLED_MAX, "\\n");
	else if (*text.data == '\t')
		snprintf(out, SPELLED_MAX, "\\t");
	else if (*text.data == '"' || *text.data == '\\')
		snprintf(out, SPELLED_MAX, "\\%c", *text.data);
	else if (utf8_is_command(character))
		/* There is none that needs more than four digits. */
		snprintf(out, SPELLED_MAX, "\\u%04x", utf8_code(character) & 0xffffu);
	else
		snprintf(out, SPELLED_MAX, "%.*s", (int)len, (const char *)text.data);
	return len;
}

/* Writes the value with its quotes, in at most `max` bytes before its end. */
static void put_value(struct line *line, const char *value, size_t max)
{
	struct bytes text = {(const uint8_t *)value, strlen(value)};
	size_t begin = line->len;
	char spelled[SPELLED_MAX];

	if (max > room_of(line))
		max = room_of(line);
	put(line, "\"", 1);
	while (text.len > 0) {
		size_t taken = spell(text, spelled), len = strlen(spelled);

		if (line->len - begin + len > max)
			break;
		put(line, spelled, len);
		text = (struct bytes){text.data + taken, text.len - taken};
	}
	if (text.len > 0)
		put(line, "...", 3);
	put(line, "\"", 1);
}

/* The least room of a field: its value may be cut, but not to nothing. */
#define VALUE_LEAST 16

static void put_field(struct line *line, const char *name, const char *value, size_t max)
{
	char head[96];
	size_t len = (size_t)snprintf(head, sizeof(head), "%c\"%.64s\":", line->len > 0 ? ',' : '{',
				      name);

	if (room_of(line) < len + VALUE_LEAST)
		return;
	put(line, head, len);
	put_value(line, value, max);
}

size_t log_json_line(const struct log_json *record, char *out, size_t size)
{
	struct line line = {.max = size};

	line.data = out;
	put_field(&line, "time", record->time, size);
	put_field(&line, "level", record->level, size);
	/* So that the fields have room behind a long message. */
	put_field(&line, "message", record->message, size * 3 / 4);
	if (record->message_id)
		put_field(&line, "message_id", record->message_id, size);
	for (size_t i = 0; i < record->field_count; i++)
		if (record->fields[i].value)
			put_field(&line, record->fields[i].name, record->fields[i].value, size);
	put(&line, "}\n", 2);
	return line.len;
}
