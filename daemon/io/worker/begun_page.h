/*
 * The page that a worker shares with the daemon, in which it stores which request it has begun last
 * (PROTOCOL.md, "page").  So it need not send a message each time, and the daemon knows it all the
 * same when the worker has ended.
 *
 * It belongs to one life of the worker.  What stands there is only that worker's own word, as what
 * it sends is: nothing follows from it but what it has begun itself.
 */
#ifndef POOLD_IO_WORKER_BEGUN_PAGE_H
#define POOLD_IO_WORKER_BEGUN_PAGE_H

#include "protocol/base.h"

#include <stdatomic.h>

struct begun_page {
	const _Atomic uint64_t *begun; /* NULL: there is none */
};

/* Makes a page and sends it on `recall`, the daemon's end of the recall socket, as the first message
 * there.  Where that can't be done there is no page: the worker does without. */
void begun_page_open(struct begun_page *page, int recall);

/* Forgets it, if there is one. */
void begun_page_close(struct begun_page *page);

static inline bool begun_page_is_open(const struct begun_page *page)
{
	return page->begun != NULL;
}

/* The id of the message whose request the worker has begun last; 0: none, or there is no page. */
static inline uint64_t begun_page_read(const struct begun_page *page)
{
	return page->begun ? atomic_load_explicit(page->begun, memory_order_acquire) : 0;
}

#endif
