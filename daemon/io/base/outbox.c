#include "daemon/io/base/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Below this many bytes copying costs less than one more piece in the system call that writes it.
 */
#define COPY_MAX     2048

#define WRITE_PIECES 64

struct segment {
	struct segment *next;
	struct chunk *chunk;
	const uint8_t *data;
	size_t len;
	size_t extra; /* bytes that are kept for it beyond those */
};

void outbox_store_init(struct outbox_store *store, struct chunk_store *chunks)
{
	*store = (struct outbox_store){.chunks = chunks};
}

void outbox_store_done(struct outbox_store *store)
{
	while (store->spare) {
		struct segment *segment = store->spare;

		store->spare = segment->next;
		free(segment);
	}
}

/* A spare one or a new one; NULL without memory. */
static struct segment *take_segment(struct outbox_store *store)
{
	struct segment *segment = store->spare;

	if (!segment)
		return malloc(sizeof(*segment));
	store->spare = segment->next;
	return segment;
}

static void drop_first(struct outbox *outbox, struct outbox_store *store)
{
	struct segment *segment = outbox->first;

	outbox->first = segment->next;
	if (!outbox->first)
		outbox->last = NULL;
	outbox->extra -= segment->extra;
	store->bytes -= segment->len + segment->extra;
	outbox->bytes -= segment->len;
	chunk_unref(segment->chunk);
	segment->next = store->spare;
	store->spare = segment;
}

static void drop_chunk(struct outbox *outbox)
{
	chunk_unref(outbox->chunk);
	outbox->chunk = NULL;
}

static void count(struct outbox *outbox, struct outbox_store *store, size_t len, size_t extra)
{
	outbox->bytes += len;
	outbox->extra += extra;
	store->bytes += len + extra;
}

static int append(struct outbox *outbox, struct outbox_store *store, struct chunk *chunk,
		  struct bytes bytes, size_t extra)
{
	struct segment *segment = take_segment(store);

	if (!segment)
		return -ENOMEM;
	*segment = (struct segment){
		.chunk = chunk_ref(chunk), .data = bytes.data, .len = bytes.len, .extra = extra};
	if (outbox->last)
		outbox->last->next = segment;
	else
		outbox->first = segment;
	outbox->last = segment;
	count(outbox, store, bytes.len, extra);
	return 0;
}

/* Room for one more small piece in the gathering chunk; 0 when there is no memory. */
static size_t gather_room(struct outbox *outbox, struct outbox_store *store)
{
	if (outbox->chunk && outbox->chunk_len < outbox->chunk->capacity)
		return outbox->chunk->capacity - outbox->chunk_len;
	drop_chunk(outbox);
	outbox->chunk = chunk_new(store->chunks, CHUNK_SIZE);
	if (!outbox->chunk && outbox->bytes < outbox->reserve)
		outbox->chunk = chunk_new_reserved(store->chunks, CHUNK_SIZE);
	outbox->chunk_len = 0;
	return outbox->chunk ? outbox->chunk->capacity : 0;
}

/* Takes the next `len` bytes of the gathering chunk, which have been written. */
static int gather(struct outbox *outbox, struct outbox_store *store, size_t len)
{
	const uint8_t *to = outbox->chunk->data + outbox->chunk_len;
	struct segment *last = outbox->last;

	outbox->chunk_len += len;
	if (!last || last->chunk != outbox->chunk || last->data + last->len != to)
		return append(outbox, store, outbox->chunk, (struct bytes){to, len}, 0);
	last->len += len;
	count(outbox, store, len, 0);
	return 0;
}

int outbox_put(struct outbox *outbox, struct outbox_store *store, const void *data, size_t len)
{
	const uint8_t *at = data;

	while (len > 0) {
		size_t room = gather_room(outbox, store);
		size_t now = len < room ? len : room;

		if (room == 0)
			return -ENOMEM;
		memcpy(outbox->chunk->data + outbox->chunk_len, at, now);
		if (gather(outbox, store, now) < 0)
			return -ENOMEM;
		at += now;
		len -= now;
	}
	return 0;
}

int outbox_put_shared(struct outbox *outbox, struct outbox_store *store, struct chunk *chunk,
		      struct bytes bytes)
{
	if (!chunk || bytes.len <= COPY_MAX)
		return outbox_put(outbox, store, bytes.data, bytes.len);
	return append(outbox, store, chunk, bytes, chunk_cost(chunk, bytes.len) - bytes.len);
}

static uint8_t *append_to(uint8_t *to, struct bytes bytes)
{
	if (bytes.len > 0)
		memcpy(to, bytes.data, bytes.len);
	return to + bytes.len;
}

int outbox_put_message(struct outbox *outbox, struct outbox_store *store, struct bytes head,
		       struct chunk *chunk, struct bytes value, struct bytes tail)
{
	size_t len = head.len + value.len + tail.len;
	int r;

	if (value.len <= COPY_MAX && gather_room(outbox, store) >= len && outbox->chunk) {
		uint8_t *to = outbox->chunk->data + outbox->chunk_len;

		append_to(append_to(append_to(to, head), value), tail);
		return gather(outbox, store, len);
	}
	r = outbox_put(outbox, store, head.data, head.len);
	if (r == 0)
		r = outbox_put_shared(outbox, store, chunk, value);
	return r < 0 ? r : outbox_put(outbox, store, tail.data, tail.len);
}

static void take_written(struct outbox *outbox, struct outbox_store *store, size_t len)
{
	while (len > 0) {
		struct segment *first = outbox->first;

		assert(first);
		if (len < first->len) {
			/* Its chunk is kept whole until the last byte of it is written. */
			first->data += len;
			first->len -= len;
			first->extra += len;
			outbox->bytes -= len;
			outbox->extra += len;
			return;
		}
		len -= first->len;
		drop_first(outbox, store);
	}
}

/* Returns 0 when all that it offered was taken, -EAGAIN when the peer's buffer is full now, or
 * -errno. */
static int write_some(struct outbox *outbox, struct outbox_store *store, struct stream stream)
{
	struct iovec pieces[WRITE_PIECES];
	int count = 0;
	size_t offered = 0;
	ssize_t written;

	for (struct segment *segment = outbox->first; segment && count < WRITE_PIECES;
	     segment = segment->next) {
		/* writev takes what it must not change as if it could. */
		union {
			const void *from;
			void *to;
		} data = {.from = segment->data};

		pieces[count].iov_base = data.to;
		pieces[count++].iov_len = segment->len;
		offered += segment->len;
	}
	written = count == 1 ? stream_write(stream, pieces[0].iov_base, pieces[0].iov_len)
			     : writev(stream.out, pieces, count);
	if (written < 0)
		return errno == EINTR ? 0 : -errno;
	take_written(outbox, store, (size_t)written);
	return (size_t)written < offered ? -EAGAIN : 0;
}

int outbox_write(struct outbox *outbox, struct outbox_store *store, struct stream stream)
{
	int r = 0;

	while (outbox->first && r == 0)
		r = write_some(outbox, store, stream);
	if (r == 0)
		drop_chunk(outbox);
	return r;
}

void outbox_clear(struct outbox *outbox, struct outbox_store *store)
{
	while (outbox->first)
		drop_first(outbox, store);
	drop_chunk(outbox);
}
