#include "daemon/io/base/json.h"

#include "protocol/base64.h"
#include "protocol/read.h"
#include "protocol/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Keys of a map that are compared without an allocation. */
#define KEYS_ON_STACK 32

/* What a byte outside of texts adds: an object and a member take more than an item of an array. */
static size_t weight_of(uint8_t byte)
{
	switch (byte) {
	case ',':
		return 1;
	case '[':
	case ':':
		return 3;
	case '{':
		return 8;
	default:
		return 0;
	}
}

size_t json_weight(struct bytes text)
{
	size_t weight = 0;
	bool in_text = false;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t byte = text.data[i];

		if (byte == '"')
			in_text = !in_text;
		else if (in_text && byte == '\\')
			i++;
		else if (!in_text)
			weight += weight_of(byte);
	}
	return weight;
}

/* A short text can't be too heavy. */
static bool is_too_heavy(struct bytes text)
{
	return text.len > JSON_WEIGHT_MAX / 8 && json_weight(text) > JSON_WEIGHT_MAX;
}

/* --- to JSON --- */

static const char *put_value(struct reader *reader, struct buf *out, unsigned depth);

static void put_char(struct buf *out, char c)
{
	buf_put(out, &c, 1);
}

static bool must_escape(uint8_t byte)
{
	return byte < 0x20 || byte == '"' || byte == '\\';
}

