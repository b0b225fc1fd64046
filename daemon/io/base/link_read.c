#include "daemon/io/base/link_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A shared chunk with less room than this is exchanged for a fresh one before it is read into. */
#define READ_ROOM_MIN 4096

/* Links whose messages are larger than this read straight into memory of their own, so that no part
 * is copied: as much as the last one took, up to LARGE_CHUNK, or as many of them as fit into
 * SEVERAL. */
#define LARGE_MESSAGE ((size_t)8 * 1024)
#define SEVERAL	      ((size_t)64 * 1024)
#define LARGE_CHUNK   ((size_t)256 * 1024)

/* A message of which a part has come may have so many times as much memory as that part. */
#define GROWTH_MAX 4

static void keep_for_later(struct link *link, struct chunk *chunk, struct bytes rest)
{
	link->rest_chunk = chunk_ref(chunk);
	link->rest = rest;
	if (link->is_reading)
		link_enter_backlog(link);
}

/* Bytes of output that were ever put. */
static uint64_t bytes_put(const struct link *link)
{
	return link->written + link->out.bytes;
}

static COLD void skip(struct link *link, struct bytes bytes, bool is_end)
{
	link->is_skipping = !is_end;
	if (link->handler->on_skipped)
		link->handler->on_skipped(link->owner, bytes, is_end);
}

/* Takes a whole message and what frames it, or the end of one that is skipped. */
static void take_frame(struct link *link, struct chunk *chunk, struct bytes frame)
{
	framing_restart(&link->framing);
	if (link->is_skipping) {
		skip(link, frame, true);
		return;
	}
	link->typical = frame.len;
	link->handler->on_message(link->owner, chunk, framing_message(&link->framing, frame));
}

/* Returns whether the link may go on to its next message. */
static bool hand_over(struct link *link, struct chunk *chunk, struct bytes frame,
		      struct slice *slice)
{
	uint64_t before = bytes_put(link);

	take_frame(link, chunk, frame);
	if (!link_is_alive(link))
		return false;
	link->is_heavy = slice_charge(slice, frame.len + bytes_put(link) - before);
	return !link->is_heavy && (link->is_reading || link->is_draining);
}

/* Whoever keeps a message keeps its whole chunk: what nothing has come for is cut off, unless
 * somebody keeps another message that is in it.  Returns the chunk, which may have moved. */
static struct chunk *trim_whole(struct link *link)
{
	const struct chunk *chunk = link->in;

	if (chunk->references == 1 && chunk->capacity > CHUNK_SIZE &&
	    chunk->capacity - link->in_len > chunk->capacity / 16)
		link_trim_begun(link);
	return link->in;
}

/*
 * Hands over every whole message of data[0..len), of which the first `scanned` bytes were scanned
 * before, unless the link stops before the last one: then it keeps the others.  Returns how many
 * bytes belong to messages handed over or kept, or to one that is skipped; the rest is the
 * beginning of one.
 */
static size_t deliver(struct link *link, struct chunk *chunk, const uint8_t *data, size_t len,
		      size_t scanned, struct slice *slice)
{
	size_t start = 0;

	while (scanned < len) {
		size_t taken = 0;
		enum skip_result result =
			framing_feed(&link->framing, data + scanned, len - scanned, &taken);

		scanned += taken;
		if (result == SKIP_MORE)
			break;
		if (result != SKIP_DONE) {
			link_end_input(
				link, result == SKIP_BAD ? LINK_END_MALFORMED : LINK_END_TOO_LARGE,
				0,
				(struct bytes){data + start, link->is_skipping ? 0 : len - start});
			return len;
		}
		if (scanned == len && chunk == link->in) {
			chunk = trim_whole(link);
			data = chunk->data;
		}
		link->arrived = (struct bytes){data + start, len - start};
		if (!hand_over(link, chunk, (struct bytes){data + start, scanned - start}, slice)) {
			if (scanned < len && link_is_alive(link))
				keep_for_later(link, chunk,
					       (struct bytes){data + scanned, len - scanned});
			return len;
		}
		start = scanned;
	}
	if (link->is_skipping) {
		skip(link, (struct bytes){data + start, len - start}, false);
		return len;
	}
	link->in_scanned = scanned - start;
	return start;
}

/* What its holder would have with a buffer of that capacity for the message that comes. */
static size_t total_with(const struct link *link, size_t capacity)
{
	return link->kept ? outbox_held(&link->out) + *link->kept + capacity : capacity;
}

/* How full the store may become for its messages.  A client's large ones leave room for the answers to
 * those that have come. */
static size_t limit_of(const struct link *link, size_t total)
{
	const struct chunk_store *store = &link->loop->store;

	if (!link->kept)
		return store->bytes_max;
	return store->levels[total <= OUTPUT_RESERVE ? CHUNK_LAST : CHUNK_CROWDED];
}

static struct chunk *new_buffer(struct link *link, size_t capacity)
{
	size_t total = total_with(link, capacity);

	link->has_grown = true;
	return chunk_new_for(&link->loop->store, capacity, total, limit_of(link, total));
}

