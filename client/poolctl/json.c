#include "client/poolctl/json.h"

#include "protocol/base64.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

static int from_reader(struct poold_reader *reader, enum json_marks marks, unsigned depth,
		       json_t **ret);

/* Reads `count` values into a new list. */
static int from_values(struct poold_reader *reader, uint32_t count, enum json_marks marks,
		       unsigned depth, json_t **ret)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < count; i++) {
		json_t *value;
		int r = from_reader(reader, marks, depth + 1, &value);

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

static int from_array(struct poold_reader *reader, enum json_marks marks, unsigned depth,
		      json_t **ret)
{
	uint32_t count;

	if (poold_read_array(reader, &count) < 0)
		return -EPROTO;
	return from_values(reader, count, marks, depth, ret);
}

/* Whether a key may be an object's: a text that JSON can hold, and new. */
static bool is_plain_key(const json_t *key, const json_t *object)
{
	const char *text = json_string_value(key);

	return text && strlen(text) == json_string_length(key) && !json_object_get(object, text);
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

/* The map as an object.  `values` are keys and values in turn.  -EINVAL: no object can hold them. */
static int object_from_values(const json_t *values, json_t **ret)
{
	json_t *object = json_object();

	for (size_t i = 0; i + 1 < json_array_size(values); i += 2) {
		const json_t *key = json_array_get(values, i);

		if (!is_plain_key(key, object)) {
			json_decref(object);
			return -EINVAL;
		}
		if (json_object_set(object, json_string_value(key), json_array_get(values, i + 1)) <
		    0) {
			json_decref(object);
			return -ENOMEM;
		}
	}
	*ret = object;
	return object ? 0 : -ENOMEM;
}

static int map_from_values(const json_t *values, enum json_marks marks, json_t **ret)
{
	int r = object_from_values(values, ret);

	if (marks == JSON_PLAIN || r == -ENOMEM || (r == 0 && !json_is_mark(*ret)))
		return r;
	if (r == 0)
		json_decref(*ret);
	*ret = map_as_pairs(values);
	return *ret ? 0 : -ENOMEM;
}

static int from_map(struct poold_reader *reader, enum json_marks marks, unsigned depth,
		    json_t **ret)
{
	json_t *values;
	uint32_t pairs;
	int r;

	/* More pairs than half of all numbers can not be in memory. */
	if (poold_read_map(reader, &pairs) < 0 || pairs > UINT32_MAX / 2)
		return -EPROTO;
	r = from_values(reader, 2 * pairs, marks, depth, &values);
	if (r < 0)
		return r;
	r = map_from_values(values, marks, ret);
	json_decref(values);
	return r;
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

/* Whether the value has no place in JSON but as a mark. */
static bool is_inexpressible(struct poold_reader reader)
{
	int64_t number;
	double real;

	switch (poold_peek(&reader)) {
	case POOLD_EXT:
		return true;
	case POOLD_INT:
		return poold_read_int(&reader, &number) < 0;
	case POOLD_FLOAT:
		return poold_read_double(&reader, &real) < 0 || !isfinite(real);
	default:
		return false;
	}
}

/* Reads a value that is no list and no map, without marks. */
static int from_plain(struct poold_reader *reader, json_t **ret)
{
	bool is_bin = poold_peek(reader) == POOLD_BIN;
	bool is_str = poold_peek(reader) == POOLD_STR;
	struct poold_bytes bytes;

	if (is_inexpressible(*reader))
		return -EINVAL;
	if (is_bin) {
		poold_read_bin(reader, &bytes);
		*ret = encoded(bytes);
	} else if (is_str) {
		poold_read_str(reader, &bytes);
		*ret = json_stringn(bytes.data, bytes.len);
	} else {
		*ret = from_scalar(reader);
	}
	if (*ret)
		return 0;
	return is_str ? -EINVAL : -ENOMEM;
}

static int from_reader(struct poold_reader *reader, enum json_marks marks, unsigned depth,
		       json_t **ret)
{
	json_t *json;

	if (depth > JSON_DEPTH_MAX)
		return -ELOOP;
	switch (poold_peek(reader)) {
	case POOLD_ARRAY:
		return from_array(reader, marks, depth, ret);
	case POOLD_MAP:
		return from_map(reader, marks, depth, ret);
	case POOLD_NONE:
		return -EPROTO;
	default:
		break;
	}
	if (marks == JSON_PLAIN)
		return from_plain(reader, ret);
	json = from_scalar(reader);
	if (!json)
		return -ENOMEM;
	*ret = json;
	return 0;
}

int json_from_value(struct poold_bytes value, enum json_marks marks, json_t **ret)
{
	struct poold_reader reader = poold_reader_init(value), whole = reader;
	struct poold_bytes first;

	/* Seen to be whole first, so that nothing below meets an end it does not expect. */
	if (poold_read_value(&whole, &first) < 0 || first.len != value.len)
		return -EPROTO;
	return from_reader(&reader, marks, 0, ret);
}
