/*
 * A pool's queue: three strict priorities, limited in requests and in bytes.  Within a priority the
 * clients take turns, and each client's requests are first in, first out.
 *
 * Turns are deficit round robin.  Each client with queued requests of a priority has a lane there,
 * and the lanes stand in a ring.  The first lane is served while its balance is above 0; each
 * request that is sent takes its weight from the balance.  Then the lane goes to the end of the
 * ring, and gets the worth of a turn when it is to be the first again.  So clients that always have
 * something queued get the same time of the workers, and a client with one request waits for no more
 * than one turn of each other client, however much that has queued.  A lane ends with its last request,
 * and its balance with it: a client saves up nothing and owes nothing while it has nothing queued.
 *
 * A turn is worth one typical run of the pool; where runs are short, as many as a worker does in
 * QUEUE_TURN_TIME.  What one client sent in one piece then goes to a worker in one piece, and so do the
 * answers back: alone, each would cost a read and a write of both sides, more than such a run.
 *
 * When the queue is full, a request of a higher priority displaces one of the lowest priority: of
 * the client with the most requests there, the first one if that is a retry, else the newest.  A
 * request that waits for one certain worker is parked in that worker's list, so that it does not
 * block the requests behind it; it still counts in the queue.  It has had its turn, so that it comes
 * first when that worker has room.
 */
#ifndef POOLD_CORE_QUEUE_H
#define POOLD_CORE_QUEUE_H

#include "daemon/core/request.h"
#include "daemon/core/share.h"

/* The weight of a typical run of the pool. */
#define QUEUE_RUN 64

/* The longest turn of short runs, in time and in typical runs. */
#define QUEUE_TURN_TIME ((usec_t)250)
#define QUEUE_TURN_RUNS 16

/* The lightest request: a typical run is worth no more than four, so that clients of short calls do not
 * wait for many others where the pool's typical run is a long one. */
#define QUEUE_WEIGHT_MIN (QUEUE_RUN / 4)

/* The heaviest request.  It bounds how often a lane in debt is passed over. */
#define QUEUE_WEIGHT_MAX (64 * QUEUE_RUN)

/* What a client has queued with one priority. */
struct lane {
	struct table_entry entry;
	struct list requests; /* by in_lane */
	struct list_node in_ring;
	uint64_t weight; /* of all its requests */
	int64_t balance;
};

/* The lanes of all queues: each has at least one request. */
struct lanes {
	struct table table;
	struct lane *slots;
	uint32_t max;
	uint32_t used;		  /* slots that were ever in use */
	struct table_entry *free; /* of these, slots that are not in use now */
};

struct queue_class {
	struct list requests; /* all but the parked ones, by in_queue, in no order of service */
	struct list called;   /* of these, by in_lane: unparked ones, which come before the lanes */
	struct list ring;     /* lanes; the first one has a balance above 0 */
};

struct queue {
	struct queue_class classes[PRIORITY_COUNT_];
	uint32_t index;	 /* of its pool */
	uint32_t turn;	 /* what a client's turn is worth */
	unsigned parked; /* part of `len`: requests in lists of workers */
	unsigned len;
	unsigned len_max;
	uint64_t bytes;
	uint64_t bytes_max;
	unsigned user_max; /* requests of one user; 0: no limit, and they are not counted */
	struct lanes *lanes;
	struct shares *shares; /* by `index` */
};

/* `slots` is memory for `max` lanes, one for each request that there can be; `buckets` for
 * table_buckets(max) pointers. */
void lanes_init(struct lanes *lanes, struct lane *slots, uint32_t max,
		struct table_entry **buckets);

void queue_init(struct queue *queue, unsigned len_max, uint64_t bytes_max);

/* Gives the queue its number among those that share these lanes and shares.  It is used only after
 * this.  `user_max` is its limit for one user; 0: none, and `shares` may be NULL. */
void queue_attach(struct queue *queue, uint32_t index, struct lanes *lanes, struct shares *shares,
		  unsigned user_max);

/* Sets what a turn is worth, by the time that a worker takes for a run: µs; 0: hardly any. */
void queue_set_turn(struct queue *queue, usec_t run);

/* Whether a request of `bytes` fits now. */
static inline bool queue_has_room(const struct queue *queue, uint64_t bytes)
{
	return queue->len < queue->len_max && bytes <= queue->bytes_max &&
	       queue->bytes <= queue->bytes_max - bytes;
}

/* Whether the user may have one more request in the queue. */
bool queue_user_has_room(const struct queue *queue, uint32_t user);

/* The request that may be shed for one of `priority`, from the lowest priority below that which has
 * any.  NULL: none. */
struct request *queue_victim(const struct queue *queue, enum priority priority);

/* Adds the request at the end of its client's lane.  The caller has set its weight, from
 * QUEUE_WEIGHT_MIN to QUEUE_WEIGHT_MAX, and has checked that there is room. */
void queue_push(struct queue *queue, struct request *request);

/* Adds a request that was admitted before at the head of its client's lane.  The limits are not
 * checked. */
void queue_push_front(struct queue *queue, struct request *request);

/* Returns a request that was removed to its place: before those of its lane that were submitted
 * later.  The limits are not checked.  Passes no more requests than the lane has. */
void queue_put_back(struct queue *queue, struct request *request);

/* Moves a queued request, which has its turn, to the end of a worker's list; or from there before
 * all lanes of its class. */
void queue_park(struct queue *queue, struct request *request, struct list *parked);
void queue_unpark(struct queue *queue, struct request *request);

/* The next request to send, or NULL.  Parked requests are not considered. */
struct request *queue_peek(const struct queue *queue);

void queue_remove(struct queue *queue, struct request *request);

/* Removes a request that is sent: it was its client's turn. */
void queue_take(struct queue *queue, struct request *request);

/* Returns about the weight of the requests of the same priority that are served before this one if
 * it is queued now with that weight, or more than that; UINT64_MAX: of all of them, since no other
 * client has any. */
uint64_t queue_weight_before(const struct queue *queue, const struct request *request,
			     uint32_t weight);

/* What the queue's parts promise to each other, for engine_check; NULL: all of it holds. */
const char *queue_check(const struct queue *queue);

#endif