/* Whether the limits allow a buffer of that capacity. */
static bool can_have(const struct link *link, size_t wanted)
{
	size_t have = link->in ? link->in->capacity : 0;
	size_t total = total_with(link, wanted);

	return chunk_may_take(&link->loop->store, wanted > have ? wanted - have : 0, total,
			      limit_of(link, total));
}

void link_skip_begun(struct link *link)
{
	link_free_input(link);
	link->is_skipping = true;
	link_end_starving(link);
}

static void feed(struct link *link)
{
	bool is_awaiting = link->is_awaiting;

	link->is_awaiting = false;
	if (link->wanted > 0 && can_have(link, link->wanted))
		link_end_starving(link);
	if (link->wanted > 0)
		link_wait_for_memory(link);
	if (is_awaiting)
		link->handler->on_memory(link->owner);
}

void link_feed_starved(struct loop *loop)
{
	if (!loop->store.has_returned && !loop->is_relief_due)
		return;
	loop->store.has_returned = false;
	for (unsigned left = loop->starved.len; left > 0 && !list_empty(&loop->starved); left--) {
		struct link *link = list_entry(list_first(&loop->starved), struct link, in_starved);

		link_forget_starved(link);
		feed(link);
	}
}

/* The message that is half read can't be kept. */
static COLD void run_short(struct link *link, size_t wanted, struct bytes begun)
{
	if (!link->handler->on_no_memory) {
		link_end_input(link, LINK_END_NO_MEMORY, -ENOMEM, begun);
		return;
	}
	/* What it refuses begins with these bytes, so they stay until it returns. */
	if (link->handler->on_no_memory(link->owner, begun, can_have(link, wanted))) {
		if (!link->is_closed)
			link_skip_begun(link);
	} else if (!link->is_closed && !link->has_ended) {
		link_starve(link, wanted);
	}
}

/* How much to read into memory of its own before anything is known of a message; 0: none, as the
 * link's messages are small or memory is short. */
static size_t first_capacity(const struct link *link)
{
	size_t first = link->typical < LARGE_CHUNK ? link->typical : LARGE_CHUNK;

	if (first <= LARGE_MESSAGE)
		return 0;
	if (first < SEVERAL)
		first = SEVERAL / first * first;
	return first <= chunk_share(&link->loop->store) ? first : 0;
}

/* How large a chunk for a message of which `len` bytes are there and `need` more must come at
 * least. */
static size_t wanted_capacity(const struct link *link, size_t len, uint64_t need)
{
	uint64_t most = GROWTH_MAX * (uint64_t)len;
	/* With room for the little that may come behind what is announced. */
	uint64_t whole = len + need + need / 64;
	size_t first = first_capacity(link);

	/* What announces only its next piece is not moved at each of them. */
	if (need < len / 16)
		whole = len + len / 16;
	if (whole < first)
		return first;
	/* No memory is reserved for an announced length before a part of the message has come. */
	if (most < CHUNK_SIZE)
		most = CHUNK_SIZE;
	if (most < first)
		most = first;
	return (size_t)(whole <= most + most / 8 ? whole : most);
}

/* Keeps the beginning of a message in a chunk of its own. */
static bool keep_rest(struct link *link, const uint8_t *rest, size_t len)
{
	size_t capacity = wanted_capacity(link, len, framing_need(&link->framing));
	struct chunk *chunk = new_buffer(link, capacity);

	if (!chunk && link->handler->on_no_memory)
		chunk = chunk_new_reserved(&link->loop->store, len);
	if (!chunk) {
		link_end_input(link, LINK_END_NO_MEMORY, -ENOMEM, (struct bytes){rest, len});
		return false;
	}
	memcpy(chunk->data, rest, len);
	chunk_unref(link->in);
	link->in = chunk;
	link->in_len = len;
	return true;
}

/* Work for a message that has not come to its end.  A drain is limited by messages. */
static void charge_unfinished(struct link *link, struct slice *slice, size_t bytes)
{
	if (!link->is_draining)
		link->is_heavy = slice_charge(slice, bytes);
}

static bool make_in_room(struct link *link, struct slice *slice)
{
	struct chunk *grown;
	size_t wanted, total;

	if (link->in_len < link->in->capacity)
		return true;
	wanted = wanted_capacity(link, link->in_len, framing_need(&link->framing) + 1);
	total = total_with(link, wanted);
	grown = chunk_grow(link->in, wanted, total, limit_of(link, total));
	if (!grown) {
		run_short(link, wanted, (struct bytes){link->in->data, link->in_len});
		errno = EAGAIN;
		return false;
	}
	link->has_grown = true;
	link->in = grown;
	charge_unfinished(link, slice, link->in_len); /* it may have been moved */
	return true;
}

static bool find_shared_room(struct loop *loop)
{
	if (loop->shared && loop->shared->capacity - loop->shared_used >= READ_ROOM_MIN)
		return true;
	/* No message refers to it: it can be used again from its beginning. */
	if (loop->shared && loop->shared->references == 1) {
		loop->shared_used = 0;
		return true;
	}
	chunk_unref(loop->shared);
	/* Also above the limit: else nobody would be heard, nor could be told so. */
	loop->shared = chunk_new_reserved(&loop->store, CHUNK_SIZE);
	loop->shared_used = 0;
	return loop->shared != NULL;
}

