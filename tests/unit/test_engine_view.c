/* The views show what is: each is compared with what the events before it must have led to. */
#include "daemon/core/engine_view.h"

#include "protocol/read.h"
#include "tests/lib/defaults.h"
#include "tests/lib/unit.h"

#include <stdlib.h>

/* Slots: pool 0 is static and has none, pool 1 has those from 0 on. */
#define STATIC	0
#define PROCESS 1

#define METHOD	((struct bytes){(const uint8_t *)"work", 4})
#define NAME_A	((struct bytes){(const uint8_t *)"a", 1})
#define NAME_B	((struct bytes){(const uint8_t *)"b", 1})

struct world {
	struct engine *engine;
	void *memory;
	usec_t now;
	uint32_t sent_id; /* of the last EFFECT_SEND */
	uint32_t sent_to;
};

static void pull(struct world *world)
{
	const struct effect *effect;

	while ((effect = engine_next_effect(world->engine))) {
		if (effect->type != EFFECT_SEND)
			continue;
		world->sent_id = effect->send.id;
		world->sent_to = effect->worker;
		ck_assert_int_eq(effect->send.priority, PRIORITY_CRITICAL);
	}
}

static void step(struct world *world, struct engine_event event)
{
	event.now = world->now += USEC_PER_MSEC;
	event.life = 1;
	engine_step(world->engine, &event);
	pull(world);
}

static void open_world(struct world *world)
{
	struct engine_settings settings;
	struct pool_settings pools[2];

	pool_default_settings(&pools[STATIC]);
	pools[STATIC].adapter = POOL_STATIC;
	pool_default_settings(&pools[PROCESS]);
	pools[PROCESS].workers_min = 2;
	pools[PROCESS].workers_max = 3;
	pools[PROCESS].queue_max = 5;
	pools[PROCESS].queue_bytes_max = 100;
	pools[PROCESS].init_timeout = pools[PROCESS].ping_interval = USEC_INFINITY;
	pools[PROCESS].idle_timeout = USEC_INFINITY;
	pools[PROCESS].kill_grace = pools[PROCESS].cancel_grace = USEC_PER_SEC;
	pools[PROCESS].breaker_per_method = true;
	engine_default_settings(&settings);
	settings.requests_max = 4;
	settings.pool_count = 2;
	settings.pools = pools;
	*world = (struct world){.memory = malloc(engine_size(&settings)), .now = USEC_PER_SEC};
	ck_assert_ptr_nonnull(world->memory);
	world->engine = engine_init(world->memory, &settings, world->now);
	pull(world);
	for (uint32_t i = 0; i < 2; i++)
		step(world, (struct engine_event){.type = EVENT_WORKER_READY,
						  .worker = i,
						  .ready.concurrency = 2});
}

static void submit(struct world *world, uint32_t request, struct bytes session)
{
	step(world, (struct engine_event){.type = EVENT_SUBMIT,
					  .request = request,
					  .submit.pool = PROCESS,
					  .submit.priority = PRIORITY_CRITICAL,
					  .submit.is_idempotent = true,
					  .submit.max_attempts = 2,
					  .submit.timeout = 10 * USEC_PER_SEC,
					  .submit.bytes = 10,
					  .submit.method = METHOD,
					  .submit.session = session});
}

static void answer(struct world *world, enum errcode code)
{
	step(world, (struct engine_event){.type = EVENT_WORKER_ANSWERED,
					  .worker = world->sent_to,
					  .id = world->sent_id,
					  .answer.code = code,
					  .answer.has_retryable = true,
					  .answer.is_retryable = true,
					  .answer.retry_after = USEC_INFINITY});
}

