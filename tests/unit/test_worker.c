#include "daemon/core/worker.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/shrink.h"
#include "tests/lib/unit.h"

/* Written out here once more, so that a slip in the table shows. */
static const bool allowed[WORKER_STATE_COUNT_][WORKER_STATE_COUNT_] = {
	[WORKER_TERMINATED] = {[WORKER_INITIALIZING] = true},
	[WORKER_INITIALIZING] =
		{[WORKER_READY] = true, [WORKER_TERMINATING] = true, [WORKER_TERMINATED] = true},
	[WORKER_READY] = {[WORKER_BUSY] = true,
			  [WORKER_DEGRADED] = true,
			  [WORKER_TERMINATING] = true,
			  [WORKER_TERMINATED] = true},
	[WORKER_BUSY] = {[WORKER_READY] = true,
			 [WORKER_DRAINING] = true,
			 [WORKER_TERMINATING] = true,
			 [WORKER_TERMINATED] = true},
	[WORKER_DEGRADED] =
		{[WORKER_READY] = true, [WORKER_TERMINATING] = true, [WORKER_TERMINATED] = true},
	[WORKER_DRAINING] = {[WORKER_TERMINATING] = true, [WORKER_TERMINATED] = true},
	[WORKER_TERMINATING] = {[WORKER_TERMINATED] = true},
};

START_TEST(every_pair_of_states)
{
	for (unsigned from = 0; from < WORKER_STATE_COUNT_; from++)
		for (unsigned to = 0; to < WORKER_STATE_COUNT_; to++)
			ck_assert_msg(worker_may_move((enum worker_state)from,
						      (enum worker_state)to) == allowed[from][to],
				      "from %s to %s", worker_state_name((enum worker_state)from),
				      worker_state_name((enum worker_state)to));
}
END_TEST

START_TEST(every_value_has_a_name)
{
	for (unsigned i = 0; i < WORKER_STATE_COUNT_; i++)
		ck_assert_uint_gt(strlen(worker_state_name((enum worker_state)i)), 0);
	for (unsigned i = 0; i < CAUSE_COUNT_; i++) {
		ck_assert_uint_gt(strlen(worker_cause_name((enum worker_cause)i)), 0);
		ck_assert_uint_gt(strlen(worker_cause_text((enum worker_cause)i)), 0);
	}
	for (unsigned i = 0; i < HEALTH_COUNT_; i++)
		ck_assert_uint_gt(strlen(worker_health_name((enum worker_health)i)), 0);
	ck_assert_str_eq(worker_state_name(WORKER_TERMINATING), "terminating");
	ck_assert_str_eq(worker_cause_name(CAUSE_OVERRUN), "overrun");
	ck_assert_str_eq(worker_health_name(HEALTH_HEALTHY), "healthy");
}
END_TEST

#define REQUESTS WORKER_ATTEMPTS_MAX

struct fixture {
	struct worker worker;
	struct attempt attempts[WORKER_ATTEMPTS_MAX];
	struct request requests[REQUESTS];
};

static void set_up(struct fixture *f, unsigned concurrency, bool batches)
{
	memset(f, 0, sizeof(*f));
	worker_init(&f->worker, 7, 0, f->attempts);
	worker_reset_life(&f->worker, 1);
	f->worker.concurrency = concurrency;
	f->worker.batches = batches;
}

START_TEST(a_new_slot_is_empty)
{
	struct fixture f;

	memset(&f, 0xff, sizeof(f));
	worker_init(&f.worker, 7, 3, f.attempts);
	ck_assert_int_eq(f.worker.state, WORKER_TERMINATED);
	ck_assert_uint_eq(f.worker.index, 7);
	ck_assert_uint_eq(f.worker.pool, 3);
	ck_assert_uint_eq(f.worker.life, 0);
	ck_assert(list_empty(&f.worker.attempts));
	ck_assert_uint_eq(f.worker.spare_attempts.len, WORKER_ATTEMPTS_MAX);
	ck_assert_uint_eq(f.worker.timer.index, HEAP_NONE);
}
END_TEST

