#include "daemon/io/base/link.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A shared chunk with less room than this is exchanged for a fresh one before it is read into. */
#define READ_ROOM_MIN 4096

/* Links whose messages are larger than this read straight into memory of their own, so that no part
 * is copied. */
#define LARGE_MESSAGE	((size_t)8 * 1024)
#define LARGE_CHUNK	((size_t)256 * 1024)

#define DRAIN_READS_MAX 1024

/* So much may be pending for a peer with memory above the limit: errors, and what little an operator
 * asks for, can be said at any time. */
#define OUTPUT_RESERVE ((size_t)64 * 1024)

static void stop_waiting(struct link *link);
static void on_readable(evutil_socket_t fd, short what, void *argument);
static void on_writable(evutil_socket_t fd, short what, void *argument);

int link_open(struct link *link, struct loop *loop, struct stream stream, enum framing_kind framing,
	      uint64_t message_max, const struct link_handler *handler, void *owner)
{
	*link = (struct link){
		.loop = loop,
		.handler = handler,
		.owner = owner,
		.stream = stream,
		.is_reading = true,
	};
	framing_init(&link->framing, framing, message_max);
	link->out.reserve = OUTPUT_RESERVE;
	event_assign(&link->read_event, loop->base, stream.in, EV_READ | EV_PERSIST, on_readable,
		     link);
	event_assign(&link->write_event, loop->base, stream.out, EV_WRITE | EV_PERSIST, on_writable,
		     link);
	return event_add(&link->read_event, NULL) < 0 ? -ENOMEM : 0;
}

int link_new(struct loop *loop, struct stream stream, enum framing_kind framing,
	     uint64_t message_max, const struct link_handler *handler, void *owner,
	     struct link **ret)
{
	struct link *link = malloc(sizeof(*link));
	int r;

	if (!link)
		return -ENOMEM;
	r = link_open(link, loop, stream, framing, message_max, handler, owner);
	if (r < 0)
		free(link);
	else
		*ret = link;
	return r;
}

/* --- out --- */

static void mark_dirty(struct link *link)
{
	if (!list_linked(&link->in_dirty))
		list_push_back(&link->loop->dirty, &link->in_dirty);
}

void link_fail(struct link *link, enum link_end why)
{
	if (link->is_closed || link->has_failed)
		return;
	link->has_failed = true;
	link->fail_why = why;
	stop_waiting(link);
	mark_dirty(link);
}

/* Whether output can still be put. */
static bool takes_output(struct link *link)
{
	if (link->is_closed || link->has_failed || link->is_finished)
		return false;
	mark_dirty(link);
	return true;
}

void link_put(struct link *link, const void *data, size_t len)
{
	if (takes_output(link) && outbox_put(&link->out, &link->loop->outboxes, data, len) < 0)
		link_fail(link, LINK_END_NO_MEMORY);
}

void link_put_shared(struct link *link, struct chunk *chunk, struct bytes bytes)
{
	if (takes_output(link) &&
	    outbox_put_shared(&link->out, &link->loop->outboxes, chunk, bytes) < 0)
		link_fail(link, LINK_END_NO_MEMORY);
}

static void free_input(struct link *link)
{
	chunk_unref(link->in);
	link->in = NULL;
	link->in_len = link->in_scanned = 0;
}

static void drop_input(struct link *link)
{
	free_input(link);
	framing_restart(&link->framing);
}

static void drop_rest(struct link *link)
{
	chunk_unref(link->rest_chunk);
	link->rest_chunk = NULL;
}

/* The buffer is freed first: where memory is short, the answer needs it. */
static void end(struct link *link, enum link_end why, int error, struct bytes begun)
{
	uint8_t head[LINK_BEGUN_MAX];
	size_t len = begun.len < sizeof(head) ? begun.len : sizeof(head);

	if (link->is_closed || link->has_ended)
		return;
	link->has_ended = true;
	link_set_reading(link, false);
	if (len > 0)
		memcpy(head, begun.data, len);
	drop_input(link);
	drop_rest(link);
	link->handler->on_end(link->owner, why, error, (struct bytes){head, len});
}

/* The peer reads an end of file, and can still be read. */
static void end_output(struct link *link)
{
	if (link->stream.out == link->stream.in) {
		(void)shutdown(link->stream.out, SHUT_WR);
	} else if (link->stream.out >= 0) {
		event_del(&link->write_event);
		close(link->stream.out);
		link->stream.out = -1;
	}
}

