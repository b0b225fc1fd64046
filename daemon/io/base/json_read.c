/* From JSON (RFC 8259) to MessagePack. */
#include "daemon/io/base/json.h"

#include "daemon/io/base/json_keys.h"
#include "daemon/io/base/json_text.h"
#include "protocol/read.h"
#include "protocol/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many of the bytes of a key are said in a fault. */
#define KEY_SAID_MAX 60

/* MessagePack says how many items an array has before them, JSON does not: until its end is read,
 * each has a head of this size, which is shortened when all is read. */
#define OPEN_HEAD_LEN 5
#define OPEN_ARRAY    0xdd
#define OPEN_MAP      0xdf

/* The longest number that is copied to the stack. */
#define NUMBER_ON_STACK 64

/* An array or object whose end is still to come. */
struct frame {
	size_t head;	/* where its head is */
	uint32_t keys;	/* how many keys there were before it */
	uint32_t count; /* of its items or members so far */
};

struct parse {
	const uint8_t *begin;
	const uint8_t *at;
	const uint8_t *end;
	struct buf *out;
	struct json_keys keys;
	struct frame *frames; /* JSON_READ_DEPTH_MAX of them */
	unsigned depth;
	size_t weight;
	char fault[JSON_FAULT_MAX];
};

/* What is wrong at the byte that is read next. */
static int wrong(struct parse *parse, const char *why)
{
	snprintf(parse->fault, JSON_FAULT_MAX, "%s, at byte %zu", why,
		 (size_t)(parse->at - parse->begin));
	return -EINVAL;
}

static int weigh(struct parse *parse, size_t weight)
{
	parse->weight += weight;
	return parse->weight > JSON_WEIGHT_MAX ? wrong(parse, "too many values") : 0;
}

/* The next byte; 0 at the end, as no byte between values is zero. */
static uint8_t peek(const struct parse *parse)
{
	return parse->at < parse->end ? *parse->at : 0;
}

static bool take(struct parse *parse, char wanted)
{
	if (peek(parse) != (uint8_t)wanted)
		return false;
	parse->at++;
	return true;
}

static void skip_space(struct parse *parse)
{
	while (parse->at < parse->end && (*parse->at == ' ' || *parse->at == '\t' ||
					  *parse->at == '\n' || *parse->at == '\r'))
		parse->at++;
}

/* --- texts --- */

/* Reads a text, whose quote is next.  *ret: the text as it was appended to the output. */
static int read_text(struct parse *parse, struct bytes *ret)
{
	const uint8_t *begin = ++parse->at;
	const char *why;
	size_t len;
	int r;

	parse->at = json_scan_text(begin, parse->end, &len, &why);
	if (why)
		return wrong(parse, why);
	pack_str_head(parse->out, len);
	if (len == (size_t)(parse->at - begin))
		buf_put(parse->out, begin, len);
	else
		json_decode_text(begin, parse->at, parse->out);
	parse->at++;
	r = buf_error(parse->out);
	if (r < 0)
		return r;
	*ret = (struct bytes){parse->out->data + parse->out->len - len, len};
	return 0;
}

/* --- numbers --- */

static bool skip_digits(struct parse *parse)
{
	const uint8_t *begin = parse->at;

	while (peek(parse) >= '0' && peek(parse) <= '9')
		parse->at++;
	return parse->at > begin;
}

/* Reads to the end of a number. */
static int scan_number(struct parse *parse, bool *ret_integer)
{
	*ret_integer = true;
	take(parse, '-');
	if (!take(parse, '0') && !skip_digits(parse))
		return wrong(parse, "a digit expected");
	if (take(parse, '.')) {
		*ret_integer = false;
		if (!skip_digits(parse))
			return wrong(parse, "a digit expected");
	}
	if (take(parse, 'e') || take(parse, 'E')) {
		*ret_integer = false;
		if (!take(parse, '+'))
			take(parse, '-');
		if (!skip_digits(parse))
			return wrong(parse, "a digit expected");
	}
	return 0;
}

/* Returns -ERANGE if it is outside of 64 bits with a sign. */
static int integer_value(const uint8_t *at, const uint8_t *end, int64_t *ret)
{
	bool negative = *at == '-';
	uint64_t limit = (uint64_t)INT64_MAX + negative, value = 0;

	for (at += negative; at < end; at++) {
		uint64_t digit = (uint64_t)(*at - '0');

		if (value > (limit - digit) / 10)
			return -ERANGE;
		value = value * 10 + digit;
	}
	*ret = negative && value > 0 ? -(int64_t)(value - 1) - 1 : (int64_t)value;
	return 0;
}

