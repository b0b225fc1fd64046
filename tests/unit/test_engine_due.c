/* Timers of workers are set when the next one is asked for, however many events came before, and also
 * where nobody asks. */
#include "daemon/core/engine_inspect.h"

#include <stdlib.h>

#include "tests/lib/defaults.h"
#include "tests/lib/unit.h"

#define WORKERS	     3
#define INIT_TIMEOUT (5 * USEC_PER_SEC)
#define PING_AFTER   (10 * USEC_PER_SEC)
#define TIMEOUT	     (60 * USEC_PER_SEC)
#define ROUNDS	     100

struct world {
	struct engine *engine;
	void *memory;
	usec_t now;
	uint32_t life[WORKERS];
	uint32_t worker, id; /* of the last request that was sent */
	unsigned pings, signals;
};

static void pull(struct world *world)
{
	const struct effect *effect;

	while ((effect = engine_next_effect(world->engine))) {
		if (effect->type == EFFECT_SPAWN)
			world->life[effect->worker] = effect->life;
		world->pings += effect->type == EFFECT_PING;
		world->signals += effect->type == EFFECT_SIGNAL;
		if (effect->type != EFFECT_SEND)
			continue;
		world->worker = effect->worker;
		world->id = effect->send.id;
	}
}

static void step(struct world *world, struct engine_event event)
{
	event.now = world->now;
	event.life = world->life[event.worker];
	engine_step(world->engine, &event);
	pull(world);
	ck_assert_ptr_null(engine_check(world->engine));
}

static void open_world(struct world *world)
{
	struct engine_settings settings;
	struct pool_settings pool;

	pool_default_settings(&pool);
	pool.workers_min = pool.workers_max = WORKERS;
	pool.queue_max = 1;
	pool.queue_bytes_max = UINT64_MAX;
	pool.init_timeout = INIT_TIMEOUT;
	pool.ping_interval = PING_AFTER;
	pool.ping_timeout = pool.idle_timeout = TIMEOUT;
	pool.kill_grace = pool.cancel_grace = TIMEOUT;
	engine_default_settings(&settings);
	settings.requests_max = 1;
	settings.pool_count = 1;
	settings.pools = &pool;
	*world = (struct world){.memory = malloc(engine_size(&settings)), .now = USEC_PER_SEC};
	ck_assert_ptr_nonnull(world->memory);
	world->engine = engine_init(world->memory, &settings, world->now);
	pull(world);
}

static void become_ready(struct world *world)
{
	for (uint32_t i = 0; i < WORKERS; i++)
		step(world, (struct engine_event){.type = EVENT_WORKER_READY,
						  .worker = i,
						  .ready.concurrency = 1});
}

static void ask(struct world *world)
{
	step(world, (struct engine_event){.type = EVENT_SUBMIT,
					  .submit = {.priority = PRIORITY_NORMAL,
						     .max_attempts = 1,
						     .timeout = TIMEOUT}});
}

static void answer(struct world *world)
{
	step(world, (struct engine_event){.type = EVENT_WORKER_ANSWERED,
					  .worker = world->worker,
					  .id = world->id,
					  .answer.retry_after = USEC_INFINITY});
}

START_TEST(after_many_events)
{
	struct world world;
	usec_t ready;

	open_world(&world);
	ck_assert_uint_eq(engine_deadline(world.engine), world.now + INIT_TIMEOUT);
	ready = ++world.now;
	become_ready(&world);
	/* One worker is at work all the time, the last one used, and the others are silent. */
	for (unsigned i = 0; i < ROUNDS; i++) {
		world.now++;
		ask(&world);
		world.now++;
		answer(&world);
	}
	ck_assert_uint_eq(engine_deadline(world.engine), ready + PING_AFTER);
	world.now = ready + PING_AFTER;
	for (unsigned i = 0; i < WORKERS - 1; i++)
		step(&world, (struct engine_event){.type = EVENT_TIMER});
	ck_assert_uint_eq(world.pings, WORKERS - 1);
	ck_assert_uint_eq(engine_deadline(world.engine), ready + 2 * ROUNDS + PING_AFTER);
	free(world.memory);
}
END_TEST

START_TEST(a_request_may_be_due_first)
{
	struct world world;

	open_world(&world);
	become_ready(&world);
	step(&world, (struct engine_event){.type = EVENT_SUBMIT,
					   .submit = {.priority = PRIORITY_NORMAL,
						      .max_attempts = 1,
						      .timeout = USEC_PER_SEC}});
	ck_assert_uint_eq(engine_deadline(world.engine), world.now + USEC_PER_SEC);
	world.now++;
	answer(&world);
	ck_assert_uint_eq(engine_deadline(world.engine), world.now - 1 + PING_AFTER);
	free(world.memory);
}
END_TEST

START_TEST(nobody_asks)
{
	struct world world;

	open_world(&world);
	world.now += INIT_TIMEOUT;
	for (unsigned i = 0; i < WORKERS; i++)
		step(&world, (struct engine_event){.type = EVENT_TIMER});
	ck_assert_uint_eq(world.signals, WORKERS);
	free(world.memory);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		after_many_events,
		a_request_may_be_due_first,
		nobody_asks,
	};

	return unit_main("engine_due", tests, ARRAY_SIZE(tests));
}