static void after_drained(struct link *link)
{
	if (link->is_finished)
		end_output(link);
	if (link->is_closing)
		link_close(link);
	else if (link->handler->on_drained)
		link->handler->on_drained(link->owner);
}

/* The output can't be written any more, so a link that is to close after it closes now.  A peer
 * behind two pipes may have closed one of them only: what it said in the other is taken first. */
static void abandon_output(struct link *link, enum link_end why, int error)
{
	outbox_clear(&link->out, &link->loop->outboxes);
	if (link->is_closing) {
		link_close(link);
		return;
	}
	if (error == -EPIPE && link->stream.out != link->stream.in && link->is_reading)
		link_drain(link);
	end(link, why, error, (struct bytes){0});
}

/* Bytes that were written and that the peer has not read; -1: unknown, or nobody asks. */
static int count_unsent(const struct link *link)
{
	bool is_socket = link->stream.out == link->stream.in;
	int bytes;

	if (link->stall_timeout == 0)
		return -1;
	return ioctl(link->stream.out, is_socket ? SIOCOUTQ : FIONREAD, &bytes) == 0 ? bytes : -1;
}

/* The time-out starts anew whenever the peer has read something: then the socket or the pipe is
 * writable, or, for a little, its buffer holds less (has_progress). */
static void wait_writable(struct link *link)
{
	struct timeval timeout = {.tv_sec = (time_t)(link->stall_timeout / USEC_PER_SEC),
				  .tv_usec = (suseconds_t)(link->stall_timeout % USEC_PER_SEC)};

	if (link->is_waiting)
		return;
	link->unsent = count_unsent(link);
	/* Where the system has no memory to wait with, it is tried again at the next turn. */
	link->is_waiting =
		event_add(&link->write_event, link->stall_timeout > 0 ? &timeout : NULL) == 0;
	if (!link->is_waiting)
		event_active(&link->write_event, EV_WRITE, 0);
}

static void stop_waiting(struct link *link)
{
	if (link->is_waiting)
		event_del(&link->write_event);
	link->is_waiting = false;
}

/* Whether the peer has read anything since the wait for it began or was prolonged. */
static bool has_progress(struct link *link)
{
	int before = link->unsent;

	link->unsent = count_unsent(link);
	return link->unsent >= 0 && link->unsent < before;
}

/* Returns what outbox_write did. */
static int write_out(struct link *link)
{
	size_t before = link->out.bytes;
	int r = outbox_write(&link->out, &link->loop->outboxes, link->stream.out);

	link->written += before - link->out.bytes;
	if (before > link->out.bytes && link->is_waiting)
		link->unsent = count_unsent(link);
	return r;
}

static void flush(struct link *link)
{
	uint64_t before = link->written;
	int r = write_out(link);

	if (r == -EAGAIN) {
		wait_writable(link);
		if (link->written > before && link->handler->on_written)
			link->handler->on_written(link->owner);
		return;
	}
	stop_waiting(link);
	if (r == 0 && link->written > before && link->handler->on_written)
		link->handler->on_written(link->owner);
	if (link->is_closed)
		return;
	if (r < 0)
		abandon_output(link, LINK_END_ERROR, r);
	else
		after_drained(link);
}

static void on_writable(evutil_socket_t fd, short what, void *argument)
{
	struct link *link = argument;

	(void)fd;
	if (what & EV_TIMEOUT && has_progress(link)) {
		stop_waiting(link);
		wait_writable(link);
	} else if (what & EV_TIMEOUT) {
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
		if (link->has_failed)
			abandon_output(link, link->fail_why, -ENOBUFS);
		else if (!link->is_closed && !link->is_waiting)
			flush(link);
	}
}

/* --- those that wait for their turn --- */

static struct list *backlog_of(const struct link *link)
{
	return link->reads_last ? &link->loop->backlog_last : &link->loop->backlog;
}

static void enter_backlog(struct link *link)
{
	if (!list_linked(&link->in_backlog))
		list_push_back(backlog_of(link), &link->in_backlog);
}

static void leave_backlog(struct link *link)
{
	if (list_linked(&link->in_backlog))
		list_remove(backlog_of(link), &link->in_backlog);
}

