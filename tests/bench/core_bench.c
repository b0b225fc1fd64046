/*
 * What deciding costs: the engine alone, without a socket or a process, in nanoseconds.
 *
 *	core_bench [--json]
 *	core_bench --ask COUNT [--bare]
 *
 * A request is two steps of the engine (asked, answered) with all their effects.
 *
 *	--ask   asks so many, one at a time, and prints nothing: for programs that count instructions
 *	--bare  without a breaker, retries, admission and judgement of failures
 */
#include "tests/bench/bench.h"

#include <stdio.h>

#include "daemon/core/breaker.h"
#include "daemon/core/engine.h"
#include "daemon/core/recovery.h"
#include "tests/lib/defaults.h"

#define WORKERS	    4
#define REQUESTS    1024
#define PREFETCH    16
#define ROUNDS	    2000000
#define DEATHS	    100000
#define DECISIONS   20000000
#define SENT_MAX    (REQUESTS * 2)
#define TIMEOUT	    (30 * USEC_PER_SEC)
#define NEVER_SOON  (3600 * USEC_PER_SEC)
#define PAYLOAD_LEN 64

/* An attempt that the engine sent: what its answer has to say. */
struct sent {
	uint32_t worker;
	uint32_t life;
	uint32_t id;
};

/* The engine's world: workers that answer in the order they were asked. */
struct world {
	struct engine *engine;
	void *memory;
	usec_t now;
	struct sent sent[SENT_MAX];
	size_t sent_first;
	size_t sent_count;
	uint32_t lives[WORKERS];
	uint64_t answered;
	uint32_t answered_slots[REQUESTS]; /* to be asked again */
	size_t answered_count;
	uint32_t born[WORKERS]; /* workers that are to become ready */
	size_t born_count;
};

static void pull(struct world *world)
{
	const struct effect *effect;

	while ((effect = engine_next_effect(world->engine))) {
		switch (effect->type) {
		case EFFECT_SEND:
			world->sent[(world->sent_first + world->sent_count++) % SENT_MAX] =
				(struct sent){effect->worker, effect->life, effect->send.id};
			break;
		case EFFECT_RESULT:
			world->answered++;
			world->answered_slots[world->answered_count++] = effect->request;
			break;
		case EFFECT_SPAWN:
			world->lives[effect->worker] = effect->life;
			world->born[world->born_count++] = effect->worker;
			break;
		case EFFECT_ERROR:
			errx(1, "the engine answered with %s",
			     errcode_info(effect->failed.failure.code)->name);
		default:
			break;
		}
	}
}

static void step(struct world *world, struct engine_event *event)
{
	event->now = world->now++;
	engine_step(world->engine, event);
	pull(world);
}

static void become_ready(struct world *world)
{
	while (world->born_count > 0) {
		uint32_t worker = world->born[--world->born_count];
		struct engine_event event = {
			.type = EVENT_WORKER_READY,
			.worker = worker,
			.life = world->lives[worker],
			.ready = {.concurrency = 1, .batches = true},
		};

		step(world, &event);
	}
}

static void submit(struct world *world, uint32_t request)
{
	struct engine_event event = {
		.type = EVENT_SUBMIT,
		.request = request,
		.submit =
			{
				.priority = PRIORITY_NORMAL,
				.is_idempotent = true,
				.max_attempts = UINT32_MAX,
				.bytes = PAYLOAD_LEN,
				.timeout = TIMEOUT,
				.method = {(const uint8_t *)"echo", 4},
			},
	};

	step(world, &event);
}

static void submit_answered(struct world *world)
{
	while (world->answered_count > 0)
		submit(world, world->answered_slots[--world->answered_count]);
}

