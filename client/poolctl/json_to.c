#include "client/poolctl/json.h"

#include "protocol/base64.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

static int to_writer(const json_t *json, enum json_marks marks, struct poold_writer *writer,
		     unsigned depth);

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
	uint8_t *data;
	size_t len;
	int r = 0;

	if (ext && (!json_is_integer(ext) || json_integer_value(ext) < INT8_MIN ||
		    json_integer_value(ext) > INT8_MAX))
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
		r = to_writer(json_array_get(pair, 0), JSON_MARKED, writer, depth + 1);
		if (r == 0)
			r = to_writer(json_array_get(pair, 1), JSON_MARKED, writer, depth + 1);
		if (r < 0)
			return r;
	}
	return 0;
}

bool json_is_mark(const json_t *object)
{
	static const char *const keys[] = {"$base64", "$text", "$uint", "$float", "$map"};

	if (json_object_size(object) == 2)
		return json_object_get(object, "$ext") && json_object_get(object, "$base64");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (json_object_size(object) == 1 && json_object_get(object, keys[i]))
			return true;
	}
	return false;
}

/* What the mark stands for. */
static int to_meant(const json_t *object, struct poold_writer *writer, unsigned depth)
{
	if (json_object_get(object, "$uint"))
		return to_uint(json_object_get(object, "$uint"), writer);
	if (json_object_get(object, "$float"))
		return to_float(json_object_get(object, "$float"), writer);
	if (json_object_get(object, "$map"))
		return to_map_of_pairs(json_object_get(object, "$map"), writer, depth);
	return to_bytes(object, writer);
}

static int to_object(const json_t *object, enum json_marks marks, struct poold_writer *writer,
		     unsigned depth)
{
	const char *key;
	json_t *value;

	if (marks == JSON_MARKED && json_is_mark(object))
		return to_meant(object, writer, depth);
	if (json_object_size(object) > UINT32_MAX)
		return -EINVAL;
	poold_write_map(writer, (uint32_t)json_object_size(object));
	json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
		int r;

		poold_write_str(writer, key);
		r = to_writer(value, marks, writer, depth + 1);
		if (r < 0)
			return r;
	}
	return 0;
}

static int to_array(const json_t *array, enum json_marks marks, struct poold_writer *writer,
		    unsigned depth)
{
	if (json_array_size(array) > UINT32_MAX)
		return -EINVAL;
	poold_write_array(writer, (uint32_t)json_array_size(array));
	for (size_t i = 0; i < json_array_size(array); i++) {
		int r = to_writer(json_array_get(array, i), marks, writer, depth + 1);

		if (r < 0)
			return r;
	}
	return 0;
}

static int to_writer(const json_t *json, enum json_marks marks, struct poold_writer *writer,
		     unsigned depth)
{
	if (depth > JSON_DEPTH_MAX)
		return -ELOOP;
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		return to_object(json, marks, writer, depth);
	case JSON_ARRAY:
		return to_array(json, marks, writer, depth);
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

int json_to_value(const json_t *json, enum json_marks marks, struct poold_writer *writer)
{
	return to_writer(json, marks, writer, 0);
}
