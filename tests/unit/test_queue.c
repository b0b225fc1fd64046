#include "daemon/core/queue.h"

#include <stdio.h>

#include "tests/lib/shrink.h"
#include "tests/lib/unit.h"

#define LEN_MAX	  6
#define BYTES_MAX 100
#define REQUESTS  12
#define LISTS	  2 /* of workers that requests wait for */
#define CLIENTS	  3
#define USERS	  2
#define USER_MAX  4
#define MANY	  64 /* requests in the tests of turns */

/* A queue and what it needs. */
struct fixture {
	struct queue queue;
	struct lanes lanes;
	struct shares shares;
	struct lane lane_slots[4 * MANY];
	struct share share_slots[4 * MANY];
	struct table_entry *lane_buckets[4 * MANY];
	struct table_entry *share_buckets[4 * MANY];
};

static struct queue *set_up_sized(struct fixture *f, unsigned len_max, uint64_t bytes_max,
				  unsigned user_max)
{
	lanes_init(&f->lanes, f->lane_slots, 4 * MANY, f->lane_buckets);
	shares_init(&f->shares, f->share_slots, 4 * MANY, f->share_buckets);
	queue_init(&f->queue, len_max, bytes_max);
	queue_attach(&f->queue, 3, &f->lanes, &f->shares, user_max);
	return &f->queue;
}

static struct queue *set_up(struct fixture *f)
{
	return set_up_sized(f, LEN_MAX, BYTES_MAX, 0);
}

static struct request request_of(enum priority priority, uint64_t bytes)
{
	return (struct request){
		.priority = priority, .rank = priority, .bytes = bytes, .weight = QUEUE_RUN};
}

START_TEST(empty_queue_has_nothing)
{
	static struct fixture f;
	struct queue *queue = set_up(&f);

	ck_assert_ptr_null(queue_peek(queue));
	ck_assert_ptr_null(queue_victim(queue, PRIORITY_CRITICAL));
	ck_assert(queue_has_room(queue, BYTES_MAX));
	ck_assert(!queue_has_room(queue, BYTES_MAX + 1));
	ck_assert(!queue_has_room(queue, UINT64_MAX));
}
END_TEST

START_TEST(first_in_is_first_out)
{
	struct request a = request_of(PRIORITY_NORMAL, 1), b = a, c = a;
	static struct fixture f;
	struct queue *queue = set_up(&f);

	queue_push(queue, &a);
	queue_push(queue, &b);
	queue_push_front(queue, &c);
	ck_assert_ptr_eq(queue_peek(queue), &c);
	queue_remove(queue, &c);
	ck_assert_ptr_eq(queue_peek(queue), &a);
	queue_remove(queue, &a);
	ck_assert_ptr_eq(queue_peek(queue), &b);
	queue_remove(queue, &b);
	ck_assert_ptr_null(queue_peek(queue));
	ck_assert_uint_eq(queue->bytes, 0);
}
END_TEST

START_TEST(priorities_are_strict)
{
	struct request sheddable = request_of(PRIORITY_SHEDDABLE, 1);
	struct request normal = request_of(PRIORITY_NORMAL, 1);
	struct request critical = request_of(PRIORITY_CRITICAL, 1);
	static struct fixture f;
	struct queue *queue = set_up(&f);

	queue_push_front(queue, &sheddable);
	queue_push(queue, &normal);
	queue_push(queue, &critical);
	ck_assert_ptr_eq(queue_peek(queue), &critical);
	queue_remove(queue, &critical);
	ck_assert_ptr_eq(queue_peek(queue), &normal);
	queue_remove(queue, &normal);
	ck_assert_ptr_eq(queue_peek(queue), &sheddable);
}
END_TEST

START_TEST(the_victim_is_the_youngest_of_the_lowest)
{
	struct request old = request_of(PRIORITY_SHEDDABLE, 1), young = old;
	struct request normal = request_of(PRIORITY_NORMAL, 1);
	static struct fixture f;
	struct queue *queue = set_up(&f);

	queue_push(queue, &old);
	queue_push(queue, &young);
	queue_push(queue, &normal);
	ck_assert_ptr_eq(queue_victim(queue, PRIORITY_CRITICAL), &young);
	ck_assert_ptr_eq(queue_victim(queue, PRIORITY_NORMAL), &young);
	ck_assert_ptr_null(queue_victim(queue, PRIORITY_SHEDDABLE));
	queue_remove(queue, &young);
	queue_remove(queue, &old);
	ck_assert_ptr_eq(queue_victim(queue, PRIORITY_CRITICAL), &normal);
	ck_assert_ptr_null(queue_victim(queue, PRIORITY_NORMAL));
}
END_TEST