static void keep_for_later(struct link *link, struct chunk *chunk, struct bytes rest)
{
	link->rest_chunk = chunk_ref(chunk);
	link->rest = rest;
	if (link->is_reading)
		enter_backlog(link);
}

/* Bytes of output that were ever put. */
static uint64_t bytes_put(const struct link *link)
{
	return link->written + link->out.bytes;
}

/* --- in --- */

static void skip(struct link *link, struct bytes bytes, bool is_end)
{
	link->is_skipping = !is_end;
	if (link->handler->on_skipped)
		link->handler->on_skipped(link->owner, bytes, is_end);
}

/* Whether more messages can be handed over, now or later. */
static bool is_alive(const struct link *link)
{
	return !link->is_closed && !link->has_ended && !link->is_closing;
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
	if (!is_alive(link))
		return false;
	link->is_heavy = slice_charge(slice, frame.len + bytes_put(link) - before);
	return !link->is_heavy && (link->is_reading || link->is_draining);
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
			end(link, result == SKIP_BAD ? LINK_END_MALFORMED : LINK_END_TOO_LARGE, 0,
			    (struct bytes){data + start, link->is_skipping ? 0 : len - start});
			return len;
		}
		link->arrived = (struct bytes){data + start, len - start};
		if (!hand_over(link, chunk, (struct bytes){data + start, scanned - start}, slice)) {
			if (scanned < len && is_alive(link))
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

/* --- no memory --- */

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

static void wait_for_memory(struct link *link)
{
	if (!list_linked(&link->in_starved))
		list_push_back(&link->loop->starved, &link->in_starved);
}

static void starve(struct link *link, size_t wanted)
{
	if (link->wanted == 0 && link->is_reading)
		event_del(&link->read_event);
	link->loop->hungry += link->wanted == 0;
	link->wanted = wanted;
	wait_for_memory(link);
}

/* Where the system has no memory to watch the descriptor with, the link waits as for any other. */
static void start_reading(struct link *link)
{
	if (event_add(&link->read_event, NULL) < 0)
		starve(link, 1);
}

/* It is read again, if it may be. */
static void end_starving(struct link *link)
{
	if (link->wanted == 0)
		return;
	link->loop->hungry--;
	link->wanted = 0;
	if (link->is_reading && !link->is_closed)
		start_reading(link);
}

static void forget_starved(struct link *link)
{
	if (list_linked(&link->in_starved))
		list_remove(&link->loop->starved, &link->in_starved);
}

void link_await_memory(struct link *link)
{
	link->is_awaiting = true;
	wait_for_memory(link);
}

void link_skip_begun(struct link *link)
{
	free_input(link);
	link->is_skipping = true;
	end_starving(link);
}

static void feed(struct link *link)
{
	bool is_awaiting = link->is_awaiting;

	link->is_awaiting = false;
	if (link->wanted > 0 && can_have(link, link->wanted))
		end_starving(link);
	if (link->wanted > 0)
		wait_for_memory(link);
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

		forget_starved(link);
		feed(link);
	}
}

/* The message that is half read can't be kept. */
static void run_short(struct link *link, size_t wanted, struct bytes begun)
{
	if (!link->handler->on_no_memory) {
		end(link, LINK_END_NO_MEMORY, -ENOMEM, begun);
		return;
	}
	/* What it refuses begins with these bytes, so they stay until it returns. */
	if (link->handler->on_no_memory(link->owner, begun, can_have(link, wanted))) {
		if (!link->is_closed)
			link_skip_begun(link);
	} else if (!link->is_closed && !link->has_ended) {
		starve(link, wanted);
	}
}

/* Whether to take more than the next message may need; not where memory is short. */
static bool starts_large(const struct link *link)
{
	return link->typical > LARGE_MESSAGE && LARGE_CHUNK <= chunk_share(&link->loop->store);
}

/* How large a chunk for a message of which `len` bytes are there and `need` more must come at
 * least. */
static size_t wanted_capacity(const struct link *link, size_t len, uint64_t need)
{
	uint64_t whole = len + need;

	if (whole < LARGE_CHUNK && starts_large(link))
		return LARGE_CHUNK;
	/* No memory is reserved for an announced length before a part of the message has come. */
	if (whole > LARGE_CHUNK && whole > 2 * (uint64_t)len)
		return 2 * len > LARGE_CHUNK ? 2 * len : LARGE_CHUNK;
	return (size_t)whole;
}