/* The number nearest to these digits.  Returns 0, -ERANGE (none is) or -ENOMEM. */
static int float_value(const uint8_t *digits, size_t len, double *ret)
{
	char on_stack[NUMBER_ON_STACK];
	char *text = len < sizeof(on_stack) ? on_stack : malloc(len + 1);

	if (!text)
		return -ENOMEM;
	memcpy(text, digits, len);
	text[len] = '\0';
	*ret = strtod(text, NULL);
	if (text != on_stack)
		free(text);
	return isfinite(*ret) ? 0 : -ERANGE;
}

static int read_number(struct parse *parse)
{
	const uint8_t *begin = parse->at;
	int64_t integer = 0;
	double real = 0;
	bool is_integer;
	int r;

	r = scan_number(parse, &is_integer);
	if (r < 0)
		return r;
	if (is_integer)
		r = integer_value(begin, parse->at, &integer);
	else
		r = float_value(begin, (size_t)(parse->at - begin), &real);
	if (r == -ERANGE) {
		parse->at = begin;
		return wrong(parse, is_integer ? "an integer outside of 64 bits"
					       : "a number too large for a float");
	}
	if (r == 0 && is_integer)
		pack_int(parse->out, integer);
	else if (r == 0)
		pack_double(parse->out, real);
	return r;
}

/* --- values --- */

static bool take_word(struct parse *parse, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(parse->end - parse->at) < len || memcmp(parse->at, word, len) != 0)
		return false;
	parse->at += len;
	return true;
}

static int read_word(struct parse *parse)
{
	if (take_word(parse, "null"))
		pack_nil(parse->out);
	else if (take_word(parse, "true"))
		pack_bool(parse->out, true);
	else if (take_word(parse, "false"))
		pack_bool(parse->out, false);
	else
		return wrong(parse, "a value expected");
	return 0;
}

static int read_scalar(struct parse *parse)
{
	uint8_t byte = peek(parse);
	struct bytes text;

	if (byte == '"')
		return read_text(parse, &text);
	if (byte == '-' || (byte >= '0' && byte <= '9'))
		return read_number(parse);
	return read_word(parse);
}

/* Reads the key of a member, and its colon. */
static int read_key(struct parse *parse)
{
	struct bytes key;
	int r;

	if (peek(parse) != '"')
		return wrong(parse, "a key expected");
	r = read_text(parse, &key);
	if (r < 0)
		return r;
	/* Many readers end a text there, and two keys would be one to them. */
	if (key.len > 0 && memchr(key.data, 0, key.len))
		return wrong(parse, "a key with a zero byte in it");
	/* A text is no longer than 32 bits say, or it could not have been packed. */
	r = json_keys_add(&parse->keys, parse->out->data, (size_t)(key.data - parse->out->data),
			  (uint32_t)key.len);
	if (r < 0)
		return r;
	skip_space(parse);
	if (!take(parse, ':'))
		return wrong(parse, "a colon expected");
	skip_space(parse);
	return weigh(parse, JSON_WEIGHT_COLON);
}

static bool is_map(const struct parse *parse, const struct frame *frame)
{
	return parse->out->data[frame->head] == OPEN_MAP;
}

/* Begins an array or object, whose bracket is next. */
static int begin_container(struct parse *parse)
{
	bool map = *parse->at == '{';
	const uint8_t head[OPEN_HEAD_LEN] = {map ? OPEN_MAP : OPEN_ARRAY};

	if (parse->depth == JSON_READ_DEPTH_MAX)
		return wrong(parse, "nested too deep");
	parse->frames[parse->depth++] = (struct frame){
		.head = parse->out->len,
		/* No more than JSON_WEIGHT_MAX. */
		.keys = (uint32_t)json_keys_count(&parse->keys),
	};
	buf_put(parse->out, head, sizeof(head));
	parse->at++;
	skip_space(parse);
	return weigh(parse, map ? JSON_WEIGHT_OBJECT : JSON_WEIGHT_ARRAY);
}

static int twice(struct parse *parse, struct bytes key)
{
	char said[KEY_SAID_MAX + 1], why[KEY_SAID_MAX + 40];

	key = utf8_cut(key, KEY_SAID_MAX);
	for (size_t i = 0; i < key.len; i++)
		said[i] = (char)(key.data[i] < ' ' ? '?' : key.data[i]);
	said[key.len] = '\0';
	snprintf(why, sizeof(why), "an object with the key \"%s\" twice", said);
	return wrong(parse, why);
}

/* Ends the innermost array or object, whose bracket was read. */
static int end_container(struct parse *parse)
{
	const struct frame *frame = &parse->frames[--parse->depth];
	uint8_t *count = parse->out->data + frame->head + 1;
	struct bytes twin;

	for (unsigned i = 0; i < 4; i++)
		count[i] = (uint8_t)(frame->count >> (24 - 8 * i));
	if (!is_map(parse, frame))
		return 0;
	twin = json_keys_end(&parse->keys, frame->keys, parse->out->data);
	return twin.data ? twice(parse, twin) : 0;
}