/* Retries stand at the head of their class, and go first under overload. */
START_TEST(a_retry_is_shed_before_the_youngest)
{
	struct request retry = request_of(PRIORITY_SHEDDABLE, 1), young = retry;
	static struct fixture f;
	struct queue *queue = set_up(&f);

	retry.run.retries = 1;
	queue_push(queue, &young);
	queue_push_front(queue, &retry);
	ck_assert_ptr_eq(queue_victim(queue, PRIORITY_NORMAL), &retry);
	queue_remove(queue, &retry);
	ck_assert_ptr_eq(queue_victim(queue, PRIORITY_NORMAL), &young);
}
END_TEST

START_TEST(room_is_counted_in_requests_and_bytes)
{
	struct request big = request_of(PRIORITY_NORMAL, BYTES_MAX - 1);
	struct request small[LEN_MAX];
	static struct fixture f;
	struct queue *queue = set_up(&f);

	queue_push(queue, &big);
	ck_assert(queue_has_room(queue, 1));
	ck_assert(!queue_has_room(queue, 2));
	queue_remove(queue, &big);
	for (unsigned i = 0; i < LEN_MAX; i++) {
		small[i] = request_of(PRIORITY_NORMAL, 0);
		ck_assert(queue_has_room(queue, 0));
		queue_push(queue, &small[i]);
	}
	ck_assert(!queue_has_room(queue, 0));
}
END_TEST

START_TEST(what_comes_back_is_never_refused)
{
	struct request requests[LEN_MAX + 2];
	static struct fixture f;
	struct queue *queue = set_up(&f);

	for (unsigned i = 0; i < LEN_MAX + 2; i++) {
		requests[i] = request_of(PRIORITY_NORMAL, BYTES_MAX);
		queue_push_front(queue, &requests[i]);
	}
	ck_assert_uint_eq(queue->len, LEN_MAX + 2);
	ck_assert(!queue_has_room(queue, 0));
	ck_assert_ptr_eq(queue_peek(queue), &requests[LEN_MAX + 1]);
}
END_TEST

START_TEST(who_waits_for_one_worker_holds_up_nobody)
{
	struct request a = request_of(PRIORITY_NORMAL, 5), b = a, c = a;
	struct list parked;
	static struct fixture f;
	struct queue *queue = set_up(&f);

	list_init(&parked);
	queue_push(queue, &a);
	queue_push(queue, &b);
	queue_push(queue, &c);
	queue_park(queue, &a, &parked);
	queue_park(queue, &b, &parked);
	ck_assert_ptr_eq(queue_peek(queue), &c);
	ck_assert_ptr_eq(list_first(&parked), &a.in_queue);
	ck_assert_uint_eq(queue->parked, 2);
	ck_assert_uint_eq(queue->len, 3);
	ck_assert_uint_eq(queue->bytes, 15);
	queue_remove(queue, &c);
	ck_assert_ptr_null(queue_peek(queue));
	queue_unpark(queue, &b);
	queue_unpark(queue, &a);
	ck_assert_ptr_eq(queue_peek(queue), &a);
	ck_assert_uint_eq(queue->parked, 0);
	ck_assert(list_empty(&parked));
}
END_TEST

START_TEST(who_is_parked_counts_and_can_leave)
{
	struct request small[LEN_MAX];
	struct list parked;
	static struct fixture f;
	struct queue *queue = set_up(&f);

	list_init(&parked);
	for (unsigned i = 0; i < LEN_MAX; i++) {
		small[i] = request_of(PRIORITY_SHEDDABLE, 1);
		queue_push(queue, &small[i]);
		queue_park(queue, &small[i], &parked);
	}
	ck_assert(!queue_has_room(queue, 1));
	queue_remove(queue, &small[2]);
	ck_assert_uint_eq(queue->parked, LEN_MAX - 1);
	ck_assert_uint_eq(queue->len, LEN_MAX - 1);
	ck_assert_uint_eq(parked.len, LEN_MAX - 1);
	ck_assert(queue_has_room(queue, 1));
	ck_assert_ptr_null(small[2].line);
}
END_TEST

