/*
 * Requests that the daemon wants back before they begin, for another worker that is free (PROTOCOL.md,
 * "recall").  It asks on a socket of its own, which a thread reads, as nobody reads the channel while
 * a handler runs.  A request is either given back or begun, and never both: that is decided here, under
 * one lock, whether the request was read by then or not.
 */
#ifndef POOLD_LIB_WORKER_RECALL_H
#define POOLD_LIB_WORKER_RECALL_H

#include "protocol/base.h"

#include <pthread.h>

/* So many requests are given back at most before the next one begins: the daemon has fewer at one
 * worker. */
#define RECALL_GIVEN_MAX 128

struct worker_recall {
	int fd; /* the socket; -1: there is none */
	bool is_listening;
	pthread_t thread;
	void (*give_back)(void *owner, uint32_t id);
	void *owner;

	pthread_mutex_t lock; /* for what follows */
	uint32_t begun;	      /* the last request whose turn has come */
	size_t given_count;
	uint32_t given[RECALL_GIVEN_MAX]; /* given back, and still to come to their turn */
};

/* Takes the descriptor if it is a socket; -1: there is none. */
void worker_recall_init(struct worker_recall *recall, int fd);
void worker_recall_done(struct worker_recall *recall);

/* Starts the thread, which calls `give_back` for each request that it was asked for and that never
 * begins now: the function is to answer it.  Returns false if there is no socket, or no thread. */
bool worker_recall_listen(struct worker_recall *recall, void (*give_back)(void *owner, uint32_t id),
			  void *owner);
/* Ends the thread, if there is one: `give_back` is not called any more. */
void worker_recall_stop(struct worker_recall *recall);

/* It is the turn of request `id`, which is above those whose turn has come before.  Returns whether
 * it may begin; if not, it was given back. */
bool worker_recall_begin(struct worker_recall *recall, uint32_t id);

#endif
