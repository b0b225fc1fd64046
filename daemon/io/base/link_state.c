#include "daemon/io/base/link_internal.h"

#include <string.h>
#include <unistd.h>

void link_free_input(struct link *link)
{
	chunk_unref(link->in);
	link->in = NULL;
	link->in_len = link->in_scanned = 0;
}

void link_drop_input(struct link *link)
{
	link_free_input(link);
	framing_restart(&link->framing);
}

static void drop_rest(struct link *link)
{
	chunk_unref(link->rest_chunk);
	link->rest_chunk = NULL;
}

static struct list *backlog_of(const struct link *link)
{
	return link->reads_last ? &link->loop->backlog_last : &link->loop->backlog;
}

void link_enter_backlog(struct link *link)
{
	if (!list_linked(&link->in_backlog))
		list_push_back(backlog_of(link), &link->in_backlog);
}

void link_leave_backlog(struct link *link)
{
	if (list_linked(&link->in_backlog))
		list_remove(backlog_of(link), &link->in_backlog);
}

void link_wait_for_memory(struct link *link)
{
	if (!list_linked(&link->in_starved))
		list_push_back(&link->loop->starved, &link->in_starved);
}

void link_starve(struct link *link, size_t wanted)
{
	if (link->wanted == 0 && link->is_reading)
		event_del(&link->read_event);
	link->loop->hungry += link->wanted == 0;
	link->wanted = wanted;
	link_wait_for_memory(link);
}

/* Where the system has no memory to watch the descriptor with, the link waits as for any other. */
static void start_reading(struct link *link)
{
	if (event_add(&link->read_event, NULL) < 0)
		link_starve(link, 1);
}

void link_end_starving(struct link *link)
{
	if (link->wanted == 0)
		return;
	link->loop->hungry--;
	link->wanted = 0;
	if (link->is_reading && !link->is_closed)
		start_reading(link);
}

void link_forget_starved(struct link *link)
{
	if (list_linked(&link->in_starved))
		list_remove(&link->loop->starved, &link->in_starved);
}

void link_await_memory(struct link *link)
{
	link->is_awaiting = true;
	link_wait_for_memory(link);
}

void link_set_reading(struct link *link, bool reading)
{
	if (link->is_reading == reading || link->is_closed || (reading && link->has_ended))
		return;
	link->is_reading = reading;
	if (reading && link->rest_chunk)
		link_enter_backlog(link);
	else if (!reading)
		link_leave_backlog(link);
	if (link->wanted > 0)
		return;
	if (reading)
		start_reading(link);
	else
		event_del(&link->read_event);
}

/* The buffer is freed first: where memory is short, the answer needs it. */
void link_end_input(struct link *link, enum link_end why, int error, struct bytes begun)
{
	uint8_t head[LINK_BEGUN_MAX];
	size_t len = begun.len < sizeof(head) ? begun.len : sizeof(head);

	if (link->is_closed || link->has_ended)
		return;
	link->has_ended = true;
	link_set_reading(link, false);
	if (len > 0)
		memcpy(head, begun.data, len);
	link_drop_input(link);
	drop_rest(link);
	link->handler->on_end(link->owner, why, error, (struct bytes){head, len});
}

void link_close(struct link *link)
{
	if (link->is_closed)
		return;
	event_del(&link->read_event);
	event_del(&link->write_event);
	stream_close(link->stream);
	link->stream = (struct stream){-1, -1};
	link->is_closed = true;
	link_end_starving(link);
	link_forget_starved(link);
	link_leave_backlog(link);
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

void link_free_closed(struct loop *loop)
{
	struct list_node *node;

	while ((node = list_first(&loop->closed))) {
		struct link *link = list_entry(node, struct link, in_closed);

		list_remove(&loop->closed, node);
		link_drop_input(link);
		link->handler->on_free(link);
	}
}