/* Reads into the loop's chunk; the beginning of a message moves to a chunk of the link's own. */
static ssize_t read_shared(struct link *link, struct slice *slice)
{
	struct loop *loop = link->loop;
	struct chunk *chunk;
	uint8_t *data;
	size_t done;
	ssize_t n;

	if (!find_shared_room(loop)) {
		if (link->handler->on_no_memory)
			link_starve(link, CHUNK_SIZE);
		else
			link_end_input(link, LINK_END_NO_MEMORY, -ENOMEM, (struct bytes){0});
		errno = EAGAIN;
		return -1;
	}
	chunk = loop->shared;
	data = chunk->data + loop->shared_used;
	n = stream_read(link->stream, data, chunk->capacity - loop->shared_used);
	if (n <= 0)
		return n;
	/* Before any message is handed over: what handlers read themselves must not land here. */
	loop->shared_used += (size_t)n;
	chunk_ref(chunk);
	done = deliver(link, chunk, data, (size_t)n, 0, slice);
	if (link_is_alive(link) && done < (size_t)n)
		keep_rest(link, data + done, (size_t)n - done);
	chunk_unref(chunk);
	if (loop->shared == chunk && chunk->references == 1)
		loop->shared_used = 0;
	return n;
}

void link_trim_begun(struct link *link)
{
	if (link->in)
		link->in = chunk_shrink(link->in, link->in_len);
}

/* Of a message that has hardly begun, little memory is kept until more of it comes. */
static void trim_in(struct link *link)
{
	if (link->in_len < link->in->capacity / 8)
		link_trim_begun(link);
}

/* Who sends on gets no memory for long where it has much already. */
static void note_progress(struct link *link, size_t more)
{
	if (link->in_len / LARGE_CHUNK != (link->in_len + more) / LARGE_CHUNK)
		link->has_grown = true;
	link->in_len += more;
}

/* Reads into the chunk that has the beginning of a message.  Returns what read(2) did. */
static ssize_t read_own(struct link *link, struct slice *slice)
{
	struct chunk *chunk;
	size_t done;
	ssize_t n;

	if (!make_in_room(link, slice))
		return link->is_skipping ? read_shared(link, slice) : -1;
	n = stream_read(link->stream, link->in->data + link->in_len,
			link->in->capacity - link->in_len);
	if (n <= 0)
		return n;
	link->has_filled = link->in_len + (size_t)n == link->in->capacity;
	note_progress(link, (size_t)n);
	trim_in(link);
	chunk = link->in;
	done = deliver(link, chunk, chunk->data, link->in_len, link->in_scanned, slice);
	if (!link_is_alive(link))
		return n;
	if (done == link->in_len)
		link_drop_input(link);
	else if (done > 0)
		keep_rest(link, chunk->data + done, link->in_len - done);
	else
		charge_unfinished(link, slice, (size_t)n);
	return n;
}

/* Links with large messages start on a chunk of their own. */
static bool start_own(struct link *link)
{
	size_t capacity = first_capacity(link);

	if (capacity == 0)
		return false;
	link->in = new_buffer(link, capacity);
	link->in_len = link->in_scanned = 0;
	return link->in != NULL;
}

/* Returns whether there may be more to read. */
static bool read_some(struct link *link, struct slice *slice)
{
	ssize_t n;
	int error;

	if (link->in || (!link->is_skipping && start_own(link)))
		n = read_own(link, slice);
	else
		n = read_shared(link, slice);
	error = n < 0 ? errno : 0;
	if (n > 0)
		link->received += (uint64_t)n;
	if (!link_is_alive(link))
		return false;
	if (n > 0)
		return true;
	if (link->in && link->in_len == 0)
		link_drop_input(link);
	if (n == 0)
		link_end_input(link, LINK_END_OF_FILE, 0, link_begun(link));
	else if (error != EAGAIN && error != EINTR)
		link_end_input(link, LINK_END_ERROR, -error, (struct bytes){0});
	return error == EINTR;
}

/* Goes on with what was read before.  Returns whether there may be more. */
static bool go_on(struct link *link, struct slice *slice)
{
	struct chunk *chunk = link->rest_chunk;
	struct bytes rest = link->rest;
	size_t done;

	link->rest_chunk = NULL;
	done = deliver(link, chunk, rest.data, rest.len, 0, slice);
	if (link_is_alive(link) && done < rest.len)
		keep_rest(link, rest.data + done, rest.len - done);
	chunk_unref(chunk);
	return link_is_alive(link);
}

bool link_take_more(struct link *link, struct slice *slice)
{
	link->has_filled = false;
	return link->rest_chunk ? go_on(link, slice) : read_some(link, slice);
}

struct bytes link_begun(const struct link *link)
{
	return link->in ? (struct bytes){link->in->data, link->in_len} : (struct bytes){0};
}