/* --- turns --- */

static struct request request_by(uint32_t client, uint32_t weight)
{
	struct request request = request_of(PRIORITY_NORMAL, 0);

	request.client = client;
	request.weight = weight;
	return request;
}

/* Pushes `count` requests of that client and weight. */
static void push_many(struct queue *queue, struct request *requests, unsigned count,
		      uint32_t client, uint32_t weight)
{
	for (unsigned i = 0; i < count; i++) {
		requests[i] = request_by(client, weight);
		queue_push(queue, &requests[i]);
	}
}

/* Takes the next request and returns its client. */
static uint32_t take(struct queue *queue)
{
	struct request *request = queue_peek(queue);

	ck_assert_ptr_nonnull(request);
	queue_take(queue, request);
	return request->client;
}

START_TEST(one_request_waits_for_one_of_each_other_client)
{
	static struct request many[MANY], few[3], own;
	static struct fixture f;
	struct queue *queue = set_up_sized(&f, 4 * MANY, BYTES_MAX, 0);

	push_many(queue, many, MANY, 1, QUEUE_RUN);
	push_many(queue, few, 3, 2, QUEUE_RUN);
	own = request_by(3, QUEUE_RUN);
	queue_push(queue, &own);
	ck_assert_uint_eq(take(queue), 1);
	ck_assert_uint_eq(take(queue), 2);
	ck_assert_uint_eq(take(queue), 3);
	ck_assert_uint_eq(take(queue), 1);
	ck_assert_uint_eq(take(queue), 2);
	/* It comes again, and again there is one of each before it. */
	queue_push(queue, &own);
	ck_assert_uint_eq(take(queue), 1);
	ck_assert_uint_eq(take(queue), 2);
	ck_assert_uint_eq(take(queue), 3);
	for (unsigned i = 3; i < MANY; i++)
		ck_assert_uint_eq(take(queue), 1);
	ck_assert_ptr_null(queue_peek(queue));
}
END_TEST

/* Whoever sends long calls gets fewer of them: the time is shared, not the number. */
START_TEST(the_time_is_shared_equally)
{
	static const uint32_t weights[][2] = {{QUEUE_RUN, QUEUE_RUN},
					      {QUEUE_RUN, 8 * QUEUE_RUN},
					      {QUEUE_RUN / 16, QUEUE_RUN},
					      {1, 3 * QUEUE_RUN}};

	for (unsigned i = 0; i < ARRAY_SIZE(weights); i++) {
		static struct request light[MANY], heavy[MANY];
		static struct fixture f;
		struct queue *queue = set_up_sized(&f, 4 * MANY, BYTES_MAX, 0);
		int64_t served[2] = {0}, most = QUEUE_RUN + (int64_t)weights[i][0] + weights[i][1];

		push_many(queue, light, MANY, 0, weights[i][0]);
		push_many(queue, heavy, MANY, 1, weights[i][1]);
		while (queue->classes[PRIORITY_NORMAL].ring.len == 2) {
			uint32_t client = take(queue);

			served[client] += weights[i][client];
			ck_assert_int_le(served[0] - served[1], most);
			ck_assert_int_le(served[1] - served[0], most);
		}
	}
}
END_TEST

/* Each of the two has its next request queued before the other's is taken. */
START_TEST(who_comes_again_and_again_leaves_the_others_their_turn)
{
	static struct request many[MANY], own[2];
	static struct fixture f;
	struct queue *queue = set_up_sized(&f, 4 * MANY, BYTES_MAX, 0);
	unsigned served[3] = {0};

	push_many(queue, many, MANY, 2, QUEUE_RUN);
	for (unsigned i = 0; i < 2; i++) {
		own[i] = request_by(i, 3 * QUEUE_RUN);
		queue_push(queue, &own[i]);
	}
	for (unsigned i = 0; i < MANY; i++) {
		uint32_t client = take(queue);

		served[client]++;
		if (client < 2)
			queue_push(queue, &own[client]);
	}
	ck_assert_uint_ge(served[2], MANY / 3);
}
END_TEST