START_TEST(a_life_begins_afresh)
{
	struct fixture f;

	set_up(&f, 4, true);
	f.worker.health = HEALTH_UNHEALTHY;
	f.worker.cause = CAUSE_OVERRUN;
	f.worker.announces = f.worker.is_slow = f.worker.recalls = true;
	f.worker.work = 10;
	f.worker.pings_missed = 2;
	f.worker.served = f.worker.failed = 9;
	f.worker.ping_sent = 5;
	worker_reset_life(&f.worker, 1000);
	ck_assert_uint_eq(f.worker.life, 2);
	ck_assert_int_eq(f.worker.health, HEALTH_UNKNOWN);
	ck_assert_int_eq(f.worker.cause, CAUSE_NONE);
	ck_assert(!f.worker.announces && !f.worker.batches && !f.worker.is_slow);
	ck_assert(!f.worker.recalls);
	ck_assert_uint_eq(f.worker.work, 0);
	ck_assert_uint_eq(f.worker.concurrency, 1);
	ck_assert_uint_eq(f.worker.pings_missed, 0);
	ck_assert_uint_eq(f.worker.served + f.worker.failed, 0);
	ck_assert_uint_eq(f.worker.ping_sent, 0);
	ck_assert_uint_eq(f.worker.started, 1000);
}
END_TEST

START_TEST(the_head_of_the_line_has_begun)
{
	static const struct {
		unsigned concurrency;
		bool batches;
		unsigned begun;
	} cases[] = {{1, false, 1}, {2, false, 2}, {3, false, 3}, {1, true, 4}, {3, true, 4}};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct attempt *line[4];
		struct fixture f;

		set_up(&f, cases[i].concurrency, cases[i].batches);
		for (unsigned k = 0; k < ARRAY_SIZE(line); k++) {
			line[k] = worker_add_attempt(&f.worker, &f.requests[k], 10 + k);
			ck_assert_int_eq(worker_may_have_run(&f.worker, line[k]),
					 k < cases[i].begun);
			ck_assert_uint_eq(line[k]->begun, k < cases[i].begun ? 10 + k : 0);
			ck_assert_uint_eq(attempt_ran(line[k], 20),
					  k < cases[i].begun ? 10 - k : 0);
			ck_assert(!worker_sent_too_much(&f.worker, line[k]));
		}
		worker_drop_attempt(&f.worker, line[0], 50);
		for (unsigned k = 1; k < ARRAY_SIZE(line); k++)
			ck_assert_int_eq(worker_may_have_run(&f.worker, line[k]),
					 k < cases[i].begun + 1);
	}
}
END_TEST

START_TEST(one_that_announces_is_taken_at_its_word)
{
	struct attempt *first, *second;
	struct fixture f;

	set_up(&f, 1, false);
	f.worker.announces = true;
	first = worker_add_attempt(&f.worker, &f.requests[0], 10);
	second = worker_add_attempt(&f.worker, &f.requests[1], 10);
	ck_assert(!worker_may_have_run(&f.worker, first));
	second->has_begun = true;
	ck_assert(!worker_may_have_run(&f.worker, first));
	ck_assert(worker_may_have_run(&f.worker, second));
}
END_TEST

START_TEST(ids_are_never_used_twice_in_a_life)
{
	struct fixture f;
	uint32_t last = 0;

	set_up(&f, 1, false);
	for (unsigned i = 0; i < 3 * WORKER_ATTEMPTS_MAX; i++) {
		struct attempt *attempt = worker_add_attempt(&f.worker, &f.requests[0], 10);

		ck_assert_uint_gt(attempt->id, last);
		last = attempt->id;
		ck_assert_ptr_eq(worker_find_attempt(&f.worker, last), attempt);
		worker_drop_attempt(&f.worker, attempt, 20);
		ck_assert_ptr_null(worker_find_attempt(&f.worker, last));
	}
}
END_TEST

START_TEST(what_is_given_up_stays_in_line)
{
	struct attempt *first, *second;
	struct fixture f;

	set_up(&f, 1, false);
	first = worker_add_attempt(&f.worker, &f.requests[0], 10);
	second = worker_add_attempt(&f.worker, &f.requests[1], 10);
	worker_give_up_attempt(&f.worker, first, 20);
	ck_assert_ptr_null(first->request);
	ck_assert_uint_eq(f.worker.given_up, 1);
	ck_assert_uint_eq(first->given_up, 20);
	ck_assert(!worker_may_have_run(&f.worker, second));
	worker_drop_attempt(&f.worker, first, 30);
	ck_assert_uint_eq(f.worker.given_up, 0);
	ck_assert_uint_eq(second->begun, 30);
}
END_TEST

static void add_one(void *worker)
{
	struct request request = {0};

	worker_add_attempt(worker, &request, 10);
}

START_TEST(one_attempt_too_many_is_an_assertion)
{
	struct fixture f;

	set_up(&f, 1, false);
	for (unsigned i = 0; i < WORKER_ATTEMPTS_MAX; i++)
		worker_add_attempt(&f.worker, &f.requests[i], 10);
	ck_assert(unit_aborts(add_one, &f.worker, true));
}
END_TEST

/* The naive model: the line as an array of what was sent, with who has begun worked out anew each
 * time. */
