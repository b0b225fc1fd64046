/*
 * A pool's queue: three strict priorities, first in first out within each, bounded in requests and
 * in bytes.
 *
 * When it is full, a request of a higher priority pushes out one of the lowest: a retry, as it has
 * had its chance, else the youngest.  A request that waits for one certain worker stands apart in
 * that worker's list, where it holds up nobody; it counts in the queue all the same.
 */
#ifndef POOLD_CORE_QUEUE_H
#define POOLD_CORE_QUEUE_H

#include "daemon/core/request.h"

struct queue {
	struct list classes[PRIORITY_COUNT_];
	unsigned parked; /* of `len`, in lists of workers */
	unsigned len;
	unsigned len_max;
	uint64_t bytes;
	uint64_t bytes_max;
};

void queue_init(struct queue *queue, unsigned len_max, uint64_t bytes_max);

/* Whether a request of `bytes` fits as things are. */
bool queue_has_room(const struct queue *queue, uint64_t bytes);

/* What may be shed for a request of `priority`: of the lowest priority below it that waits, the
 * retry that stands first, else the youngest.  NULL: none. */
struct request *queue_victim(const struct queue *queue, enum priority priority);

/* At the end of its class.  The caller has made sure there is room. */
void queue_push(struct queue *queue, struct request *request);

/* Back at the head of its class: for a request that was sent and comes back.  Never refused, as it
 * was admitted once. */
void queue_push_front(struct queue *queue, struct request *request);

/* Moves the request, which is queued, to the end of a worker's list; or back to the head of its
 * class. */
void queue_park(struct queue *queue, struct request *request, struct list *parked);
void queue_unpark(struct queue *queue, struct request *request);

/* The next to be sent, or NULL: those that are parked apart. */
struct request *queue_peek(const struct queue *queue);

void queue_remove(struct queue *queue, struct request *request);

#endif
