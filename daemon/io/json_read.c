/*
 * JSON to MessagePack, in two passes over the text and without a tree in between: the first counts
 * the items of each array and object, which MessagePack wants to know beforehand; the second checks
 * everything and writes.
 */
#include "daemon/io/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/utf8.h"

/* Longest number that is read. */
#define NUMBER_MAX 512

/* Keys of the objects that are open, and where they lie in the output. */
struct key {
	size_t offset;
	size_t len;
};

struct json_reader {
	const uint8_t *begin;
	const uint8_t *at;
	const uint8_t *end;
	struct buf *out;
	uint32_t *counts; /* of each array and object, in the order in which they begin */
	size_t count_len, count_max;
	size_t next_count;
	struct key *keys;
	size_t key_len, key_max;
	const char *fault; /* NULL: none yet */
	bool no_memory;
};

static bool fail(struct json_reader *reader, const char *fault)
{
	if (!reader->fault)
		reader->fault = fault;
	return false;
}

/* The array with room for one more than its `len`, which doubles; NULL: no memory, and it is as it
 * was. */
static void *make_room(struct json_reader *reader, void *array, size_t len, size_t *max,
		       size_t size)
{
	size_t grown_max = *max ? 2 * *max : 64;
	void *grown;

	if (len < *max)
		return array;
	grown = reallocarray(array, grown_max, size);
	if (grown)
		*max = grown_max;
	else
		reader->no_memory = true;
	return grown;
}

static bool is_space(uint8_t byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* --- the first pass --- */

/* Begins to count, at *ret_place. */
static bool open_count(struct json_reader *reader, uint32_t *ret_place)
{
	uint32_t *counts = make_room(reader, reader->counts, reader->count_len, &reader->count_max,
				     sizeof(*counts));

	if (!counts)
		return false;
	reader->counts = counts;
	*ret_place = (uint32_t)reader->count_len;
	counts[reader->count_len++] = 0;
	return true;
}

static const uint8_t *skip_string(const uint8_t *at, const uint8_t *end)
{
	for (at++; at < end && *at != '"'; at++)
		if (*at == '\\')
			at++;
	return at;
}

/* Commas, and one more where there is anything.  What is no JSON is found by the second pass. */
static bool count_items(struct json_reader *reader)
{
	uint32_t open[JSON_READ_DEPTH_MAX];
	bool fresh = false; /* nothing has come since the last bracket */
	size_t depth = 0;

	for (const uint8_t *at = reader->begin; at < reader->end; at++) {
		uint8_t byte = *at;

		if (is_space(byte))
			continue;
		if (fresh && byte != ']' && byte != '}')
			reader->counts[open[depth - 1]]++;
		fresh = byte == '[' || byte == '{';
		if (fresh && depth == JSON_READ_DEPTH_MAX)
			return fail(reader, "too deep");
		if (fresh && !open_count(reader, &open[depth++]))
			return false;
		if ((byte == ']' || byte == '}') && depth > 0)
			depth--;
		else if (byte == ',' && depth > 0)
			reader->counts[open[depth - 1]]++;
		else if (byte == '"')
			at = skip_string(at, reader->end);
	}
	return true;
}

/* --- the second pass --- */

static bool read_any(struct json_reader *reader);

static uint8_t peek(struct json_reader *reader)
{
	while (reader->at < reader->end && is_space(*reader->at))
		reader->at++;
	return reader->at < reader->end ? *reader->at : 0;
}

static bool read_word(struct json_reader *reader, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, word, len) != 0)
		return fail(reader, "a value expected");
	reader->at += len;
	return true;
}

static size_t count_digits(struct json_reader *reader)
{
	const uint8_t *from = reader->at;

	while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9')
		reader->at++;
	return (size_t)(reader->at - from);
}

static bool takes(struct json_reader *reader, const char *bytes)
{
	if (reader->at == reader->end || !*reader->at || !strchr(bytes, *reader->at))
		return false;
	reader->at++;
	return true;
}

/* Passes over a number; *ret_integer: it has neither a point nor an exponent. */
static bool scan_number(struct json_reader *reader, bool *ret_integer)
{
	bool zero;

	(void)takes(reader, "-");
	zero = reader->at < reader->end && *reader->at == '0';
	*ret_integer = true;
	if (zero)
		reader->at++;
	else if (count_digits(reader) == 0)
		return fail(reader, "a digit expected");
	if (takes(reader, ".")) {
		*ret_integer = false;
		if (count_digits(reader) == 0)
			return fail(reader, "a digit expected");
	}
	if (takes(reader, "eE")) {
		*ret_integer = false;
		(void)takes(reader, "+-");
		if (count_digits(reader) == 0)
			return fail(reader, "a digit expected");
	}
	return true;
}

