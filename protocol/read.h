/*
 * A decoder of MessagePack in memory, for the values that the daemon reads: envelopes, options,
 * small maps.
 *
 * Each read_* function returns 0 and advances the reader behind the value, or returns -EPROTO (the
 * value has another type, or the bytes end) or -ERANGE (the number does not fit) and leaves the
 * reader where it is.  Nothing is copied or allocated: strings and values are slices of the input.
 */
#ifndef POOLD_PROTOCOL_READ_H
#define POOLD_PROTOCOL_READ_H

#include "protocol/base.h"

#include <errno.h>
#include <string.h>

struct reader {
	const uint8_t *at;
	const uint8_t *end;
};

enum value_type {
	VALUE_NIL = 0,
	VALUE_BOOL,
	VALUE_INT, /* any integer */
	VALUE_FLOAT,
	VALUE_STR,
	VALUE_BIN,
	VALUE_ARRAY,
	VALUE_MAP,
	VALUE_EXT,
	VALUE_NONE /* no value: the end of the bytes, or the byte 0xc1 */
};

static inline void reader_init(struct reader *reader, const uint8_t *data, size_t len)
{
	reader->at = data;
	/* Adding to NULL is undefined, even adding 0. */
	reader->end = len > 0 ? data + len : data;
}

static inline bool reader_at_end(const struct reader *reader)
{
	return reader->at == reader->end;
}

/* The type of the next value; does not advance the reader. */
enum value_type read_peek(const struct reader *reader);

int read_nil(struct reader *reader);
int read_bool(struct reader *reader, bool *ret);
static inline int read_uint(struct reader *reader, uint64_t *ret);
int read_int(struct reader *reader, int64_t *ret);
/* Reads a float of either width, or an integer, as a double. */
int read_double(struct reader *reader, double *ret);
/* Reads a str (not a bin); the slice does not end in a zero byte and may not be valid UTF-8. */
static inline int read_str(struct reader *reader, struct bytes *ret);
/* Reads a bin or a str. */
int read_bin(struct reader *reader, struct bytes *ret);
static inline int read_array(struct reader *reader, uint32_t *ret_count);
int read_map(struct reader *reader, uint32_t *ret_pairs);
/* Reads any value, as a slice of its encoded bytes. */
int read_value(struct reader *reader, struct bytes *ret);

/* All that is left: of a value that is known to be whole, the last element, if there is one. */
static inline struct bytes read_rest(struct reader *reader)
{
	struct bytes rest = {reader->at, (size_t)(reader->end - reader->at)};

	reader->at = reader->end;
	return rest;
}

/* Whether the slice holds exactly this text. */
static inline bool bytes_equal(struct bytes bytes, const char *text)
{
	size_t len = strlen(text);

	return bytes.len == len && (len == 0 || memcmp(bytes.data, text, len) == 0);
}

/* --- nearly all that is read is short, and is read without a call --- */

int read_long_uint(struct reader *reader, uint64_t *ret);
int read_long_str(struct reader *reader, struct bytes *ret);
int read_long_array(struct reader *reader, uint32_t *ret_count);

static inline int read_uint(struct reader *reader, uint64_t *ret)
{
	if (reader_at_end(reader) || *reader->at >= 0x80)
		return read_long_uint(reader, ret);
	*ret = *reader->at++;
	return 0;
}

static inline int read_str(struct reader *reader, struct bytes *ret)
{
	size_t len;

	if (reader_at_end(reader) || (*reader->at & 0xe0) != 0xa0)
		return read_long_str(reader, ret);
	len = *reader->at & 0x1f;
	if ((size_t)(reader->end - reader->at) <= len)
		return -EPROTO;
	*ret = (struct bytes){reader->at + 1, len};
	reader->at += 1 + len;
	return 0;
}

static inline int read_array(struct reader *reader, uint32_t *ret_count)
{
	if (reader_at_end(reader) || (*reader->at & 0xf0) != 0x90)
		return read_long_array(reader, ret_count);
	*ret_count = *reader->at++ & 0x0f;
	return 0;
}

#endif
