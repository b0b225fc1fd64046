#include "daemon/core/suspect.h"

#include <string.h>

#include "daemon/core/pool.h"
#include "tests/lib/defaults.h"
#include "tests/lib/unit.h"

#define WORKERS	 4
#define SLOTS	 (2 * WORKERS + 1)
#define REQUESTS 16
#define SEC	 USEC_PER_SEC
#define MSEC	 USEC_PER_MSEC
#define START	 (10000 * SEC)

/* A pool with two methods that have had a result. */
struct fixture {
	struct pool_settings settings;
	struct pool pool;
	struct worker workers[SLOTS];
	struct circuit circuit;
	struct window window;
	struct attempt attempts[SLOTS][WORKER_ATTEMPTS_MAX];
	struct request requests[REQUESTS];
	struct lane lane_slots[REQUESTS];
	struct table_entry *lane_buckets[2 * REQUESTS];
	struct lanes lanes;
	struct suspects suspects;
	unsigned quick; /* the entries of the methods */
	unsigned other;
};

static unsigned learn(struct fixture *f, const char *method, usec_t run)
{
	struct bytes name = {(const uint8_t *)method, strlen(method)};

	runs_learn_result(&f->pool.runs, RUNS_OTHER, name, run, run, START);
	return runs_find(&f->pool.runs, name);
}

static void set_up(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	pool_default_settings(&f->settings);
	f->settings.workers_max = WORKERS;
	f->settings.queue_max = REQUESTS;
	f->settings.queue_bytes_max = 1000;
	f->settings.timeout = 30 * SEC;
	for (unsigned i = 0; i < SLOTS; i++)
		worker_init(&f->workers[i], i, 0, f->attempts[i]);
	pool_init(&f->pool, 0, &f->settings, f->workers, &f->circuit, 1, START);
	pool_attach_window(&f->pool, &f->window, START);
	lanes_init(&f->lanes, f->lane_slots, REQUESTS, f->lane_buckets);
	queue_attach(&f->pool.queue, 0, &f->lanes, NULL, 0);
	f->quick = learn(f, "quick", MSEC);
	f->other = learn(f, "other", MSEC);
}

static void find(struct fixture *f, usec_t now)
{
	suspects_find(&f->suspects, &f->pool, now);
}

static void count(struct fixture *f, usec_t now, unsigned method, enum errcode code, unsigned times)
{
	while (times-- > 0)
		window_count(&f->window, now, method,
			     code == ERR_NONE ? WINDOW_ANSWERED : WINDOW_FAILED, code);
}

static bool is_named(struct bytes method, const char *name)
{
	return method.len == strlen(name) && memcmp(method.data, name, method.len) == 0;
}

START_TEST(nobody_stands_out_of_a_pool_that_is_well)
{
	static struct fixture f;
	static const struct suspects nobody;

	set_up(&f);
	count(&f, START, f.quick, ERR_NONE, 100);
	find(&f, START);
	ck_assert_mem_eq(&f.suspects, &nobody, sizeof(nobody));
}
END_TEST

START_TEST(the_method_with_the_largest_share_of_failures)
{
	static struct fixture f;

	set_up(&f);
	count(&f, START, f.quick, ERR_NONE, 1000);
	count(&f, START, f.quick, ERR_exception, 20);
	count(&f, START, f.other, ERR_worker_exited, 8);
	find(&f, START);
	/* Eight are too few. */
	ck_assert(is_named(f.suspects.failing.method, "quick"));
	count(&f, START, f.other, ERR_NONE, 2);
	count(&f, START, f.other, ERR_attempt_timeout, 1);
	find(&f, START + SEC);
	ck_assert(is_named(f.suspects.failing.method, "other"));
	ck_assert_uint_eq(f.suspects.failing.failed, 9);
	ck_assert_uint_eq(f.suspects.failing.ended, 11);
	ck_assert_int_eq(f.suspects.failing.code, ERR_attempt_timeout);
	/* Two minutes later it is over. */
	find(&f, START + 120 * SEC);
	ck_assert_uint_eq(f.suspects.failing.ended, 0);
}
END_TEST