/* What a worker takes for a run in µs, and how many of them a turn is worth. */
static const struct {
	usec_t run;
	unsigned runs;
} turns[] = {{0, 16}, {1, 16}, {15, 16}, {16, 15}, {100, 2}, {126, 1}, {1000, 1}};

START_TEST(a_turn_is_worth_several_short_runs)
{
	for (unsigned i = 0; i < ARRAY_SIZE(turns); i++) {
		static struct request one[MANY], other[MANY];
		static struct fixture f;
		struct queue *queue = set_up_sized(&f, 4 * MANY, BYTES_MAX, 0);

		queue_set_turn(queue, turns[i].run);
		push_many(queue, one, MANY, 1, QUEUE_RUN);
		push_many(queue, other, MANY, 2, QUEUE_RUN);
		for (unsigned n = 0; n < MANY; n++)
			ck_assert_uint_eq(take(queue), n / turns[i].runs % 2 ? 2 : 1);
	}
}
END_TEST

START_TEST(a_turn_that_has_begun_ends_when_runs_have_become_long)
{
	static struct request one[MANY], other[MANY];
	static struct fixture f;
	struct queue *queue = set_up_sized(&f, 4 * MANY, BYTES_MAX, 0);

	queue_set_turn(queue, 1);
	push_many(queue, one, MANY, 1, QUEUE_RUN);
	push_many(queue, other, MANY, 2, QUEUE_RUN);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_eq(take(queue), 1);
	queue_set_turn(queue, 1000);
	/* As this one leaves the queue, the rest of the turn becomes that of one run. */
	ck_assert_uint_eq(take(queue), 1);
	ck_assert_uint_eq(take(queue), 1);
	for (unsigned i = 0; i < MANY / 2; i++) {
		ck_assert_uint_eq(take(queue), 2);
		ck_assert_uint_eq(take(queue), 1);
	}
}
END_TEST

START_TEST(what_stands_before_a_request_is_at_least_a_turn)
{
	static struct request many[MANY];
	static struct fixture f;
	struct queue *queue = set_up_sized(&f, 4 * MANY, BYTES_MAX, 0);
	struct request next = request_by(2, QUEUE_RUN);

	push_many(queue, many, MANY, 1, QUEUE_RUN);
	queue_set_turn(queue, 60);
	ck_assert_uint_eq(queue_weight_before(queue, &next, QUEUE_RUN), 4 * QUEUE_RUN);
	ck_assert_uint_eq(queue_weight_before(queue, &next, 6 * QUEUE_RUN), 6 * QUEUE_RUN);
}
END_TEST

START_TEST(a_client_that_was_away_has_saved_up_nothing)
{
	static struct request many[MANY], own[MANY];
	static struct fixture f;
	struct queue *queue = set_up_sized(&f, 4 * MANY, BYTES_MAX, 0);

	push_many(queue, many, MANY, 1, QUEUE_RUN);
	for (unsigned i = 0; i < 10; i++)
		ck_assert_uint_eq(take(queue), 1);
	push_many(queue, own, 3, 2, QUEUE_RUN);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(take(queue), 1);
		ck_assert_uint_eq(take(queue), 2);
	}
}
END_TEST

START_TEST(the_victim_is_of_the_client_with_the_most)
{
	static struct request few[2], many[3], last;
	static struct fixture f;
	struct queue *queue = set_up_sized(&f, 4 * MANY, BYTES_MAX, 0);

	push_many(queue, few, 2, 1, QUEUE_RUN);
	push_many(queue, many, 3, 2, QUEUE_RUN);
	last = request_by(3, QUEUE_RUN);
	queue_push(queue, &last);
	ck_assert_ptr_eq(queue_victim(queue, PRIORITY_CRITICAL), &many[2]);
	queue_remove(queue, &many[2]);
	queue_remove(queue, &many[1]);
	ck_assert_ptr_eq(queue_victim(queue, PRIORITY_CRITICAL), &few[1]);
}
END_TEST