/* Reads what is behind a value: the ends of all containers that end there, and the comma and key
 * before the next value.  Nothing is open any more: there is no next value. */
static int read_behind_value(struct parse *parse)
{
	while (parse->depth > 0) {
		struct frame *frame = &parse->frames[parse->depth - 1];
		bool map = is_map(parse, frame);
		int r;

		frame->count++;
		skip_space(parse);
		if (take(parse, ',')) {
			skip_space(parse);
			r = weigh(parse, JSON_WEIGHT_COMMA);
			return r < 0 || !map ? r : read_key(parse);
		}
		if (!take(parse, map ? '}' : ']'))
			return wrong(parse, map ? "a comma or the end of an object expected"
						: "a comma or the end of an array expected");
		r = end_container(parse);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Reads a value up to its end, or to the first value in it. */
static int read_next(struct parse *parse)
{
	uint8_t byte = peek(parse);
	bool map = byte == '{';
	int r;

	if (!map && byte != '[') {
		r = read_scalar(parse);
		if (r == 0)
			r = buf_error(parse->out);
		return r < 0 ? r : read_behind_value(parse);
	}
	r = begin_container(parse);
	if (r == 0)
		r = buf_error(parse->out);
	if (r < 0)
		return r;
	if (!take(parse, map ? '}' : ']'))
		return map ? read_key(parse) : 0;
	r = end_container(parse);
	return r < 0 ? r : read_behind_value(parse);
}

static int read_whole(struct parse *parse)
{
	int r;

	skip_space(parse);
	do
		r = read_next(parse);
	while (r == 0 && parse->depth > 0);
	if (r < 0)
		return r;
	skip_space(parse);
	return parse->at < parse->end ? wrong(parse, "the end of the text expected") : 0;
}

/* --- shorter heads --- */

static size_t put_head(uint8_t *to, bool map, uint32_t count)
{
	if (count < 16) {
		to[0] = (uint8_t)((map ? 0x80 : 0x90) | count);
		return 1;
	}
	if (count <= UINT16_MAX) {
		to[0] = map ? 0xde : 0xdc;
		to[1] = (uint8_t)(count >> 8);
		to[2] = (uint8_t)count;
		return 3;
	}
	to[0] = map ? OPEN_MAP : OPEN_ARRAY;
	for (unsigned i = 0; i < 4; i++)
		to[1 + i] = (uint8_t)(count >> (24 - 8 * i));
	return OPEN_HEAD_LEN;
}

/* Moves what lies from `from` up to `end` to `to`; returns the end of that. */
static uint8_t *move(uint8_t *to, const uint8_t *from, const uint8_t *end)
{
	if (to != from)
		memmove(to, from, (size_t)(end - from));
	return to + (end - from);
}

/* Gives each array and map its shortest head, which moves all behind it.  What is between two heads
 * moves at once. */
static void shorten_heads(struct buf *out, size_t begin)
{
	uint8_t *to = out->data + begin;
	const uint8_t *unmoved = to;
	struct reader reader;
	struct bytes scalar;

	reader_init(&reader, to, out->len - begin);
	while (!reader_at_end(&reader)) {
		const uint8_t *at = reader.at;
		bool map = *at == OPEN_MAP;
		uint32_t count;

		if (map ? read_map(&reader, &count) < 0 : read_array(&reader, &count) < 0) {
			(void)read_value(&reader, &scalar);
			continue;
		}
		to = move(to, unmoved, at);
		to += put_head(to, map, count);
		unmoved = reader.at;
	}
	to = move(to, unmoved, reader.at);
	out->len = (size_t)(to - out->data);
}

int json_to_value(struct bytes text, struct buf *out, char fault[static JSON_FAULT_MAX])
{
	struct frame frames[JSON_READ_DEPTH_MAX];
	size_t begin = out->len, max = out->max;
	struct parse parse = {
		.begin = text.data,
		.at = text.data,
		.end = text.data + text.len,
		.out = out,
		.frames = frames,
	};
	int r;

	if (buf_error(out) < 0)
		return buf_error(out);
	json_keys_init(&parse.keys);
	out->max = SIZE_MAX / 4;
	r = read_whole(&parse);
	json_keys_free(&parse.keys);
	out->max = max;
	if (r == -EINVAL)
		memcpy(fault, parse.fault, JSON_FAULT_MAX);
	if (r == 0)
		shorten_heads(out, begin);
	if (r == 0 && out->len > max)
		r = -ENOBUFS;
	if (r < 0)
		out->len = begin;
	if (r == -ENOBUFS || r == -ENOMEM)
		out->error = r;
	return r;
}
