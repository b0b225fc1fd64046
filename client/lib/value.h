/* Conversion between the public types of poold.h and those of protocol/. */
#ifndef POOLD_LIB_VALUE_H
#define POOLD_LIB_VALUE_H

#include "client/lib/poold.h"
#include "protocol/base.h"
#include "protocol/buf.h"

struct poold_writer {
	struct buf buf;
	size_t base; /* where the user's value begins; the bytes before it are the library's */
};

void writer_init(struct poold_writer *writer);
/* Truncates to the first `len` bytes and clears the error.  These bytes must have been written
 * before the write that failed. */
void writer_truncate(struct poold_writer *writer, size_t len);

static inline struct poold_bytes bytes_to_public(struct bytes bytes)
{
	return (struct poold_bytes){bytes.data, bytes.len};
}

static inline struct bytes bytes_from_public(struct poold_bytes bytes)
{
	return (struct bytes){bytes.data, bytes.len};
}

/* Whether the bytes are exactly one MessagePack value. */
bool bytes_are_value(struct bytes bytes);

#endif