START_TEST(a_user_has_a_limit_of_its_own)
{
	static struct request many[USER_MAX];
	static struct fixture f;
	struct queue *queue = set_up_sized(&f, 4 * MANY, BYTES_MAX, USER_MAX);
	struct list parked;

	list_init(&parked);
	for (unsigned i = 0; i < USER_MAX; i++) {
		ck_assert(queue_user_has_room(queue, 7));
		many[i] = request_by(i, QUEUE_RUN);
		many[i].user = 7;
		queue_push(queue, &many[i]);
	}
	ck_assert(!queue_user_has_room(queue, 7));
	ck_assert(queue_user_has_room(queue, 8));
	queue_park(queue, &many[0], &parked);
	ck_assert(!queue_user_has_room(queue, 7));
	queue_remove(queue, &many[0]);
	ck_assert(queue_user_has_room(queue, 7));
}
END_TEST

START_TEST(what_stands_before_a_request_is_its_share)
{
	static struct request many[MANY], own[4], others[2], next;
	static struct fixture f;
	struct queue *queue = set_up_sized(&f, 4 * MANY, BYTES_MAX, 0);

	next = request_by(2, QUEUE_RUN);
	ck_assert(queue_weight_before(queue, &next, QUEUE_RUN) == UINT64_MAX);
	push_many(queue, many, MANY, 1, QUEUE_RUN);
	ck_assert_uint_eq(queue_weight_before(queue, &next, QUEUE_RUN), QUEUE_RUN);
	push_many(queue, own, 4, 2, QUEUE_RUN);
	ck_assert_uint_eq(queue_weight_before(queue, &next, QUEUE_RUN), 9 * QUEUE_RUN);
	for (unsigned i = 0; i < 2; i++) {
		others[i] = request_by(5 + i, QUEUE_RUN);
		queue_push(queue, &others[i]);
	}
	ck_assert_uint_eq(queue_weight_before(queue, &next, QUEUE_RUN), 19 * QUEUE_RUN);
	queue_remove(queue, &others[0]);
	queue_remove(queue, &others[1]);
	/* And so it comes. */
	queue_push(queue, &next);
	for (unsigned i = 0; i < 9; i++)
		take(queue);
	ck_assert_ptr_eq(queue_peek(queue), &next);
}
END_TEST

/*
 * The naive model: arrays of requests in the order of service, one for each client of each class
 * and one for those that were called, with the clients in the order of their turns; and one array of
 * the parked ones.
 */
struct model_lane {
	uint32_t client;
	int64_t balance;
	struct request *order[REQUESTS];
	unsigned len;
};

struct model_class {
	struct model_lane lanes[CLIENTS];
	unsigned lane_count;
	struct request *called[REQUESTS];
	unsigned called_len;
};

struct model {
	struct model_class classes[PRIORITY_COUNT_];
	struct request *parked[REQUESTS];
	unsigned list[REQUESTS]; /* the worker that the parked one waits for */
	unsigned parked_len;
	unsigned len;	/* of all but the parked ones */
	uint64_t bytes; /* of all */
	unsigned of_user[USERS];
	uint32_t turn;
};

struct world {
	struct fixture f;
	struct list lists[LISTS];
	struct request requests[REQUESTS];
	usec_t clock;
	struct model model;
};

enum op_kind {
	OP_PUSH = 0,
	OP_PUSH_FRONT,
	OP_PUT_BACK,
	OP_TAKE,
	OP_REMOVE,
	OP_SHED,
	OP_PARK,
	OP_UNPARK,
	OP_TURN,
	OP_COUNT_
};

static enum op_kind kind_of(uint64_t op)
{
	static const enum op_kind kinds[] = {OP_PUSH, OP_PUSH,	 OP_PUSH,   OP_PUSH,
					     OP_PUSH, OP_TAKE,	 OP_TAKE,   OP_PUSH_FRONT,
					     OP_TAKE, OP_SHED,	 OP_REMOVE, OP_PUT_BACK,
					     OP_PARK, OP_UNPARK, OP_TURN};

	return kinds[op % ARRAY_SIZE(kinds)];
}

static unsigned slot_of(uint64_t op)
{
	return (unsigned)(op >> 8 & 0xff) % REQUESTS;
}

static struct request new_request(uint64_t op)
{
	static const uint32_t weights[] = {1, QUEUE_RUN / 3, QUEUE_RUN, QUEUE_RUN, 5 * QUEUE_RUN};
	struct request request =
		request_of((enum priority)((op >> 16 & 0xff) % PRIORITY_COUNT_), op >> 24 & 0x3f);

