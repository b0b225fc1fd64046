/*
 * Memory for bytes on their way: counted blocks that several messages may share, so that a payload
 * is received once and sent from where it lies.
 *
 * All of it counts against one limit.  Blocks of the common size come from a free list.
 *
 * The memory is shared among those who hold some.  A holder's share is half of what is free below
 * CHUNK_SCARCE: it shrinks as others hold more, so some is always left for who comes next.  Who would
 * hold more than its share gets memory only up to a limit below CHUNK_CROWDED.  Above CHUNK_SCARCE only
 * little is given at a time.
 */
#ifndef POOLD_IO_BASE_CHUNK_H
#define POOLD_IO_BASE_CHUNK_H

#include "protocol/buf.h"

/* Usable bytes of a block of the common size. */
#define CHUNK_SIZE ((size_t)16 * 1024 - 64)

/* How full the store is: what is refused at each level is up to whoever asks. */
enum chunk_level {
	CHUNK_PLENTY = 0,
	CHUNK_CROWDED, /* 85 % of the limit or more */
	CHUNK_SCARCE,  /* 92 % */
	CHUNK_LAST,    /* 95 %: the rest is for answers, and for those who look after the daemon */
	CHUNK_LEVEL_COUNT_
};

struct chunk_store {
	struct chunk *spare; /* common size, ready to be used */
	unsigned spare_count;
	/* The same, for chunk_new_reserved where the system has no memory left. */
	struct chunk *kept;
	unsigned kept_count;
	unsigned kept_max;
	size_t bytes;	   /* handed out */
	size_t bytes_high; /* the most of that since the caller last set this to `bytes` */
	bool is_trimmable; /* memory was freed since the caller last set this to false */
	bool has_returned; /* the same, and blocks of the common size count too */
	size_t bytes_max;
	size_t levels[CHUNK_LEVEL_COUNT_]; /* where each level begins */
	size_t over_max;		   /* 80 %: so far for who holds more than its share */
	uint64_t refused;		   /* times the limit or the system said no */
	uint64_t exhausted;		   /* of these: times the system did */
};

struct chunk {
	struct chunk_store *store;
	struct chunk *next; /* while spare */
	size_t capacity;
	unsigned references;
	uint8_t data[];
};

void chunk_store_init(struct chunk_store *store, size_t bytes_max);
/* Sets aside `count` blocks of the common size for chunk_new_reserved.  Returns 0 or -ENOMEM. */
int chunk_store_keep(struct chunk_store *store, unsigned count);
/* Frees the spare blocks; everything handed out must be back. */
void chunk_store_done(struct chunk_store *store);

enum chunk_level chunk_level(const struct chunk_store *store);

/* However little is free, so much is everybody's share. */
#define CHUNK_SHARE_MIN (2 * CHUNK_SIZE)

/* Bytes that one holder may have now. */
size_t chunk_share(const struct chunk_store *store);

/* Whether `more` bytes can be had by who would then hold `total`, and may fill the store up to
 * `limit`. */
bool chunk_may_take(const struct chunk_store *store, size_t more, size_t total, size_t limit);

/* What is counted for `len` bytes of a block that are kept: a small piece keeps all of the block,
 * so it counts for an eighth of that at least. */
static inline size_t chunk_cost(const struct chunk *chunk, size_t len)
{
	size_t least = chunk->capacity / 8;

	return len > least ? len : least;
}

/* A block of at least `capacity` bytes with one reference, the caller's; NULL at the limit or
 * without memory. */
struct chunk *chunk_new(struct chunk_store *store, size_t capacity);

/* The same for who would hold `total` bytes with it, up to `limit`: see chunk_may_take. */
struct chunk *chunk_new_for(struct chunk_store *store, size_t capacity, size_t total, size_t limit);

/*
 * A buffer that becomes a block without being copied.  chunk_buf_init: it is empty, and may grow to
 * `max` bytes.  chunk_buf_bytes: what was put into it so far.
 */
void chunk_buf_init(struct buf *buf, size_t max);
struct bytes chunk_buf_bytes(const struct buf *buf);

/* The block of such a buffer, whose memory it takes over, with one reference, the caller's: the
 * bytes are at its beginning.  NULL: there is no room for it (chunk_may_take) though it is larger
 * than the common size, or the buffer has failed; then the buffer is as it was. */
struct chunk *chunk_from_buf(struct chunk_store *store, struct buf *buf);

/* The same as chunk_new, but also above the limit: for the little without which nothing that is
 * there could be given back.  Where the system has none, it is one of those that are set aside.  NULL
 * without memory. */
struct chunk *chunk_new_reserved(struct chunk_store *store, size_t capacity);

/* One more reference.  Returns the chunk. */
struct chunk *chunk_ref(struct chunk *chunk);

/* One reference fewer; the last one gives the block back.  Takes NULL. */
void chunk_unref(struct chunk *chunk);

/*
 * Makes the block larger, keeping its bytes, for who would then hold `total` bytes, up to `limit`.
 * It must have one reference.  Returns the block, which may have moved, or NULL (limit or memory),
 * and then the old one is as it was.
 */
struct chunk *chunk_grow(struct chunk *chunk, size_t capacity, size_t total, size_t limit);

/* Gives back what is behind the first `capacity` bytes of a block with one reference, which may
 * move.  Returns it. */
struct chunk *chunk_shrink(struct chunk *chunk, size_t capacity);

#endif
