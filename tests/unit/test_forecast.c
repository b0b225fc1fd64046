/* How many requests were refused lately, as a forecast remembers it; and the longest wait that it knows. */
#include "daemon/core/forecast.h"

#include <string.h>

#include "daemon/core/pool.h"
#include "tests/lib/defaults.h"
#include "tests/lib/unit.h"

#define START (1000 * USEC_PER_SEC)
#define HOUR  (3600 * USEC_PER_SEC)
#define SLOTS 3

START_TEST(one_refusal_counts_for_its_whole_span)
{
	static struct pool pool;

	ck_assert_uint_eq(forecast_recently_refused(&pool, START), 0);
	/* Wherever it falls into the spans that are counted. */
	for (usec_t at = START; at < START + 3 * FORECAST_RECENT; at += 3 * FORECAST_RECENT / 7) {
		pool.forecast = (struct forecast){0};
		forecast_refused(&pool, at);
		for (usec_t age = 0; age < FORECAST_RECENT; age += FORECAST_RECENT / 9)
			ck_assert_uint_eq(forecast_recently_refused(&pool, at + age), 1);
		ck_assert_uint_eq(forecast_recently_refused(&pool, at + 2 * FORECAST_RECENT), 0);
	}
}
END_TEST

START_TEST(a_steady_rate_is_counted_right)
{
	static struct pool pool;
	const usec_t every = 10 * USEC_PER_MSEC;
	const uint64_t each = FORECAST_RECENT / every;

	for (usec_t at = START; at < START + 20 * FORECAST_RECENT; at += every) {
		forecast_refused(&pool, at);
		if (at < START + 2 * FORECAST_RECENT)
			continue;
		ck_assert_uint_ge(forecast_recently_refused(&pool, at), each);
		ck_assert_uint_le(forecast_recently_refused(&pool, at), each + 2);
	}
}
END_TEST

/* A pool whose one worker is busy, and whose runs take so long. */
static void set_up(struct pool *pool, usec_t run)
{
	static struct worker workers[SLOTS];
	static struct attempt attempts[SLOTS][WORKER_ATTEMPTS_MAX];
	static struct circuit circuits[1 + CIRCUIT_METHODS_MAX];
	static struct request request;
	static struct window window;
	struct pool_settings settings;

	pool_default_settings(&settings);
	settings.workers_min = settings.workers_max = 1;
	for (unsigned i = 0; i < SLOTS; i++)
		worker_init(&workers[i], i, 0, attempts[i]);
	pool_init(pool, 0, &settings, workers, circuits, 1, START);
	pool_attach_window(pool, &window, START);
	worker_reset_life(&workers[0], 1);
	workers[0].concurrency = 1;
	pool_move_worker(pool, &workers[0], WORKER_INITIALIZING, START);
	pool_move_worker(pool, &workers[0], WORKER_READY, START);
	worker_add_attempt(&workers[0], &request, START);
	pool_place_worker(pool, &workers[0], START);
	runs_learn_result(&pool->runs, RUNS_OTHER, (struct bytes){(const uint8_t *)"m", 1}, run,
			  run, START);
}

static void queue_up(struct pool *pool, enum priority priority, unsigned count)
{
	pool->queue.len += count;
	for (unsigned i = 0; i < count; i++)
		runs_enter(&pool->runs, RUNS_OTHER, priority);
}

/* The queue is so long that nobody lives to see its end. */
START_TEST(no_wait_is_longer_than_a_day)
{
	static struct pool pool;

	set_up(&pool, HOUR);
	queue_up(&pool, PRIORITY_NORMAL, 12);
	ck_assert_uint_gt(forecast_wait(&pool, PRIORITY_NORMAL, START), 12 * HOUR);
	ck_assert_uint_lt(forecast_wait(&pool, PRIORITY_NORMAL, START), 13 * HOUR);
	queue_up(&pool, PRIORITY_NORMAL, 100);
	ck_assert_uint_ge(forecast_wait(&pool, PRIORITY_NORMAL, START), 24 * HOUR);
	ck_assert_uint_lt(forecast_wait(&pool, PRIORITY_NORMAL, START), 25 * HOUR);
}
END_TEST

/* Who is refused comes back when the work before it is done: what is less important does not delay it. */
START_TEST(who_is_critical_comes_back_before_the_others)
{
	static struct pool pool;
	struct request request = {.deadline = START + 2 * USEC_PER_SEC};
	struct prng prng;

	prng_init(&prng, 1);
	set_up(&pool, USEC_PER_SEC);
	queue_up(&pool, PRIORITY_CRITICAL, 8);
	queue_up(&pool, PRIORITY_SHEDDABLE, 100);
	for (unsigned i = 0; i < 100; i++) {
		pool.forecast = (struct forecast){0};
		request.rank = PRIORITY_CRITICAL;
		ck_assert_uint_lt(forecast_retry_after(&pool, &request, &prng, START),
				  20 * USEC_PER_SEC);
		pool.forecast = (struct forecast){0};
		request.rank = PRIORITY_SHEDDABLE;
		ck_assert_uint_gt(forecast_retry_after(&pool, &request, &prng, START),
				  20 * USEC_PER_SEC);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		one_refusal_counts_for_its_whole_span,
		a_steady_rate_is_counted_right,
		no_wait_is_longer_than_a_day,
		who_is_critical_comes_back_before_the_others,
	};

	return unit_main("forecast", tests, ARRAY_SIZE(tests));
}
