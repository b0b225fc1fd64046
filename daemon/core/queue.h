/*
 * A pool's queue: three strict priorities, FIFO within each, limited in requests and in bytes.
 *
 * When the queue is full, a request of a higher priority displaces one of the lowest priority: the
 * first one if that is a retry, else the newest.  A request that waits for one certain worker is
 * parked in that worker's list, so that it does not block the requests behind it; it still counts
 * in the queue.
 */
#ifndef POOLD_CORE_QUEUE_H
#define POOLD_CORE_QUEUE_H

#include "daemon/core/request.h"

struct queue {
	struct list classes[PRIORITY_COUNT_];
	unsigned parked; /* part of `len`: requests in lists of workers */
	unsigned len;
	unsigned len_max;
	uint64_t bytes;
	uint64_t bytes_max;
};

void queue_init(struct queue *queue, unsigned len_max, uint64_t bytes_max);

/* Whether a request of `bytes` fits now. */
bool queue_has_room(const struct queue *queue, uint64_t bytes);

/* The request that may be shed for one of `priority`.  It is taken from the lowest priority below
 * that which has any: the first one if that is a retry, else the newest.  NULL: none. */
struct request *queue_victim(const struct queue *queue, enum priority priority);

/* Adds the request at the end of its class.  The caller has checked that there is room. */
void queue_push(struct queue *queue, struct request *request);

/* Adds a request that was admitted before at the head of its class.  The limits are not checked. */
void queue_push_front(struct queue *queue, struct request *request);

/* Returns a request that was removed to its place: before those of its class that were submitted
 * later.  The limits are not checked.  Passes no more requests than the class has. */
void queue_put_back(struct queue *queue, struct request *request);

/* Moves a queued request to the end of a worker's list, or from there to the head of its class. */
void queue_park(struct queue *queue, struct request *request, struct list *parked);
void queue_unpark(struct queue *queue, struct request *request);

/* The next request to send, or NULL.  Parked requests are not considered. */
struct request *queue_peek(const struct queue *queue);

void queue_remove(struct queue *queue, struct request *request);

#endif