/* The oldest attempt that still counts is answered. */
static void answer_oldest(struct world *world)
{
	for (;;) {
		struct sent sent = world->sent[world->sent_first];

		if (world->sent_count == 0)
			errx(1, "nothing is at a worker");
		world->sent_first = (world->sent_first + 1) % SENT_MAX;
		world->sent_count--;
		if (world->lives[sent.worker] != sent.life)
			continue;

		struct engine_event event = {
			.type = EVENT_WORKER_ANSWERED,
			.worker = sent.worker,
			.life = sent.life,
			.id = sent.id,
			.answer = {.code = ERR_NONE, .retry_after = USEC_INFINITY},
		};

		step(world, &event);
		return;
	}
}

static void take_all_off(struct pool_settings *pool)
{
	pool->breaker_begins = BREAKER_DISABLED;
	pool->budget = (struct budget_settings){0};
	pool->max_crash_retries = 0;
	pool->no_admission = true;
	pool->failing.min = 0;
	pool->attempt_timeout = pool->slow_after = 0;
}

static void set_pool(struct pool_settings *pool, bool is_bare)
{
	pool_default_settings(pool);
	pool->workers_min = pool->workers_max = WORKERS;
	pool->queue_max = REQUESTS;
	pool->queue_bytes_max = UINT32_MAX;
	pool->prefetch = PREFETCH;
	pool->max_crash_retries = UINT32_MAX;
	pool->backoff.kind = BACKOFF_NONE;
	pool->init_timeout = pool->ping_interval = pool->ping_timeout = NEVER_SOON;
	pool->idle_timeout = pool->kill_grace = pool->cancel_grace = NEVER_SOON;
	pool->restart_delay = pool->restart_delay_max = 1;
	pool->errors_name_methods = true;
	pool->failing = (struct failing_settings){.share = 50, .min = 10};
	pool->attempt_timeout = pool->slow_after = TIMEOUT / 2;
	if (is_bare)
		take_all_off(pool);
}

static struct world *world_new(bool is_bare)
{
	struct engine_settings settings;
	struct pool_settings pool;
	struct world *world = calloc(1, sizeof(*world));

	if (!world)
		err(1, "memory");
	set_pool(&pool, is_bare);
	engine_default_settings(&settings);
	settings.requests_max = REQUESTS;
	settings.pool_count = 1;
	settings.pools = &pool;
	world->memory = malloc(engine_size(&settings));
	if (!world->memory)
		err(1, "memory");
	world->now = USEC_PER_SEC;
	world->engine = engine_init(world->memory, &settings, world->now);
	pull(world);
	become_ready(world);
	return world;
}

static void world_free(struct world *world)
{
	free(world->memory);
	free(world);
}

/* One request at a time, and every worker free. */
static void ask_alone(struct world *world, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		submit(world, 0);
		answer_oldest(world);
		world->answered_count = 0;
	}
}

static double time_alone(void)
{
	struct world *world = world_new(false);
	uint64_t start = clock_nsec();

	ask_alone(world, ROUNDS);

	double took = (double)(clock_nsec() - start) / ROUNDS;

	world_free(world);
	return took;
}

static struct world *loaded_world(void)
{
	struct world *world = world_new(false);

	for (uint32_t request = 0; request < REQUESTS; request++)
		submit(world, request);
	return world;
}

/* Every worker has all it may have, and the others wait in the queue. */
static double time_loaded(void)
{
	struct world *world = loaded_world();
	uint64_t start = clock_nsec();

	for (int i = 0; i < ROUNDS; i++) {
		answer_oldest(world);
		submit_answered(world);
	}

	double took = (double)(clock_nsec() - start) / ROUNDS;

	world_free(world);
	return took;
}

/* Under that load a worker dies, and the next takes its place. */
static double time_death(void)
{
	struct world *world = loaded_world();
	uint64_t took = 0;

	for (uint32_t i = 0; i < DEATHS; i++) {
		struct engine_event event = {
			.type = EVENT_WORKER_EXITED,
			.worker = i % WORKERS,
			.life = world->lives[i % WORKERS],
			.exit = {.is_signalled = true},
		};
		uint64_t start = clock_nsec();

		step(world, &event);
		become_ready(world);
		took += clock_nsec() - start;
		/* A fifth of a retry each: what the death has cost the budget is earned again. */
		for (int answers = 0; answers < 5 * (PREFETCH + 1); answers++) {
			answer_oldest(world);
			submit_answered(world);
		}
	}
	world_free(world);
	return (double)took / DEATHS;
}