const char *json_from_text(struct bytes text, struct buf *out)
{
	size_t from = 0;

	if (utf8_valid_prefix(text) != text.len)
		return "a text that is not UTF-8";
	put_char(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (!must_escape(text.data[i]))
			continue;
		buf_put(out, text.data + from, i - from);
		from = i + 1;
		if (text.data[i] >= 0x20)
			buf_printf(out, "\\%c", text.data[i]);
		else
			buf_printf(out, "\\u%04x", text.data[i]);
	}
	buf_put(out, text.data + from, text.len - from);
	put_char(out, '"');
	return NULL;
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

static const char *put_integer(struct reader *reader, struct buf *out)
{
	int64_t number;

	if (read_int(reader, &number) < 0)
		return "an integer above 9223372036854775807";
	buf_printf(out, "%" PRId64, number);
	return NULL;
}

static const char *put_array(struct reader *reader, struct buf *out, unsigned depth)
{
	const char *why = NULL;
	uint32_t count;

	if (read_array(reader, &count) < 0)
		return "a value that is cut off";
	put_char(out, '[');
	for (uint32_t i = 0; i < count && !why && buf_error(out) == 0; i++) {
		if (i > 0)
			put_char(out, ',');
		why = put_value(reader, out, depth);
	}
	put_char(out, ']');
	return why;
}

static int compare_texts(const void *left, const void *right)
{
	const struct bytes *a = left, *b = right;

	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return a->len > 0 ? memcmp(a->data, b->data, a->len) : 0;
}

static bool has_duplicates(struct bytes *keys, uint32_t count)
{
	qsort(keys, count, sizeof(*keys), compare_texts);
	for (uint32_t i = 1; i < count; i++)
		if (compare_texts(&keys[i - 1], &keys[i]) == 0)
			return true;
	return false;
}

static const char *put_members(struct reader *reader, struct buf *out, unsigned depth,
			       struct bytes *keys, uint32_t count)
{
	const char *why = NULL;

	for (uint32_t i = 0; i < count && !why && buf_error(out) == 0; i++) {
		if (i > 0)
			put_char(out, ',');
		if (read_str(reader, &keys[i]) < 0)
			return "a map's key that is not a text";
		/* The parser of JSON takes none either. */
		if (keys[i].len > 0 && memchr(keys[i].data, 0, keys[i].len))
			return "a map's key with a zero byte in it";
		why = json_from_text(keys[i], out);
		put_char(out, ':');
		if (!why)
			why = put_value(reader, out, depth);
	}
	if (!why && buf_error(out) == 0 && has_duplicates(keys, count))
		why = "a map that has a key twice";
	return why;
}

static const char *put_map(struct reader *reader, struct buf *out, unsigned depth)
{
	struct bytes on_stack[KEYS_ON_STACK], *keys = on_stack;
	const char *why;
	uint32_t count;

	if (read_map(reader, &count) < 0)
		return "a value that is cut off";
	/* Each pair takes two bytes at least, so this asks for no more than was sent. */
	if (count > (size_t)(reader->end - reader->at) / 2)
		return "a value that is cut off";
	if (count > KEYS_ON_STACK)
		keys = calloc(count, sizeof(*keys));
	if (!keys)
		return "more than there is memory for";
	put_char(out, '{');
	why = put_members(reader, out, depth, keys, count);
	put_char(out, '}');
	if (keys != on_stack)
		free(keys);
	return why;
}

static const char *put_scalar(struct reader *reader, enum value_type type, struct buf *out)
{
	struct bytes bytes;
	double number;
	bool is_true;

	switch (type) {
	case VALUE_NIL:
		(void)read_nil(reader);
		buf_put(out, "null", 4);
		return NULL;
	case VALUE_BOOL:
		if (read_bool(reader, &is_true) == 0)
			buf_printf(out, "%s", is_true ? "true" : "false");
		return NULL;
	case VALUE_INT:
		return put_integer(reader, out);
	case VALUE_FLOAT:
		return read_double(reader, &number) < 0 ? "a value that is cut off"
							: put_float(number, out);
	case VALUE_STR:
		return read_str(reader, &bytes) < 0 ? "a value that is cut off"
						    : json_from_text(bytes, out);
	case VALUE_BIN:
		if (read_bin(reader, &bytes) < 0)
			return "a value that is cut off";
		put_base64(bytes, out);
		return NULL;
	case VALUE_EXT:
		return "an ext value";
	default:
		return "a value that is cut off";
	}
}

static const char *put_value(struct reader *reader, struct buf *out, unsigned depth)
{
	enum value_type type = read_peek(reader);

	if (type != VALUE_ARRAY && type != VALUE_MAP)
		return put_scalar(reader, type, out);
	if (depth == JSON_DEPTH_MAX)
		return "a value that is nested too deep";
	return type == VALUE_ARRAY ? put_array(reader, out, depth + 1)
				   : put_map(reader, out, depth + 1);
}

const char *json_from_value(struct bytes value, struct buf *out)
{
	size_t begin = out->len;
	struct reader reader;
	const char *why;

	reader_init(&reader, value.data, value.len);
	why = put_value(&reader, out, 0);
	if (why)
		return why;
	if (buf_error(out) < 0)
		return "more than there is room for";
	return is_too_heavy((struct bytes){out->data + begin, out->len - begin}) ? "too many values"
										 : NULL;
}

/* --- to MessagePack --- */

static void pack_json(struct buf *out, const json_t *json);

static void pack_object(struct buf *out, const json_t *json)
{
	/* jansson's iterators are not const; nothing is changed through them. */
	json_t *object = json_incref((json_t *)(uintptr_t)json);
	const char *key;
	json_t *value;

	pack_map(out, (uint32_t)json_object_size(object));
	json_object_foreach (object, key, value) {
		pack_str(out, key);
		pack_json(out, value);
	}
	json_decref(object);
}

/* As deep as jansson reads, which has a limit of its own (2048). */
static void pack_json(struct buf *out, const json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		pack_object(out, json);
		break;
	case JSON_ARRAY:
		pack_array(out, (uint32_t)json_array_size(json));
		for (size_t i = 0; i < json_array_size(json); i++)
			pack_json(out, json_array_get(json, i));
		break;
	case JSON_STRING:
		pack_str_len(out, json_string_value(json), json_string_length(json));
		break;
	case JSON_INTEGER:
		pack_int(out, json_integer_value(json));
		break;
	case JSON_REAL:
		pack_double(out, json_real_value(json));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		pack_bool(out, json_is_true(json));
		break;
	case JSON_NULL:
		pack_nil(out);
		break;
	}
}

int json_to_value(struct bytes text, struct buf *out, char fault[static JSON_FAULT_MAX])
{
	json_error_t error;
	json_t *json;

	if (is_too_heavy(text)) {
		snprintf(fault, JSON_FAULT_MAX, "too many values");
		return -EINVAL;
	}
	json = json_loadb((const char *)text.data, text.len,
			  JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (!json) {
		if (json_error_code(&error) == json_error_out_of_memory)
			return -ENOMEM;
		snprintf(fault, JSON_FAULT_MAX, "%s, at byte %d", error.text, error.position);
		return -EINVAL;
	}
	pack_json(out, json);
	json_decref(json);
	return buf_error(out);
}
