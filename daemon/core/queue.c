#include "daemon/core/queue.h"

/* --- lanes --- */

void lanes_init(struct lanes *lanes, struct lane *slots, uint32_t max, struct table_entry **buckets)
{
	*lanes = (struct lanes){.slots = slots, .max = max};
	table_init(&lanes->table, buckets, table_buckets(max));
}

static uint64_t key_of(const struct queue *queue, const struct request *request)
{
	return (uint64_t)(queue->index * PRIORITY_COUNT_ + request->rank) << 32 | request->client;
}

static struct lane *find_lane(const struct queue *queue, const struct request *request)
{
	struct table_entry *entry = table_find(&queue->lanes->table, key_of(queue, request));

	return entry ? container_of(entry, struct lane, entry) : NULL;
}

static struct lane *take_slot(struct lanes *lanes)
{
	struct table_entry *entry = lanes->free;

	if (!entry) {
		assert(lanes->used < lanes->max);
		return &lanes->slots[lanes->used++];
	}
	lanes->free = entry->next;
	return container_of(entry, struct lane, entry);
}

/* Makes a lane for the request at the end of the ring. */
static struct lane *add_lane(struct queue *queue, const struct request *request)
{
	struct lane *lane = take_slot(queue->lanes);

	*lane = (struct lane){.entry.key = key_of(queue, request), .balance = queue->turn};
	list_init(&lane->requests);
	table_add(&queue->lanes->table, &lane->entry);
	list_push_back(&queue->classes[request->rank].ring, &lane->in_ring);
	return lane;
}

static struct lane *lane_of(struct queue *queue, const struct request *request)
{
	struct lane *lane = find_lane(queue, request);

	return lane ? lane : add_lane(queue, request);
}

static struct lane *first_lane(const struct queue_class *class)
{
	struct list_node *node = list_first(&class->ring);

	return node ? list_entry(node, struct lane, in_ring) : NULL;
}

/* Lets the next lane with a balance above 0 be the first; the others get theirs for one more turn.
 * One that is alone owes nobody anything.  The first one has no more than a turn is worth now. */
static void pass_on(struct queue_class *class, uint32_t turn)
{
	struct lane *lane = first_lane(class);

	if (lane && class->ring.len == 1 && lane->balance <= 0)
		lane->balance = turn;
	for (; lane && lane->balance <= 0; lane = first_lane(class)) {
		lane->balance += turn;
		list_remove(&class->ring, &lane->in_ring);
		list_push_back(&class->ring, &lane->in_ring);
	}
	if (lane && lane->balance > turn)
		lane->balance = turn;
}

static void end_lane(struct queue *queue, struct queue_class *class, struct lane *lane)
{
	list_remove(&class->ring, &lane->in_ring);
	table_remove(&queue->lanes->table, &lane->entry);
	lane->entry.next = queue->lanes->free;
	queue->lanes->free = &lane->entry;
}

static struct request *entry(struct list_node *node)
{
	return node ? list_entry(node, struct request, in_lane) : NULL;
}

static struct request *first_of(const struct list *list)
{
	return entry(list_first(list));
}

/* --- the class of a request --- */

/* Adds the request to its class after `after`, and to its lane after `after_in_lane`. */
static void join(struct queue *queue, struct request *request, struct lane *lane,
		 struct list_node *after, struct list_node *after_in_lane)
{
	struct queue_class *class = &queue->classes[request->rank];

	request->lane = lane;
	request->line = &class->requests;
	lane->weight += request->weight;
	list_insert_after(&class->requests, after, &request->in_queue);
	list_insert_after(&lane->requests, after_in_lane, &request->in_lane);
	queue->len++;
	queue->bytes += request->bytes;
	if (queue->user_max > 0)
		shares_add(queue->shares, queue->index, request->user);
}

static void leave(struct queue *queue, struct request *request)
{
	struct queue_class *class = &queue->classes[request->rank];
	struct lane *lane = request->lane;

	list_remove(&class->requests, &request->in_queue);
	list_remove(lane ? &lane->requests : &class->called, &request->in_lane);
	request->line = NULL;
	request->lane = NULL;
	if (!lane)
		return;
	lane->weight -= request->weight;
	if (list_empty(&lane->requests))
		end_lane(queue, class, lane);
	pass_on(class, queue->turn);
}

/* --- the queue --- */

void queue_init(struct queue *queue, unsigned len_max, uint64_t bytes_max)
{
	*queue = (struct queue){.len_max = len_max, .bytes_max = bytes_max, .turn = QUEUE_RUN};
	for (unsigned i = 0; i < PRIORITY_COUNT_; i++) {
		list_init(&queue->classes[i].requests);
		list_init(&queue->classes[i].called);
		list_init(&queue->classes[i].ring);
	}
}

void queue_attach(struct queue *queue, uint32_t index, struct lanes *lanes, struct shares *shares,
		  unsigned user_max)
{
	queue->index = index;
	queue->lanes = lanes;
	queue->shares = shares;
	queue->user_max = user_max;
}

void queue_set_turn(struct queue *queue, usec_t run)
{
	usec_t runs = QUEUE_TURN_RUNS;

	/* Short runs need no division. */
	if (run > QUEUE_TURN_TIME / QUEUE_TURN_RUNS)
		runs = usec_max(1, QUEUE_TURN_TIME / run);
	queue->turn = QUEUE_RUN * (uint32_t)runs;
}

bool queue_user_has_room(const struct queue *queue, uint32_t user)
{
	return queue->user_max == 0 ||
	       shares_count(queue->shares, queue->index, user) < queue->user_max;
}