/* Keeps the beginning of a message in a chunk of its own. */
static bool keep_rest(struct link *link, const uint8_t *rest, size_t len)
{
	size_t capacity = wanted_capacity(link, len, framing_need(&link->framing));
	struct chunk *chunk = new_buffer(link, capacity);

	if (!chunk && link->handler->on_no_memory)
		chunk = chunk_new_reserved(&link->loop->store, len);
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
			starve(link, CHUNK_SIZE);
		else
			end(link, LINK_END_NO_MEMORY, -ENOMEM, (struct bytes){0});
		errno = EAGAIN;
		return -1;
	}
	chunk = loop->shared;
	data = chunk->data + loop->shared_used;
	n = read(link->stream.in, data, chunk->capacity - loop->shared_used);
	if (n <= 0)
		return n;
	/* Before any message is handed over: what handlers read themselves must not land here. */
	loop->shared_used += (size_t)n;
	chunk_ref(chunk);
	done = deliver(link, chunk, data, (size_t)n, 0, slice);
	if (is_alive(link) && done < (size_t)n)
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

/* Whoever keeps a message keeps its whole chunk: one that is mostly empty is cut. */
static void trim_in(struct link *link)
{
	if (link->in_len < link->in->capacity / 4)
		link_trim_begun(link);
}

/* Reads into the chunk that has the beginning of a message.  Returns what read(2) did. */
static ssize_t read_own(struct link *link, struct slice *slice)
{
	struct chunk *chunk;
	size_t done;
	ssize_t n;

	if (!make_in_room(link, slice))
		return link->is_skipping ? read_shared(link, slice) : -1;
	n = read(link->stream.in, link->in->data + link->in_len, link->in->capacity - link->in_len);
	if (n <= 0)
		return n;
	link->in_len += (size_t)n;
	trim_in(link);
	chunk = link->in;
	done = deliver(link, chunk, chunk->data, link->in_len, link->in_scanned, slice);
	if (!is_alive(link))
		return n;
	if (done == link->in_len)
		drop_input(link);
	else if (done > 0)
		keep_rest(link, chunk->data + done, link->in_len - done);
	else
		charge_unfinished(link, slice, (size_t)n);
	return n;
}

/* Links with large messages start on a chunk of their own. */
static bool start_own(struct link *link)
{
	if (!starts_large(link))
		return false;
	link->in = new_buffer(link, LARGE_CHUNK);
	link->in_len = link->in_scanned = 0;
	return link->in != NULL;
}

/* Returns whether there may be more to read. */
static bool read_some(struct link *link, struct slice *slice)
{
	ssize_t n;

	if (link->in || (!link->is_skipping && start_own(link)))
		n = read_own(link, slice);
	else
		n = read_shared(link, slice);
	if (n > 0)
		link->received += (uint64_t)n;
	if (!is_alive(link))
		return false;
	if (n > 0)
		return true;
	if (link->in && link->in_len == 0)
		drop_input(link);
	if (n == 0)
		end(link, LINK_END_OF_FILE, 0, link_begun(link));
	else if (errno != EAGAIN && errno != EINTR)
		end(link, LINK_END_ERROR, -errno, (struct bytes){0});
	return false;
}

/* Goes on with what was read before.  Returns whether there may be more. */
static bool go_on(struct link *link, struct slice *slice)
{
	struct chunk *chunk = link->rest_chunk;
	struct bytes rest = link->rest;
	size_t done;

	link->rest_chunk = NULL;
	done = deliver(link, chunk, rest.data, rest.len, 0, slice);
	if (is_alive(link) && done < rest.len)
		keep_rest(link, rest.data + done, rest.len - done);
	chunk_unref(chunk);
	return is_alive(link);
}

/* Returns whether there may be more. */
static bool take_more(struct link *link, struct slice *slice)
{
	return link->rest_chunk ? go_on(link, slice) : read_some(link, slice);
}

static void take_slice(struct link *link)
{
	struct slice slice = slice_begin(&link->loop->turn);

	link->is_heavy = false;
	take_more(link, &slice);
}

/* Whoever used up its last slice waits behind those that did not. */
static void on_readable(evutil_socket_t fd, short what, void *argument)
{
	struct link *link = argument;

	(void)fd;
	(void)what;
	if (list_linked(&link->in_backlog) || list_linked(&link->in_deferred))
		return;
	turn_begin(&link->loop->turn);
	if (link->reads_last && !link->is_heavy)
		list_push_back(&link->loop->deferred, &link->in_deferred);
	else if (link->is_heavy || turn_is_over(&link->loop->turn, TURN_CLIENTS))
		enter_backlog(link);
	else
		take_slice(link);
}