START_TEST(mistakes_of_clients_are_no_failures)
{
	static struct fixture f;

	set_up(&f);
	count(&f, START, f.quick, ERR_exception, 1);
	count(&f, START, f.quick, ERR_invalid_request, 50);
	count(&f, START, f.quick, ERR_NONE, 19);
	/* What was counted in an earlier second is known too. */
	count(&f, START + SEC, f.quick, ERR_invalid_request, 1);
	find(&f, START + SEC);
	ck_assert_uint_eq(f.suspects.failing.failed, 1);
	ck_assert_uint_eq(f.suspects.failing.ended, 20);
	ck_assert_int_eq(f.suspects.failing.code, ERR_exception);
}
END_TEST

static void run(struct fixture *f, usec_t now, unsigned method, usec_t span, unsigned times)
{
	while (times-- > 0)
		window_run(&f->window, now, method, span);
}

/* For so many seconds the method takes 100 ms.  Returns in how many of them it is said to be slow. */
static unsigned count_slow_seconds(struct fixture *f, usec_t *now, unsigned seconds)
{
	unsigned slow = 0;

	for (unsigned i = 0; i < seconds; i++, *now += SEC) {
		run(f, *now, f->quick, 100 * MSEC, 10);
		find(f, *now);
		slow += f->suspects.slow.median > 0 && f->suspects.slow.usual <= 6 * MSEC;
	}
	return slow;
}

START_TEST(a_method_that_was_quick_before)
{
	static struct fixture f;
	usec_t now = START;

	set_up(&f);
	run(&f, now, f.quick, 5 * MSEC, 99);
	run(&f, now, f.quick, 40 * MSEC, 1); /* one of 100 may be long */
	run(&f, now, f.other, SEC, 100);
	now += 20 * SEC;
	run(&f, now, f.other, SEC, 100);
	run(&f, now, f.quick, 100 * MSEC, 4);
	find(&f, now);
	ck_assert_uint_eq(f.suspects.slow.median, 0);
	run(&f, now, f.quick, 100 * MSEC, 1);
	find(&f, now);
	ck_assert(is_named(f.suspects.slow.method, "quick"));
	ck_assert_uint_ge(f.suspects.slow.median, 100 * MSEC);
	ck_assert_uint_le(f.suspects.slow.median, 113 * MSEC);
	ck_assert_uint_ge(f.suspects.slow.usual, 5 * MSEC);
	ck_assert_uint_le(f.suspects.slow.usual, 6 * MSEC);
	/* It stays so while it is slow, whatever part of all runs that is; and not for ever. */
	ck_assert_uint_eq(count_slow_seconds(&f, &now, 840), 840);
	count_slow_seconds(&f, &now, 120);
	ck_assert_uint_eq(count_slow_seconds(&f, &now, 10), 0);
}
END_TEST

START_TEST(a_method_that_is_quick_again)
{
	static struct fixture f;
	usec_t now = START;

	set_up(&f);
	run(&f, now, f.quick, 5 * MSEC, 100);
	now += 20 * SEC;
	run(&f, now, f.quick, SEC, 50);
	find(&f, now);
	ck_assert_uint_gt(f.suspects.slow.median, 0);
	now += 12 * SEC;
	/* Nothing runs: nothing is said. */
	find(&f, now);
	ck_assert_uint_eq(f.suspects.slow.median, 0);
	run(&f, now, f.quick, 5 * MSEC, 10);
	find(&f, now);
	ck_assert_uint_eq(f.suspects.slow.median, 0);
	ck_assert_uint_eq(f.suspects.methods[f.quick].slow_since, 0);
}
END_TEST