static bool read_number(struct json_reader *reader)
{
	const uint8_t *from = reader->at;
	char text[NUMBER_MAX + 1];
	bool integer;
	size_t len;

	if (!scan_number(reader, &integer))
		return false;
	len = (size_t)(reader->at - from);
	if (len > NUMBER_MAX)
		return fail(reader, "a number that is too long");
	memcpy(text, from, len);
	text[len] = '\0';
	errno = 0;
	if (integer) {
		long long number = strtoll(text, NULL, 10);

		if (errno == ERANGE)
			return fail(reader, "an integer of more than 64 bits");
		pack_int(reader->out, number);
	} else {
		double number = strtod(text, NULL);

		if (!isfinite(number))
			return fail(reader, "a number that is too large");
		pack_double(reader->out, number);
	}
	return true;
}

static bool read_hex(const uint8_t *at, const uint8_t *end, uint32_t *ret)
{
	*ret = 0;
	if (end - at < 4)
		return false;
	for (unsigned i = 0; i < 4; i++) {
		uint8_t byte = at[i];
		uint8_t letter = byte | 0x20;

		if (byte >= '0' && byte <= '9')
			*ret = *ret << 4 | (uint32_t)(byte - '0');
		else if (letter >= 'a' && letter <= 'f')
			*ret = *ret << 4 | (uint32_t)(letter - 'a' + 10);
		else
			return false;
	}
	return true;
}

static size_t put_utf8(uint8_t out[static 4], uint32_t code)
{
	if (code < 0x80) {
		out[0] = (uint8_t)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (uint8_t)(0xc0 | code >> 6);
		out[1] = (uint8_t)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (uint8_t)(0xe0 | code >> 12);
		out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | code >> 18);
	out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (code & 0x3f));
	return 4;
}

/* The character behind \u at `at`, which is moved on; two of them where it takes a pair. */
static bool read_code(const uint8_t **at, const uint8_t *end, uint32_t *ret)
{
	uint32_t low;

	if (!read_hex(*at, end, ret))
		return false;
	*at += 4;
	if (*ret < 0xd800 || *ret > 0xdfff)
		return true;
	if (*ret > 0xdbff || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u' ||
	    !read_hex(*at + 2, end, &low) || low < 0xdc00 || low > 0xdfff)
		return false;
	*at += 6;
	*ret = 0x10000 + ((*ret - 0xd800) << 10) + (low - 0xdc00);
	return true;
}

/* The bytes behind a backslash at `at`, which is moved on.  Returns how many; 0: that is none. */
static size_t read_escape(const uint8_t **at, const uint8_t *end, uint8_t out[static 4])
{
	static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
	const char *found;
	uint32_t code;

	if (*at == end)
		return 0;
	if (**at == 'u') {
		(*at)++;
		return read_code(at, end, &code) ? put_utf8(out, code) : 0;
	}
	found = **at ? strchr(names, **at) : NULL;
	if (!found)
		return 0;
	(*at)++;
	out[0] = (uint8_t)bytes[found - names];
	return 1;
}

/* The bytes up to the next quote, backslash or control byte. */
static size_t plain_len(const uint8_t *at, const uint8_t *end)
{
	const uint8_t *from = at;

	while (at < end && *at != '"' && *at != '\\' && *at >= 0x20)
		at++;
	return (size_t)(at - from);
}

/* Goes through a string at its first byte: writes it to `out`, or only measures it (NULL).  Returns
 * where it ends, at its quote; NULL where it is none. */
static const uint8_t *pass_string(const struct json_reader *reader, struct buf *out,
				  size_t *ret_len)
{
	const uint8_t *at = reader->at;

	*ret_len = 0;
	for (;;) {
		struct bytes plain = {at, plain_len(at, reader->end)};
		uint8_t escaped[4];
		size_t len;

		if (!out && utf8_valid_prefix(plain) != plain.len)
			return NULL;
		if (out)
			buf_put(out, plain.data, plain.len);
		*ret_len += plain.len;
		at += plain.len;
		if (at == reader->end || *at < 0x20)
			return NULL;
		if (*at++ == '"')
			return at - 1;
		len = read_escape(&at, reader->end, escaped);
		if (len == 0)
			return NULL;
		if (out)
			buf_put(out, escaped, len);
		*ret_len += len;
	}
}

/* *ret_key: where its bytes lie in the output. */
static bool read_string(struct json_reader *reader, struct key *ret_key)
{
	const uint8_t *end;
	size_t len;

	reader->at++;
	end = pass_string(reader, NULL, &len);
	if (!end)
		return fail(reader, "a string that is not closed, or not UTF-8, or has a wrong "
				    "escape or a control byte");
	pack_str_head(reader->out, len);
	*ret_key = (struct key){reader->out->len, len};
	if (len == (size_t)(end - reader->at)) /* it has no escapes */
		buf_put(reader->out, reader->at, len);
	else
		(void)pass_string(reader, reader->out, &len);
	reader->at = end + 1;
	return true;
}

