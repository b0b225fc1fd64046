#include "daemon/core/queue.h"

#include <stdio.h>

#include "tests/lib/shrink.h"
#include "tests/lib/unit.h"

#define LEN_MAX	  6
#define BYTES_MAX 100
#define REQUESTS  12
#define LISTS	  2 /* of workers that requests wait for */

static struct request request_of(enum priority priority, uint64_t bytes)
{
	return (struct request){.priority = priority, .rank = priority, .bytes = bytes};
}

START_TEST(empty_queue_has_nothing)
{
	struct queue queue;

	queue_init(&queue, LEN_MAX, BYTES_MAX);
	ck_assert_ptr_null(queue_peek(&queue));
	ck_assert_ptr_null(queue_victim(&queue, PRIORITY_CRITICAL));
	ck_assert(queue_has_room(&queue, BYTES_MAX));
	ck_assert(!queue_has_room(&queue, BYTES_MAX + 1));
	ck_assert(!queue_has_room(&queue, UINT64_MAX));
}
END_TEST

START_TEST(first_in_is_first_out)
{
	struct request a = request_of(PRIORITY_NORMAL, 1), b = a, c = a;
	struct queue queue;

	queue_init(&queue, LEN_MAX, BYTES_MAX);
	queue_push(&queue, &a);
	queue_push(&queue, &b);
	queue_push_front(&queue, &c);
	ck_assert_ptr_eq(queue_peek(&queue), &c);
	queue_remove(&queue, &c);
	ck_assert_ptr_eq(queue_peek(&queue), &a);
	queue_remove(&queue, &a);
	ck_assert_ptr_eq(queue_peek(&queue), &b);
	queue_remove(&queue, &b);
	ck_assert_ptr_null(queue_peek(&queue));
	ck_assert_uint_eq(queue.bytes, 0);
}
END_TEST

START_TEST(priorities_are_strict)
{
	struct request sheddable = request_of(PRIORITY_SHEDDABLE, 1);
	struct request normal = request_of(PRIORITY_NORMAL, 1);
	struct request critical = request_of(PRIORITY_CRITICAL, 1);
	struct queue queue;

	queue_init(&queue, LEN_MAX, BYTES_MAX);
	queue_push_front(&queue, &sheddable);
	queue_push(&queue, &normal);
	queue_push(&queue, &critical);
	ck_assert_ptr_eq(queue_peek(&queue), &critical);
	queue_remove(&queue, &critical);
	ck_assert_ptr_eq(queue_peek(&queue), &normal);
	queue_remove(&queue, &normal);
	ck_assert_ptr_eq(queue_peek(&queue), &sheddable);
}
END_TEST

START_TEST(the_victim_is_the_youngest_of_the_lowest)
{
	struct request old = request_of(PRIORITY_SHEDDABLE, 1), young = old;
	struct request normal = request_of(PRIORITY_NORMAL, 1);
	struct queue queue;

	queue_init(&queue, LEN_MAX, BYTES_MAX);
	queue_push(&queue, &old);
	queue_push(&queue, &young);
	queue_push(&queue, &normal);
	ck_assert_ptr_eq(queue_victim(&queue, PRIORITY_CRITICAL), &young);
	ck_assert_ptr_eq(queue_victim(&queue, PRIORITY_NORMAL), &young);
	ck_assert_ptr_null(queue_victim(&queue, PRIORITY_SHEDDABLE));
	queue_remove(&queue, &young);
	queue_remove(&queue, &old);
	ck_assert_ptr_eq(queue_victim(&queue, PRIORITY_CRITICAL), &normal);
	ck_assert_ptr_null(queue_victim(&queue, PRIORITY_NORMAL));
}
END_TEST

/* Retries stand at the head of their class, and go first under overload. */
START_TEST(a_retry_is_shed_before_the_youngest)
{
	struct request retry = request_of(PRIORITY_SHEDDABLE, 1), young = retry;
	struct queue queue;

	queue_init(&queue, LEN_MAX, BYTES_MAX);
	retry.run.retries = 1;
	queue_push(&queue, &young);
	queue_push_front(&queue, &retry);
	ck_assert_ptr_eq(queue_victim(&queue, PRIORITY_NORMAL), &retry);
	queue_remove(&queue, &retry);
	ck_assert_ptr_eq(queue_victim(&queue, PRIORITY_NORMAL), &young);
}
END_TEST

START_TEST(room_is_counted_in_requests_and_bytes)
{
	struct request big = request_of(PRIORITY_NORMAL, BYTES_MAX - 1);
	struct request small[LEN_MAX];
	struct queue queue;

	queue_init(&queue, LEN_MAX, BYTES_MAX);
	queue_push(&queue, &big);
	ck_assert(queue_has_room(&queue, 1));
	ck_assert(!queue_has_room(&queue, 2));
	queue_remove(&queue, &big);
	for (unsigned i = 0; i < LEN_MAX; i++) {
		small[i] = request_of(PRIORITY_NORMAL, 0);
		ck_assert(queue_has_room(&queue, 0));
		queue_push(&queue, &small[i]);
	}
	ck_assert(!queue_has_room(&queue, 0));
}
END_TEST

