/*
 * Output that is pending for one peer: small pieces are copied side by side into a chunk, large
 * ones are referred to in the chunk that they were received in.
 *
 * An empty outbox owns nothing.  libevent's bufferevent is not used: its memory would not count
 * against the daemon's limit (memory_max), and it writes when the loop finds the socket writable,
 * not once at the end of the turn.
 */
#ifndef POOLD_IO_BASE_OUTBOX_H
#define POOLD_IO_BASE_OUTBOX_H

#include "daemon/io/base/chunk.h"
#include "daemon/io/base/stream.h"

struct segment;

/* Where outboxes take memory from; the segments are kept for reuse. */
struct outbox_store {
	struct chunk_store *chunks;
	struct segment *spare;
	size_t bytes; /* that all outboxes hold */
};

void outbox_store_init(struct outbox_store *store, struct chunk_store *chunks);
/* Frees what is kept for reuse. */
void outbox_store_done(struct outbox_store *store);

/* All zero: empty, and without a reserve. */
struct outbox {
	struct segment *first;
	struct segment *last;
	struct chunk *chunk; /* where small pieces are gathered */
	size_t chunk_len;
	size_t bytes; /* pending */
	size_t extra; /* of memory that is kept for them beyond that: see chunk_cost */
	/* While fewer bytes are pending, small pieces get memory above the limit too. */
	size_t reserve;
};

/* The memory that it holds. */
static inline size_t outbox_held(const struct outbox *outbox)
{
	return outbox->bytes + outbox->extra;
}

/*
 * Append.  outbox_put copies; outbox_put_shared keeps a reference of the chunk instead where that
 * is cheaper, and where there is one.  outbox_put_message appends `head` and `tail` by copying, and
 * the value between them as outbox_put_shared.  Return 0 or -ENOMEM, and then the outbox holds a
 * broken message and is only good for outbox_clear.
 */
int outbox_put(struct outbox *outbox, struct outbox_store *store, const void *data, size_t len);
int outbox_put_shared(struct outbox *outbox, struct outbox_store *store, struct chunk *chunk,
		      struct bytes bytes);
int outbox_put_message(struct outbox *outbox, struct outbox_store *store, struct bytes head,
		       struct chunk *chunk, struct bytes value, struct bytes tail);

/* Writes to the non-blocking stream until all is written or it takes no more.  Returns 0 (it is empty
 * now), -EAGAIN (some is left) or another -errno. */
int outbox_write(struct outbox *outbox, struct outbox_store *store, struct stream stream);

/* Drops everything. */
void outbox_clear(struct outbox *outbox, struct outbox_store *store);

#endif
