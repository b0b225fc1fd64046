/* A growable buffer with a maximum size, and functions that append MessagePack to it (with the
 * packer of msgpack-c). */
#ifndef POOLD_PROTOCOL_BUF_H
#define POOLD_PROTOCOL_BUF_H

#include "protocol/base.h"

struct buf {
	uint8_t *data;
	size_t len;
	size_t capacity;
	size_t max; /* limit of len */
	int error;  /* of the first write that failed (see buf_error), 0: none; all later writes
		       are ignored */
};

/* An empty buffer that can grow to `max` bytes.  Allocates nothing. */
void buf_init(struct buf *buf, size_t max);
/* Frees the memory; the buffer is as after buf_init. */
void buf_free(struct buf *buf);
/* Empties the buffer and clears its error, but keeps the memory. */
void buf_reset(struct buf *buf);

/* The error of the first write that failed: -ENOBUFS (over the maximum) or -ENOMEM; 0: none.  The
 * functions below return nothing, so that it is enough to check this once after the last of
 * them. */
int buf_error(const struct buf *buf);

void buf_put(struct buf *buf, const void *data, size_t len);
/* Appends a text, made valid UTF-8 as by pack_text. */
void buf_put_text(struct buf *buf, struct bytes text);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

void pack_nil(struct buf *buf);
void pack_bool(struct buf *buf, bool value);
void pack_uint(struct buf *buf, uint64_t value);
void pack_int(struct buf *buf, int64_t value);
void pack_double(struct buf *buf, double value);
void pack_str(struct buf *buf, const char *text);
void pack_str_len(struct buf *buf, const char *text, size_t len);
/* The header of a str; the caller appends its `len` bytes. */
void pack_str_head(struct buf *buf, size_t len);
/*
 * A str from bytes that may not be valid UTF-8: each wrong byte is replaced by '?', so the length
 * stays the same.  To be used for all text from a peer, since strict decoders (such as Python's
 * msgpack) reject a whole message because of one wrong byte.
 */
void pack_text(struct buf *buf, struct bytes text);
void pack_bin(struct buf *buf, const void *data, size_t len);
void pack_array(struct buf *buf, uint32_t count);
void pack_map(struct buf *buf, uint32_t pairs);
/* Appends a whole value that is MessagePack already. */
void pack_raw(struct buf *buf, struct bytes value);

#endif
