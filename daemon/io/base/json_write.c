/* From MessagePack to JSON. */
#include "daemon/io/base/json.h"

#include "daemon/io/base/json_keys.h"
#include "protocol/base64.h"
#include "protocol/read.h"
#include "protocol/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char cut_off[] = "a value that is cut off";

/* An array or map whose end is still to come. */
struct frame {
	uint32_t left; /* its items or pairs that are still to come */
	uint32_t keys; /* how many keys there were before it */
	bool is_map;
	bool has_begun; /* one of them was put */
};

struct writer {
	struct reader reader;
	const uint8_t *begin;
	struct buf *out;
	struct json_keys keys;
	struct frame frames[JSON_DEPTH_MAX];
	unsigned depth;
	size_t weight;
};

static void put_char(struct buf *out, char c)
{
	buf_put(out, &c, 1);
}

/* --- scalars --- */

static const char *check_room(const struct buf *out)
{
	return buf_error(out) < 0 ? "more than there is room for" : NULL;
}

/* Bytes that are encoded at a time: whole groups of three. */
#define BASE64_PIECE ((size_t)768)

static void put_base64(struct bytes data, struct buf *out)
{
	char text[BASE64_LEN(BASE64_PIECE)];

	put_char(out, '"');
	while (data.len > 0) {
		struct bytes piece = {data.data, data.len < BASE64_PIECE ? data.len : BASE64_PIECE};

		buf_put(out, text, base64_encode(piece, text));
		data.data += piece.len;
		data.len -= piece.len;
	}
	put_char(out, '"');
}

