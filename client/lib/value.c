#include "client/lib/value.h"

#include "protocol/read.h"
#include "protocol/skip.h"

#include <errno.h>
#include <stdlib.h>

/* A length in MessagePack has at most 32 bits, so one text or binary is at most this long. */
#define WRITER_MAX UINT32_MAX

/* Address of the empty bytes after a failed write.  All zero would mean "no argument". */
static const uint8_t spoiled[1];

const char *poold_version(void)
{
	return POOLD_VERSION;
}

bool bytes_are_value(struct bytes bytes)
{
	return bytes.len > 0 && skip_value(bytes.data, bytes.len, bytes.len) == bytes.len;
}

void writer_init(struct poold_writer *writer)
{
	buf_init(&writer->buf, WRITER_MAX);
	writer->base = 0;
}

void writer_truncate(struct poold_writer *writer, size_t len)
{
	writer->buf.len = len;
	writer->buf.error = 0;
}

struct poold_writer *poold_writer_new(void)
{
	struct poold_writer *writer = malloc(sizeof(*writer));

	if (writer)
		writer_init(writer);
	return writer;
}

void poold_writer_free(struct poold_writer *writer)
{
	if (!writer)
		return;
	buf_free(&writer->buf);
	free(writer);
}

void poold_writer_reset(struct poold_writer *writer)
{
	writer_truncate(writer, writer->base);
}

int poold_writer_error(const struct poold_writer *writer)
{
	return buf_error(&writer->buf);
}

struct poold_bytes poold_writer_bytes(const struct poold_writer *writer)
{
	size_t len = writer->buf.len - writer->base;

	if (buf_error(&writer->buf) < 0 || len == 0)
		return (struct poold_bytes){spoiled, 0};
	return (struct poold_bytes){writer->buf.data + writer->base, len};
}

void poold_write_nil(struct poold_writer *writer)
{
	pack_nil(&writer->buf);
}

void poold_write_bool(struct poold_writer *writer, bool value)
{
	pack_bool(&writer->buf, value);
}

void poold_write_int(struct poold_writer *writer, int64_t value)
{
	pack_int(&writer->buf, value);
}

void poold_write_uint(struct poold_writer *writer, uint64_t value)
{
	pack_uint(&writer->buf, value);
}

void poold_write_double(struct poold_writer *writer, double value)
{
	pack_double(&writer->buf, value);
}

void poold_write_str(struct poold_writer *writer, const char *text)
{
	pack_str(&writer->buf, text);
}

void poold_write_str_len(struct poold_writer *writer, const char *text, size_t len)
{
	pack_str_len(&writer->buf, text, len);
}

void poold_write_bin(struct poold_writer *writer, const void *data, size_t len)
{
	pack_bin(&writer->buf, data, len);
}

void poold_write_array(struct poold_writer *writer, uint32_t count)
{
	pack_array(&writer->buf, count);
}

void poold_write_map(struct poold_writer *writer, uint32_t pairs)
{
	pack_map(&writer->buf, pairs);
}

void poold_write_raw(struct poold_writer *writer, struct poold_bytes value)
{
	pack_raw(&writer->buf, bytes_from_public(value));
}

/*
 * The public reader has the fields of the protocol's, so that a caller may keep one by value; each
 * function below copies two pointers in and out, which the compiler removes.
 */
#define READ(reader, call)                                                                         \
	do {                                                                                       \
		struct reader inner = {(reader)->at, (reader)->end};                               \
		int r = call;                                                                      \
                                                                                                   \
		(reader)->at = inner.at;                                                           \
		return r;                                                                          \
	} while (0)

static_assert((int)POOLD_NIL == (int)VALUE_NIL && (int)POOLD_BOOL == (int)VALUE_BOOL &&
		      (int)POOLD_INT == (int)VALUE_INT && (int)POOLD_FLOAT == (int)VALUE_FLOAT &&
		      (int)POOLD_STR == (int)VALUE_STR && (int)POOLD_BIN == (int)VALUE_BIN &&
		      (int)POOLD_ARRAY == (int)VALUE_ARRAY && (int)POOLD_MAP == (int)VALUE_MAP &&
		      (int)POOLD_EXT == (int)VALUE_EXT && (int)POOLD_NONE == (int)VALUE_NONE,
	      "the public types are the protocol's");

