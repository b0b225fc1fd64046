#include "protocol/read.h"

#include "protocol/skip.h"

#include <endian.h>
#include <string.h>

static size_t left(const struct reader *reader)
{
	return (size_t)(reader->end - reader->at);
}

/* The number that `width` bytes hold, most significant first: 1, 2, 4 or 8. */
static inline uint64_t load(const uint8_t *at, size_t width)
{
	uint16_t two;
	uint32_t four;
	uint64_t eight;

	switch (width) {
	case 1:
		return *at;
	case 2:
		memcpy(&two, at, sizeof(two));
		return be16toh(two);
	case 4:
		memcpy(&four, at, sizeof(four));
		return be32toh(four);
	default:
		memcpy(&eight, at, sizeof(eight));
		return be64toh(eight);
	}
}

/* The type of the value that begins with a marker from 0xc0 to 0xdf. */
static const uint8_t types[32] = {
	VALUE_NIL,   VALUE_NONE,  VALUE_BOOL, VALUE_BOOL,  VALUE_BIN,	VALUE_BIN, VALUE_BIN,
	VALUE_EXT,   VALUE_EXT,	  VALUE_EXT,  VALUE_FLOAT, VALUE_FLOAT, VALUE_INT, VALUE_INT,
	VALUE_INT,   VALUE_INT,	  VALUE_INT,  VALUE_INT,   VALUE_INT,	VALUE_INT, VALUE_EXT,
	VALUE_EXT,   VALUE_EXT,	  VALUE_EXT,  VALUE_EXT,   VALUE_STR,	VALUE_STR, VALUE_STR,
	VALUE_ARRAY, VALUE_ARRAY, VALUE_MAP,  VALUE_MAP,
};

enum value_type read_peek(const struct reader *reader)
{
	uint8_t marker;

	if (reader_at_end(reader))
		return VALUE_NONE;
	marker = *reader->at;
	if (marker < 0x80 || marker >= 0xe0)
		return VALUE_INT;
	if (marker < 0x90)
		return VALUE_MAP;
	if (marker < 0xa0)
		return VALUE_ARRAY;
	if (marker < 0xc0)
		return VALUE_STR;
	return (enum value_type)types[marker - 0xc0];
}

int read_nil(struct reader *reader)
{
	if (reader_at_end(reader) || *reader->at != 0xc0)
		return -EPROTO;
	reader->at++;
	return 0;
}

int read_bool(struct reader *reader, bool *ret)
{
	if (reader_at_end(reader) || (*reader->at != 0xc2 && *reader->at != 0xc3))
		return -EPROTO;
	*ret = *reader->at == 0xc3;
	reader->at++;
	return 0;
}

/* An integer: its bits, whether it is negative, and its encoded length in bytes. */
struct integer {
	uint64_t bits;
	bool negative;
	size_t len;
};

static int peek_integer(const struct reader *reader, struct integer *ret)
{
	uint64_t bits, sign;
	bool negative;
	size_t width;
	uint8_t marker;

	if (read_peek(reader) != VALUE_INT)
		return -EPROTO;
	marker = *reader->at;
	if (marker < 0x80 || marker >= 0xe0) {
		*ret = (struct integer){(uint64_t)(int8_t)marker, marker >= 0xe0, 1};
		return 0;
	}

	/* cc-cf are unsigned, d0-d3 signed, of 1, 2, 4 and 8 bytes each. */
	width = (size_t)1 << (marker & 3u);
	if (left(reader) < 1 + width)
		return -EPROTO;

	bits = load(reader->at + 1, width);
	sign = (uint64_t)1 << (8 * width - 1);
	negative = marker >= 0xd0 && (bits & sign) != 0;
	if (negative)
		bits |= ~(sign | (sign - 1));
	*ret = (struct integer){bits, negative, 1 + width};
	return 0;
}

int read_long_uint(struct reader *reader, uint64_t *ret)
{
	struct integer integer;
	int r;

	/* cc-cf, as nearly all that don't fit into the marker */
	if (!reader_at_end(reader) && (*reader->at & 0xfc) == 0xcc) {
		size_t width = (size_t)1 << (*reader->at & 3u);

		if (left(reader) <= width)
			return -EPROTO;
		*ret = left(reader) > sizeof(uint64_t)
			       ? load(reader->at + 1, sizeof(uint64_t)) >> (64 - 8 * width)
			       : load(reader->at + 1, width);
		reader->at += 1 + width;
		return 0;
	}
	r = peek_integer(reader, &integer);
	if (r < 0)
		return r;
	if (integer.negative)
		return -ERANGE;
	*ret = integer.bits;
	reader->at += integer.len;
	return 0;
}