/* Returns the requests of the client that has the most, or those that were called if no client has
 * any. */
static const struct list *longest(const struct queue_class *class)
{
	const struct list *most = &class->called;
	struct list_node *node;

	list_for_each (node, &class->ring) {
		const struct list *requests = &list_entry(node, struct lane, in_ring)->requests;

		if (most == &class->called || requests->len > most->len)
			most = requests;
	}
	return most;
}

struct request *queue_victim(const struct queue *queue, enum priority priority)
{
	for (unsigned i = PRIORITY_COUNT_ - 1; i > priority; i--) {
		const struct list *most = longest(&queue->classes[i]);
		struct request *first = first_of(most);

		if (first)
			return first->run.retries > 0 ? first : entry(list_last(most));
	}
	return NULL;
}

void queue_push(struct queue *queue, struct request *request)
{
	struct queue_class *class = &queue->classes[request->rank];
	struct lane *lane = lane_of(queue, request);

	assert(queue_has_room(queue, request->bytes));
	join(queue, request, lane, class->requests.head.prev, lane->requests.head.prev);
}

void queue_push_front(struct queue *queue, struct request *request)
{
	struct queue_class *class = &queue->classes[request->rank];
	struct lane *lane = lane_of(queue, request);

	join(queue, request, lane, &class->requests.head, &lane->requests.head);
}

void queue_put_back(struct queue *queue, struct request *request)
{
	struct queue_class *class = &queue->classes[request->rank];
	struct lane *lane = lane_of(queue, request);
	struct list_node *node, *after = class->requests.head.prev;

	list_for_each (node, &lane->requests)
		if (entry(node)->submitted > request->submitted) {
			after = entry(node)->in_queue.prev;
			break;
		}
	join(queue, request, lane, after, node->prev);
}

/* Takes the request's weight from its lane. */
static void pay(const struct request *request)
{
	if (request->lane)
		request->lane->balance -= request->weight;
}

void queue_park(struct queue *queue, struct request *request, struct list *parked)
{
	pay(request);
	leave(queue, request);
	list_push_back(parked, &request->in_queue);
	request->line = parked;
	queue->parked++;
}

void queue_unpark(struct queue *queue, struct request *request)
{
	struct queue_class *class = &queue->classes[request->rank];

	list_remove(request->line, &request->in_queue);
	list_push_front(&class->requests, &request->in_queue);
	list_push_front(&class->called, &request->in_lane);
	request->line = &class->requests;
	queue->parked--;
}

struct request *queue_peek(const struct queue *queue)
{
	if (queue->len == queue->parked)
		return NULL;
	for (unsigned i = 0; i < PRIORITY_COUNT_; i++) {
		const struct queue_class *class = &queue->classes[i];

		if (!list_empty(&class->called))
			return first_of(&class->called);
		if (!list_empty(&class->ring))
			return first_of(&first_lane(class)->requests);
	}
	return NULL;
}

void queue_remove(struct queue *queue, struct request *request)
{
	if (request->line == &queue->classes[request->rank].requests) {
		leave(queue, request);
	} else {
		list_remove(request->line, &request->in_queue);
		request->line = NULL;
		queue->parked--;
	}
	queue->len--;
	queue->bytes -= request->bytes;
	if (queue->user_max > 0)
		shares_drop(queue->shares, queue->index, request->user);
}

void queue_take(struct queue *queue, struct request *request)
{
	pay(request);
	queue_remove(queue, request);
}

uint64_t queue_weight_before(const struct queue *queue, const struct request *request,
			     uint32_t weight)
{
	unsigned lanes = queue->classes[request->rank].ring.len;
	const struct lane *lane = lanes > 0 ? find_lane(queue, request) : NULL;
	uint64_t own = lane ? lane->weight : 0, others = lanes - (lane != NULL);

	if (others == 0)
		return UINT64_MAX;
	/* Each other client gets about as much before it as its own one, itself included; and at
	 * least a turn. */
	return own + others * (own + (weight > queue->turn ? weight : queue->turn));
}

/* --- what must hold --- */

static const char *check_lane(const struct queue *queue, const struct lane *lane, unsigned *ret_len)
{
	struct list_node *node;
	uint64_t weight = 0;

	list_for_each (node, &lane->requests) {
		const struct request *request = entry(node);

		if (request->lane != lane || find_lane(queue, request) != lane)
			return "a request is in another client's lane";
		weight += request->weight;
	}
	*ret_len += lane->requests.len;
	if (weight != lane->weight || list_empty(&lane->requests))
		return "a lane has not the weight of its requests, or none";
	if (lane->balance < -QUEUE_WEIGHT_MAX ||
	    lane->balance > (int64_t)QUEUE_TURN_RUNS * QUEUE_RUN)
		return "a lane has saved up or owes too much";
	return NULL;
}

static const char *check_class(const struct queue *queue, const struct queue_class *class)
{
	unsigned len = class->called.len;
	const char *wrong = NULL;
	struct list_node *node;

	list_for_each (node, &class->ring) {
		wrong = check_lane(queue, list_entry(node, struct lane, in_ring), &len);
		if (wrong)
			return wrong;
	}
	if (len != class->requests.len)
		return "a request of the class is in no lane";
	if (first_lane(class) && first_lane(class)->balance <= 0)
		return "the first lane owes";
	return NULL;
}

const char *queue_check(const struct queue *queue)
{
	const char *wrong = NULL;

	for (unsigned i = 0; !wrong && i < PRIORITY_COUNT_; i++)
		wrong = check_class(queue, &queue->classes[i]);
	return wrong;
}