/* The fewest digits that read back to the same number, and a sign that it is no integer. */
static const char *put_float(double number, struct buf *out)
{
	char text[40];
	int precision = 15;

	if (!isfinite(number))
		return "a number that is not finite";
	do
		snprintf(text, sizeof(text), "%.*g", precision, number);
	while (strtod(text, NULL) != number && ++precision <= 17);
	buf_printf(out, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
	return NULL;
}

/* The longest: -9223372036854775808. */
#define INTEGER_LEN_MAX 20

static const char *put_integer(struct reader *reader, struct buf *out)
{
	char text[INTEGER_LEN_MAX], *at = text + sizeof(text);
	uint64_t left;
	int64_t number;

	if (read_int(reader, &number) < 0)
		return "an integer above 9223372036854775807";
	left = number < 0 ? -(uint64_t)number : (uint64_t)number;
	do
		*--at = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (number < 0)
		*--at = '-';
	buf_put(out, at, (size_t)(text + sizeof(text) - at));
	return NULL;
}

static const char *put_bool(struct reader *reader, struct buf *out)
{
	bool is_true;

	if (read_bool(reader, &is_true) < 0)
		return cut_off;
	if (is_true)
		buf_put(out, "true", 4);
	else
		buf_put(out, "false", 5);
	return NULL;
}

static const char *put_scalar(struct reader *reader, enum value_type type, struct buf *out)
{
	struct bytes bytes;
	double number;

	switch (type) {
	case VALUE_NIL:
		(void)read_nil(reader);
		buf_put(out, "null", 4);
		return NULL;
	case VALUE_BOOL:
		return put_bool(reader, out);
	case VALUE_INT:
		return put_integer(reader, out);
	case VALUE_FLOAT:
		return read_double(reader, &number) < 0 ? cut_off : put_float(number, out);
	case VALUE_STR:
		return read_str(reader, &bytes) < 0 ? cut_off : json_from_text(bytes, out);
	case VALUE_BIN:
		if (read_bin(reader, &bytes) < 0)
			return cut_off;
		put_base64(bytes, out);
		return NULL;
	case VALUE_EXT:
		return "an ext value";
	default:
		return cut_off;
	}
}

/* --- arrays and maps --- */

static const char *weigh(struct writer *writer, size_t weight)
{
	writer->weight += weight;
	return writer->weight > JSON_WEIGHT_MAX ? "too many values" : NULL;
}

static const char *begin_container(struct writer *writer, enum value_type type)
{
	struct frame *frame;
	bool map = type == VALUE_MAP;
	uint32_t count;
	int r;

	if (writer->depth == JSON_DEPTH_MAX)
		return "a value that is nested too deep";
	r = map ? read_map(&writer->reader, &count) : read_array(&writer->reader, &count);
	if (r < 0)
		return cut_off;
	frame = &writer->frames[writer->depth++];
	/* There are no more keys than JSON_WEIGHT_MAX. */
	*frame = (struct frame){
		.left = count, .keys = (uint32_t)json_keys_count(&writer->keys), .is_map = map};
	put_char(writer->out, map ? '{' : '[');
	return weigh(writer, map ? JSON_WEIGHT_OBJECT : JSON_WEIGHT_ARRAY);
}

static const char *put_key(struct writer *writer)
{
	struct bytes key;
	const char *why;

	if (reader_at_end(&writer->reader))
		return cut_off;
	if (read_str(&writer->reader, &key) < 0)
		return "a map's key that is not a text";
	/* Many readers of JSON end a text there, and two keys would be one to them. */
	if (key.len > 0 && memchr(key.data, 0, key.len))
		return "a map's key with a zero byte in it";
	if (json_keys_add(&writer->keys, writer->begin, (size_t)(key.data - writer->begin),
			  (uint32_t)key.len) < 0) {
		if (buf_error(writer->out) == 0)
			writer->out->error = -ENOMEM;
		return check_room(writer->out);
	}
	why = json_from_text(key, writer->out);
	put_char(writer->out, ':');
	return why ? why : weigh(writer, JSON_WEIGHT_COLON);
}

/* Ends the innermost array or map. */
static const char *end_container(struct writer *writer)
{
	const struct frame *frame = &writer->frames[--writer->depth];

	put_char(writer->out, frame->is_map ? '}' : ']');
	if (frame->is_map && json_keys_end(&writer->keys, frame->keys, writer->begin).data)
		return "a map that has a key twice";
	return NULL;
}

/* Ends the containers that are complete, and puts what is between the last value and the next. */
static const char *end_complete(struct writer *writer)
{
	const char *why = NULL;

	while (!why && writer->depth > 0 && writer->frames[writer->depth - 1].left == 0)
		why = end_container(writer);
	return why;
}

/* Puts the next value up to its end, or to the first value in it. */
static const char *put_next(struct writer *writer)
{
	enum value_type type = read_peek(&writer->reader);
	const char *why;

	if (type == VALUE_ARRAY || type == VALUE_MAP)
		why = begin_container(writer, type);
	else
		why = put_scalar(&writer->reader, type, writer->out);
	return why ? why : check_room(writer->out);
}

/* Puts the comma and the key that stand before the next value. */
static const char *put_before_value(struct writer *writer)
{
	struct frame *frame = &writer->frames[writer->depth - 1];
	const char *why = NULL;

	frame->left--;
	if (frame->has_begun) {
		put_char(writer->out, ',');
		why = weigh(writer, JSON_WEIGHT_COMMA);
	}
	frame->has_begun = true;
	return why || !frame->is_map ? why : put_key(writer);
}

static const char *put_whole(struct writer *writer)
{
	const char *why = put_next(writer);

	while (!why) {
		why = end_complete(writer);
		if (writer->depth == 0)
			break;
		if (!why)
			why = put_before_value(writer);
		if (!why)
			why = put_next(writer);
	}
	return why;
}

const char *json_from_value(struct bytes value, struct buf *out)
{
	struct writer writer;
	const char *why;

	reader_init(&writer.reader, value.data, value.len);
	json_keys_init(&writer.keys);
	writer.begin = value.data;
	writer.out = out;
	writer.depth = 0;
	writer.weight = 0;
	why = put_whole(&writer);
	json_keys_free(&writer.keys);
	return why ? why : check_room(out);
}
