#include "protocol/buf.h"

#include "protocol/utf8.h"

#include <errno.h>
#include <msgpack/pack.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_CAPACITY_MIN 256

/* A larger maximum is reduced to this, so that no sum and no doubling below can overflow. */
#define BUF_MAX (SIZE_MAX / 4)

void buf_init(struct buf *buf, size_t max)
{
	*buf = (struct buf){.max = max < BUF_MAX ? max : BUF_MAX};
}

void buf_free(struct buf *buf)
{
	free(buf->data);
	buf_init(buf, buf->max);
}

void buf_reset(struct buf *buf)
{
	buf->len = 0;
	buf->error = 0;
}

int buf_error(const struct buf *buf)
{
	return buf->error;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* Makes room for `len` more bytes and for a zero byte after them, which vsnprintf writes. */
static bool reserve(struct buf *buf, size_t len)
{
	uint8_t *data;
	size_t capacity;

	if (buf->error < 0)
		return false;
	if (len > buf->max - buf->len) {
		buf->error = -ENOBUFS;
		return false;
	}
	if (buf->data && len <= buf->capacity - buf->len)
		return true;
	capacity = larger(larger(buf->capacity * 2, BUF_CAPACITY_MIN), buf->len + len);
	if (capacity > buf->max)
		capacity = buf->max;
	data = realloc(buf->data, capacity + 1);
	if (!data) {
		buf->error = -ENOMEM;
		return false;
	}
	buf->data = data;
	buf->capacity = capacity;
	return true;
}

void buf_put(struct buf *buf, const void *data, size_t len)
{
	if (len == 0 || !reserve(buf, len))
		return;
	memcpy(buf->data + buf->len, data, len);
	buf->len += len;
}

void buf_put_text(struct buf *buf, struct bytes text)
{
	while (text.len > 0 && buf->error == 0) {
		size_t valid = utf8_valid_prefix(text);

		buf_put(buf, text.data, valid);
		if (valid == text.len)
			return;
		buf_put(buf, "?", 1);
		text.data += valid + 1;
		text.len -= valid + 1;
	}
}

/* Printed to where it belongs at once; a second time only where that had too little room. */
void buf_printf(struct buf *buf, const char *format, ...)
{
	size_t room = buf->data && buf->error == 0 ? buf->capacity - buf->len + 1 : 0;
	char *end = room > 0 ? (char *)buf->data + buf->len : NULL;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(end, room, format, args);
	va_end(args);
	if (len <= 0 || !reserve(buf, (size_t)len))
		return;
	if ((size_t)len >= room) {
		va_start(args, format);
		vsnprintf((char *)buf->data + buf->len, (size_t)len + 1, format, args);
		va_end(args);
	}
	buf->len += (size_t)len;
}

static int write_packed(void *target, const char *data, size_t len)
{
	buf_put(target, data, len);
	return 0;
}

static msgpack_packer packer(struct buf *buf)
{
	return (msgpack_packer){.data = buf, .callback = write_packed};
}

void pack_nil(struct buf *buf)
{
	msgpack_packer pk = packer(buf);

	msgpack_pack_nil(&pk);
}

void pack_bool(struct buf *buf, bool value)
{
	msgpack_packer pk = packer(buf);

	if (value)
		msgpack_pack_true(&pk);
	else
		msgpack_pack_false(&pk);
}

void pack_uint(struct buf *buf, uint64_t value)
{
	msgpack_packer pk = packer(buf);

	msgpack_pack_uint64(&pk, value);
}

void pack_int(struct buf *buf, int64_t value)
{
	msgpack_packer pk = packer(buf);

	msgpack_pack_int64(&pk, value);
}

void pack_double(struct buf *buf, double value)
{
	msgpack_packer pk = packer(buf);

	msgpack_pack_double(&pk, value);
}

/* A length of MessagePack has at most 32 bits; for a larger one the buffer fails with -ENOBUFS. */
static bool fits_length_field(struct buf *buf, size_t len)
{
	if (len > UINT32_MAX && buf->error == 0)
		buf->error = -ENOBUFS;
	return len <= UINT32_MAX;
}

void pack_str_head(struct buf *buf, size_t len)
{
	msgpack_packer pk = packer(buf);

	if (fits_length_field(buf, len))
		msgpack_pack_str(&pk, len);
}

void pack_str(struct buf *buf, const char *text)
{
	pack_str_len(buf, text, strlen(text));
}

void pack_str_len(struct buf *buf, const char *text, size_t len)
{
	pack_str_head(buf, len);
	buf_put(buf, text, len);
}

void pack_text(struct buf *buf, struct bytes text)
{
	pack_str_head(buf, text.len);
	buf_put_text(buf, text);
}

void pack_bin(struct buf *buf, const void *data, size_t len)
{
	msgpack_packer pk = packer(buf);

	if (!fits_length_field(buf, len))
		return;
	msgpack_pack_bin(&pk, len);
	buf_put(buf, data, len);
}

void pack_array(struct buf *buf, uint32_t count)
{
	msgpack_packer pk = packer(buf);

	msgpack_pack_array(&pk, count);
}

void pack_map(struct buf *buf, uint32_t pairs)
{
	msgpack_packer pk = packer(buf);

	msgpack_pack_map(&pk, pairs);
}

void pack_raw(struct buf *buf, struct bytes value)
{
	buf_put(buf, value.data, value.len);
}
