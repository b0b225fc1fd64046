/* What the daemon does after a failed attempt, for each code with each strategy: the table of
 * docs/ERRORS.md, "What the columns mean". */
#include "daemon/core/engine_inspect.h"
#include "daemon/core/engine_view.h"

#include "tests/lib/defaults.h"
#include "tests/lib/unit.h"

#include <stdlib.h>

#define RETRIES 2
#define BASE	(70 * USEC_PER_MSEC) /* of the pool's backoff, and the delay of each retry by it */

static const usec_t delays[] = {BASE};

/* Two pools with a worker each, the second the fallback of the first; the worker of the first
 * fails. */
struct world {
	struct engine *engine;
	void *memory;
	usec_t now;
	uint32_t id;	   /* of the message that the worker has got last */
	uint32_t sent_to;  /* the pool of its worker */
	unsigned sends;	   /* these: since the last look */
	usec_t delay;	   /* of the retry */
	bool has_retried;  /* in the same pool */
	enum errcode code; /* of the answer; ERR_NONE: none yet */
};

static void pull(struct world *world)
{
	const struct effect *effect;

	while ((effect = engine_next_effect(world->engine))) {
		if (effect->type == EFFECT_SEND) {
			world->id = effect->send.id;
			world->sent_to = effect->pool;
			world->sends++;
		} else if (effect->type == EFFECT_RETRY && effect->pool == effect->failed.from) {
			world->has_retried = true;
			world->delay = effect->failed.delay;
		} else if (effect->type == EFFECT_ERROR) {
			world->code = effect->failed.failure.code;
		}
	}
}

static void step(struct world *world, struct engine_event event)
{
	event.now = world->now;
	engine_step(world->engine, &event);
	pull(world);
	ck_assert_ptr_null(engine_check(world->engine));
}

static void open_world(struct world *world, const struct policy *policy)
{
	struct pool_settings pools[2];
	struct engine_settings settings;

	for (unsigned i = 0; i < 2; i++) {
		pool_default_settings(&pools[i]);
		pools[i].workers_min = pools[i].workers_max = 1;
		pools[i].queue_max = 8;
		pools[i].queue_bytes_max = UINT64_MAX;
		pools[i].init_timeout = pools[i].ping_interval = pools[i].idle_timeout =
			USEC_INFINITY;
		pools[i].breaker_begins = BREAKER_DISABLED;
		pools[i].backoff = (struct backoff_settings){.kind = BACKOFF_CUSTOM,
							     .base = BASE,
							     .cap = USEC_PER_SEC,
							     .list = delays,
							     .list_len = 1};
	}
	pools[0].fallbacks[0] = 1;
	pools[0].fallback_count = 1;
	engine_default_settings(&settings);
	settings.requests_max = 8;
	settings.pool_count = 2;
	settings.pools = pools;
	settings.policy = policy;
	*world = (struct world){.memory = malloc(engine_size(&settings)), .now = USEC_PER_SEC};
	ck_assert_ptr_nonnull(world->memory);
	world->engine = engine_init(world->memory, &settings, world->now);
	pull(world);
	for (uint32_t i = 0; i < 2; i++)
		step(world, (struct engine_event){.type = EVENT_WORKER_READY,
						  .worker = engine_worker_slot(world->engine, i, 1),
						  .life = 1,
						  .ready.concurrency = 1});
}

/* The request's attempt in the first pool fails by that code; `mark`: 1 or 0 if the worker says
 * whether it is retryable, else -1. */
static void fail_attempt(struct world *world, enum errcode code, int mark)
{
	struct engine_event event = {.type = EVENT_WORKER_ANSWERED,
				     .worker = engine_worker_slot(world->engine, 0, 1),
				     .life = 1,
				     .id = world->id};

	event.answer.code = code;
	event.answer.retry_after = USEC_INFINITY;
	event.answer.has_retryable = mark >= 0;
	event.answer.is_retryable = mark > 0;
	world->sends = 0;
	world->has_retried = false;
	step(world, event);
}

