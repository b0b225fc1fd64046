/*
 * JSON and MessagePack, each from any bytes.
 *
 *  - what is read from JSON is one whole value, the same that another parser reads, and can be
 *    written as JSON again
 *  - what the other parser refuses is refused, with the place
 *  - that text reads back to the same bytes: nothing was changed silently
 *  - the JSON of a value is one line of UTF-8 that another parser takes
 */
#include "daemon/io/base/json.h"
#include "daemon/io/worker/outline.h"
#include "protocol/read.h"
#include "protocol/skip.h"
#include "protocol/utf8.h"
#include "tests/lib/input.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define OUT_MAX ((size_t)1 << 24)

static struct bytes bytes_of(const struct buf *buf)
{
	return (struct bytes){buf->data, buf->len};
}

static json_t *parse_otherwise(struct bytes text)
{
	return json_loadb((const char *)text.data, text.len,
			  JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
}

static void check_text(struct bytes text)
{
	json_t *json = parse_otherwise(text);

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

static void pack_json(struct buf *out, json_t *json)
{
	const char *key;
	json_t *value;
	size_t i;

	switch (json_typeof(json)) {
	case JSON_OBJECT:
		pack_map(out, (uint32_t)json_object_size(json));
		json_object_foreach (json, key, value) {
			pack_str(out, key);
			pack_json(out, value);
		}
		break;
	case JSON_ARRAY:
		pack_array(out, (uint32_t)json_array_size(json));
		json_array_foreach (json, i, value)
			pack_json(out, value);
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
	case JSON_NULL:
		pack_nil(out);
		break;
	default:
		pack_bool(out, json_is_true(json));
		break;
	}
}

/* jansson takes a zero byte for the end of a token. */
static void check_other_parser(struct bytes text, const struct buf *found)
{
	struct buf other;
	json_t *json;

	if (text.len > 0 && memchr(text.data, 0, text.len))
		return;
	json = parse_otherwise(text);
	assert((json != NULL) == (found != NULL));
	if (!json)
		return;
	buf_init(&other, OUT_MAX);
	pack_json(&other, json);
	assert(other.len == found->len && memcmp(other.data, found->data, other.len) == 0);
	buf_free(&other);
	json_decref(json);
}

static void from_json(struct bytes text)
{
	char fault[JSON_FAULT_MAX] = "";
	struct buf value;
	int r;

	buf_init(&value, OUT_MAX);
	r = json_to_value(text, &value, fault);
	assert(r == 0 || r == -EINVAL);
	assert(r == 0 || strstr(fault, ", at byte "));
	check_other_parser(text, r == 0 ? &value : NULL);
	if (r == 0)
		check_value(bytes_of(&value));
	buf_free(&value);
}

/* How often the members of that name come in a value, and the last of their values. */
static unsigned count_members(struct bytes value, const char *name, struct bytes *ret)
{
	unsigned found = 0;
	struct reader reader;
	struct bytes key, member;
	uint32_t count;

	reader_init(&reader, value.data, value.len);
	if (read_map(&reader, &count) < 0)
		return 0;
	while (count-- > 0) {
		if (read_str(&reader, &key) < 0 || read_value(&reader, &member) < 0)
			abort();
		if (bytes_equal(key, name)) {
			*ret = member;
			found++;
		}
	}
	return found;
}

/* Names that are written with escapes are none to an outline. */
static void check_outline(struct bytes text, size_t cut)
{
	char fault[JSON_FAULT_MAX];
	struct outline outline;
	struct bytes member, id = {0};
	struct reader reader;
	struct buf value;
	uint32_t number;
	uint64_t expected;

	outline_init(&outline);
	outline_feed(&outline, (struct bytes){text.data, cut});
	outline_feed(&outline, (struct bytes){text.data + cut, text.len - cut});
	buf_init(&value, OUT_MAX);
	if (!memchr(text.data, '\\', text.len) && json_to_value(text, &value, fault) == 0) {
		struct bytes all = bytes_of(&value);
		bool has_id = count_members(all, "id", &id) == 1;
		bool has_answer = count_members(all, "result", &member) +
					  count_members(all, "error", &member) >
				  0;

		reader_init(&reader, id.data, id.len);
		has_answer &=
			has_id && read_uint(&reader, &expected) == 0 && expected <= UINT32_MAX;
		/* -0 is a number, and no id. */
		if (outline_is_answer(&outline, &number))
			assert(has_answer && number == expected);
		else
			assert(!has_answer || expected == 0);
		assert(outline_is_notification(&outline) ==
		       (!has_id && count_members(all, "method", &member) == 1));
	}
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
	if (data[0] % 2) {
		from_json((struct bytes){exact, len - 1});
		if (len > 1)
			check_outline((struct bytes){exact, len - 1}, data[0] % len);
	} else {
		from_value((struct bytes){exact, len - 1});
	}
	free(exact);
	return 0;
}