struct poold_reader poold_reader_init(struct poold_bytes value)
{
	const uint8_t *data = value.len > 0 ? value.data : spoiled;

	return (struct poold_reader){data, data + value.len};
}

enum poold_type poold_peek(const struct poold_reader *reader)
{
	struct reader inner = {reader->at, reader->end};

	return (enum poold_type)read_peek(&inner);
}

int poold_read_nil(struct poold_reader *reader)
{
	READ(reader, read_nil(&inner));
}

int poold_read_bool(struct poold_reader *reader, bool *ret)
{
	READ(reader, read_bool(&inner, ret));
}

int poold_read_int(struct poold_reader *reader, int64_t *ret)
{
	READ(reader, read_int(&inner, ret));
}

int poold_read_uint(struct poold_reader *reader, uint64_t *ret)
{
	READ(reader, read_uint(&inner, ret));
}

int poold_read_double(struct poold_reader *reader, double *ret)
{
	READ(reader, read_double(&inner, ret));
}

int poold_read_array(struct poold_reader *reader, uint32_t *ret_count)
{
	READ(reader, read_array(&inner, ret_count));
}

int poold_read_map(struct poold_reader *reader, uint32_t *ret_pairs)
{
	READ(reader, read_map(&inner, ret_pairs));
}

/* Calls one of the three functions that read a slice. */
static int read_slice(struct poold_reader *reader, int (*read)(struct reader *, struct bytes *),
		      struct poold_bytes *ret)
{
	struct reader inner = {reader->at, reader->end};
	struct bytes slice;
	int r = read(&inner, &slice);

	if (r < 0)
		return r;
	reader->at = inner.at;
	*ret = bytes_to_public(slice);
	return 0;
}

int poold_read_str(struct poold_reader *reader, struct poold_bytes *ret)
{
	return read_slice(reader, read_str, ret);
}

int poold_read_bin(struct poold_reader *reader, struct poold_bytes *ret)
{
	return read_slice(reader, read_bin, ret);
}

int poold_read_value(struct poold_reader *reader, struct poold_bytes *ret)
{
	return read_slice(reader, read_value, ret);
}

int poold_read_ext(struct poold_reader *reader, int *ret_kind, struct poold_bytes *ret)
{
	struct poold_bytes value;
	const uint8_t *data;
	uint8_t marker;
	size_t kind_at;

	if (poold_peek(reader) != POOLD_EXT)
		return -EPROTO;

	/* c7, c8, c9: a length of 1, 2, 4 bytes, then the type; d4-d8: the type at once. */
	marker = *reader->at;
	kind_at = marker <= 0xc9 ? 1 + ((size_t)1 << (marker - 0xc7)) : 1;
	if (poold_read_value(reader, &value) < 0)
		return -EPROTO;
	data = value.data;
	*ret_kind = data[kind_at] < 0x80 ? data[kind_at] : data[kind_at] - 0x100;
	*ret = (struct poold_bytes){data + kind_at + 1, value.len - kind_at - 1};
	return 0;
}

int poold_map_find(struct poold_bytes map, const char *key, struct poold_reader *ret)
{
	struct poold_reader reader = poold_reader_init(map);
	struct reader inner = {reader.at, reader.end};
	uint32_t pairs;

	if (read_map(&inner, &pairs) < 0)
		return -EPROTO;
	for (uint32_t i = 0; i < pairs; i++) {
		struct bytes name, value;
		bool is_text = read_peek(&inner) == VALUE_STR;

		if ((is_text ? read_str(&inner, &name) : read_value(&inner, &name)) < 0)
			return -EPROTO;
		if (read_value(&inner, &value) < 0)
			return -EPROTO;
		if (is_text && bytes_equal(name, key)) {
			*ret = (struct poold_reader){value.data, value.data + value.len};
			return 0;
		}
	}
	return -ENOENT;
}
