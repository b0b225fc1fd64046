/* A growable run of bytes with a hard maximum, and MessagePack written into it by msgpack-c's
 * packer. */
#ifndef POOLD_PROTOCOL_BUF_H
#define POOLD_PROTOCOL_BUF_H

#include "protocol/base.h"

struct buf {
	uint8_t *data;
	size_t len;
	size_t capacity;
	size_t max; /* most bytes that `data` may hold */
	int error;  /* why a write failed (see buf_error), 0 while none has; every later write is
		       ignored */
};

/* An empty buffer that may grow to `max` bytes.  Reserves nothing. */
void buf_init(struct buf *buf, size_t max);
/* Gives the memory back; the buffer is as after buf_init. */
void buf_free(struct buf *buf);
/* Empties it, keeping the memory. */
void buf_reset(struct buf *buf);

/*
 * The writers.  They never fail on the spot: write all, then ask buf_error once.  Returns 0,
 * -ENOBUFS (over the maximum) or -ENOMEM.
 */
int buf_error(const struct buf *buf);
void buf_put(struct buf *buf, const void *data, size_t len);
/* The bytes of a text, made valid UTF-8 as pack_text does. */
void buf_put_text(struct buf *buf, struct bytes text);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

void pack_nil(struct buf *buf);
void pack_bool(struct buf *buf, bool value);
void pack_uint(struct buf *buf, uint64_t value);
void pack_int(struct buf *buf, int64_t value);
void pack_double(struct buf *buf, double value);
void pack_str(struct buf *buf, const char *text);
void pack_str_len(struct buf *buf, const char *text, size_t len);
/* The beginning of a str whose `len` bytes the caller puts. */
void pack_str_head(struct buf *buf, size_t len);
/*
 * A str from bytes that nobody has checked: each byte that is not part of valid UTF-8 becomes '?'
 * (one for one, so that the length stays).  Whatever a peer sent and poold passes on as text goes
 * through here, since strict decoders (Python's msgpack among them) refuse a whole message for one
 * wrong byte.
 */
void pack_text(struct buf *buf, struct bytes text);
void pack_bin(struct buf *buf, const void *data, size_t len);
void pack_array(struct buf *buf, uint32_t count);
void pack_map(struct buf *buf, uint32_t pairs);
/* A whole value that is MessagePack already. */
void pack_raw(struct buf *buf, struct bytes value);

#endif
