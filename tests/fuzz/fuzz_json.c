/*
 * JSON and MessagePack, each made of any bytes.
 *
 *  - another parser takes the same texts and finds the same in them
 *  - what is read from JSON is one whole value, and can be said in JSON again
 *  - that text reads back to the same bytes: nothing was changed in silence
 *  - what is said of a value is one line of UTF-8 that another parser takes
 */
#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/io/json.h"
#include "protocol/skip.h"
#include "protocol/utf8.h"
#include "tests/lib/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define OUT_MAX ((size_t)1 << 24)

static struct bytes bytes_of(const struct buf *buf)
{
	return (struct bytes){buf->data, buf->len};
}

static void check_text(struct bytes text)
{
	json_t *json = json_loadb((const char *)text.data, text.len,
				  JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);

	assert(json);
	json_decref(json);
	assert(utf8_valid_prefix(text) == text.len);
	assert(!memchr(text.data, '\n', text.len));
}

/* A value that came from JSON: it goes there and back unchanged, unless it is too deep for that. */
static void check_value(struct bytes value)
{
	char fault[JSON_FAULT_MAX];
	struct buf text, back;
	const char *why;

	assert(skip_value(value.data, value.len, value.len) == value.len);
	buf_init(&text, OUT_MAX);
	buf_init(&back, OUT_MAX);
	why = json_from_value(value, &text);
	assert(!why || strcmp(why, "a value that is nested too deep") == 0);
	if (!why) {
		check_text(bytes_of(&text));
		if (json_to_value(bytes_of(&text), &back, fault) < 0)
			abort();
		assert(back.len == value.len && memcmp(back.data, value.data, value.len) == 0);
	}
	buf_free(&text);
	buf_free(&back);
}

/* What jansson makes of the text. */
static void pack_json(struct buf *out, json_t *json)
{
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_object(json)) {
		pack_map(out, (uint32_t)json_object_size(json));
		json_object_foreach (json, key, value) {
			pack_str(out, key);
			pack_json(out, value);
		}
	} else if (json_is_array(json)) {
		pack_array(out, (uint32_t)json_array_size(json));
		json_array_foreach (json, i, value)
			pack_json(out, value);
	} else if (json_is_string(json)) {
		pack_str_len(out, json_string_value(json), json_string_length(json));
	} else if (json_is_integer(json)) {
		pack_int(out, json_integer_value(json));
	} else if (json_is_real(json)) {
		pack_double(out, json_real_value(json));
	} else if (json_is_boolean(json)) {
		pack_bool(out, json_is_true(json));
	} else {
		pack_nil(out);
	}
}

/* Both take it, or neither does; but for what has limits of its own here, and for zero bytes, which
 * jansson passes over behind a number. */
static void compare(struct bytes text, const struct buf *value, int r, const char *fault)
{
	json_t *json = json_loadb((const char *)text.data, text.len,
				  JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
	struct buf expected;

	if (r == -EINVAL && (strstr(fault, "too deep") || strstr(fault, "too long"))) {
		json_decref(json);
		return;
	}
	assert((json != NULL) == (r == 0));
	if (!json)
		return;
	buf_init(&expected, OUT_MAX);
	pack_json(&expected, json);
	assert(expected.len == value->len && memcmp(expected.data, value->data, value->len) == 0);
	buf_free(&expected);
	json_decref(json);
}

static void from_json(struct bytes text)
{
	char fault[JSON_FAULT_MAX] = "";
	struct buf value;
	int r;

	buf_init(&value, OUT_MAX);
	r = json_to_value(text, &value, fault);
	assert(r == 0 || r == -EINVAL || r == -ENOMEM);
	if (r != -ENOMEM && !memchr(text.data, 0, text.len))
		compare(text, &value, r, fault);
	if (r == 0)
		check_value(bytes_of(&value));
	buf_free(&value);
}

/* Whatever the bytes are; only a whole value is one that the daemon would pass on. */
static void from_value(struct bytes value)
{
	struct buf text;

	buf_init(&text, OUT_MAX);
	if (!json_from_value(value, &text))
		check_text(bytes_of(&text));
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *exact;

	if (len == 0)
		return 0;
	exact = input_exact(data + 1, len - 1);
	if (data[0] % 2)
		from_json((struct bytes){exact, len - 1});
	else
		from_value((struct bytes){exact, len - 1});
	free(exact);
	return 0;
}
