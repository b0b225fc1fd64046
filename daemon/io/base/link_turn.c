#include "daemon/io/base/link_internal.h"

#include <errno.h>
#include <poll.h>

#define DRAIN_READS_MAX 1024

/* Whoever has left is read so often in a slice: its messages, the rest of them, and its end. */
#define LEFT_READS_MAX 8

/* Large messages are read one by one, each into memory of its size: so much of them in one slice, that
 * they are passed on together. */
#define READ_ON_MAX ((size_t)256 * 1024)

/* Whether the last read took all that there was room for, so that there may be more. */
static bool can_read_on(const struct link *link)
{
	return link->has_filled && !link->is_heavy && link->is_reading && !link->is_closed &&
	       !link->has_ended && link->wanted == 0 && !link->rest_chunk;
}

static void take_slice(struct link *link)
{
	struct slice slice = slice_begin(&link->loop->turn);
	uint64_t until = link->received + READ_ON_MAX;

	link->is_heavy = false;
	while (link_take_more(link, &slice) && can_read_on(link) && link->received < until)
		;
}

/* Whoever used up its last slice waits behind those that did not. */
void link_on_readable(evutil_socket_t fd, short what, void *argument)
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
		link_enter_backlog(link);
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

		link_leave_backlog(link);
		take_slice(link);
	}
}

void link_serve_backlog(struct loop *loop)
{
	serve_backlog(loop, &loop->backlog_last);
	serve_backlog(loop, &loop->backlog);
}

void link_drain(struct link *link)
{
	struct slice slice = slice_of(&link->loop->turn, DRAIN_UNITS);
	bool has_more = true;

	link->is_draining = true;
	for (unsigned i = 0; i < DRAIN_READS_MAX && slice.units > 0 && has_more; i++)
		has_more = !link->is_closed && !link->has_ended && link->wanted == 0 &&
			   link_take_more(link, &slice);
	link->is_draining = false;
	/* What can't be read now is never heard. */
	if (link->wanted > 0)
		link_end_input(link, LINK_END_NO_MEMORY, -ENOMEM, link_begun(link));
	else if (has_more)
		link_end_input(link, LINK_END_UNREAD, -ENOBUFS, link_begun(link));
}

/* Whether it is its turn to be read whenever something comes. */
static bool is_watched(const struct link *link)
{
	return link_is_alive(link) && link->is_reading && link->wanted == 0 &&
	       !list_linked(&link->in_backlog) && !list_linked(&link->in_deferred);
}

static void read_left(struct link *link)
{
	struct slice slice = slice_begin(&link->loop->turn);

	for (unsigned i = 0; i < LEFT_READS_MAX && is_watched(link); i++)
		if (!link_take_more(link, &slice))
			return;
}

void link_read_left(struct link *const links[], unsigned count)
{
	struct pollfd peers[LINK_LEFT_MAX];
	struct turn *turn;

	assert(count <= LINK_LEFT_MAX);
	for (unsigned i = 0; i < count; i++)
		peers[i] = (struct pollfd){.fd = links[i]->stream.in, .events = POLLRDHUP};
	if (count == 0 || poll(peers, count, 0) <= 0)
		return;
	turn = &links[0]->loop->turn;
	turn_begin(turn);
	for (unsigned i = 0; i < count && !turn_is_over(turn, TURN_CLIENTS); i++) {
		if (peers[i].revents == 0 || !is_watched(links[i]))
			continue;
		read_left(links[i]);
		turn_measure(turn);
	}
}
