/*
 * What the files of a link share: link_state.c (what it is, and how it ends), link_read.c (its input),
 * link_turn.c (when it is read), link_write.c (its output), link.c (how it begins).
 */
#ifndef POOLD_IO_BASE_LINK_INTERNAL_H
#define POOLD_IO_BASE_LINK_INTERNAL_H

#include "daemon/io/base/link.h"

/* So much may be pending for a peer with memory above the limit: errors, and what little an operator
 * asks for, can be said at any time. */
#define OUTPUT_RESERVE ((size_t)64 * 1024)

/* Whether more messages can be handed over, now or later. */
static inline bool link_is_alive(const struct link *link)
{
	return !link->is_closed && !link->has_ended && !link->is_closing;
}

/* Tells the owner, once, that nothing more comes in; `begun` as in on_end. */
COLD void link_end_input(struct link *link, enum link_end why, int error, struct bytes begun);

/* Free the buffer of the message that is half read; drop the message too. */
void link_free_input(struct link *link);
void link_drop_input(struct link *link);

/* It has something to do at the end of the turn. */
static inline void link_mark_dirty(struct link *link)
{
	if (!list_linked(&link->in_dirty))
		list_push_back(&link->loop->dirty, &link->in_dirty);
}

/* It waits behind others to hand over what it has; it waits no more. */
void link_enter_backlog(struct link *link);
void link_leave_backlog(struct link *link);

/* It is not read until there is memory for a buffer of `wanted` bytes; it is read again, if it may
 * be; it is looked at when memory was given back; it waits for none any more. */
COLD void link_starve(struct link *link, size_t wanted);
void link_end_starving(struct link *link);
void link_wait_for_memory(struct link *link);
void link_forget_starved(struct link *link);

/* Hands over what waits, or reads once.  Returns whether there may be more. */
bool link_take_more(struct link *link, struct slice *slice);

/* Called by the loop when a descriptor is ready. */
void link_on_readable(evutil_socket_t fd, short what, void *argument);
void link_on_writable(evutil_socket_t fd, short what, void *argument);

#endif