START_TEST(what_comes_back_is_never_refused)
{
	struct request requests[LEN_MAX + 2];
	struct queue queue;

	queue_init(&queue, LEN_MAX, BYTES_MAX);
	for (unsigned i = 0; i < LEN_MAX + 2; i++) {
		requests[i] = request_of(PRIORITY_NORMAL, BYTES_MAX);
		queue_push_front(&queue, &requests[i]);
	}
	ck_assert_uint_eq(queue.len, LEN_MAX + 2);
	ck_assert(!queue_has_room(&queue, 0));
	ck_assert_ptr_eq(queue_peek(&queue), &requests[LEN_MAX + 1]);
}
END_TEST

START_TEST(who_waits_for_one_worker_holds_up_nobody)
{
	struct request a = request_of(PRIORITY_NORMAL, 5), b = a, c = a;
	struct list parked;
	struct queue queue;

	list_init(&parked);
	queue_init(&queue, LEN_MAX, BYTES_MAX);
	queue_push(&queue, &a);
	queue_push(&queue, &b);
	queue_push(&queue, &c);
	queue_park(&queue, &a, &parked);
	queue_park(&queue, &b, &parked);
	ck_assert_ptr_eq(queue_peek(&queue), &c);
	ck_assert_ptr_eq(list_first(&parked), &a.in_queue);
	ck_assert_uint_eq(queue.parked, 2);
	ck_assert_uint_eq(queue.len, 3);
	ck_assert_uint_eq(queue.bytes, 15);
	queue_remove(&queue, &c);
	ck_assert_ptr_null(queue_peek(&queue));
	queue_unpark(&queue, &b);
	queue_unpark(&queue, &a);
	ck_assert_ptr_eq(queue_peek(&queue), &a);
	ck_assert_uint_eq(queue.parked, 0);
	ck_assert(list_empty(&parked));
}
END_TEST

START_TEST(who_is_parked_counts_and_can_leave)
{
	struct request small[LEN_MAX];
	struct list parked;
	struct queue queue;

	list_init(&parked);
	queue_init(&queue, LEN_MAX, BYTES_MAX);
	for (unsigned i = 0; i < LEN_MAX; i++) {
		small[i] = request_of(PRIORITY_SHEDDABLE, 1);
		queue_push(&queue, &small[i]);
		queue_park(&queue, &small[i], &parked);
	}
	ck_assert(!queue_has_room(&queue, 1));
	queue_remove(&queue, &small[2]);
	ck_assert_uint_eq(queue.parked, LEN_MAX - 1);
	ck_assert_uint_eq(queue.len, LEN_MAX - 1);
	ck_assert_uint_eq(parked.len, LEN_MAX - 1);
	ck_assert(queue_has_room(&queue, 1));
	ck_assert_ptr_null(small[2].line);
}
END_TEST

/* The naive model: one array in the order of service, and one in the order of parking. */
struct model {
	struct request *order[REQUESTS];
	unsigned len;
	struct request *parked[REQUESTS];
	unsigned list[REQUESTS]; /* the worker that the parked one waits for */
	unsigned parked_len;
	uint64_t bytes; /* of both */
};

struct world {
	struct queue queue;
	struct list lists[LISTS];
	struct request requests[REQUESTS];
	struct model model;
};

enum op_kind {
	OP_PUSH = 0,
	OP_PUSH_FRONT,
	OP_TAKE,
	OP_REMOVE,
	OP_SHED,
	OP_PARK,
	OP_UNPARK,
	OP_COUNT_
};

static enum op_kind kind_of(uint64_t op)
{
	static const enum op_kind kinds[] = {OP_PUSH, OP_PUSH,	 OP_PUSH, OP_PUSH_FRONT, OP_TAKE,
					     OP_TAKE, OP_REMOVE, OP_SHED, OP_PARK,	 OP_UNPARK};

	return kinds[op % ARRAY_SIZE(kinds)];
}

static unsigned slot_of(uint64_t op)
{
	return (unsigned)(op >> 8 & 0xff) % REQUESTS;
}

static struct request new_request(uint64_t op)
{
	return request_of((enum priority)((op >> 16 & 0xff) % PRIORITY_COUNT_), op >> 24 & 0x3f);
}

static void describe(uint64_t op, char *text, size_t size)
{
	static const char *const names[OP_COUNT_] = {"push",	 "push front", "take",	"remove",
						     "shed for", "park",       "unpark"};
	struct request request = new_request(op);

	snprintf(text, size, "%s %u (%s, %u bytes)", names[kind_of(op)], slot_of(op),
		 priority_name(request.priority), (unsigned)request.bytes);
}

static unsigned list_of(uint64_t op)
{
	return (unsigned)(op >> 32) % LISTS;
}

/* Where the request stands in an array of them; `len`: nowhere. */
static unsigned model_find(struct request *const *order, unsigned len,
			   const struct request *request)
{
	unsigned i = 0;

	while (i < len && order[i] != request)
		i++;
	return i;
}