	request.client = (uint32_t)(op >> 40 & 0xff) % CLIENTS;
	request.user = request.client % USERS;
	request.weight = weights[(op >> 48 & 0xff) % ARRAY_SIZE(weights)];
	return request;
}

static void describe(uint64_t op, char *text, size_t size)
{
	static const char *const names[OP_COUNT_] = {"push", "push front", "put back",
						     "take", "remove",	   "shed for",
						     "park", "unpark",	   "turn"};
	struct request request = new_request(op);

	snprintf(text, size, "%s %u (%s, %u bytes, client %u, weight %u)", names[kind_of(op)],
		 slot_of(op), priority_name(request.priority), (unsigned)request.bytes,
		 (unsigned)request.client, (unsigned)request.weight);
}

static unsigned list_of(uint64_t op)
{
	return (unsigned)(op >> 32) % LISTS;
}

/* --- arrays --- */

/* Where the request stands in an array of them; `len`: nowhere. */
static unsigned find_in(struct request *const *order, unsigned len, const struct request *request)
{
	unsigned i = 0;

	while (i < len && order[i] != request)
		i++;
	return i;
}

static void insert_in(struct request **order, unsigned *len, unsigned at, struct request *request)
{
	for (unsigned i = (*len)++; i > at; i--)
		order[i] = order[i - 1];
	order[at] = request;
}

static void remove_from(struct request **order, unsigned *len, unsigned at)
{
	(*len)--;
	for (unsigned i = at; i < *len; i++)
		order[i] = order[i + 1];
}

/* --- the model's lanes --- */

static unsigned model_lane_at(const struct model_class *class, uint32_t client)
{
	unsigned i = 0;

	while (i < class->lane_count && class->lanes[i].client != client)
		i++;
	return i;
}

static struct model_lane *model_lane(struct model *model, const struct request *request)
{
	struct model_class *class = &model->classes[request->rank];
	uint32_t client = request->client;
	unsigned at = model_lane_at(class, client);

	if (at == class->lane_count)
		class->lanes[class->lane_count++] =
			(struct model_lane){.client = client, .balance = model->turn};
	return &class->lanes[at];
}

static void model_drop_lane(struct model_class *class, unsigned at)
{
	class->lane_count--;
	for (unsigned i = at; i < class->lane_count; i++)
		class->lanes[i] = class->lanes[i + 1];
}

/* Who owes passes the turn on. */
static void model_settle(struct model_class *class, uint32_t turn)
{
	if (class->lane_count == 1 && class->lanes[0].balance <= 0)
		class->lanes[0].balance = turn;
	while (class->lane_count > 0 && class->lanes[0].balance <= 0) {
		struct model_lane lane = class->lanes[0];

		lane.balance += turn;
		model_drop_lane(class, 0);
		class->lanes[class->lane_count++] = lane;
	}
	if (class->lane_count > 0 && class->lanes[0].balance > turn)
		class->lanes[0].balance = turn;
}

static struct request *model_next(const struct model *model)
{
	for (unsigned i = 0; i < PRIORITY_COUNT_; i++) {
		if (model->classes[i].called_len > 0)
			return model->classes[i].called[0];
		if (model->classes[i].lane_count > 0)
			return model->classes[i].lanes[0].order[0];
	}
	return NULL;
}

static bool model_holds(struct model *model, const struct request *request)
{
	struct model_class *class = &model->classes[request->rank];
	unsigned at = model_lane_at(class, request->client);

	return find_in(class->called, class->called_len, request) < class->called_len ||
	       (at < class->lane_count && find_in(class->lanes[at].order, class->lanes[at].len,
						  request) < class->lanes[at].len);
}

/* Takes out a request that is queued, and if it is its turn, lets its client pay. */
static void model_remove(struct model *model, const struct request *request, bool is_turn)
{
	struct model_class *class = &model->classes[request->rank];
	unsigned at = find_in(class->called, class->called_len, request);
	struct model_lane *lane;

	model->len--;
	if (at < class->called_len) {
		remove_from(class->called, &class->called_len, at);
		return;
	}
	lane = model_lane(model, request);
	if (is_turn)
		lane->balance -= request->weight;
	remove_from(lane->order, &lane->len, find_in(lane->order, lane->len, request));
	if (lane->len == 0)
		model_drop_lane(class, model_lane_at(class, request->client));
	model_settle(class, model->turn);
}

