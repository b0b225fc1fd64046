#include "tests/lib/wire.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/read.h"

#define TEXT_MAX ((size_t)64 * 1024 * 1024)

static void skip_space(const char **at)
{
	while (isspace((unsigned char)**at) || **at == ',' || **at == ':')
		(*at)++;
}

static bool take(const char **at, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*at, word, len) != 0)
		return false;
	*at += len;
	return true;
}

static void put_value(struct buf *buf, const char **at);

/* Packs the values up to the closing bracket; each pair of a map is two of them. */
static void put_nested(struct buf *buf, const char **at, char closing)
{
	struct buf inner;
	uint32_t count = 0;

	buf_init(&inner, TEXT_MAX);
	for (skip_space(at); **at != closing; skip_space(at)) {
		put_value(&inner, at);
		count++;
	}
	(*at)++;
	if (closing == ']')
		pack_array(buf, count);
	else
		pack_map(buf, count / 2);
	buf_put(buf, inner.data, inner.len);
	buf_free(&inner);
}

static void put_text(struct buf *buf, const char **at, bool is_bin)
{
	const char *end = strchr(*at, '\'');

	assert(end);
	if (is_bin)
		pack_bin(buf, *at, (size_t)(end - *at));
	else
		pack_str_len(buf, *at, (size_t)(end - *at));
	*at = end + 1;
}

static void put_number(struct buf *buf, const char **at)
{
	char *end, *float_end;
	int64_t number = strtoll(*at, &end, 10);
	double real = strtod(*at, &float_end);

	assert(float_end != *at);
	if (float_end > end)
		pack_double(buf, real);
	else if (**at != '-')
		pack_uint(buf, strtoull(*at, &end, 10));
	else
		pack_int(buf, number);
	*at = float_end > end ? float_end : end;
}

static void put_value(struct buf *buf, const char **at)
{
	skip_space(at);
	if (take(at, "nil"))
		pack_nil(buf);
	else if (take(at, "true"))
		pack_bool(buf, true);
	else if (take(at, "false"))
		pack_bool(buf, false);
	else if (take(at, "b'"))
		put_text(buf, at, true);
	else if (take(at, "'"))
		put_text(buf, at, false);
	else if (take(at, "["))
		put_nested(buf, at, ']');
	else if (take(at, "{"))
		put_nested(buf, at, '}');
	else
		put_number(buf, at);
}

void wire_put(struct buf *buf, const char *text)
{
	for (skip_space(&text); *text != '\0'; skip_space(&text))
		put_value(buf, &text);
	assert(buf_error(buf) == 0);
}

static bool render_value(struct buf *buf, struct reader *reader);

static bool render_nested(struct buf *buf, struct reader *reader, bool is_map)
{
	uint32_t count = 0;

	if ((is_map ? read_map(reader, &count) : read_array(reader, &count)) < 0)
		return false;
	buf_printf(buf, "%s", is_map ? "{" : "[");
	for (uint32_t i = 0; i < count; i++) {
		buf_printf(buf, "%s", i > 0 ? ", " : "");
		if (!render_value(buf, reader))
			return false;
		if (!is_map)
			continue;
		buf_printf(buf, ": ");
		if (!render_value(buf, reader))
			return false;
	}
	buf_printf(buf, "%s", is_map ? "}" : "]");
	return true;
}

static bool render_text(struct buf *buf, struct reader *reader, const char *prefix)
{
	struct bytes text;

	if (read_bin(reader, &text) < 0)
		return false;
	buf_printf(buf, "%s'%.*s'", prefix, (int)text.len, (const char *)text.data);
	return true;
}

static bool render_number(struct buf *buf, struct reader *reader)
{
	int64_t number;
	uint64_t large;
	double real;

	if (read_int(reader, &number) == 0)
		buf_printf(buf, "%" PRId64, number);
	else if (read_uint(reader, &large) == 0)
		buf_printf(buf, "%" PRIu64, large);
	else if (read_double(reader, &real) == 0)
		buf_printf(buf, "%g", real);
	else
		return false;
	return true;
}

static bool render_value(struct buf *buf, struct reader *reader)
{
	struct bytes value;
	bool flag;

	switch (read_peek(reader)) {
	case VALUE_NIL:
		buf_printf(buf, "nil");
		return read_nil(reader) == 0;
	case VALUE_BOOL:
		read_bool(reader, &flag);
		buf_printf(buf, "%s", flag ? "true" : "false");
		return true;
	case VALUE_INT:
	case VALUE_FLOAT:
		return render_number(buf, reader);
	case VALUE_STR:
		return render_text(buf, reader, "");
	case VALUE_BIN:
		return render_text(buf, reader, "b");
	case VALUE_ARRAY:
	case VALUE_MAP:
		return render_nested(buf, reader, read_peek(reader) == VALUE_MAP);
	case VALUE_EXT:
		buf_printf(buf, "ext");
		return read_value(reader, &value) == 0;
	case VALUE_NONE:
	default:
		return false;
	}
}

void wire_render(struct buf *buf, const uint8_t *data, size_t len)
{
	struct reader reader;

	reader_init(&reader, data, len);
	while (!reader_at_end(&reader)) {
		if (!render_value(buf, &reader)) {
			buf_printf(buf, "...");
			return;
		}
		buf_printf(buf, "\n");
	}
}

const char *wire_text(const void *data, size_t len)
{
	static struct buf texts[4];
	static unsigned next;
	struct buf *text = &texts[next++ % ARRAY_SIZE(texts)];

	text->max = TEXT_MAX;
	buf_reset(text);
	if (len > 0)
		wire_render(text, data, len);
	buf_put(text, "", 1);
	assert(buf_error(text) == 0);
	return (const char *)text->data;
}
