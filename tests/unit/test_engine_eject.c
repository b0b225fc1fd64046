/*
 * One bad worker among good ones, and failures that are nobody's own: pools that serve for two
 * minutes of simulated time, at one call at a time, at half and at 110 % load.
 *
 * Runs take 50 ms, starts 100 ms.  What is bad is a slot, in each of its lives; or whoever holds a
 * lock, which the process that starts next after the holder's end gets.
 *
 * POOLD_FIGURES=1 in the environment prints the figures, of many more seeds.
 */
#include "daemon/core/engine_inspect.h"

#include <stdlib.h>

#include "tests/lib/defaults.h"
#include "tests/lib/prop.h"
#include "tests/lib/unit.h"

#define SLOTS_MAX    80
#define REQUESTS_MAX 32
#define RUN	     (50 * USEC_PER_MSEC)
#define START	     (100 * USEC_PER_MSEC)
#define SPAN	     (120 * USEC_PER_SEC)
#define NOBODY	     UINT32_MAX

enum evil {
	EVIL_NONE = 0,
	EVIL_RAISES,
	EVIL_FATAL,
	EVIL_COUNT_
};

static const char *const evils[] = {"none", "raises", "fatal"};

/* One process: what it does next, and when. */
struct process {
	bool exists;
	bool is_up;
	bool runs;
	bool holds_lock;
	uint32_t life;
	uint32_t id;
	uint32_t method;
	usec_t at; /* USEC_INFINITY: nothing */
};

struct world {
	struct prop prop;
	struct engine *engine;
	void *memory;
	usec_t now;
	usec_t arrives;
	unsigned workers;
	unsigned load; /* percent of the capacity; 0: one call at a time */
	unsigned methods;
	unsigned alike; /* percent of the calls that fail, whoever has them */
	enum evil evil;
	uint32_t bad; /* the slot that is bad, or NOBODY */
	bool by_lock;
	bool is_locked;
	struct process processes[SLOTS_MAX];
	bool open[REQUESTS_MAX];
	uint32_t method[REQUESTS_MAX];
	unsigned calls;
	unsigned failed;
	unsigned refused;
};

static void pull(struct world *world);

static void open_world(struct world *world)
{
	struct pool_settings pool;
	struct engine_settings settings;

	pool_default_settings(&pool);
	pool.workers_min = pool.workers_max = world->workers;
	pool.queue_max = REQUESTS_MAX;
	pool.queue_bytes_max = UINT64_MAX;
	pool.init_timeout = pool.ping_interval = pool.idle_timeout = USEC_INFINITY;
	pool.kill_grace = pool.cancel_grace = USEC_PER_SEC;
	pool.restart_delay = 100 * USEC_PER_MSEC;
	pool.restart_delay_max = 30 * USEC_PER_SEC;
	engine_default_settings(&settings);
	settings.requests_max = REQUESTS_MAX;
	settings.pool_count = 1;
	settings.pools = &pool;
	world->now = world->arrives = USEC_PER_SEC;
	world->memory = malloc(engine_size(&settings));
	ck_assert_ptr_nonnull(world->memory);
	ck_assert_uint_le(pool_slots(&pool), SLOTS_MAX);
	world->engine = engine_init(world->memory, &settings, world->now);
	for (unsigned i = 0; i < SLOTS_MAX; i++)
		world->processes[i].at = USEC_INFINITY;
	pull(world);
}

static void spawn(struct world *world, const struct effect *effect)
{
	struct process *process = &world->processes[effect->worker];
	bool holds = world->by_lock && !world->is_locked;

	*process = (struct process){.exists = true,
				    .life = effect->life,
				    .holds_lock = holds,
				    .at = world->now + START};
	world->is_locked |= holds;
}