static void model_forget(struct model *model, const struct request *request)
{
	model->bytes -= request->bytes;
	model->of_user[request->user]--;
}

static struct request *model_victim(const struct model *model, enum priority priority)
{
	for (unsigned i = PRIORITY_COUNT_ - 1; i > priority; i--) {
		const struct model_class *class = &model->classes[i];
		const struct model_lane *most = &class->lanes[0];

		for (unsigned n = 1; n < class->lane_count; n++)
			if (class->lanes[n].len > most->len)
				most = &class->lanes[n];
		if (class->lane_count > 0)
			return most->order[most->len - 1];
		if (class->called_len > 0)
			return class->called[class->called_len - 1];
	}
	return NULL;
}

/* --- operations --- */

static bool model_has_room(const struct model *model, uint64_t bytes)
{
	return model->len + model->parked_len + 1 <= LEN_MAX && model->bytes + bytes <= BYTES_MAX;
}

/* Where a request goes that is put back. */
static unsigned place_in(const struct model_lane *lane, const struct request *request)
{
	unsigned at = 0;

	while (at < lane->len && lane->order[at]->submitted <= request->submitted)
		at++;
	return at;
}

static const char *push(struct world *world, struct request *request, uint64_t op)
{
	struct queue *queue = &world->f.queue;
	struct model *model = &world->model;
	struct model_lane *lane;
	bool room;

	*request = new_request(op);
	request->submitted = ++world->clock;
	room = queue_has_room(queue, request->bytes);
	if (room != model_has_room(model, request->bytes))
		return "there is room when there should be none, or none when there should be";
	if (queue_user_has_room(queue, request->user) != (model->of_user[request->user] < USER_MAX))
		return "a user has room when it should have none, or none when it should";
	if (kind_of(op) == OP_PUSH && !room)
		return NULL;
	lane = model_lane(model, request);
	if (kind_of(op) == OP_PUSH) {
		queue_push(queue, request);
		insert_in(lane->order, &lane->len, lane->len, request);
	} else if (kind_of(op) == OP_PUSH_FRONT) {
		queue_push_front(queue, request);
		insert_in(lane->order, &lane->len, 0, request);
	} else {
		request->submitted = world->clock / 2;
		queue_put_back(queue, request);
		insert_in(lane->order, &lane->len, place_in(lane, request), request);
	}
	model->len++;
	model->bytes += request->bytes;
	model->of_user[request->user]++;
	return NULL;
}

static const char *shed(struct world *world, enum priority priority)
{
	struct request *victim = queue_victim(&world->f.queue, priority);

	if (victim != model_victim(&world->model, priority))
		return "the victim is not the youngest of the client with the most of the lowest "
		       "priority";
	if (victim) {
		queue_remove(&world->f.queue, victim);
		model_remove(&world->model, victim, false);
		model_forget(&world->model, victim);
	}
	return NULL;
}

static void park(struct world *world, struct request *request, unsigned list)
{
	struct model *model = &world->model;

	queue_park(&world->f.queue, request, &world->lists[list]);
	model_remove(model, request, true);
	model->parked[model->parked_len] = request;
	model->list[model->parked_len++] = list;
}

/* Takes out a parked one. */
static void model_unpark(struct model *model, unsigned at)
{
	for (unsigned i = at; i + 1 < model->parked_len; i++)
		model->list[i] = model->list[i + 1];
	remove_from(model->parked, &model->parked_len, at);
}

static void unpark(struct world *world, unsigned at)
{
	struct model *model = &world->model;
	struct request *request = model->parked[at];
	struct model_class *class = &model->classes[request->rank];

	queue_unpark(&world->f.queue, request);
	model_unpark(model, at);
	insert_in(class->called, &class->called_len, 0, request);
	model->len++;
}

static void drop(struct world *world, struct request *request, unsigned parked_at)
{
	struct model *model = &world->model;

	queue_remove(&world->f.queue, request);
	if (parked_at < model->parked_len)
		model_unpark(model, parked_at);
	else
		model_remove(model, request, false);
	model_forget(model, request);
}

static void take_next(struct world *world)
{
	struct request *next = queue_peek(&world->f.queue);

	queue_take(&world->f.queue, next);
	model_remove(&world->model, next, true);
	model_forget(&world->model, next);
}

