/* Retries draw on the pool's budget: under total failure the attempts stay close to the requests.
 */
#include "daemon/core/engine_inspect.h"

#include "tests/lib/defaults.h"
#include "tests/lib/unit.h"

#include <stdlib.h>

#define REQUESTS 200
#define BUDGET	 20 /* retries that a full budget pays for */

struct world {
	struct engine *engine;
	void *memory;
	usec_t now;
	unsigned sent;
	unsigned errors;
	unsigned spent; /* errors that say the budget is why */
	uint32_t life;
	uint32_t id;
	bool at_worker; /* a request is */
};

static void open_world(struct world *world)
{
	struct pool_settings pool;
	struct engine_settings settings;

	pool_default_settings(&pool);
	pool.workers_min = pool.workers_max = 1;
	pool.queue_max = REQUESTS;
	pool.queue_bytes_max = UINT64_MAX;
	pool.max_crash_retries = 1;
	pool.init_timeout = pool.ping_interval = pool.idle_timeout = USEC_INFINITY;
	pool.kill_grace = pool.cancel_grace = USEC_PER_SEC;
	pool.backoff.kind = BACKOFF_NONE;
	pool.breaker_begins = BREAKER_DISABLED; /* what is left is the budget's doing */
	engine_default_settings(&settings);
	settings.requests_max = REQUESTS;
	settings.pool_count = 1;
	settings.pools = &pool;
	*world = (struct world){.memory = malloc(engine_size(&settings)), .now = USEC_PER_SEC};
	ck_assert_ptr_nonnull(world->memory);
	world->engine = engine_init(world->memory, &settings, world->now);
}

static void step(struct world *world, struct engine_event event);

static void carry_out(struct world *world, const struct effect *effect)
{
	switch (effect->type) {
	case EFFECT_SEND:
		world->sent++;
		world->id = effect->send.id;
		world->at_worker = true;
		break;
	case EFFECT_ERROR:
		world->errors++;
		world->spent += effect->failed.failure.budget_spent;
		break;
	case EFFECT_SPAWN:
		world->life = effect->life;
		break;
	default:
		break;
	}
}

static void pull(struct world *world)
{
	const struct effect *effect;

	while ((effect = engine_next_effect(world->engine)))
		carry_out(world, effect);
}

static void step(struct world *world, struct engine_event event)
{
	event.now = world->now;
	event.life = world->life;
	engine_step(world->engine, &event);
	pull(world);
	ck_assert_ptr_null(engine_check(world->engine));
}

static void get_ready(struct world *world)
{
	step(world, (struct engine_event){.type = EVENT_WORKER_READY, .ready.concurrency = 1});
}

static void submit(struct world *world, uint32_t slot)
{
	step(world, (struct engine_event){.type = EVENT_SUBMIT,
					  .request = slot,
					  .submit = {.priority = PRIORITY_NORMAL,
						     .is_idempotent = true,
						     .max_attempts = UINT32_MAX,
						     .timeout = USEC_PER_SEC * 3600}});
}

static void crash(struct world *world)
{
	world->at_worker = false;
	step(world, (struct engine_event){.type = EVENT_WORKER_EXITED});
	/* Its place is filled at once, as no delay is set. */
	get_ready(world);
}

static void answer(struct world *world)
{
	world->at_worker = false;
	step(world, (struct engine_event){.type = EVENT_WORKER_ANSWERED,
					  .id = world->id,
					  .answer.retry_after = USEC_INFINITY});
}

START_TEST(total_failure_is_no_storm)
{
	struct world world;

	open_world(&world);
	pull(&world);
	get_ready(&world);
	for (uint32_t i = 0; i < REQUESTS; i++)
		submit(&world, i);
	while (world.at_worker)
		crash(&world);
	ck_assert_uint_eq(world.errors, REQUESTS);
	ck_assert_uint_eq(world.sent, REQUESTS + BUDGET);
	ck_assert_uint_eq(world.spent, REQUESTS - BUDGET);
	free(world.memory);
}
END_TEST

START_TEST(success_pays_for_retries)
{
	struct world world;

	open_world(&world);
	pull(&world);
	get_ready(&world);
	for (uint32_t i = 0; i < BUDGET; i++) {
		submit(&world, i);
		crash(&world);
		crash(&world);
	}
	ck_assert_uint_eq(world.spent, 0);
	for (unsigned i = 0; i < 5; i++) { /* a fifth of a token each */
		submit(&world, 0);
		answer(&world);
	}
	submit(&world, 0);
	crash(&world);
	ck_assert_msg(world.at_worker, "five successes pay for a retry");
	crash(&world);
	submit(&world, 0);
	crash(&world);
	ck_assert_msg(!world.at_worker, "and not for two");
	ck_assert_uint_eq(world.spent, 1);
	free(world.memory);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		total_failure_is_no_storm,
		success_pays_for_retries,
	};

	return unit_main("engine_budget", tests, ARRAY_SIZE(tests));
}