static void model_insert(struct model *model, unsigned at, struct request *request)
{
	for (unsigned i = model->len++; i > at; i--)
		model->order[i] = model->order[i - 1];
	model->order[at] = request;
	model->bytes += request->bytes;
}

static void model_remove(struct model *model, unsigned at)
{
	model->bytes -= model->order[at]->bytes;
	model->len--;
	for (unsigned i = at; i < model->len; i++)
		model->order[i] = model->order[i + 1];
}

static void model_remove_parked(struct model *model, unsigned at)
{
	model->bytes -= model->parked[at]->bytes;
	model->parked_len--;
	for (unsigned i = at; i < model->parked_len; i++) {
		model->parked[i] = model->parked[i + 1];
		model->list[i] = model->list[i + 1];
	}
}

/* Where the class of this priority begins, or, with `behind`, ends. */
static unsigned model_class(const struct model *model, enum priority priority, bool behind)
{
	unsigned i = 0;

	while (i < model->len && (model->order[i]->priority < priority ||
				  (behind && model->order[i]->priority == priority)))
		i++;
	return i;
}

static bool model_has_room(const struct model *model, uint64_t bytes)
{
	return model->len + model->parked_len + 1 <= LEN_MAX && model->bytes + bytes <= BYTES_MAX;
}

static const char *push(struct world *world, struct request *request, uint64_t op)
{
	struct model *model = &world->model;
	bool room;

	*request = new_request(op);
	room = queue_has_room(&world->queue, request->bytes);
	if (room != model_has_room(model, request->bytes))
		return "there is room when there should be none, or none when there should be";
	if (kind_of(op) == OP_PUSH && !room)
		return NULL;
	if (kind_of(op) == OP_PUSH)
		queue_push(&world->queue, request);
	else
		queue_push_front(&world->queue, request);
	model_insert(model, model_class(model, request->priority, kind_of(op) == OP_PUSH), request);
	return NULL;
}

static const char *shed(struct world *world, enum priority priority)
{
	struct model *model = &world->model;
	struct request *victim = queue_victim(&world->queue, priority);
	struct request *expected = NULL;

	if (model->len > 0 && model->order[model->len - 1]->priority > priority)
		expected = model->order[model->len - 1];
	if (victim != expected)
		return "the victim is not the youngest of the lowest priority";
	if (victim) {
		queue_remove(&world->queue, victim);
		model_remove(model, model->len - 1);
	}
	return NULL;
}

static void park(struct world *world, unsigned at, unsigned list)
{
	struct model *model = &world->model;
	struct request *request = model->order[at];

	queue_park(&world->queue, request, &world->lists[list]);
	model_remove(model, at);
	model->parked[model->parked_len] = request;
	model->list[model->parked_len++] = list;
	model->bytes += request->bytes;
}

static void unpark(struct world *world, unsigned at)
{
	struct model *model = &world->model;
	struct request *request = model->parked[at];

	queue_unpark(&world->queue, request);
	model_remove_parked(model, at);
	model_insert(model, model_class(model, request->priority, false), request);
}

static const char *apply(struct world *world, uint64_t op)
{
	struct request *request = &world->requests[slot_of(op)];
	struct model *model = &world->model;
	unsigned at = model_find(model->order, model->len, request);
	unsigned parked_at = model_find(model->parked, model->parked_len, request);
	bool queued = at < model->len, parked = parked_at < model->parked_len;

	switch (kind_of(op)) {
	case OP_PUSH:
	case OP_PUSH_FRONT:
		return queued || parked || model->len + model->parked_len == REQUESTS
			       ? NULL
			       : push(world, request, op);
	case OP_REMOVE:
		if (queued || parked)
			queue_remove(&world->queue, request);
		if (queued)
			model_remove(model, at);
		if (parked)
			model_remove_parked(model, parked_at);
		return NULL;
	case OP_SHED:
		return shed(world, new_request(op).priority);
	case OP_PARK:
		if (queued)
			park(world, at, list_of(op));
		return NULL;
	case OP_UNPARK:
		if (parked)
			unpark(world, parked_at);
		return NULL;
	case OP_TAKE:
	case OP_COUNT_:
		if (model->len > 0) {
			queue_remove(&world->queue, queue_peek(&world->queue));
			model_remove(model, 0);
		}
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
	struct world world = {.model = {.len = 0}};
	const struct model *model = &world.model;

	queue_init(&world.queue, LEN_MAX, BYTES_MAX);
	for (unsigned i = 0; i < LISTS; i++)
		list_init(&world.lists[i]);
	for (size_t i = 0; i < len; i++) {
		const char *wrong = apply(&world, ops[i]);

		if (wrong)
			return wrong;
		if (queue_peek(&world.queue) != (model->len > 0 ? model->order[0] : NULL))
			return "the next is another one than in the model";
		if (world.queue.len != model->len + model->parked_len ||
		    world.queue.parked != model->parked_len || world.queue.bytes != model->bytes)
			return "the length or the bytes are wrong";
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
		random_sequences_agree_with_the_model,
	};

	return unit_main("queue", tests, ARRAY_SIZE(tests));
}
