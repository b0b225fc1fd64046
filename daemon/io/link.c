#include "daemon/io/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Below this many bytes copying costs less than one more piece in the system call that writes it.
 */
#define COPY_MAX 2048

/* A shared chunk with less room than this is exchanged for a fresh one before it is read into. */
#define READ_ROOM_MIN 4096

/* Links whose messages are larger than this read straight into memory of their own, so that no part
 * is copied. */
#define LARGE_MESSAGE	((size_t)8 * 1024)
#define LARGE_CHUNK	((size_t)256 * 1024)

#define WRITE_PIECES	64
#define DRAIN_READS_MAX 1024

struct segment {
	struct segment *next;
	struct chunk *chunk;
	const uint8_t *data;
	size_t len;
};

static void stop_waiting(struct link *link);
static void on_readable(evutil_socket_t fd, short what, void *argument);
static void on_writable(evutil_socket_t fd, short what, void *argument);

int link_open(struct link *link, struct loop *loop, int fd, uint64_t message_max,
	      const struct link_handler *handler, void *owner)
{
	*link = (struct link){
		.loop = loop,
		.handler = handler,
		.owner = owner,
		.fd = fd,
		.message_max = message_max,
		.reading = true,
	};
	skip_init(&link->skip, message_max);
	event_assign(&link->read_event, loop->base, fd, EV_READ | EV_PERSIST, on_readable, link);
	event_assign(&link->write_event, loop->base, fd, EV_WRITE | EV_PERSIST, on_writable, link);
	return event_add(&link->read_event, NULL) < 0 ? -ENOMEM : 0;
}

/* --- out --- */

/* A spare one or a new one; NULL without memory. */
static struct segment *take_segment(struct loop *loop)
{
	struct segment *segment = loop->spare_segments;

	if (!segment)
		return malloc(sizeof(*segment));
	loop->spare_segments = segment->next;
	return segment;
}

static void drop_first_segment(struct link *link)
{
	struct segment *segment = link->out_first;

	link->out_first = segment->next;
	if (!link->out_first)
		link->out_last = NULL;
	chunk_unref(segment->chunk);
	segment->next = link->loop->spare_segments;
	link->loop->spare_segments = segment;
}

static void drop_output(struct link *link)
{
	while (link->out_first)
		drop_first_segment(link);
	chunk_unref(link->out_chunk);
	link->out_chunk = NULL;
	link->out_bytes = 0;
}

static void mark_dirty(struct link *link)
{
	if (!list_linked(&link->in_dirty))
		list_push_back(&link->loop->dirty, &link->in_dirty);
}

void link_fail(struct link *link, enum link_end why)
{
	if (link->closed || link->failed)
		return;
	link->failed = true;
	link->fail_why = why;
	stop_waiting(link);
	mark_dirty(link);
}

static void append_segment(struct link *link, struct chunk *chunk, const uint8_t *data, size_t len)
{
	struct segment *segment = take_segment(link->loop);

	if (!segment) {
		link_fail(link, LINK_END_NO_MEMORY);
		return;
	}
	*segment = (struct segment){.chunk = chunk_ref(chunk), .data = data, .len = len};
	if (link->out_last)
		link->out_last->next = segment;
	else
		link->out_first = segment;
	link->out_last = segment;
}

/* Room for one more small piece in the gathering chunk; 0 when there is no memory. */
static size_t gather_room(struct link *link)
{
	if (link->out_chunk && link->out_chunk_len < link->out_chunk->capacity)
		return link->out_chunk->capacity - link->out_chunk_len;
	chunk_unref(link->out_chunk);
	link->out_chunk = chunk_new(&link->loop->store, CHUNK_SIZE);
	link->out_chunk_len = 0;
	return link->out_chunk ? link->out_chunk->capacity : 0;
}

static void gather(struct link *link, const uint8_t *data, size_t len)
{
	uint8_t *to = link->out_chunk->data + link->out_chunk_len;
	struct segment *last = link->out_last;

	memcpy(to, data, len);
	link->out_chunk_len += len;
	if (last && last->chunk == link->out_chunk && last->data + last->len == to)
		last->len += len;
	else
		append_segment(link, link->out_chunk, to, len);
}