START_TEST(test_pools)
{
	struct pool_workers_view workers;
	struct pool_view pool;
	struct world world;

	open_world(&world);
	ck_assert_uint_eq(engine_pool_count(world.engine), 2);
	engine_view_pool(world.engine, STATIC, &pool);
	ck_assert_int_eq(pool.adapter, POOL_STATIC);
	ck_assert_uint_eq(pool.circuit_count, 0);
	ck_assert_uint_eq(pool.workers_bound, 0);
	submit(&world, 0, (struct bytes){0});
	engine_view_pool(world.engine, PROCESS, &pool);
	ck_assert_int_eq(pool.adapter, POOL_PROCESS);
	ck_assert_int_eq(pool.health, POOL_OK);
	ck_assert_uint_eq(pool.troubles, 0);
	ck_assert_uint_eq(pool.workers_min, 2);
	ck_assert_uint_eq(pool.workers_max, 3);
	ck_assert_uint_eq(pool.workers_bound, 6);
	ck_assert_uint_eq(pool.ceiling, 3);
	ck_assert_uint_eq(pool.states[WORKER_READY], 1);
	ck_assert_uint_eq(pool.states[WORKER_BUSY], 1);
	ck_assert_uint_eq(pool.at_work, 2);
	ck_assert_uint_eq(pool.live, 2);
	ck_assert_uint_eq(pool.queue_max, 5);
	ck_assert_uint_eq(pool.queue_bytes_max, 100);
	ck_assert_uint_eq(pool.running, 1);
	ck_assert_uint_eq(pool.circuit_count, 2);
	ck_assert_int_eq(pool.breaker, BREAKER_CLOSED);
	ck_assert(!pool.is_drained);
	ck_assert_int_eq(pool.roll.state, ROLL_NONE);
	ck_assert_uint_eq(engine_pool_stats(world.engine, PROCESS)->attempts, 1);
	ck_assert_uint_eq(engine_retry_budget(world.engine, PROCESS, world.now), 20 * BUDGET_RETRY);
	engine_view_pool_workers(world.engine, PROCESS, &workers);
	ck_assert_uint_eq(workers.states[WORKER_READY], 1);
	ck_assert_uint_eq(workers.states[WORKER_BUSY], 1);
	ck_assert_uint_eq(workers.states[WORKER_TERMINATED], 0);
	step(&world, (struct engine_event){.type = EVENT_DRAIN, .pool = PROCESS});
	engine_view_pool(world.engine, PROCESS, &pool);
	ck_assert(pool.is_drained);
	ck_assert_uint_eq(pool.troubles, TROUBLE_DRAINED);
	free(world.memory);
}
END_TEST

START_TEST(test_circuits)
{
	struct circuit_view circuit;
	struct world world;

	open_world(&world);
	submit(&world, 0, (struct bytes){0});
	engine_view_circuit(world.engine, PROCESS, 1, world.now, &circuit);
	ck_assert(bytes_equal(circuit.method, "work"));
	ck_assert_int_eq(circuit.breaker.state, BREAKER_CLOSED);
	ck_assert_uint_eq(circuit.changed_by.at, 0);
	step(&world, (struct engine_event){.type = EVENT_BREAKER,
					   .manual.pool = PROCESS,
					   .manual.state = BREAKER_FORCED_OPEN,
					   .manual.uid = 7});
	engine_view_circuit(world.engine, PROCESS, 0, world.now, &circuit);
	ck_assert_uint_eq(circuit.method.len, 0);
	ck_assert_int_eq(circuit.breaker.state, BREAKER_FORCED_OPEN);
	ck_assert_int_eq(circuit.reason, BREAKER_BECAUSE_MANUAL);
	ck_assert_uint_eq(circuit.changed_by.uid, 7);
	ck_assert_uint_eq(circuit.changed_by.at, world.now);
	free(world.memory);
}
END_TEST

START_TEST(test_workers)
{
	struct attempt_view attempts[WORKER_ATTEMPTS_MAX];
	struct worker_view worker;
	struct world world;
	uint32_t request;

	open_world(&world);
	submit(&world, 2, (struct bytes){0});
	engine_view_worker(world.engine, world.sent_to, &worker);
	ck_assert_uint_eq(worker.pool, PROCESS);
	ck_assert_uint_eq(worker.number, world.sent_to + 1);
	ck_assert_uint_eq(worker.life, 1);
	ck_assert_int_eq(worker.state, WORKER_BUSY);
	ck_assert_uint_eq(worker.since, world.now);
	ck_assert_uint_eq(worker.in_flight, 1);
	ck_assert(worker.is_shown);
	engine_view_worker(world.engine, 5, &worker);
	ck_assert_int_eq(worker.state, WORKER_TERMINATED);
	ck_assert(!worker.is_shown);
	ck_assert_uint_eq(engine_worker_pool(world.engine, 5), PROCESS);
	ck_assert_uint_eq(engine_worker_number(world.engine, 5), 6);
	ck_assert_uint_eq(engine_worker_slot(world.engine, PROCESS, 6), 5);
	ck_assert_uint_eq(engine_worker_slot(world.engine, PROCESS, 0), NO_SLOT);
	ck_assert_uint_eq(engine_worker_slot(world.engine, STATIC, 1), NO_SLOT);

	ck_assert_uint_eq(engine_only_request(world.engine, world.sent_to), 2);
	ck_assert_uint_eq(engine_view_attempts(world.engine, world.sent_to, attempts), 1);
	ck_assert_uint_eq(attempts[0].request, 2);
	ck_assert_uint_eq(attempts[0].sent, world.now);
	ck_assert(engine_find_attempt(world.engine, world.sent_to, 1, world.sent_id, &request));
	ck_assert_uint_eq(request, 2);
	ck_assert(!engine_find_attempt(world.engine, world.sent_to, 2, world.sent_id, &request));
	ck_assert_uint_eq(request, NO_SLOT);

	/* Given up, it is known, but nobody's. */
	step(&world, (struct engine_event){.type = EVENT_CANCEL, .request = 2});
	ck_assert(engine_find_attempt(world.engine, world.sent_to, 1, world.sent_id, &request));
	ck_assert_uint_eq(request, NO_SLOT);
	ck_assert_uint_eq(engine_only_request(world.engine, world.sent_to), NO_SLOT);
	ck_assert_uint_eq(engine_view_attempts(world.engine, world.sent_to, attempts), 0);
	free(world.memory);
}
END_TEST