static void carry_out(struct world *world, const struct effect *effect)
{
	struct process *process =
		effect->worker < SLOTS_MAX ? &world->processes[effect->worker] : NULL;

	switch (effect->type) {
	case EFFECT_SPAWN:
		spawn(world, effect);
		break;
	case EFFECT_SEND:
		process->runs = true;
		process->id = effect->send.id;
		process->method = world->method[effect->request];
		process->at = world->now + RUN;
		break;
	case EFFECT_SHUTDOWN:
	case EFFECT_SIGNAL:
		process->is_up = process->runs = false;
		process->at = world->now + USEC_PER_MSEC;
		break;
	case EFFECT_ERROR:
		world->open[effect->request] = false;
		world->failed += effect->failed.failure.was_attempted;
		world->refused += !effect->failed.failure.was_attempted;
		break;
	case EFFECT_RESULT:
		world->open[effect->request] = false;
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
	engine_step(world->engine, &event);
	pull(world);
}

static void answer(struct world *world, uint32_t slot)
{
	struct process *process = &world->processes[slot];
	bool bad = world->evil != EVIL_NONE && (slot == world->bad || process->holds_lock);
	bool fails = bad || prop_chance(&world->prop, world->alike);
	struct engine_event event = {.type = EVENT_WORKER_ANSWERED,
				     .worker = slot,
				     .life = process->life,
				     .id = process->id,
				     .answer.retry_after = USEC_INFINITY};

	process->runs = false;
	event.answer.code = fails ? ERR_exception : ERR_NONE;
	event.answer.is_fatal = bad && world->evil == EVIL_FATAL;
	step(world, event);
}

static void go_on(struct world *world, uint32_t slot)
{
	struct process *process = &world->processes[slot];

	process->at = USEC_INFINITY;
	if (process->runs) {
		answer(world, slot);
		return;
	}
	if (!process->is_up && engine_worker(world->engine, slot)->state == WORKER_INITIALIZING) {
		process->is_up = true;
		step(world, (struct engine_event){.type = EVENT_WORKER_READY,
						  .worker = slot,
						  .life = process->life,
						  .ready.concurrency = 1});
		return;
	}
	world->is_locked &= !process->holds_lock;
	process->exists = process->holds_lock = false;
	step(world, (struct engine_event){
			    .type = EVENT_WORKER_EXITED, .worker = slot, .life = process->life});
}

static void submit(struct world *world, uint32_t slot)
{
	static const char names[] = "abcdefgh";

	world->calls++;
	world->open[slot] = true;
	world->method[slot] = (uint32_t)prop_below(&world->prop, world->methods);
	step(world, (struct engine_event){
			    .type = EVENT_SUBMIT,
			    .request = slot,
			    .submit = {.priority = PRIORITY_NORMAL,
				       .method = {(const uint8_t *)names + world->method[slot], 1},
				       .max_attempts = 3,
				       .timeout = USEC_PER_SEC}});
}

static void arrive(struct world *world)
{
	usec_t between = world->load ? RUN * 100 / (world->workers * world->load) : 10000;

	/* Uniform around the mean: arrivals meet all orders of idle workers. */
	world->arrives = world->now + prop_below(&world->prop, 2 * between + 1);
	for (uint32_t i = 0; i < (world->load ? REQUESTS_MAX : 1); i++)
		if (!world->open[i]) {
			submit(world, i);
			return;
		}
	world->refused += world->load > 0;
}

static void run_until(struct world *world, usec_t end)
{
	while (world->now < end) {
		usec_t next = usec_min(world->arrives, engine_deadline(world->engine));
		uint32_t slot = NOBODY;

		for (uint32_t i = 0; i < engine_worker_count(world->engine); i++)
			if (world->processes[i].exists && world->processes[i].at < next) {
				next = world->processes[i].at;
				slot = i;
			}
		world->now = next > world->now ? next : world->now;
		if (slot != NOBODY)
			go_on(world, slot);
		else if (world->arrives <= world->now)
			arrive(world);
		else
			step(world, (struct engine_event){.type = EVENT_TIMER});
	}
	ck_assert_ptr_null(engine_check(world->engine));
}

static uint64_t ejections(const struct world *world)
{
	return engine_pool(world->engine, 0)->stats.ejections;
}

static bool has_figures(void)
{
	return getenv("POOLD_FIGURES") != NULL;
}

static void show(const char *what, const struct world *world)
{
	if (has_figures())
		printf("%-28s %2u workers, load %3u %%: %6u calls, %4u failed, %llu ejections\n",
		       what, world->workers, world->load, world->calls, world->failed,
		       (unsigned long long)ejections(world));
}

/* --- one bad worker of eight --- */

static bool is_at_work(const struct world *world)
{
	for (uint32_t i = 0; i < SLOTS_MAX; i++)
		if (world->processes[i].runs)
			return true;
	return false;
}

static void meet_evil(enum evil evil, unsigned load, bool by_lock, bool two)
{
	struct world world = {.prop = prop_seeded(load + 7 * evil),
			      .workers = two ? 2 : 8,
			      .load = load,
			      .methods = 1,
			      .by_lock = by_lock,
			      .bad = NOBODY};
	char what[64];

	open_world(&world);
	/* The pool is well for two seconds; then the worker that is asked first is bad. */
	run_until(&world, 3 * USEC_PER_SEC);
	world.calls = world.failed = 0;
	world.evil = evil;
	while (!by_lock && !is_at_work(&world))
		run_until(&world, world.now + 1);
	if (!by_lock)
		for (uint32_t i = 0; i < SLOTS_MAX && world.bad == NOBODY; i++)
			if (world.processes[i].runs)
				world.bad = i;
	run_until(&world, world.now + SPAN);
	snprintf(what, sizeof(what), "%s, by %s", evils[evil], by_lock ? "lock" : "slot");
	show(what, &world);
	ck_assert_msg(world.failed > 0, "%s: nobody is bad", what);
	ck_assert_msg(world.failed <= 20, "%s, load %u: %u failed calls", what, load, world.failed);
	free(world.memory);
}

static const unsigned loads[] = {0, 50, 110};

START_TEST(a_bad_worker_fails_few_calls)
{
	for (unsigned evil = EVIL_RAISES; evil < EVIL_COUNT_; evil++)
		for (unsigned i = 0; i < ARRAY_SIZE(loads); i++) {
			meet_evil((enum evil)evil, loads[i], false, false);
			meet_evil((enum evil)evil, loads[i], true, false);
		}
}
END_TEST

START_TEST(of_two_the_other_one_judges)
{
	for (unsigned i = 0; i < ARRAY_SIZE(loads); i++)
		meet_evil(EVIL_RAISES, loads[i], false, true);
}
END_TEST

/* --- how long --- */

/* Runs until the bad slot's worker is ejected, and returns for how long it is. */
static usec_t next_span(struct world *world)
{
	const struct worker *worker = engine_worker(world->engine, world->bad);
	usec_t until = worker->eject_until;

	world->evil = EVIL_RAISES;
	while (worker->eject_until == until || worker->eject_until == 0) {
		ck_assert_uint_lt(world->now, 1000 * USEC_PER_SEC);
		ck_assert_uint_eq(worker->life, 1);
		run_until(world, world->now + USEC_PER_MSEC);
	}
	world->evil = EVIL_NONE;
	return (worker->eject_until - world->now + USEC_PER_SEC / 2) / USEC_PER_SEC;
}

START_TEST(the_growth_is_forgotten_after_a_well_minute)
{
	struct world world = {.prop = prop_seeded(1), .workers = 8, .load = 110, .methods = 1};

	open_world(&world);
	run_until(&world, 3 * USEC_PER_SEC);
	ck_assert_uint_eq(next_span(&world), 1);
	run_until(&world, world.now + 50 * USEC_PER_SEC);
	ck_assert_uint_eq(next_span(&world), 2);
	run_until(&world, world.now + 61 * USEC_PER_SEC);
	ck_assert_msg(next_span(&world) == 4, "a minute since the ejection is no well minute");
	run_until(&world, world.now + 65 * USEC_PER_SEC);
	ck_assert_uint_eq(engine_worker(world.engine, 0)->ejections, 0);
	ck_assert_uint_eq(next_span(&world), 1);
	free(world.memory);
}
END_TEST

/* --- slots --- */

/* A worker is replaced for its failures; `later` the pool gets all slots but one.  Returns the slot
 * of that worker. */
static const struct worker *reuse_slots(struct world *world, usec_t later)
{
	const struct worker *worker;

	open_world(world);
	run_until(world, 3 * USEC_PER_SEC);
	worker = engine_worker(world->engine, world->bad);
	world->evil = EVIL_RAISES;
	while (worker->state != WORKER_TERMINATED) {
		ck_assert_uint_lt(world->now, 100 * USEC_PER_SEC);
		run_until(world, world->now + USEC_PER_MSEC);
	}
	world->evil = EVIL_NONE;
	world->load = 20;
	run_until(world, world->now + later);
	step(world, (struct engine_event){.type = EVENT_RESIZE,
					  .size = {2 * world->workers, 2 * world->workers}});
	run_until(world, world->now + USEC_PER_SEC);
	return worker;
}

START_TEST(a_bad_slot_is_used_last_for_a_while)
{
	struct world world = {.prop = prop_seeded(1), .workers = 8, .load = 110, .methods = 1};
	const struct worker *worker = reuse_slots(&world, 60 * USEC_PER_SEC);

	ck_assert_uint_eq(worker->life, 1);
	free(world.memory);
	world = (struct world){.prop = prop_seeded(1), .workers = 8, .load = 110, .methods = 1};
	worker = reuse_slots(&world, 601 * USEC_PER_SEC);
	ck_assert_uint_eq(worker->life, 2);
	ck_assert_uint_eq(worker->ejections, 0);
	ck_assert(!worker->on_probation);
	free(world.memory);
}
END_TEST

/* --- failures that hit all alike --- */

static void share_failure(unsigned workers, unsigned alike, unsigned load, uint64_t seed,
			  uint64_t *calls, uint64_t *ejected)
{
	struct world world = {.prop = prop_seeded(seed),
			      .workers = workers,
			      .load = load,
			      .methods = 2,
			      .alike = alike,
			      .bad = NOBODY};

	open_world(&world);
	run_until(&world, SPAN);
	*calls += world.calls;
	*ejected += ejections(&world);
	free(world.memory);
}

START_TEST(a_bug_that_hits_all_ejects_nobody)
{
	static const unsigned shares[] = {1, 5, 20, 50, 80, 95, 100};
	static const unsigned sizes[] = {1, 2, 3, 8, 24};
	uint64_t seeds = getenv("POOLD_FIGURES") ? 40 : 1;

	for (unsigned n = 0; n < ARRAY_SIZE(sizes); n++)
		for (unsigned i = 0; i < ARRAY_SIZE(shares); i++) {
			uint64_t calls = 0, ejected = 0;

			for (uint64_t seed = 0; seed < seeds; seed++)
				share_failure(sizes[n], shares[i], loads[seed % 3], 1000 * seed + i,
					      &calls, &ejected);
			if (has_figures())
				printf("%2u workers, %3u %% fail: %llu ejections in %llu calls\n",
				       sizes[n], shares[i], (unsigned long long)ejected,
				       (unsigned long long)calls);
			ck_assert_msg(ejected <= calls / 100000, "%u workers, %u %%: %llu",
				      sizes[n], shares[i], (unsigned long long)ejected);
		}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_bad_worker_fails_few_calls,
		of_two_the_other_one_judges,
		the_growth_is_forgotten_after_a_well_minute,
		a_bad_slot_is_used_last_for_a_while,
		a_bug_that_hits_all_ejects_nobody,
	};

	return unit_main("engine_eject", tests, ARRAY_SIZE(tests));
}