static void set_turn(struct world *world, uint64_t op)
{
	unsigned i = (unsigned)(op >> 16 & 0xff) % ARRAY_SIZE(turns);

	queue_set_turn(&world->f.queue, turns[i].run);
	world->model.turn = turns[i].runs * QUEUE_RUN;
}

static const char *apply(struct world *world, uint64_t op)
{
	struct request *request = &world->requests[slot_of(op)];
	struct model *model = &world->model;
	unsigned parked_at = find_in(model->parked, model->parked_len, request);
	bool parked = parked_at < model->parked_len, queued = model_holds(model, request);

	switch (kind_of(op)) {
	case OP_PUSH:
	case OP_PUSH_FRONT:
	case OP_PUT_BACK:
		return queued || parked ? NULL : push(world, request, op);
	case OP_REMOVE:
		if (queued || parked)
			drop(world, request, parked_at);
		return NULL;
	case OP_SHED:
		return shed(world, new_request(op).priority);
	case OP_PARK:
		if (queued)
			park(world, request, list_of(op));
		return NULL;
	case OP_UNPARK:
		if (parked)
			unpark(world, parked_at);
		return NULL;
	case OP_TURN:
		set_turn(world, op);
		return NULL;
	case OP_TAKE:
	case OP_COUNT_:
		if (model->len > 0)
			take_next(world);
		return NULL;
	}
	return NULL;
}

/* Each list holds its own, in the order they were parked. */
static bool lists_agree(const struct world *world)
{
	const struct model *model = &world->model;

	for (unsigned list = 0; list < LISTS; list++) {
		const struct list_node *node = list_first(&world->lists[list]);
		unsigned len = 0;

		for (unsigned i = 0; i < model->parked_len; i++) {
			if (model->list[i] != list)
				continue;
			if (node != &model->parked[i]->in_queue)
				return false;
			len++;
			node = node->next;
		}
		if (world->lists[list].len != len)
			return false;
	}
	return true;
}

static const char *agrees_with_model(const uint64_t *ops, size_t len)
{
	struct world world = {.model = {.turn = QUEUE_RUN}};
	const struct model *model = &world.model;
	const struct queue *queue = set_up_sized(&world.f, LEN_MAX, BYTES_MAX, USER_MAX);

	for (unsigned i = 0; i < LISTS; i++)
		list_init(&world.lists[i]);
	for (size_t i = 0; i < len; i++) {
		const char *wrong = apply(&world, ops[i]);

		if (wrong)
			return wrong;
		if (queue_peek(queue) != model_next(model))
			return "the next is another one than in the model";
		if (queue->len != model->len + model->parked_len ||
		    queue->parked != model->parked_len || queue->bytes != model->bytes)
			return "the length or the bytes are wrong";
		wrong = queue_check(queue);
		if (wrong)
			return wrong;
		if (!lists_agree(&world))
			return "a worker's list is not the model's";
	}
	return NULL;
}

START_TEST(random_sequences_agree_with_the_model)
{
	static const struct shrink_property property = {"queue", agrees_with_model, describe, NULL};

	shrink_check(&property, 2000, 200);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		empty_queue_has_nothing,
		first_in_is_first_out,
		priorities_are_strict,
		the_victim_is_the_youngest_of_the_lowest,
		a_retry_is_shed_before_the_youngest,
		room_is_counted_in_requests_and_bytes,
		what_comes_back_is_never_refused,
		who_waits_for_one_worker_holds_up_nobody,
		who_is_parked_counts_and_can_leave,
		one_request_waits_for_one_of_each_other_client,
		the_time_is_shared_equally,
		a_turn_is_worth_several_short_runs,
		a_turn_that_has_begun_ends_when_runs_have_become_long,
		what_stands_before_a_request_is_at_least_a_turn,
		who_comes_again_and_again_leaves_the_others_their_turn,
		a_client_that_was_away_has_saved_up_nothing,
		the_victim_is_of_the_client_with_the_most,
		a_user_has_a_limit_of_its_own,
		what_stands_before_a_request_is_its_share,
		random_sequences_agree_with_the_model,
	};

	return unit_main("queue", tests, ARRAY_SIZE(tests));
}
