/*
 * Memory for bytes on their way: counted blocks that several messages may share, so that a payload
 * is received once and sent from where it lies.
 *
 * All of it counts against one limit.  Blocks of the common size come from a free list.
 */
#ifndef POOLD_IO_BASE_CHUNK_H
#define POOLD_IO_BASE_CHUNK_H

#include "protocol/buf.h"

/* Usable bytes of a block of the common size. */
#define CHUNK_SIZE ((size_t)16 * 1024 - 64)

struct chunk_store {
	struct chunk *spare; /* common size, ready to be used */
	unsigned spare_count;
	size_t bytes;	   /* handed out */
	bool is_trimmable; /* memory was freed since the caller last set this to false */
	size_t bytes_max;
	uint64_t refused;   /* times the limit or the system said no */
	uint64_t exhausted; /* of these: times the system did */
};

struct chunk {
	struct chunk_store *store;
	struct chunk *next; /* while spare */
	size_t capacity;
	unsigned references;
	uint8_t data[];
};

void chunk_store_init(struct chunk_store *store, size_t bytes_max);
/* Frees the spare blocks; everything handed out must be back. */
void chunk_store_done(struct chunk_store *store);

/* A block of at least `capacity` bytes with one reference, the caller's; NULL at the limit or
 * without memory. */
struct chunk *chunk_new(struct chunk_store *store, size_t capacity);

/*
 * A buffer that becomes a block without being copied.  chunk_buf_init: it is empty, and may grow to
 * `max` bytes.  chunk_buf_bytes: what was put into it so far.
 */
void chunk_buf_init(struct buf *buf, size_t max);
struct bytes chunk_buf_bytes(const struct buf *buf);

/* The block of such a buffer, whose memory it takes over, with one reference, the caller's: the
 * bytes are at its beginning.  NULL: at the limit, or the buffer has failed; then the buffer is as
 * it was. */
struct chunk *chunk_from_buf(struct chunk_store *store, struct buf *buf);

/* Whether a block of so many bytes would fit now. */
bool chunk_has_room(const struct chunk_store *store, size_t bytes);

/* The same as chunk_new, but also above the limit: for the little without which nothing that is
 * there could be given back.  NULL without memory. */
struct chunk *chunk_new_reserved(struct chunk_store *store, size_t capacity);

/* One more reference.  Returns the chunk. */
struct chunk *chunk_ref(struct chunk *chunk);

/* One reference fewer; the last one gives the block back.  Takes NULL. */
void chunk_unref(struct chunk *chunk);

/*
 * Makes the block larger, keeping its bytes.  It must have one reference.  Returns the block, which
 * may have moved, or NULL (limit or memory), and then the old one is as it was.
 */
struct chunk *chunk_grow(struct chunk *chunk, size_t capacity);

#endif