static void note_output(struct link *link, size_t len)
{
	link->out_bytes += len;
	mark_dirty(link);
}

void link_put(struct link *link, const void *data, size_t len)
{
	const uint8_t *at = data;

	if (link->closed || link->failed)
		return;
	note_output(link, len);
	while (len > 0) {
		size_t room = gather_room(link);
		size_t now = len < room ? len : room;

		if (room == 0) {
			link_fail(link, LINK_END_NO_MEMORY);
			return;
		}
		gather(link, at, now);
		at += now;
		len -= now;
	}
}

void link_put_shared(struct link *link, struct chunk *chunk, struct bytes bytes)
{
	if (bytes.len <= COPY_MAX) {
		link_put(link, bytes.data, bytes.len);
		return;
	}
	if (link->closed || link->failed)
		return;
	note_output(link, bytes.len);
	append_segment(link, chunk, bytes.data, bytes.len);
}

static void take_written(struct link *link, size_t len)
{
	link->out_bytes -= len;
	link->bytes_out += len;
	while (len > 0) {
		struct segment *first = link->out_first;

		assert(first);
		if (len < first->len) {
			first->data += len;
			first->len -= len;
			return;
		}
		len -= first->len;
		drop_first_segment(link);
	}
}

/* Returns 0 when all that it offered was taken, -EAGAIN when the peer's buffer is full now, or
 * -errno. */