int read_int(struct reader *reader, int64_t *ret)
{
	struct integer integer;
	int r = peek_integer(reader, &integer);

	if (r < 0)
		return r;
	if (!integer.negative && integer.bits > INT64_MAX)
		return -ERANGE;
	*ret = (int64_t)integer.bits;
	reader->at += integer.len;
	return 0;
}

int read_double(struct reader *reader, double *ret)
{
	struct integer integer;
	uint32_t bits32;
	uint64_t bits64;
	float single;
	size_t width;

	switch (read_peek(reader)) {
	case VALUE_INT:
		if (peek_integer(reader, &integer) < 0)
			return -EPROTO;
		*ret = integer.negative ? (double)(int64_t)integer.bits : (double)integer.bits;
		reader->at += integer.len;
		return 0;
	case VALUE_FLOAT:
		break;
	default:
		return -EPROTO;
	}
	width = *reader->at == 0xca ? 4 : 8;
	if (left(reader) < 1 + width)
		return -EPROTO;
	bits64 = load(reader->at + 1, width);
	if (width == 4) {
		bits32 = (uint32_t)bits64;
		memcpy(&single, &bits32, sizeof(single));
		*ret = (double)single;
	} else {
		memcpy(ret, &bits64, sizeof(*ret));
	}
	reader->at += 1 + width;
	return 0;
}

/*
 * The length or count of the header at the reader: `fixed` bits of the marker where it is below
 * 0xc0, else a length field of `width` bytes.  *ret_head gets the bytes of the header.
 */
static int peek_length(const struct reader *reader, uint8_t fixed, size_t width, uint32_t *ret,
		       size_t *ret_head)
{
	uint8_t marker = *reader->at;

	if (marker < 0xc0) {
		*ret = marker & fixed;
		*ret_head = 1;
		return 0;
	}
	if (left(reader) < 1 + width)
		return -EPROTO;
	*ret = (uint32_t)load(reader->at + 1, width);
	*ret_head = 1 + width;
	return 0;
}

static int read_bytes(struct reader *reader, size_t width, struct bytes *ret)
{
	uint32_t len;
	size_t head;

	if (peek_length(reader, 0x1f, width, &len, &head) < 0)
		return -EPROTO;
	if (left(reader) - head < len)
		return -EPROTO;
	*ret = (struct bytes){reader->at + head, len};
	reader->at += head + len;
	return 0;
}

int read_long_str(struct reader *reader, struct bytes *ret)
{
	if (read_peek(reader) != VALUE_STR)
		return -EPROTO;
	/* d9, da, db: 1, 2, 4 bytes */
	return read_bytes(reader, (size_t)1 << ((*reader->at - 0xd9) & 3), ret);
}

int read_bin(struct reader *reader, struct bytes *ret)
{
	if (read_peek(reader) != VALUE_BIN)
		return read_str(reader, ret);
	/* c4, c5, c6: 1, 2, 4 bytes */
	return read_bytes(reader, (size_t)1 << (*reader->at - 0xc4), ret);
}

static int read_count(struct reader *reader, enum value_type type, uint32_t *ret)
{
	uint32_t count;
	size_t head;

	if (read_peek(reader) != type)
		return -EPROTO;
	/* dc, de: 2 bytes; dd, df: 4 bytes */
	if (peek_length(reader, 0x0f, (*reader->at & 1) != 0 ? 4 : 2, &count, &head) < 0)
		return -EPROTO;
	*ret = count;
	reader->at += head;
	return 0;
}

int read_long_array(struct reader *reader, uint32_t *ret_count)
{
	return read_count(reader, VALUE_ARRAY, ret_count);
}

int read_map(struct reader *reader, uint32_t *ret_pairs)
{
	return read_count(reader, VALUE_MAP, ret_pairs);
}

int read_value(struct reader *reader, struct bytes *ret)
{
	size_t len = skip_value(reader->at, left(reader), left(reader));

	if (len == 0)
		return -EPROTO;
	*ret = (struct bytes){reader->at, len};
	reader->at += len;
	return 0;
}