/* All of it: the delay with its jitter, the verdict, and the budget. */
static double time_decision(void)
{
	struct recovery_case facts = {
		.code = ERR_worker_killed,
		.may_run_again = true,
		.max_attempts = 3,
		.max_crash_retries = 1,
		.now = 1,
		.until = USEC_INFINITY,
	};
	struct policy policy;
	struct budget budget;
	struct prng prng;
	uint32_t retried = 0;
	uint64_t start;

	policy_init(&policy);
	budget_init(&budget, &budget_defaults, 0);
	prng_init(&prng, 1);
	facts.policy = &policy;
	start = clock_nsec();
	for (uint32_t i = 0; i < DECISIONS; i++) {
		facts.attempts = i & 3;
		facts.crashes = i & 1;
		facts.delay =
			policy_delay(&policy, facts.code, &backoff_defaults, 1 + (i & 3), 0, &prng);
		retried += recovery_judge(&facts) == RECOVERY_RETRY && budget_take(&budget, i);
		budget_success(&budget, i);
	}
	if (retried == 0 || retried == DECISIONS)
		errx(1, "the decision is always the same");
	return (double)(clock_nsec() - start) / DECISIONS;
}

/* What a breaker adds to a request: whether it may go, and both with the outcome. */
struct breaker_cost {
	double check;
	double whole;
};

static struct breaker_cost time_breaker(void)
{
	struct breaker_permit permit;
	struct breaker_change change;
	struct breaker_cost cost;
	struct breaker breaker;
	usec_t now = USEC_PER_SEC;
	uint32_t admitted = 0;
	uint64_t start;

	breaker_init(&breaker, &breaker_defaults, 1, now);
	start = clock_nsec();
	for (uint32_t i = 0; i < DECISIONS; i++)
		admitted += breaker_admit(&breaker, now + i, &permit, &change) == BREAKER_ADMIT_YES;
	cost.check = (double)(clock_nsec() - start) / DECISIONS;

	start = clock_nsec();
	for (uint32_t i = 0; i < DECISIONS; i++) {
		admitted += breaker_admit(&breaker, now + i, &permit, &change) == BREAKER_ADMIT_YES;
		breaker_success(&breaker, permit, now + i, 1);
	}
	cost.whole = (double)(clock_nsec() - start) / DECISIONS;
	if (admitted != 2 * DECISIONS)
		errx(1, "a breaker that meets no failure refused");
	return cost;
}

static int ask(uint64_t count, bool is_bare)
{
	struct world *world = world_new(is_bare);

	ask_alone(world, count);
	world_free(world);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && strcmp(argv[1], "--ask") == 0)
		return ask(strtoull(argv[2], NULL, 10),
			   argc == 4 && strcmp(argv[3], "--bare") == 0);

	bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
	double alone = time_alone();
	double loaded = time_loaded();
	double death = time_death();
	double decision = time_decision();
	struct breaker_cost breaker = time_breaker();

	if (json)
		printf("{\"alone_ns\": %.1f, \"loaded_ns\": %.1f, \"death_ns\": %.1f, "
		       "\"decision_ns\": %.2f, \"breaker_ns\": %.2f, "
		       "\"breaker_whole_ns\": %.2f}\n",
		       alone, loaded, death, decision, breaker.check, breaker.whole);
	else
		printf("a request, alone: %.0f ns; with %d queued: %.0f ns; a death with %d in "
		       "flight: %.0f ns; retry decision: %.1f ns; breaker check: %.1f ns, with "
		       "the outcome: %.1f ns\n",
		       alone, REQUESTS, loaded, PREFETCH + 1, death, decision, breaker.check,
		       breaker.whole);
	return 0;
}