static uint32_t take_count(struct json_reader *reader)
{
	assert(reader->next_count < reader->count_len);
	return reader->counts[reader->next_count++];
}

static bool read_array(struct json_reader *reader)
{
	uint32_t count = take_count(reader);

	reader->at++;
	pack_array(reader->out, count);
	for (uint32_t i = 0; i < count; i++) {
		if (i > 0 && peek(reader) != ',')
			return fail(reader, "',' or ']' expected");
		reader->at += i > 0;
		if (!read_any(reader))
			return false;
	}
	if (peek(reader) != ']')
		return fail(reader, "',' or ']' expected");
	reader->at++;
	return true;
}

static bool push_key(struct json_reader *reader, const struct key *key)
{
	struct key *keys =
		make_room(reader, reader->keys, reader->key_len, &reader->key_max, sizeof(*keys));

	if (!keys)
		return false;
	reader->keys = keys;
	keys[reader->key_len++] = *key;
	return true;
}

static bool read_member(struct json_reader *reader)
{
	struct key key;

	if (peek(reader) != '"')
		return fail(reader, "a key expected");
	if (!read_string(reader, &key) || !push_key(reader, &key))
		return false;
	if (buf_error(reader->out) == 0 && key.len > 0 &&
	    memchr(reader->out->data + key.offset, 0, key.len))
		return fail(reader, "a key with a zero byte in it");
	if (peek(reader) != ':')
		return fail(reader, "':' expected");
	reader->at++;
	return read_any(reader);
}

static int compare_keys(const void *left, const void *right, void *data)
{
	const struct key *a = left, *b = right;
	const uint8_t *bytes = data;

	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(bytes + a->offset, bytes + b->offset, a->len);
}

/* Whether two of the keys from `first` on are the same; forgets them. */
static bool has_twins(struct json_reader *reader, size_t first)
{
	size_t count = reader->key_len - first;
	struct key *keys;

	reader->key_len = first;
	if (count < 2 || buf_error(reader->out) < 0)
		return false;
	keys = reader->keys + first;
	qsort_r(keys, count, sizeof(*keys), compare_keys, reader->out->data);
	for (size_t i = 1; i < count; i++)
		if (compare_keys(&keys[i - 1], &keys[i], reader->out->data) == 0)
			return true;
	return false;
}

static bool read_object(struct json_reader *reader)
{
	uint32_t count = take_count(reader);
	size_t first = reader->key_len;

	reader->at++;
	pack_map(reader->out, count);
	for (uint32_t i = 0; i < count; i++) {
		if (i > 0 && peek(reader) != ',')
			return fail(reader, "',' or '}' expected");
		reader->at += i > 0;
		if (!read_member(reader))
			return false;
	}
	if (peek(reader) != '}')
		return fail(reader, "',' or '}' expected");
	if (has_twins(reader, first))
		return fail(reader, "an object with a key twice");
	reader->at++;
	return true;
}

static bool read_any(struct json_reader *reader)
{
	struct key key;

	uint8_t first = peek(reader);

	switch (first) {
	case '{':
		return read_object(reader);
	case '[':
		return read_array(reader);
	case '"':
		return read_string(reader, &key);
	case 't':
		pack_bool(reader->out, true);
		return read_word(reader, "true");
	case 'f':
		pack_bool(reader->out, false);
		return read_word(reader, "false");
	case 'n':
		pack_nil(reader->out);
		return read_word(reader, "null");
	default:
		if (first == '-' || (first >= '0' && first <= '9'))
			return read_number(reader);
		return fail(reader, "a value expected");
	}
}

static bool read_whole(struct json_reader *reader)
{
	if (!count_items(reader) || !read_any(reader))
		return false;
	(void)peek(reader);
	return reader->at == reader->end || fail(reader, "the end expected");
}

int json_to_value(struct bytes text, struct buf *out, char fault[static JSON_FAULT_MAX])
{
	struct json_reader reader = {
		.begin = text.data, .at = text.data, .end = text.data + text.len, .out = out};
	bool good;

	if (json_is_too_heavy(text)) {
		snprintf(fault, JSON_FAULT_MAX, "too many values, at byte 0");
		return -EINVAL;
	}
	/* Counts are of 32 bits. */
	if (text.len > UINT32_MAX)
		return -ENOBUFS;
	good = read_whole(&reader);
	free(reader.counts);
	free(reader.keys);
	if (reader.no_memory)
		return -ENOMEM;
	if (buf_error(out) < 0)
		return buf_error(out);
	if (good)
		return 0;
	snprintf(fault, JSON_FAULT_MAX, "%s, at byte %zu", reader.fault,
		 (size_t)(reader.at - reader.begin));
	return -EINVAL;
}
