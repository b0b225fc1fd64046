#include "client/poolctl/json.h"

#include "protocol/base64.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 500

/* --- From MessagePack --- */

/* The bytes as a JSON string of base64; NULL without memory. */
static json_t *encoded(struct poold_bytes bytes)
{
	char *text = malloc(BASE64_LEN(bytes.len) + 1);
	json_t *json = NULL;

	if (text)
		json = json_stringn(text,
				    base64_encode((struct bytes){bytes.data, bytes.len}, text));
	free(text);
	return json;
}

/* The bytes of a JSON string of base64, to be freed; NULL: it is none, or no memory. */
static uint8_t *decoded(const json_t *json, size_t *ret_len)
{
	struct bytes text = {(const uint8_t *)json_string_value(json), json_string_length(json)};
	uint8_t *data = text.data ? malloc(BASE64_BYTES_MAX(text.len) + 1) : NULL;

	if (data && base64_decode(text, data, ret_len) < 0) {
		free(data);
		data = NULL;
	}
	return data;
}

/* {key: value}, which takes over the value. */
static json_t *marker(const char *key, json_t *value)
{
	json_t *object = json_object();

	/* Without memory for either, this is NULL all the same. */
	if (json_object_set_new(object, key, value) < 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *from_int(struct poold_reader *reader)
{
	int64_t number;
	uint64_t large;
	char text[24];

	if (poold_read_int(reader, &number) == 0)
		return json_integer(number);
	if (poold_read_uint(reader, &large) < 0)
		return NULL;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)large);
	return marker("$uint", json_string(text));
}

static json_t *from_float(struct poold_reader *reader)
{
	double real = 0;

	poold_read_double(reader, &real);
	if (isnan(real))
		return marker("$float", json_string("nan"));
	if (isinf(real))
		return marker("$float", json_string(real > 0 ? "inf" : "-inf"));
	return json_real(real);
}

static json_t *from_str(struct poold_reader *reader)
{
	struct poold_bytes text;
	json_t *json;

	if (poold_read_str(reader, &text) < 0)
		return NULL;

	/* NULL as well where the text is not UTF-8. */
	json = json_stringn(text.data, text.len);
	return json ? json : marker("$text", encoded(text));
}

static json_t *from_ext(struct poold_reader *reader)
{
	struct poold_bytes data;
	int kind;
	json_t *object;

	if (poold_read_ext(reader, &kind, &data) < 0)
		return NULL;
	object = marker("$ext", json_integer(kind));
	if (json_object_set_new(object, "$base64", encoded(data)) < 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static int from_reader(struct poold_reader *reader, unsigned depth, json_t **ret);

/* Reads `count` values into a new list. */
static int from_values(struct poold_reader *reader, uint32_t count, unsigned depth, json_t **ret)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < count; i++) {
		json_t *value;
		int r = from_reader(reader, depth + 1, &value);

		if (r == 0 && json_array_append_new(list, value) < 0)
			r = -ENOMEM;
		if (r < 0) {
			json_decref(list);
			return r;
		}
	}
	*ret = list;
	return list ? 0 : -ENOMEM;
}

static int from_array(struct poold_reader *reader, unsigned depth, json_t **ret)
{
	uint32_t count;

	if (poold_read_array(reader, &count) < 0)
		return -EPROTO;
	return from_values(reader, count, depth, ret);
}

/* Whether a key may be an object's: a text that JSON can hold, no marker, and new. */
static bool is_plain_key(const json_t *key, const json_t *object)
{
	const char *text = json_string_value(key);

	return text && text[0] != '$' && strlen(text) == json_string_length(key) &&
	       !json_object_get(object, text);
}

/* The pairs as {"$map": [[key, value], ...]}.  `values` are keys and values in turn. */
static json_t *map_as_pairs(const json_t *values)
{
	json_t *pairs = json_array();

	for (size_t i = 0; i + 1 < json_array_size(values); i += 2) {
		json_t *pair =
			json_pack("[OO]", json_array_get(values, i), json_array_get(values, i + 1));

		if (json_array_append_new(pairs, pair) < 0) {
			json_decref(pairs);
			return NULL;
		}
	}
	return marker("$map", pairs);
}