static void submit(struct world *world)
{
	struct engine_event event = {.type = EVENT_SUBMIT};

	event.submit.priority = PRIORITY_NORMAL;
	event.submit.is_idempotent = true;
	event.submit.max_attempts = UINT32_MAX;
	event.submit.timeout = 3600 * USEC_PER_SEC;
	step(world, event);
	ck_assert_uint_eq(world->sends, 1);
}

static void wait_for_retry(struct world *world)
{
	world->now += world->delay;
	if (world->delay > 0)
		step(world, (struct engine_event){.type = EVENT_TIMER});
	ck_assert_uint_eq(world->sends, 1);
	ck_assert_uint_eq(world->sent_to, 0);
}

/* Which delay the nth retry has by the row; the strategies other than immediate_retry follow its
 * backoff. */
static usec_t delay_of(const struct policy_row *row, unsigned n)
{
	static const usec_t immediate[RETRIES] = {0, 100 * USEC_PER_MSEC};

	if (row->strategy == STRATEGY_IMMEDIATE_RETRY)
		return immediate[n - 1];
	if (row->backoff == ERRBACKOFF_LINEAR)
		return n * BASE;
	return row->backoff == ERRBACKOFF_EXPONENTIAL ? BASE : 0;
}

/* How many retries in the same pool the row and the worker's mark allow. */
static unsigned retries_of(const struct policy_row *row, enum errcode code, int mark)
{
	bool retries = row->strategy == STRATEGY_IMMEDIATE_RETRY ||
		       row->strategy == STRATEGY_BACKOFF_RETRY;

	if (mark >= 0)
		return mark > 0 ? RETRIES : 0;
	return retries && errcode_info(code)->category != ERRCAT_session ? RETRIES : 0;
}

static void check_cell(const struct policy *policy, enum errcode code, int mark)
{
	const struct policy_row *row = policy_row(policy, code);
	unsigned retries = retries_of(row, code, mark);
	struct world world;

	open_world(&world, policy);
	submit(&world);
	for (unsigned n = 1; n <= retries; n++) {
		fail_attempt(&world, code, mark);
		ck_assert_msg(world.has_retried && world.delay == delay_of(row, n),
			      "%s, strategy %d, mark %d: retry %u", errcode_name(code),
			      (int)row->strategy, mark, n);
		wait_for_retry(&world);
	}
	fail_attempt(&world, code, mark);
	ck_assert_msg(!world.has_retried, "%s, strategy %d, mark %d: one retry too many",
		      errcode_name(code), (int)row->strategy, mark);
	if (row->fails_over == FAILOVER_YES) {
		ck_assert_uint_eq(world.sends, 1);
		ck_assert_uint_eq(world.sent_to, 1);
		ck_assert_int_eq(world.code, ERR_NONE);
	} else {
		ck_assert_uint_eq(world.sends, 0);
		ck_assert_int_eq(world.code, code);
	}
	free(world.memory);
}

/* Every code, under every strategy and every backoff, with and without a way down the chain, and
 * with every word of the worker. */
START_TEST(each_strategy_is_what_it_says)
{
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++) {
		/* A worker that says so of itself has raised an exception. */
		if (code == ERR_cancelled)
			continue;
		for (unsigned i = 0; i < (unsigned)STRATEGY_COUNT_ * ERRBACKOFF_COUNT_ * 2; i++) {
			struct policy policy;

			policy_init(&policy);
			policy.rows[code] = (struct policy_row){
				.severity = SEVERITY_MINOR,
				.strategy = (enum errstrategy)(i % STRATEGY_COUNT_),
				.retries = RETRIES,
				.backoff =
					(enum errbackoff)(i / STRATEGY_COUNT_ % ERRBACKOFF_COUNT_),
				.fails_over = i / STRATEGY_COUNT_ / ERRBACKOFF_COUNT_ ? FAILOVER_YES
										      : FAILOVER_NO,
			};
			for (int mark = -1; mark <= 1; mark++)
				check_cell(&policy, code, mark);
		}
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_strategy_is_what_it_says,
	};

	return unit_main("engine_strategy", tests, ARRAY_SIZE(tests));
}