START_TEST(test_requests_and_recoveries)
{
	struct recoveries_view recoveries;
	struct recovery_view recovery;
	struct request_view request;
	struct world world;
	uint32_t slot;
	usec_t sent;

	open_world(&world);
	ck_assert_uint_eq(engine_next_recovery(world.engine, NO_SLOT), NO_SLOT);
	submit(&world, 3, (struct bytes){0});
	sent = world.now;
	engine_view_request(world.engine, 3, &request);
	ck_assert_uint_eq(request.pool, PROCESS);
	ck_assert_int_eq(request.state, REQUEST_SENT);
	ck_assert_uint_eq(request.attempts, 1);
	ck_assert_uint_eq(request.submitted, sent);
	ck_assert_uint_eq(request.deadline, sent + 10 * USEC_PER_SEC);
	ck_assert_uint_eq(request.first_sent, sent);
	ck_assert_uint_eq(request.sent, sent);
	ck_assert(request.has_circuit);
	ck_assert_int_eq(request.breaker, BREAKER_CLOSED);

	answer(&world, ERR_exception);
	slot = engine_next_recovery(world.engine, NO_SLOT);
	ck_assert_uint_ne(slot, NO_SLOT);
	ck_assert_uint_eq(engine_next_recovery(world.engine, slot), NO_SLOT);
	engine_view_recovery(world.engine, slot, &recovery);
	ck_assert_uint_eq(recovery.id, 1);
	ck_assert_uint_eq(recovery.request, 3);
	ck_assert_uint_eq(recovery.pool, PROCESS);
	ck_assert_int_eq(recovery.state, REQUEST_SENT);
	ck_assert_int_eq(recovery.cause, ERR_exception);
	ck_assert_uint_eq(recovery.attempts, 1);
	ck_assert_uint_eq(recovery.started, world.now);
	engine_view_recoveries(world.engine, &recoveries);
	ck_assert_uint_eq(recoveries.active, 1);
	ck_assert_uint_eq(recoveries.all.initiated, 1);
	ck_assert_uint_eq(recoveries.by_category[recovery.category].initiated, 1);
	ck_assert_uint_eq(recoveries.by_strategy[recovery.strategy].initiated, 1);
	ck_assert_uint_eq(recoveries.refused, 0);
	free(world.memory);
}
END_TEST

START_TEST(test_sessions_and_keys)
{
	struct sessions_view sessions;
	struct session_view session;
	struct keys_view keys;
	struct world world;
	uint32_t busy, idle;

	open_world(&world);
	ck_assert_uint_eq(engine_next_session(world.engine, NO_SLOT), NO_SLOT);
	submit(&world, 0, NAME_A);
	answer(&world, ERR_NONE);
	ck_assert(!engine_takes_state(world.engine, world.sent_to, world.sent_id));
	submit(&world, 1, NAME_B);
	ck_assert(engine_takes_state(world.engine, world.sent_to, world.sent_id));
	engine_view_sessions(world.engine, &sessions);
	ck_assert_uint_eq(sessions.open, 2);
	ck_assert_uint_eq(sessions.tombstones, 0);
	ck_assert_uint_ge(sessions.slots, sessions.max);
	busy = engine_next_session(world.engine, NO_SLOT);
	engine_view_session(world.engine, busy, &session);
	ck_assert(bytes_equal(session.name, "b") && session.is_busy && !session.is_bound);
	ck_assert(bytes_equal(engine_session_name(world.engine, busy), "b"));
	idle = engine_next_session(world.engine, busy);
	engine_view_session(world.engine, idle, &session);
	ck_assert(bytes_equal(session.name, "a") && !session.is_busy && session.is_bound);
	ck_assert_uint_eq(session.pool, PROCESS);
	ck_assert_uint_eq(session.served, 1);
	ck_assert_uint_eq(engine_next_session(world.engine, idle), NO_SLOT);
	engine_view_keys(world.engine, &keys);
	ck_assert_uint_eq(keys.used, 0);
	ck_assert_uint_eq(keys.bytes, 0);
	free(world.memory);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {test_pools, test_circuits, test_workers,
				      test_requests_and_recoveries, test_sessions_and_keys};

	return unit_main("engine_view", tests, sizeof(tests) / sizeof(*tests));
}