struct model {
	struct {
		uint32_t id;
		unsigned request;
		bool begun;
		bool given_up;
	} line[WORKER_ATTEMPTS_MAX];
	unsigned len;
	unsigned reach;
};

enum op_kind {
	OP_ADD = 0,
	OP_DROP,
	OP_GIVE_UP,
	OP_COUNT_
};

static enum op_kind kind_of(uint64_t op)
{
	static const enum op_kind kinds[] = {OP_ADD, OP_ADD, OP_ADD, OP_DROP, OP_DROP, OP_GIVE_UP};

	return kinds[op % ARRAY_SIZE(kinds)];
}

/* Mostly near the head of the line, as answers are. */
static unsigned place_of(uint64_t op, unsigned len)
{
	return len == 0 ? 0 : (unsigned)(op >> 8 & (op >> 16) & 0xff) % len;
}

static void describe(uint64_t op, char *text, size_t size)
{
	static const char *const names[OP_COUNT_] = {"add", "drop", "give up"};

	snprintf(text, size, "%s (place %u)", names[kind_of(op)],
		 (unsigned)(op >> 8 & (op >> 16) & 0xff));
}

static void model_begin_head(struct model *model)
{
	for (unsigned i = 0; i < model->len && i < model->reach; i++)
		model->line[i].begun = true;
}

static void apply(struct fixture *f, struct model *model, uint64_t op, usec_t now)
{
	unsigned at = place_of(op, model->len);
	unsigned slot = (unsigned)(op >> 24 & 0xff) % REQUESTS;

	if (kind_of(op) == OP_ADD && model->len < WORKER_ATTEMPTS_MAX) {
		struct attempt *attempt = worker_add_attempt(&f->worker, &f->requests[slot], now);

		model->line[model->len].id = attempt->id;
		model->line[model->len].request = slot;
		model->line[model->len].begun = model->line[model->len].given_up = false;
		model->len++;
	} else if (kind_of(op) == OP_DROP && model->len > 0) {
		worker_drop_attempt(&f->worker, worker_find_attempt(&f->worker, model->line[at].id),
				    now);
		model->len--;
		memmove(&model->line[at], &model->line[at + 1],
			(model->len - at) * sizeof(model->line[0]));
	} else if (kind_of(op) == OP_GIVE_UP && model->len > 0 && !model->line[at].given_up) {
		worker_give_up_attempt(&f->worker,
				       worker_find_attempt(&f->worker, model->line[at].id), now);
		model->line[at].given_up = true;
	}
	model_begin_head(model);
}

static const char *compare(const struct fixture *f, const struct model *model)
{
	struct list_node *node;
	unsigned i = 0, given_up = 0;

	if (f->worker.attempts.len != model->len ||
	    f->worker.spare_attempts.len != WORKER_ATTEMPTS_MAX - model->len)
		return "the number of attempts in flight is wrong";
	list_for_each (node, &f->worker.attempts) {
		struct attempt *attempt = list_entry(node, struct attempt, in_worker);
		const struct request *request =
			model->line[i].given_up ? NULL : &f->requests[model->line[i].request];

		if (attempt->id != model->line[i].id || attempt->request != request)
			return "the line holds other attempts, or in another order";
		if (worker_may_have_run(&f->worker, attempt) != model->line[i].begun)
			return "what has begun is wrong";
		given_up += model->line[i].given_up;
		i++;
	}
	return f->worker.given_up == given_up ? NULL : "the number of those given up is wrong";
}

static const char *agrees_with_model(const uint64_t *ops, size_t len)
{
	struct model model = {.len = 0};
	struct fixture f;

	set_up(&f, (unsigned)len % 4 + 1, len % 5 == 0);
	model.reach = f.worker.batches ? WORKER_ATTEMPTS_MAX : f.worker.concurrency;
	for (size_t i = 0; i < len; i++) {
		const char *wrong;

		apply(&f, &model, ops[i], 10 + i);
		wrong = compare(&f, &model);
		if (wrong)
			return wrong;
	}
	return NULL;
}

START_TEST(random_sequences_agree_with_the_model)
{
	static const struct shrink_property property = {"worker", agrees_with_model, describe,
							NULL};

	shrink_check(&property, 1000, 300);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_pair_of_states,
		every_value_has_a_name,
		a_new_slot_is_empty,
		a_life_begins_afresh,
		the_head_of_the_line_has_begun,
		one_that_announces_is_taken_at_its_word,
		ids_are_never_used_twice_in_a_life,
		what_is_given_up_stays_in_line,
		one_attempt_too_many_is_an_assertion,
		random_sequences_agree_with_the_model,
	};

	return unit_main("worker", tests, ARRAY_SIZE(tests));
}
