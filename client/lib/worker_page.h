/*
 * The page that a worker shares with the daemon (PROTOCOL.md, "page"): the worker stores there which
 * request it begins, instead of sending a message each time.
 */
#ifndef POOLD_LIB_WORKER_PAGE_H
#define POOLD_LIB_WORKER_PAGE_H

#include "protocol/base.h"

#include <stdatomic.h>
#include <sys/types.h>

struct worker_page {
	_Atomic uint64_t *begun; /* NULL: there is none */
	pid_t owner;		 /* processes that it forks do not have it */
};

/* Takes the page that the daemon has put on the recall socket, if there is one; `socket` may be -1.
 * For before anything else is read there. */
void worker_page_take(struct worker_page *page, int socket);
void worker_page_done(struct worker_page *page);

/* The request of message `id` is about to begin.  All earlier answers were written. */
static inline void worker_page_store(struct worker_page *page, uint32_t id)
{
	atomic_store_explicit(page->begun, id, memory_order_release);
	/* Nothing of the request's code is moved before it. */
	atomic_signal_fence(memory_order_seq_cst);
}

#endif