static int write_some(struct link *link)
{
	struct iovec pieces[WRITE_PIECES];
	int count = 0;
	size_t offered = 0;
	ssize_t written;

	for (struct segment *segment = link->out_first; segment && count < WRITE_PIECES;
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
	written = count == 1 ? write(link->fd, pieces[0].iov_base, pieces[0].iov_len)
			     : writev(link->fd, pieces, count);
	if (written < 0)
		return errno == EINTR ? 0 : -errno;
	take_written(link, (size_t)written);
	return (size_t)written < offered ? -EAGAIN : 0;
}

static void drop_input(struct link *link)
{
	chunk_unref(link->in);
	link->in = NULL;
	link->in_len = link->in_scanned = 0;
	skip_init(&link->skip, link->message_max);
}

/* The buffer goes first: where memory is short, what is answered now needs it. */
static void end(struct link *link, enum link_end why, int error, struct bytes begun)
{
	uint8_t head[LINK_BEGUN_MAX];
	size_t len = begun.len < sizeof(head) ? begun.len : sizeof(head);

	if (link->closed || link->ended)
		return;
	link->ended = true;
	link_set_reading(link, false);
	if (len > 0)
		memcpy(head, begun.data, len);
	drop_input(link);
	link->handler->on_end(link->owner, why, error, (struct bytes){head, len});
}

static void after_drained(struct link *link)
{
	chunk_unref(link->out_chunk);
	link->out_chunk = NULL;
	if (link->closing)
		link_close(link);
	else if (link->handler->on_drained)
		link->handler->on_drained(link->owner);
}

/* The output is of no use any more: neither to the peer nor to a link that waits to close. */
static void abandon_output(struct link *link, enum link_end why, int error)
{
	drop_output(link);
	if (link->closing)
		link_close(link);
	else
		end(link, why, error, (struct bytes){0});
}

/* The time-out starts anew whenever the peer has taken something. */
static void wait_writable(struct link *link)
{
	struct timeval timeout = {.tv_sec = (time_t)(link->stall_timeout / USEC_PER_SEC),
				  .tv_usec = (suseconds_t)(link->stall_timeout % USEC_PER_SEC)};

	if (link->waiting)
		return;
	link->waiting = true;
	event_add(&link->write_event, link->stall_timeout > 0 ? &timeout : NULL);
}

static void stop_waiting(struct link *link)
{
	if (link->waiting)
		event_del(&link->write_event);
	link->waiting = false;
}

static void flush(struct link *link)
{
	int r = 0;

	while (link->out_first && r == 0)
		r = write_some(link);
	if (r == -EAGAIN) {
		wait_writable(link);
		return;
	}
	stop_waiting(link);
	if (r < 0)
		abandon_output(link, LINK_END_ERROR, r);
	else
		after_drained(link);
}

static void on_writable(evutil_socket_t fd, short what, void *argument)
{
	struct link *link = argument;

	(void)fd;
	if (what & EV_TIMEOUT) {
		stop_waiting(link);
		abandon_output(link, LINK_END_STALLED, -ETIMEDOUT);
	} else {
		flush(link);
	}
}

void link_flush_all(struct loop *loop)
{
	struct list_node *node;

	while ((node = list_first(&loop->dirty))) {
		struct link *link = list_entry(node, struct link, in_dirty);

		list_remove(&loop->dirty, node);
		if (link->failed)
			abandon_output(link, link->fail_why, -ENOBUFS);
		else if (!link->closed && !link->waiting)
			flush(link);
	}
}

/* --- in --- */

/*
 * Hands over every whole message of data[0..len), of which the first `scanned` bytes were looked at
 * before.  Returns how many bytes belong to messages handed over; the rest is a message half there.
 */
static size_t deliver(struct link *link, struct chunk *chunk, const uint8_t *data, size_t len,
		      size_t scanned)
{
	size_t start = 0;

	while (scanned < len) {
		size_t taken = 0;
		enum skip_result result =
			skip_feed(&link->skip, data + scanned, len - scanned, &taken);

		scanned += taken;
		if (result == SKIP_MORE)
			break;
		if (result != SKIP_DONE) {
			end(link, result == SKIP_BAD ? LINK_END_MALFORMED : LINK_END_TOO_LARGE, 0,
			    (struct bytes){data + start, len - start});
			return len;
		}
		link->typical = scanned - start;
		skip_init(&link->skip, link->message_max);
		link->handler->on_message(link->owner, chunk,
					  (struct bytes){data + start, scanned - start});
		if (link->closed || link->ended || link->closing)
			return len;
		start = scanned;
	}
	link->in_scanned = scanned - start;
	return start;
}

/* How large a chunk for a message of which `len` bytes are there and `need` more must come at
 * least. */
static size_t wanted_capacity(const struct link *link, size_t len, uint64_t need)
{
	uint64_t whole = len + need;

	if (link->typical > LARGE_MESSAGE && whole < LARGE_CHUNK)
		return LARGE_CHUNK;
	/* What is announced is not reserved before a part of it has come. */
	if (whole > LARGE_CHUNK && whole > 2 * (uint64_t)len)
		return 2 * len > LARGE_CHUNK ? 2 * len : LARGE_CHUNK;
	return (size_t)whole;
}

/* Keeps the message half read in a chunk of its own, at the beginning. */
static bool keep_rest(struct link *link, const uint8_t *rest, size_t len)
{
	size_t capacity = wanted_capacity(link, len, skip_need(&link->skip));
	struct chunk *chunk = chunk_new(&link->loop->store, capacity);

	if (!chunk) {
		end(link, LINK_END_NO_MEMORY, -ENOMEM, (struct bytes){rest, len});
		return false;
	}
	memcpy(chunk->data, rest, len);
	chunk_unref(link->in);
	link->in = chunk;
	link->in_len = len;
	return true;
}

static bool make_in_room(struct link *link)
{
	struct chunk *grown;

	if (link->in_len < link->in->capacity)
		return true;
	grown = chunk_grow(link->in,
			   wanted_capacity(link, link->in_len, skip_need(&link->skip) + 1));
	if (!grown) {
		end(link, LINK_END_NO_MEMORY, -ENOMEM,
		    (struct bytes){link->in->data, link->in_len});
		return false;
	}
	link->in = grown;
	return true;
}

/* Reads into the chunk that holds a message half read.  Returns what read(2) did. */
static ssize_t read_own(struct link *link)
{
	struct chunk *chunk;
	size_t done;
	ssize_t n;

	if (!make_in_room(link))
		return 0;
	n = read(link->fd, link->in->data + link->in_len, link->in->capacity - link->in_len);
	if (n <= 0)
		return n;
	link->in_len += (size_t)n;
	link->bytes_in += (uint64_t)n;
	chunk = link->in;
	done = deliver(link, chunk, chunk->data, link->in_len, link->in_scanned);
	if (link->closed || link->ended || link->closing)
		return n;
	if (done == link->in_len)
		drop_input(link);
	else if (done > 0)
		keep_rest(link, chunk->data + done, link->in_len - done);
	return n;
}

static bool find_shared_room(struct loop *loop)
{
	if (loop->shared && loop->shared->capacity - loop->shared_used >= READ_ROOM_MIN)
		return true;
	/* Nobody else refers to it: it can be used again from its beginning. */
	if (loop->shared && loop->shared->references == 1) {
		loop->shared_used = 0;
		return true;
	}
	chunk_unref(loop->shared);
	loop->shared = chunk_new(&loop->store, CHUNK_SIZE);
	loop->shared_used = 0;
	return loop->shared != NULL;
}

/* Reads into the loop's chunk; a message half there moves to a chunk of the link's own. */
static ssize_t read_shared(struct link *link)
{
	struct loop *loop = link->loop;
	struct chunk *chunk;
	uint8_t *data;
	size_t done;
	ssize_t n;

	if (!find_shared_room(loop)) {
		end(link, LINK_END_NO_MEMORY, -ENOMEM, (struct bytes){0});
		return 0;
	}
	chunk = loop->shared;
	data = chunk->data + loop->shared_used;
	n = read(link->fd, data, chunk->capacity - loop->shared_used);
	if (n <= 0)
		return n;
	/* Taken before any message is handed over: what handlers read themselves must not land
	 * here. */
	loop->shared_used += (size_t)n;
	link->bytes_in += (uint64_t)n;
	chunk_ref(chunk);
	done = deliver(link, chunk, data, (size_t)n, 0);
	if (!link->closed && !link->ended && !link->closing && done < (size_t)n)
		keep_rest(link, data + done, (size_t)n - done);
	chunk_unref(chunk);
	if (loop->shared == chunk && chunk->references == 1)
		loop->shared_used = 0;
	return n;
}

/* Links with large messages start on a chunk of their own. */
static bool start_own(struct link *link)
{
	if (link->typical <= LARGE_MESSAGE)
		return false;
	link->in = chunk_new(&link->loop->store, LARGE_CHUNK);
	link->in_len = link->in_scanned = 0;
	return link->in != NULL;
}

/* Returns whether there may be more to read. */
static bool read_some(struct link *link)
{
	ssize_t n;

	if (link->in || start_own(link))
		n = read_own(link);
	else
		n = read_shared(link);
	if (link->closed || link->ended || link->closing)
		return false;
	if (n > 0)
		return true;
	if (link->in && link->in_len == 0)
		drop_input(link);
	if (n == 0)
		end(link, LINK_END_OF_FILE, 0, (struct bytes){0});
	else if (errno != EAGAIN && errno != EINTR)
		end(link, LINK_END_ERROR, -errno, (struct bytes){0});
	return false;
}

static void on_readable(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	read_some(argument);
}

void link_drain(struct link *link)
{
	for (unsigned i = 0; i < DRAIN_READS_MAX; i++)
		if (link->closed || link->ended || !read_some(link))
			return;
}

void link_set_reading(struct link *link, bool reading)
{
	if (link->reading == reading || link->closed || (reading && link->ended))
		return;
	link->reading = reading;
	if (reading)
		event_add(&link->read_event, NULL);
	else
		event_del(&link->read_event);
}

/* --- the end --- */

void link_close(struct link *link)
{
	if (link->closed)
		return;
	event_del(&link->read_event);
	event_del(&link->write_event);
	close(link->fd);
	link->fd = -1;
	link->closed = true;
	if (list_linked(&link->in_dirty))
		list_remove(&link->loop->dirty, &link->in_dirty);
	drop_output(link);
	list_push_back(&link->loop->graveyard, &link->in_graveyard);
}

void link_close_when_written(struct link *link)
{
	link_set_reading(link, false);
	link->closing = true;
	if (!link->out_first)
		link_close(link);
}

void link_bury_all(struct loop *loop)
{
	struct list_node *node;

	while ((node = list_first(&loop->graveyard))) {
		struct link *link = list_entry(node, struct link, in_graveyard);

		list_remove(&loop->graveyard, node);
		drop_input(link);
		link->handler->on_buried(link);
	}
}

void link_free_spares(struct loop *loop)
{
	while (loop->spare_segments) {
		struct segment *segment = loop->spare_segments;

		loop->spare_segments = segment->next;
		free(segment);
	}
}