void link_read_last(struct link *link)
{
	link->reads_last = true;
}

void link_read_deferred(struct loop *loop)
{
	struct list_node *node;

	/* Those that are left over are still readable in the next turn. */
	while ((node = list_first(&loop->deferred)) && !turn_is_over(&loop->turn, TURN_WORKERS)) {
		struct link *link = list_entry(node, struct link, in_deferred);

		list_remove(&loop->deferred, node);
		if (link->is_reading && link->wanted == 0)
			take_slice(link);
	}
}

bool link_has_backlog(const struct loop *loop)
{
	return !list_empty(&loop->backlog) || !list_empty(&loop->backlog_last);
}

/* In turns, each a slice.  Whoever comes in again has used up its slice, and the clock was read. */
static void serve_backlog(struct loop *loop, struct list *backlog)
{
	usec_t until;

	if (list_empty(backlog))
		return;
	turn_begin(&loop->turn);
	until = usec_add(turn_measure(&loop->turn), TURN_REST);
	while (!list_empty(backlog) && loop->turn.measured < until) {
		struct link *link = list_entry(list_first(backlog), struct link, in_backlog);

		leave_backlog(link);
		take_slice(link);
	}
}

void link_serve_backlog(struct loop *loop)
{
	serve_backlog(loop, &loop->backlog_last);
	serve_backlog(loop, &loop->backlog);
}

bool link_is_unheard(const struct link *link)
{
	struct pollfd output = {.fd = link->stream.out};

	if (link->stream.out < 0 || link->stream.out == link->stream.in)
		return false;
	return poll(&output, 1, 0) == 1 && (output.revents & POLLERR);
}

bool link_is_idle(const struct link *link)
{
	return !link->in && !link->rest_chunk && !link->is_skipping && link->out.bytes == 0;
}

struct bytes link_begun(const struct link *link)
{
	return link->in ? (struct bytes){link->in->data, link->in_len} : (struct bytes){0};
}

void link_drain(struct link *link)
{
	struct slice slice = slice_of(&link->loop->turn, DRAIN_UNITS);

	link->is_draining = true;
	for (unsigned i = 0; i < DRAIN_READS_MAX && slice.units > 0; i++)
		if (link->is_closed || link->has_ended || link->wanted > 0 ||
		    !take_more(link, &slice))
			break;
	link->is_draining = false;
}

void link_set_reading(struct link *link, bool reading)
{
	if (link->is_reading == reading || link->is_closed || (reading && link->has_ended))
		return;
	link->is_reading = reading;
	if (reading && link->rest_chunk)
		enter_backlog(link);
	else if (!reading)
		leave_backlog(link);
	if (link->wanted > 0)
		return;
	if (reading)
		start_reading(link);
	else
		event_del(&link->read_event);
}

/* --- the end --- */

void link_close(struct link *link)
{
	if (link->is_closed)
		return;
	event_del(&link->read_event);
	event_del(&link->write_event);
	stream_close(link->stream);
	link->stream = (struct stream){-1, -1};
	link->is_closed = true;
	end_starving(link);
	forget_starved(link);
	leave_backlog(link);
	drop_rest(link);
	if (list_linked(&link->in_dirty))
		list_remove(&link->loop->dirty, &link->in_dirty);
	if (list_linked(&link->in_deferred))
		list_remove(&link->loop->deferred, &link->in_deferred);
	outbox_clear(&link->out, &link->loop->outboxes);
	list_push_back(&link->loop->closed, &link->in_closed);
}

void link_close_when_written(struct link *link)
{
	link_set_reading(link, false);
	drop_rest(link);
	link->is_closing = true;
	if (link->out.bytes == 0)
		link_close(link);
}

void link_finish_output(struct link *link)
{
	if (takes_output(link))
		link->is_finished = true;
}

void link_free_closed(struct loop *loop)
{
	struct list_node *node;

	while ((node = list_first(&loop->closed))) {
		struct link *link = list_entry(node, struct link, in_closed);

		list_remove(&loop->closed, node);
		drop_input(link);
		link->handler->on_free(link);
	}
}