/* `values` are keys and values in turn. */
static json_t *map_from_values(const json_t *values)
{
	json_t *object = json_object();

	for (size_t i = 0; i + 1 < json_array_size(values); i += 2) {
		const json_t *key = json_array_get(values, i);

		if (!is_plain_key(key, object)) {
			json_decref(object);
			return map_as_pairs(values);
		}
		if (json_object_set(object, json_string_value(key), json_array_get(values, i + 1)) <
		    0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static int from_map(struct poold_reader *reader, unsigned depth, json_t **ret)
{
	json_t *values;
	uint32_t pairs;
	int r;

	/* More pairs than half of all numbers can not be in memory. */
	if (poold_read_map(reader, &pairs) < 0 || pairs > UINT32_MAX / 2)
		return -EPROTO;
	r = from_values(reader, 2 * pairs, depth, &values);
	if (r < 0)
		return r;
	*ret = map_from_values(values);
	json_decref(values);
	return *ret ? 0 : -ENOMEM;
}

static json_t *from_scalar(struct poold_reader *reader)
{
	struct poold_bytes bytes;
	bool flag = false;

	switch (poold_peek(reader)) {
	case POOLD_NIL:
		poold_read_nil(reader);
		return json_null();
	case POOLD_BOOL:
		poold_read_bool(reader, &flag);
		return json_boolean(flag);
	case POOLD_INT:
		return from_int(reader);
	case POOLD_FLOAT:
		return from_float(reader);
	case POOLD_STR:
		return from_str(reader);
	case POOLD_BIN:
		poold_read_bin(reader, &bytes);
		return marker("$base64", encoded(bytes));
	case POOLD_EXT:
		return from_ext(reader);
	case POOLD_ARRAY:
	case POOLD_MAP:
	case POOLD_NONE:
	default:
		return NULL;
	}
}

static int from_reader(struct poold_reader *reader, unsigned depth, json_t **ret)
{
	json_t *json;

	if (depth > DEPTH_MAX)
		return -ELOOP;
	switch (poold_peek(reader)) {
	case POOLD_ARRAY:
		return from_array(reader, depth, ret);
	case POOLD_MAP:
		return from_map(reader, depth, ret);
	case POOLD_NONE:
		return -EPROTO;
	default:
		break;
	}
	json = from_scalar(reader);
	if (!json)
		return -ENOMEM;
	*ret = json;
	return 0;
}

int json_from_value(struct poold_bytes value, json_t **ret)
{
	struct poold_reader reader = poold_reader_init(value), whole = reader;
	struct poold_bytes first;

	/* Seen to be whole first, so that nothing below meets an end it does not expect. */
	if (poold_read_value(&whole, &first) < 0 || first.len != value.len)
		return -EPROTO;
	return from_reader(&reader, 0, ret);
}

/* --- To MessagePack --- */

static int to_writer(const json_t *json, struct poold_writer *writer, unsigned depth);

static int to_uint(const json_t *value, struct poold_writer *writer)
{
	const char *text = json_string_value(value);
	unsigned long long number;
	char *end;

	if (!text || !isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0')
		return -EINVAL;
	poold_write_uint(writer, number);
	return 0;
}

static int to_float(const json_t *value, struct poold_writer *writer)
{
	const char *text = json_string_value(value);

	if (text && strcmp(text, "nan") == 0)
		poold_write_double(writer, (double)NAN);
	else if (text && strcmp(text, "inf") == 0)
		poold_write_double(writer, (double)INFINITY);
	else if (text && strcmp(text, "-inf") == 0)
		poold_write_double(writer, (double)-INFINITY);
	else
		return -EINVAL;
	return 0;
}

static void write_ext(struct poold_writer *writer, int8_t kind, const uint8_t *data, size_t len)
{
	const uint8_t head[] = {
		0xc9,	      (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
		(uint8_t)len, (uint8_t)kind};

	poold_write_raw(writer, (struct poold_bytes){head, sizeof(head)});
	poold_write_raw(writer, (struct poold_bytes){data, len});
}

/* {"$base64": ...}, {"$text": ...}, {"$ext": ..., "$base64": ...} */
static int to_bytes(const json_t *object, struct poold_writer *writer)
{
	const json_t *ext = json_object_get(object, "$ext");
	const json_t *text = ext ? NULL : json_object_get(object, "$text");
	size_t expected = ext ? 2 : 1;
	uint8_t *data;
	size_t len;
	int r = 0;

	if (json_object_size(object) != expected ||
	    (ext && (!json_is_integer(ext) || json_integer_value(ext) < INT8_MIN ||
		     json_integer_value(ext) > INT8_MAX)))
		return -EINVAL;
	data = decoded(text ? text : json_object_get(object, "$base64"), &len);
	if (!data || len > UINT32_MAX)
		r = -EINVAL;
	else if (ext)
		write_ext(writer, (int8_t)json_integer_value(ext), data, len);
	else if (text)
		poold_write_str_len(writer, (const char *)data, len);
	else
		poold_write_bin(writer, data, len);
	free(data);
	return r;
}

static int to_map_of_pairs(const json_t *pairs, struct poold_writer *writer, unsigned depth)
{
	if (!json_is_array(pairs) || json_array_size(pairs) > UINT32_MAX)
		return -EINVAL;
	poold_write_map(writer, (uint32_t)json_array_size(pairs));
	for (size_t i = 0; i < json_array_size(pairs); i++) {
		const json_t *pair = json_array_get(pairs, i);
		int r;

		if (json_array_size(pair) != 2)
			return -EINVAL;
		r = to_writer(json_array_get(pair, 0), writer, depth + 1);
		if (r == 0)
			r = to_writer(json_array_get(pair, 1), writer, depth + 1);
		if (r < 0)
			return r;
	}
	return 0;
}

static int to_replaced(const json_t *object, struct poold_writer *writer, unsigned depth)
{
	bool is_single = json_object_size(object) == 1;

	if (json_object_get(object, "$base64") || json_object_get(object, "$text"))
		return to_bytes(object, writer);
	if (is_single && json_object_get(object, "$uint"))
		return to_uint(json_object_get(object, "$uint"), writer);
	if (is_single && json_object_get(object, "$float"))
		return to_float(json_object_get(object, "$float"), writer);
	if (is_single && json_object_get(object, "$map"))
		return to_map_of_pairs(json_object_get(object, "$map"), writer, depth);
	return -EINVAL;
}

static bool has_tag(const json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
		if (key[0] == '$')
			return true;
	}
	return false;
}

static int to_object(const json_t *object, struct poold_writer *writer, unsigned depth)
{
	const char *key;
	json_t *value;

	if (has_tag(object))
		return to_replaced(object, writer, depth);
	if (json_object_size(object) > UINT32_MAX)
		return -EINVAL;
	poold_write_map(writer, (uint32_t)json_object_size(object));
	json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
		int r;

		poold_write_str(writer, key);
		r = to_writer(value, writer, depth + 1);
		if (r < 0)
			return r;
	}
	return 0;
}

static int to_array(const json_t *array, struct poold_writer *writer, unsigned depth)
{
	if (json_array_size(array) > UINT32_MAX)
		return -EINVAL;
	poold_write_array(writer, (uint32_t)json_array_size(array));
	for (size_t i = 0; i < json_array_size(array); i++) {
		int r = to_writer(json_array_get(array, i), writer, depth + 1);

		if (r < 0)
			return r;
	}
	return 0;
}

static int to_writer(const json_t *json, struct poold_writer *writer, unsigned depth)
{
	if (depth > DEPTH_MAX)
		return -ELOOP;
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		return to_object(json, writer, depth);
	case JSON_ARRAY:
		return to_array(json, writer, depth);
	case JSON_STRING:
		poold_write_str_len(writer, json_string_value(json), json_string_length(json));
		return 0;
	case JSON_INTEGER:
		poold_write_int(writer, json_integer_value(json));
		return 0;
	case JSON_REAL:
		poold_write_double(writer, json_real_value(json));
		return 0;
	case JSON_TRUE:
	case JSON_FALSE:
		poold_write_bool(writer, json_is_true(json));
		return 0;
	case JSON_NULL:
	default:
		poold_write_nil(writer);
		return 0;
	}
}

int json_to_value(const json_t *json, struct poold_writer *writer)
{
	return to_writer(json, writer, 0);
}

/* --- Printing --- */

/* The digits that this number needs to read back the same: 15 are enough for most, 17 for all. */
static size_t digits_of(double real)
{
	for (int digits = 15; digits < 17; digits++) {
		char text[40];

		snprintf(text, sizeof(text), "%.*g", digits, real);
		if (strtod(text, NULL) == real)
			return (size_t)digits;
	}
	return 17;
}

/* The most that any number in it needs: one figure holds for the whole output. */
static size_t digits_needed(const json_t *json)
{
	size_t most = json_is_real(json) ? digits_of(json_real_value(json)) : 15;
	const char *key;
	json_t *value;
	size_t i;

	json_array_foreach (json, i, value) {
		size_t needed = digits_needed(value);

		most = needed > most ? needed : most;
	}
	json_object_foreach ((json_t *)(uintptr_t)json, key, value) {
		size_t needed = digits_needed(value);

		most = needed > most ? needed : most;
	}
	return most;
}

int json_print(const json_t *json, bool one_line, FILE *out)
{
	size_t layout = one_line ? JSON_COMPACT : JSON_INDENT(2);

	if (json_dumpf(json, out,
		       JSON_ENCODE_ANY | layout | JSON_REAL_PRECISION(digits_needed(json))) < 0)
		return -1;
	return putc('\n', out) == EOF ? -1 : 0;
}