START_TEST(a_long_run_among_short_ones_makes_no_slow_method)
{
	static struct fixture f;
	usec_t now = START;

	set_up(&f);
	for (unsigned i = 0; i < 300; i++, now += SEC) {
		run(&f, now, f.quick, MSEC / 2, 60);
		run(&f, now, f.quick, 2 * SEC, 40); /* two kinds of arguments */
		/* What is shorter than 10 ms is not slow, whatever it was before. */
		run(&f, now, f.other, i < 280 ? MSEC / 10 : 9 * MSEC, 10);
		find(&f, now);
		ck_assert_uint_eq(f.suspects.slow.median, 0);
	}
}
END_TEST

static void make_busy(struct fixture *f, unsigned i, unsigned method, usec_t now)
{
	f->requests[i].run.entry = method;
	worker_reset_life(&f->workers[i], now);
	pool_move_worker(&f->pool, &f->workers[i], WORKER_INITIALIZING, now);
	pool_move_worker(&f->pool, &f->workers[i], WORKER_READY, now);
	worker_add_attempt(&f->workers[i], &f->requests[i], now)->entry = method;
	pool_place_worker(&f->pool, &f->workers[i], now);
}

START_TEST(a_run_that_is_far_longer_than_usual)
{
	static struct fixture f;

	set_up(&f);
	learn(&f, "long", 20 * SEC);
	/* One that hung before, and was given up, is not what is usual. */
	runs_learn_longer(&f.pool.runs, f.quick, 30 * SEC);
	make_busy(&f, 0, runs_find(&f.pool.runs, (struct bytes){(const uint8_t *)"long", 4}),
		  START);
	make_busy(&f, 1, f.quick, START + 10 * SEC);
	make_busy(&f, 2, RUNS_OTHER, START + 11 * SEC);
	find(&f, START + 10 * SEC + 4 * MSEC);
	ck_assert_uint_eq(f.suspects.hung.ran, 0);
	find(&f, START + 10 * SEC + 5 * MSEC);
	ck_assert_uint_eq(f.suspects.hung.ran, 5 * MSEC);
	ck_assert_uint_eq(f.suspects.hung.worker, 1);
	ck_assert_uint_eq(f.suspects.hung.usual, MSEC);
	ck_assert(is_named(f.suspects.hung.method, "quick"));
	worker_drop_attempt(
		&f.workers[1],
		list_entry(list_first(&f.workers[1].attempts), struct attempt, in_worker),
		START + 12 * SEC);
	/* One that is unknown has the pool's timeout. */
	find(&f, START + 41 * SEC);
	ck_assert_uint_eq(f.suspects.hung.ran, 0);
	find(&f, START + 42 * SEC);
	ck_assert_uint_eq(f.suspects.hung.worker, 2);
	ck_assert_uint_eq(f.suspects.hung.method.len, 0);
	ck_assert_uint_eq(f.suspects.hung.usual, 0);
}
END_TEST

START_TEST(the_worker_with_the_most_memory)
{
	static struct fixture f;

	set_up(&f);
	make_busy(&f, 0, f.quick, START);
	make_busy(&f, 1, f.quick, START);
	f.workers[0].memory = 100;
	f.workers[1].memory = 200;
	find(&f, START);
	ck_assert_uint_eq(f.suspects.memory.bytes, 200);
	ck_assert_uint_eq(f.suspects.memory.worker, 1);
}
END_TEST

static void enqueue(struct fixture *f, unsigned i, uint32_t client, uint32_t user)
{
	f->requests[i].rank = i % PRIORITY_COUNT_;
	f->requests[i].client = client;
	f->requests[i].user = user;
	f->requests[i].weight = QUEUE_RUN;
	queue_push(&f->pool.queue, &f->requests[i]);
}

