/* One event may concern very many: the room for its effects is enough for all of them. */
#include "daemon/core/engine_inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/defaults.h"
#include "tests/lib/unit.h"

#define MANY	300 /* sessions or keys; far more than there are requests */
#define TTL	USEC_PER_SEC
#define MAX_LEN 16

struct world {
	struct engine *engine;
	void *memory;
	usec_t now;
	unsigned seen[EFFECT_STOPPED + 1];
	uint32_t id; /* of the last message to the worker */
	uint32_t life;
	char name[MAX_LEN]; /* stays as long as its request is open */
};

static void pull(struct world *world)
{
	const struct effect *effect;

	memset(world->seen, 0, sizeof(world->seen));
	while ((effect = engine_next_effect(world->engine))) {
		world->seen[effect->type]++;
		if (effect->type == EFFECT_SEND)
			world->id = effect->send.id;
		if (effect->type == EFFECT_SPAWN)
			world->life = effect->life;
	}
}

static void step(struct world *world, struct engine_event event)
{
	event.now = world->now;
	event.life = world->life;
	engine_step(world->engine, &event);
	pull(world);
	ck_assert_ptr_null(engine_check(world->engine));
}

static void open_world(struct world *world)
{
	struct engine_settings settings;
	struct pool_settings pool;

	pool_default_settings(&pool);
	pool.workers_min = pool.workers_max = 1;
	pool.queue_max = 1;
	pool.queue_bytes_max = UINT64_MAX;
	pool.init_timeout = pool.ping_interval = pool.idle_timeout = USEC_INFINITY;
	pool.kill_grace = pool.cancel_grace = USEC_PER_SEC;
	engine_default_settings(&settings);
	settings.requests_max = 1;
	settings.pool_count = 1;
	settings.pools = &pool;
	settings.sessions.max = settings.keys.max = MANY;
	settings.sessions.bytes_max = settings.sessions.state_max = MANY;
	settings.keys.ttl = TTL;
	*world = (struct world){.memory = malloc(engine_size(&settings)), .now = USEC_PER_SEC};
	ck_assert_ptr_nonnull(world->memory);
	world->engine = engine_init(world->memory, &settings, world->now);
	pull(world);
	step(world, (struct engine_event){.type = EVENT_WORKER_READY, .ready.concurrency = 1});
}

static struct bytes name_it(struct world *world, const char *kind, unsigned i)
{
	snprintf(world->name, sizeof(world->name), "%s %u", kind, i);
	return (struct bytes){(const uint8_t *)world->name, strlen(world->name)};
}

static void submit(struct world *world, struct bytes session, struct bytes key)
{
	step(world, (struct engine_event){.type = EVENT_SUBMIT,
					  .submit = {.priority = PRIORITY_NORMAL,
						     .max_attempts = 1,
						     .timeout = USEC_PER_SEC,
						     .session = session,
						     .key = key}});
}

static void answer(struct world *world, bool has_state, uint64_t state)
{
	step(world, (struct engine_event){.type = EVENT_WORKER_ANSWERED,
					  .id = world->id,
					  .answer = {.has_state = has_state,
						     .state = state,
						     .retry_after = USEC_INFINITY}});
}

START_TEST(a_worker_takes_the_state_of_many_sessions_along)
{
	struct world world;

	open_world(&world);
	for (unsigned i = 0; i < MANY; i++) {
		submit(&world, name_it(&world, "session", i), (struct bytes){0});
		answer(&world, false, 0);
	}
	step(&world, (struct engine_event){.type = EVENT_WORKER_EXITED});
	ck_assert_uint_eq(world.seen[EFFECT_SESSION], MANY);
	free(world.memory);
}
END_TEST

START_TEST(one_large_state_takes_the_room_of_many)
{
	struct world world;

	open_world(&world);
	for (unsigned i = 0; i < MANY; i++) {
		submit(&world, name_it(&world, "session", i), (struct bytes){0});
		answer(&world, true, 1);
	}
	submit(&world, name_it(&world, "session", MANY - 1), (struct bytes){0});
	answer(&world, true, MANY);
	ck_assert_uint_eq(world.seen[EFFECT_SESSION], MANY - 1);
	ck_assert_uint_eq(world.seen[EFFECT_RESULT], 1);
	free(world.memory);
}
END_TEST

/* The timer is late, and a new key needs room. */
START_TEST(many_keys_are_over_at_once)
{
	struct world world;

	open_world(&world);
	for (unsigned i = 0; i < MANY; i++) {
		submit(&world, (struct bytes){0}, name_it(&world, "key", i));
		answer(&world, false, 0);
	}
	world.now += TTL;
	submit(&world, (struct bytes){0}, name_it(&world, "key", MANY));
	ck_assert_uint_eq(world.seen[EFFECT_FORGET], MANY);
	ck_assert_uint_eq(world.seen[EFFECT_SEND], 1);
	free(world.memory);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_worker_takes_the_state_of_many_sessions_along,
		one_large_state_takes_the_room_of_many,
		many_keys_are_over_at_once,
	};

	return unit_main("engine_effects", tests, ARRAY_SIZE(tests));
}
