#include "daemon/io/base/link_internal.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes that were written and that the peer has not read; -1: unknown, or nobody asks. */
static int count_unsent(const struct link *link)
{
	bool is_socket = stream_is_socket(link->stream);
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

void link_fail(struct link *link, enum link_end why)
{
	if (link->is_closed || link->has_failed)
		return;
	link->has_failed = true;
	link->fail_why = why;
	stop_waiting(link);
	link_mark_dirty(link);
}

/* Whether output can still be put. */
static bool takes_output(struct link *link)
{
	if (link->is_closed || link->has_failed || link->is_finished)
		return false;
	link_mark_dirty(link);
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

void link_put_message(struct link *link, struct bytes head, struct chunk *chunk, struct bytes value,
		      struct bytes tail)
{
	if (takes_output(link) &&
	    outbox_put_message(&link->out, &link->loop->outboxes, head, chunk, value, tail) < 0)
		link_fail(link, LINK_END_NO_MEMORY);
}

void link_finish_output(struct link *link)
{
	if (takes_output(link))
		link->is_finished = true;
}

/* The peer reads an end of file, and can still be read. */
static COLD void end_output(struct link *link)
{
	if (stream_is_socket(link->stream)) {
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

/* Whether its peer may have said something that counts though it takes nothing more: a worker that has
 * ended may have begun what it was sent, and one behind two pipes may have closed one of them only. */
static bool has_last_words(const struct link *link, enum link_end why)
{
	return why == LINK_END_ERROR && (link->reads_last || !stream_is_socket(link->stream));
}

/* The output can't be written any more, so a link that is to close after it closes now. */
static COLD void abandon_output(struct link *link, enum link_end why, int error)
{
	outbox_clear(&link->out, &link->loop->outboxes);
	if (link->is_closing) {
		link_close(link);
		return;
	}
	if (has_last_words(link, why))
		link_drain(link);
	link_end_input(link, why, error, (struct bytes){0});
}

/* Returns what outbox_write did. */
static int write_out(struct link *link)
{
	size_t before = link->out.bytes;
	int r = outbox_write(&link->out, &link->loop->outboxes, link->stream);

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

void link_on_writable(evutil_socket_t fd, short what, void *argument)
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