/* Only so many clients are looked at, whichever come first. */
START_TEST(of_thousands_of_clients_not_all_are_looked_at)
{
	static struct request requests[5000];
	static struct lane lane_slots[ARRAY_SIZE(requests)];
	static struct table_entry *lane_buckets[2 * ARRAY_SIZE(requests)];
	static struct fixture f;

	set_up(&f);
	f.pool.queue.len_max = ARRAY_SIZE(requests);
	lanes_init(&f.lanes, lane_slots, ARRAY_SIZE(requests), lane_buckets);
	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
		requests[i].client = i;
		requests[i].user = i % 3 == 0;
		requests[i].weight = QUEUE_RUN;
		queue_push(&f.pool.queue, &requests[i]);
	}
	find(&f, START);
	ck_assert(f.suspects.client.is_user && f.suspects.client.id == 0);
	ck_assert_uint_gt(f.suspects.client.queued, 2500);
	ck_assert_uint_lt(f.suspects.client.queued, 5000 / 3 * 2);
}
END_TEST

START_TEST(the_slowest_is_named)
{
	static struct fixture f;
	usec_t now = START;

	set_up(&f);
	run(&f, now, f.quick, 5 * MSEC, 100);
	run(&f, now, f.other, 5 * MSEC, 100);
	now += 20 * SEC;
	run(&f, now, f.quick, 500 * MSEC, 50);
	run(&f, now, f.other, 100 * MSEC, 50);
	find(&f, now);
	ck_assert(is_named(f.suspects.slow.method, "quick"));
}
END_TEST

START_TEST(nobody_stands_out_where_nothing_runs)
{
	static struct fixture f;
	static const struct suspects nobody;

	set_up(&f);
	f.pool.settings.adapter = POOL_STATIC;
	count(&f, START, f.quick, ERR_internal, 100);
	find(&f, START);
	ck_assert_mem_eq(&f.suspects, &nobody, sizeof(nobody));
}
END_TEST

START_TEST(a_client_that_has_most_of_the_queue)
{
	static struct fixture f;

	set_up(&f);
	for (unsigned i = 0; i < 4; i++)
		enqueue(&f, i, 100 + i, 1000 + i);
	find(&f, START);
	ck_assert_uint_eq(f.suspects.client.queued, 0);
	for (unsigned i = 4; i < 8; i++)
		enqueue(&f, i, 7, 77);
	/* Half is not more than half. */
	find(&f, START);
	ck_assert_uint_eq(f.suspects.client.queued, 0);
	enqueue(&f, 8, 7, 77);
	find(&f, START);
	ck_assert_uint_eq(f.suspects.client.queued, 5);
	ck_assert_uint_eq(f.suspects.client.id, 7);
	ck_assert(!f.suspects.client.is_user);
}
END_TEST

START_TEST(a_user_who_has_most_of_the_queue_by_many_clients)
{
	static struct fixture f;

	set_up(&f);
	for (unsigned i = 0; i < 6; i++)
		enqueue(&f, i, 100 + i, 77);
	/* Where nobody else has anything there, it is no news. */
	find(&f, START);
	ck_assert_uint_eq(f.suspects.client.queued, 0);
	enqueue(&f, 6, 1, 1);
	find(&f, START);
	ck_assert_uint_eq(f.suspects.client.queued, 6);
	ck_assert_uint_eq(f.suspects.client.id, 77);
	ck_assert(f.suspects.client.is_user);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		nobody_stands_out_of_a_pool_that_is_well,
		the_method_with_the_largest_share_of_failures,
		mistakes_of_clients_are_no_failures,
		a_method_that_was_quick_before,
		a_method_that_is_quick_again,
		a_long_run_among_short_ones_makes_no_slow_method,
		of_thousands_of_clients_not_all_are_looked_at,
		the_slowest_is_named,
		nobody_stands_out_where_nothing_runs,
		a_run_that_is_far_longer_than_usual,
		the_worker_with_the_most_memory,
		a_client_that_has_most_of_the_queue,
		a_user_who_has_most_of_the_queue_by_many_clients,
	};

	return unit_main("suspect", tests, ARRAY_SIZE(tests));
}
