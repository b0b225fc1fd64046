#include "tests/sim/world.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/defaults.h"
#include "tests/lib/narrate.h"
#include "tests/sim/judge.h"
#include "tests/sim/process.h"

#define MEMORY_MAX	  1000
#define SPARES_MAX	  2
#define REQUEST_BYTES_MAX 300
#define STATE_MAX	  100
#define WAITING_MAX	  256 /* deeds that wait while the daemon stands still */

/* --- chance --- */

usec_t world_span(struct world *world, usec_t middle)
{
	usec_t most = middle * 8 >> prop_below(&world->prop, 7);

	return prop_between(&world->prop, most / 2, most);
}

static bool permille(struct prop *prop, unsigned rate)
{
	return rate > 0 && prop_below(prop, 1000) < rate;
}

bool world_fault(struct world *world, enum fault fault)
{
	return !world->calm && permille(&world->prop, world->rates[fault]);
}

struct record *world_heir(struct world *world, uint32_t record)
{
	while (world->records[record].heir != NOBODY)
		record = world->records[record].heir;
	return &world->records[record];
}

struct bytes world_session_name(uint32_t session)
{
	static const char *const names[SESSION_WORDS] = {"s0", "s1", "s2", "s3", "s4", "s5"};

	return (struct bytes){(const uint8_t *)names[session % SESSION_WORDS], 2};
}

uint32_t world_session_number(const struct world *world, uint32_t user, struct bytes name)
{
	uint32_t word = (uint32_t)(name.data[1] - '0');

	return world->settings.sessions.is_shared ? word : user * SESSION_WORDS + word;
}

usec_t world_delay(struct world *world)
{
	static const usec_t most[] = {1, 20, 20, 100, 100, 1000, 10000};

	return prop_below(&world->prop,
			  world->busy ? 20 : most[prop_below(&world->prop, ARRAY_SIZE(most))]);
}

static uint64_t one_of(struct world *world, const uint64_t *choices, size_t count)
{
	return choices[prop_below(&world->prop, count)];
}

#define ONE_OF(world, ...)                                                                         \
	one_of(world, (const uint64_t[]){__VA_ARGS__},                                             \
	       sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

/* --- creation --- */

/* Most worlds have some of the faults, some have all or none; in a storm there is only one kind. */
static void draw_rates(struct world *world)
{
	unsigned share = world->storm ? 0 : (unsigned)ONE_OF(world, 0, 10, 25, 25, 50, 100);

	for (unsigned i = 0; i < FAULT_COUNT_; i++)
		world->rates[i] = prop_chance(&world->prop, share)
					  ? (unsigned)ONE_OF(world, 5, 30, 100, 300)
					  : 0;
	if (world->storm)
		world->rates[FAULT_CRASHES] = 900;
	/* A short run that takes long, now and then, has others behind it. */
	if (world->busy)
		world->rates[FAULT_SLOW] = 40;
	if (!world->patient)
		return;
	world->rates[FAULT_CRASHES] = 300;
	world->rates[FAULT_NEVER_READY] = 500;
}

static void draw_breaker(struct world *world, struct pool_settings *pool)
{
	struct prop *prop = &world->prop;
	struct breaker_settings *breaker = &pool->breaker;

	pool->breaker_per_method = prop_chance(prop, 25);
	if (prop_chance(prop, 25))
		pool->breaker_begins = prop_chance(prop, 60) ? BREAKER_DISABLED : BREAKER_OBSERVING;
	if (world->storm || world->plain)
		pool->breaker_begins = BREAKER_DISABLED;
	if (prop_chance(prop, 20))
		return;
	*breaker = (struct breaker_settings){
		.failure_threshold = (unsigned)prop_between(prop, 1, 6),
		.success_threshold = (unsigned)prop_between(prop, 1, 4),
		.half_open_requests = (unsigned)prop_between(prop, 1, 3),
		.minimum_calls = (unsigned)ONE_OF(world, 1, 5, 20),
		.failure_rate = (unsigned)ONE_OF(world, 0, 50, 50, 100),
		.slow_call_rate = (unsigned)ONE_OF(world, 0, 0, 0, 50),
		.slow_call_duration = world_span(world, USEC_PER_MSEC),
		.window = 10 + world_span(world, 200 * USEC_PER_MSEC),
		.min_outage = world_span(world, 10 * USEC_PER_MSEC),
		.failure_run_ttl = world_span(world, USEC_PER_SEC),
		.open_timeout = 1 + world_span(world, 20 * USEC_PER_MSEC),
		.open_multiplier = (unsigned)ONE_OF(world, 100, 100, 200),
		.open_jitter = (unsigned)ONE_OF(world, 0, 0, 50),
		.probe_timeout = 1 + world_span(world, 50 * USEC_PER_MSEC),
		.early_probe = prop_chance(prop, 50),
	};
	breaker->open_timeout_max = breaker->open_timeout + world_span(world, 20 * USEC_PER_MSEC);
	/* Long enough that an early probe comes first. */
	if (breaker->early_probe && prop_chance(prop, 50))
		breaker->open_timeout = breaker->open_timeout_max = 5 * USEC_PER_SEC;
}

static void draw_retries(struct world *world, struct pool_settings *pool)
{
	struct prop *prop = &world->prop;
	usec_t middle = ONE_OF(world, 200, 2000, 2000, 20000, 1000000);

	pool->backoff = (struct backoff_settings){
		.kind = (enum backoff_kind)prop_below(prop, BACKOFF_KIND_COUNT_),
		.base = world_span(world, middle),
		.cap = world_span(world, 4 * middle),
		.list = world->delays,
		.list_len = (unsigned)prop_below(prop, ARRAY_SIZE(world->delays) + 1),
	};
	if (world->storm || prop_chance(prop, 40))
		return;
	pool->budget = (struct budget_settings){
		.max = (uint32_t)ONE_OF(world, 0, 1000, 2500, 20000),
		.per_success = (uint32_t)ONE_OF(world, 0, 200, 1000),
		.per_second = (uint32_t)ONE_OF(world, 0, 1000, 50000),
		.refill_below = (uint32_t)ONE_OF(world, 0, 1000, 10000, 50000),
	};
}

/* Some of the other pools, in any order. */
static void draw_chain(struct world *world, unsigned head)
{
	struct pool_settings *pool = &world->pools[head];
	unsigned count = (unsigned)prop_below(&world->prop, 4);
	unsigned at = (unsigned)prop_below(&world->prop, POOLS_MAX);

	for (unsigned i = 0; i < world->settings.pool_count && pool->fallback_count < count; i++) {
		unsigned next = (at + i) % world->settings.pool_count;

		if (next != head)
			pool->fallbacks[pool->fallback_count++] = next;
	}
	if (pool->fallback_count > 1 && prop_chance(&world->prop, 50)) {
		uint32_t first = pool->fallbacks[0];

		pool->fallbacks[0] = pool->fallbacks[1];
		pool->fallbacks[1] = first;
	}
	pool->failover.dwell = world_span(world, 20 * USEC_PER_MSEC);
	pool->failover.step = world_span(world, 5 * USEC_PER_MSEC);
	if (prop_chance(&world->prop, 50))
		pool->fallback_on = (unsigned)ONE_OF(world, 1u << ERRCAT_application,
						     1u << ERRCAT_timeout, 0xffff);
}

static void draw_times(struct world *world, struct pool_settings *pool)
{
	pool->init_timeout =
		world_span(world, world->patient ? 20 * USEC_PER_SEC : 100 * USEC_PER_MSEC);
	pool->ping_interval = world_span(world, 100 * USEC_PER_MSEC);
	pool->ping_timeout = world_span(world, 20 * USEC_PER_MSEC);
	pool->idle_timeout = world_span(world, 100 * USEC_PER_MSEC);
	pool->no_worker_wait = world_span(world, ONE_OF(world, 0, 1000, 20000, 2000000));
	pool->kill_grace = world_span(world, 20 * USEC_PER_MSEC);
	pool->cancel_grace = world_span(world, 20 * USEC_PER_MSEC);
	pool->restart_delay = world_span(world, 10 * USEC_PER_MSEC);
	pool->timeout = world_span(world, 100 * USEC_PER_MSEC);
	pool->restart_delay_max = pool->restart_delay + world_span(world, 100 * USEC_PER_MSEC);
	if (!world->plain && prop_chance(&world->prop, 40))
		pool->attempt_timeout = 1 + world_span(world, 20 * USEC_PER_MSEC);
}

static void draw_workers(struct world *world, unsigned i)
{
	struct pool_settings *pool = &world->pools[i];
	struct prop *prop = &world->prop;

	pool->workers_max = (unsigned)prop_between(prop, 1, WORKERS_MAX / POOLS_MAX);
	pool->workers_min = (unsigned)prop_between(prop, prop_chance(prop, 90), pool->workers_max);
	if (prop_chance(prop, 25))
		pool->spares = (unsigned)prop_between(prop, 1, SPARES_MAX);
	pool->start_parallel = (unsigned)ONE_OF(world, 0, 0, 1, 2, 8);
	if (prop_chance(prop, 25))
		pool->max_requests = ONE_OF(world, 1, 3, 20);
	if (prop_chance(prop, 20))
		pool->max_lifetime = 1 + world_span(world, 200 * USEC_PER_MSEC);
	if (prop_chance(prop, 20))
		pool->max_memory = MEMORY_MAX;
	if (prop_chance(prop, 25))
		pool->slow_after = 1 + world_span(world, 2 * USEC_PER_MSEC);
	pool->failing.share = (unsigned)prop_between(prop, 1, 100);
	pool->failing.min = (unsigned)ONE_OF(world, 0, 1, 3, 10);
	world->concurrency[i] = (unsigned)ONE_OF(world, 1, 1, 1, 1, 2, 4, 16);
	world->announces[i] = prop_chance(prop, 60);
	world->batches[i] = prop_chance(prop, 15);
	world->recalls[i] = prop_chance(prop, 70);
	world->pages[i] = prop_chance(prop, 50);
	world->typical_run[i] = ONE_OF(world, 50, 500, 5000, 50000);
}

/* So that lines at workers are usual. */
static void make_busy(struct world *world, unsigned i)
{
	struct prop *prop = &world->prop;

	world->concurrency[i] = (unsigned)ONE_OF(world, 1, 1, 1, 2);
	world->announces[i] = prop_chance(prop, 90);
	world->batches[i] = prop_chance(prop, 10);
	world->recalls[i] = prop_chance(prop, 90);
	world->pages[i] = prop_chance(prop, 60);
	world->typical_run[i] = ONE_OF(world, 20, 100, 100);
	world->pools[i].queue_max = 20;
	world->pools[i].init_timeout = USEC_PER_SEC;
	world->pools[i].idle_timeout = USEC_PER_SEC;
	world->pools[i].prefetch = (unsigned)ONE_OF(world, 1, 2, 4);
	world->pools[i].prefetch_max = (unsigned)ONE_OF(world, 4, 16, 63);
	if (prop_chance(prop, 60))
		world->pools[i].breaker_begins = BREAKER_DISABLED;
}

static void draw_pool(struct world *world, unsigned i)
{
	struct pool_settings *pool = &world->pools[i];
	struct prop *prop = &world->prop;
	unsigned lot = (unsigned)prop_below(prop, 100);

	pool_default_settings(pool);
	if (!world->plain && !world->busy)
		pool->adapter = lot < 15 ? POOL_STATIC : lot < 35 ? POOL_SOCKET : POOL_PROCESS;
	pool->queue_max = (unsigned)prop_between(prop, 1, 20);
	pool->queue_per_user = prop_chance(prop, 20) ? (unsigned)prop_between(prop, 1, 10) : 0;
	pool->queue_bytes_max = prop_between(prop, REQUEST_BYTES_MAX / 2, 3000);
	pool->prefetch = (unsigned)ONE_OF(world, 0, 1, 2, 4, 16);
	pool->prefetch_max = (unsigned)ONE_OF(world, 0, 4, 16, 63);
	pool->max_crash_retries = world->storm ? 3 : (unsigned)ONE_OF(world, 0, 0, 1, 3);
	pool->any_pong = prop_chance(prop, 20);
	pool->errors_name_methods = prop_chance(prop, 50);
	pool->affinity = (enum session_affinity)prop_below(prop, SESSION_AFFINITY_COUNT_);
	pool->keys_are_shared = prop_chance(prop, 20);
	draw_times(world, pool);
	draw_breaker(world, pool);
	draw_retries(world, pool);
	if (pool->adapter != POOL_STATIC)
		draw_workers(world, i);
	if (pool->adapter != POOL_STATIC && world->busy)
		make_busy(world, i);
	if (!world->plain && prop_chance(prop, 60))
		draw_chain(world, i);
}

/* Mostly the default table; in some worlds an operator has changed it. */
static void draw_policy(struct world *world)
{
	policy_init(&world->policy);
	if (!prop_chance(&world->prop, 25))
		return;
	for (unsigned i = 0; i < 10; i++) {
		uint64_t code =
			i == 0 ? ERR_exception : prop_between(&world->prop, 1, ERR_COUNT_ - 1);
		struct policy_row *row = &world->policy.rows[code];

		row->severity =
			(enum errseverity)prop_below(&world->prop, (uint64_t)SEVERITY_COUNT_);
		row->strategy =
			(enum errstrategy)prop_below(&world->prop, (uint64_t)STRATEGY_COUNT_);
		row->retries = (unsigned)prop_below(&world->prop, 5);
		row->backoff =
			(enum errbackoff)prop_below(&world->prop, (uint64_t)ERRBACKOFF_COUNT_);
		row->counts_worker = prop_chance(&world->prop, 50);
		row->counts_breaker = prop_chance(&world->prop, 50);
		row->fails_over =
			(enum errfailover)prop_below(&world->prop, (uint64_t)FAILOVER_COUNT_);
	}
}

static void draw_names(struct world *world)
{
	struct prop *prop = &world->prop;

	world->users = (unsigned)ONE_OF(world, 1, 2, USERS);
	world->named = world->storm || world->plain ? 0 : (unsigned)ONE_OF(world, 0, 20, 50, 90);
	world->settings.sessions = (struct session_settings){
		.max = (uint32_t)prop_between(prop, 1, SESSION_WORDS),
		.is_shared = prop_chance(prop, 20),
		.ttl = 1 + world_span(world, ONE_OF(world, 5000, 200000, 2000000)),
		.state_max = STATE_MAX,
		.bytes_max = ONE_OF(world, STATE_MAX, 2 * STATE_MAX, 10 * STATE_MAX),
	};
	world->settings.keys = (struct key_settings){
		.max = (uint32_t)prop_between(prop, 1, NAMES_MAX),
		.ttl = 1 + world_span(world, ONE_OF(world, 2000, 50000, 1000000)),
		.bytes_max = ONE_OF(world, 50, 300, 10000),
	};
}

static void plan_arrival(struct world *world, uint32_t client)
{
	struct deed deed = {.kind = DEED_ARRIVAL,
			    .at = world->now + world_span(world, world->pause)};

	deed.client = client;
	agenda_add(&world->agenda, &deed);
}

static void plan_next(struct world *world, enum deed_kind kind, usec_t middle)
{
	struct deed deed = {.kind = kind, .at = world->now + 1 + world_span(world, middle)};

	agenda_add(&world->agenda, &deed);
}

static void reserve(struct world *world)
{
	size_t size = engine_size(&world->settings);

	if (size > world->memory_size) {
		free(world->memory);
		world->memory = malloc(size);
		world->memory_size = size;
	}
	if (!world->memory)
		abort();
	/* Memory that the engine does not initialize becomes visible. */
	memset(world->memory, 0xa5, size);
}

static void forget(struct world *world)
{
	agenda_clear(&world->agenda);
	for (unsigned i = 0; i < SLOTS_MAX; i++) {
		struct process *process = &world->processes[i];

		*process = (struct process){.sendings = process->sendings,
					    .sending_max = process->sending_max};
	}
	for (unsigned i = 0; i < REQUESTS_MAX; i++)
		world->open[i] = UINT32_MAX;
	world->record_count = 0;
	world->calm = false;
	memset(world->deaf, 0, sizeof(world->deaf));
	world->outage = NOBODY;
	world->subject = NOBODY;
	world->events = world->timers = 0;
	world->event = (struct engine_event){.type = EVENT_TIMER};
}

static void draw_world(struct world *world, uint64_t seed)
{
	struct prop *prop = &world->prop;

	world->seed = seed;
	*prop = prop_seeded(seed);
	world->mischief = prop_seeded(~seed);
	world->now = ONE_OF(world, 1, 1000, 1000000, 1000000000000);
	world->storm = prop_below(prop, 20) == 0;
	world->patient = !world->storm && prop_below(prop, 10) == 0;
	world->plain = prop_below(prop, 4) == 0;
	world->busy = !world->storm && !world->patient && prop_below(prop, 4) == 0;
	draw_rates(world);
	engine_default_settings(&world->settings);
	world->settings.requests_max = (uint32_t)prop_between(prop, 1, REQUESTS_MAX);
	world->settings.requests_per_user =
		prop_chance(prop, 20) ? (uint32_t)prop_between(prop, 1, REQUESTS_MAX / 2) : 0;
	world->settings.pool_count = (uint32_t)prop_between(prop, 1, world->busy ? 2 : POOLS_MAX);
	if (world->busy)
		world->settings.requests_max = REQUESTS_MAX;
	world->settings.pools = world->pools;
	world->settings.drain_timeout = ONE_OF(world, 0, 10000, 200000, 2000000);
	world->settings.policy = &world->policy;
	world->settings.recoveries_max =
		(uint32_t)ONE_OF(world, 1, 3, REQUESTS_MAX, REQUESTS_MAX, REQUESTS_MAX);
	draw_policy(world);
	draw_names(world);
	for (unsigned i = 0; i < ARRAY_SIZE(world->delays); i++)
		world->delays[i] = world_span(world, 2000);
	for (unsigned i = 0; i < world->settings.pool_count; i++)
		draw_pool(world, i);
	world->popular = (unsigned)ONE_OF(world, 0, 80);
	world->pause = world->patient ? 2 * USEC_PER_SEC : ONE_OF(world, 200, 2000, 20000, 200000);
	world->burst_max = (unsigned)ONE_OF(world, 1, 2, 5, 20);
	if (world->busy) {
		world->pause = ONE_OF(world, 5000, 20000);
		world->burst_max = 20;
	}
	world->timer_slack = ONE_OF(world, 0, 0, 1, 1000, 5000);
	world->stop_at[0] = (unsigned)prop_below(prop, 2 * (uint64_t)world->events_max);
	world->stop_at[1] = world->stop_at[0] + (unsigned)ONE_OF(world, 1, 10, 100, 1000000);
	for (uint32_t client = 0; client < 1 + prop_below(prop, CLIENTS_MAX); client++)
		plan_arrival(world, client);
	world->meddles = !world->storm && prop_chance(prop, 40);
	world->changes = !world->storm && prop_chance(prop, 40);
	if (world->meddles)
		plan_next(world, DEED_MEDDLE, 4 * world->pause);
	if (world->changes)
		plan_next(world, DEED_PHASE, 10 * world->pause);
}

/* --- the engine's side --- */

void world_trace(const struct world *world, const char *format, ...)
{
	va_list args;

	if (!world->trace)
		return;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

static void carry_out(struct world *world, const struct effect *effect)
{
	uint32_t record = UINT32_MAX;

	switch (effect->type) {
	case EFFECT_RESULT:
	case EFFECT_ERROR:
	case EFFECT_DROP:
		if (effect->request < REQUESTS_MAX) {
			world->open[effect->request] = UINT32_MAX;
			/* The engine must not read the names of this request any more. */
			memset(world->names[effect->request], 0xa5, sizeof(world->names[0]));
		}
		break;
	case EFFECT_SEND:
		record = world->open[effect->request];
		process_take_effect(world, effect, record);
		break;
	case EFFECT_SPAWN:
	case EFFECT_CANCEL:
	case EFFECT_RECALL:
	case EFFECT_PING:
	case EFFECT_SHUTDOWN:
	case EFFECT_CLOSE:
	case EFFECT_SIGNAL:
		process_take_effect(world, effect, record);
		break;
	default:
		break;
	}
}

/* Proves that the simulator can fail: changes one answer in a thousand before the
 * client gets it. */
static bool is_sabotaged(struct world *world, const struct effect *effect)
{
	if (world->sabotage == SABOTAGE_STALE)
		return effect->type == EFFECT_RESULT && effect->result.session != NO_SLOT &&
		       permille(&world->mischief, 20);
	return world->sabotage != SABOTAGE_NONE &&
	       (effect->type == EFFECT_RESULT || effect->type == EFFECT_ERROR) &&
	       permille(&world->mischief, 1);
}

static void answer_late(struct world *world, const struct effect *effect)
{
	usec_t now = world->now;
	usec_t deadline = world->records[world->open[effect->request]].deadline;

	world->now = deadline + 10 * USEC_PER_MSEC + 1;
	judge_effect(world, effect);
	world->now = now;
}

static void take_effect(struct world *world, const struct effect *effect)
{
	char text[NARRATE_MAX];

	if (world->trace)
		world_trace(world, "                 %s", narrate_effect(effect, text));
	if (is_sabotaged(world, effect)) {
		if (world->sabotage == SABOTAGE_DROP)
			return;
		if (world->sabotage == SABOTAGE_STALE) {
			uint64_t version = world->judge.versions[effect->result.session];

			judge_effect(world, effect);
			carry_out(world, effect);
			world->judge.versions[effect->result.session] = version;
			return;
		}
		if (world->sabotage == SABOTAGE_LATE)
			answer_late(world, effect);
		else
			judge_effect(world, effect);
	}
	judge_effect(world, effect);
	if (!world->judge.property)
		carry_out(world, effect);
}

static void pull(struct world *world)
{
	const struct effect *effect;

	while ((effect = engine_next_effect(world->engine)))
		if (!world->judge.property)
			take_effect(world, effect);
}

static void step(struct world *world, const struct engine_event *event)
{
	char text[NARRATE_MAX];

	if (world->judge.property)
		return;
	world->event = *event;
	world->event.now = world->now;
	world->subject = event->type == EVENT_SUBMIT ? world->record_count - 1 : NOBODY;
	world->gone = event->type == EVENT_CANCEL ? world->open[event->request] : NOBODY;
	world->events++;
	if (world->trace)
		world_trace(world, "[%10" PRIu64 "] %s", world->now, narrate_event(event, text));
	judge_before(world);
	engine_step(world->engine, &world->event);
	pull(world);
	if (!world->judge.property)
		judge_after(world);
}

/* --- clients --- */

static bool is_closing(const struct world *world)
{
	return world->events >= world->events_max;
}

/* Finds any free slot, so that the same one is often used again soon. */
static bool find_slot(struct world *world, uint32_t *ret)
{
	uint32_t max = world->settings.requests_max;
	uint32_t from = (uint32_t)prop_below(&world->prop, max);

	for (uint32_t i = 0; i < max; i++)
		if (world->open[(from + i) % max] == UINT32_MAX) {
			*ret = (from + i) % max;
			return true;
		}
	return false;
}

static struct record *new_record(struct world *world)
{
	if (world->record_count == world->record_max) {
		world->record_max = 2 * world->record_max + 1024;
		world->records =
			reallocarray(world->records, world->record_max, sizeof(*world->records));
		if (!world->records)
			abort();
	}
	return &world->records[world->record_count++];
}

static void plan_cancel(struct world *world, usec_t timeout)
{
	struct deed deed = {.kind = DEED_CANCEL, .at = world->now + world_span(world, timeout / 8)};

	deed.record = world->record_count - 1;
	agenda_add(&world->agenda, &deed);
}

static usec_t draw_timeout(struct world *world)
{
	static const uint64_t middles[] = {2000, 20000, 200000, 5000000};

	if (world->busy && prop_chance(&world->prop, 80))
		return 1 + world_span(world, 200 * USEC_PER_MSEC);
	if (world->patient)
		return 60 * USEC_PER_SEC + world_span(world, 30 * USEC_PER_SEC);
	if (world_fault(world, FAULT_TINY_DEADLINE))
		return prop_between(&world->prop, 1, 500);
	return 1 + world_span(world, middles[prop_below(&world->prop, ARRAY_SIZE(middles))]);
}

static struct bytes name_in(uint8_t *memory, char kind, uint32_t number)
{
	if (number == NO_NAME)
		return (struct bytes){0};
	memory[0] = (uint8_t)kind;
	memory[1] = (uint8_t)('0' + number);
	return (struct bytes){memory, 2};
}

static uint32_t draw_name(struct world *world, unsigned percent, unsigned count)
{
	return prop_chance(&world->prop, percent) ? (uint32_t)prop_below(&world->prop, count)
						  : NO_NAME;
}

static void draw_options(struct world *world, struct record *record)
{
	struct prop *prop = &world->prop;

	record->priority = (enum priority)prop_below(prop, PRIORITY_COUNT_);
	record->idempotent = world->storm || prop_chance(prop, world->busy ? 30 : 60);
	record->no_fallback = prop_chance(prop, 15);
	record->stream = !world->storm && !world->plain && prop_chance(prop, 15);
	record->restartable = prop_chance(prop, 50);
	record->max_attempts = world->storm ? 4 : (uint32_t)prop_between(prop, 1, 6);
	record->skip = prop_chance(prop, 15) ? (uint32_t)prop_below(prop, 16) & ~1u : 0;
	record->method = draw_name(world, world->busy ? 98 : 70, METHODS);
	record->user = (uint32_t)prop_below(prop, world->users);
	record->session = draw_name(world, world->named, SESSION_WORDS);
	record->key = draw_name(world, world->named / 2, KEY_WORDS);
	if (record->session != NO_NAME && !world->settings.sessions.is_shared)
		record->session += record->user * SESSION_WORDS;
	if (record->key != NO_NAME && !world->pools[record->pool].keys_are_shared)
		record->key += record->user * KEY_WORDS;
}

static void fill_in(struct world *world, const struct record *record, struct engine_event *event)
{
	event->submit.pool = record->pool;
	event->submit.client = record->client;
	event->submit.user = record->user;
	event->submit.priority = record->priority;
	event->submit.is_idempotent = record->idempotent;
	event->submit.no_fallback = record->no_fallback;
	event->submit.is_stream = record->stream;
	event->submit.is_restartable = record->restartable;
	event->submit.max_attempts = record->max_attempts;
	event->submit.skip = record->skip;
	event->submit.method = name_in(world->names[record->slot][0], 'm', record->method);
	event->submit.key = name_in(world->names[record->slot][1], 'k',
				    record->key == NO_NAME ? NO_NAME : record->key % KEY_WORDS);
	if (record->session != NO_NAME)
		event->submit.session = world_session_name(record->session);
}

static void submit(struct world *world, uint32_t client)
{
	struct engine_event event = {.type = EVENT_SUBMIT};
	struct record *record;

	if (!find_slot(world, &event.request))
		return;
	record = new_record(world);
	*record = (struct record){
		.slot = event.request,
		.client = client,
		.pool = prop_chance(&world->prop, world->popular)
				? 0
				: (uint32_t)prop_below(&world->prop, world->settings.pool_count),
		.submitted = world->now,
		.heir = NOBODY,
		.heir_in = NOBODY,
		.open = true,
	};
	record->at = record->pool;
	draw_options(world, record);
	fill_in(world, record, &event);
	event.submit.session_exists = prop_chance(&world->prop, 10);
	event.submit.bytes = prop_below(&world->prop, REQUEST_BYTES_MAX);
	event.submit.timeout = draw_timeout(world);
	event.submit.is_held = record->aside = record->was_aside = world->deaf[client];
	record->deadline = world->now + event.submit.timeout;
	world->open[event.request] = world->record_count - 1;
	world->judge.open++;
	if (world_fault(world, FAULT_CLIENT_CANCELS))
		plan_cancel(world, event.submit.timeout);
	step(world, &event);
}

static void arrive(struct world *world, uint32_t client)
{
	unsigned burst = (unsigned)prop_between(&world->prop, 1, world->burst_max);

	if (is_closing(world))
		return;
	while (burst-- > 0)
		submit(world, client);
	plan_arrival(world, client);
}

static void cancel(struct world *world, uint32_t record, bool gone)
{
	struct engine_event event = {.type = EVENT_CANCEL, .request = world->records[record].slot};

	event.is_gone = gone;
	if (world->open[event.request] == record)
		step(world, &event);
}

static void leave(struct world *world)
{
	uint32_t client = (uint32_t)prop_below(&world->prop, CLIENTS_MAX);

	for (uint32_t i = 0; i < world->settings.requests_max; i++) {
		uint32_t record = world->open[i];

		if (record != UINT32_MAX && world->records[record].client == client)
			cancel(world, record, true);
	}
}

/* Who does not read holds back the streams that it gets, of which it has a part already. */
static void hold_stream(struct world *world, struct record *record, bool held)
{
	const struct request *request = engine_request(world->engine, record->slot);
	struct engine_event event = {.type = EVENT_WORKER_HELD, .is_held = held};

	if (!record->open || !record->sent || !record->chunked || !request->run.attempt ||
	    engine_worker(world->engine, record->worker)->channel_broken ||
	    held == (record->held_since > 0))
		return;
	event.worker = record->worker;
	event.life = record->life;
	event.id = request->run.attempt->id;
	if (held)
		record->held_since = world->now;
	step(world, &event);
	if (held)
		return;
	record->held += world->now - record->held_since;
	record->held_since = 0;
}

static void set_deaf(struct world *world, uint32_t client, bool deaf)
{
	world->deaf[client] = deaf;
	for (uint32_t i = 0; i < world->settings.requests_max; i++) {
		struct engine_event event = {.type = EVENT_HOLD, .request = i, .is_held = deaf};
		uint32_t index = world->open[i];

		if (index == NOBODY || world->records[index].client != client)
			continue;
		hold_stream(world, &world->records[index], deaf);
		if (world->open[i] != index)
			continue;
		world->records[index].aside = deaf;
		world->records[index].was_aside |= deaf;
		step(world, &event);
	}
}

static void stall(struct world *world)
{
	struct deed deed = {.kind = DEED_READ,
			    .client = (uint32_t)prop_below(&world->prop, CLIENTS_MAX)};

	if (world->deaf[deed.client])
		return;
	set_deaf(world, deed.client, true);
	deed.at = usec_add(world->now, world_span(world, ONE_OF(world, 5000, 50000, 500000)));
	agenda_add(&world->agenda, &deed);
}

/* An event of a process has come; a part for a client that does not read fills its window. */
static void take_news(struct world *world, const struct engine_event *news)
{
	struct engine_event event = *news;
	const struct request *request;
	uint32_t slot;

	event.page = process_page(world, news);
	step(world, &event);
	if (news->type != EVENT_WORKER_CHUNK || world->judge.property)
		return;
	for (slot = 0; slot < world->settings.requests_max; slot++) {
		request = engine_request(world->engine, slot);
		if (world->open[slot] != NOBODY && request->state == REQUEST_SENT &&
		    request->run.worker == news->worker && request->run.attempt->id == news->id &&
		    world->deaf[world->records[world->open[slot]].client])
			hold_stream(world, &world->records[world->open[slot]], true);
	}
}

/* --- what people do --- */

static void change_breaker(struct world *world)
{
	static const enum breaker_state states[] = {BREAKER_CLOSED, BREAKER_FORCED_OPEN,
						    BREAKER_DISABLED, BREAKER_OBSERVING};
	struct engine_event event = {.type = EVENT_BREAKER};
	uint8_t name[2];

	event.manual.pool = (uint32_t)prop_below(&world->prop, world->settings.pool_count);
	event.manual.state = states[prop_below(&world->prop, ARRAY_SIZE(states))];
	event.manual.method = name_in(name, 'm', draw_name(world, 40, METHODS));
	step(world, &event);
}

static void cancel_recovery(struct world *world)
{
	struct engine_event event = {.type = EVENT_RECOVERY_CANCEL};
	uint32_t from = (uint32_t)prop_below(&world->prop, REQUESTS_MAX);

	event.recovery = prop_below(&world->prop, world->judge.last_recovery + 2);
	for (uint32_t i = 0; i < REQUESTS_MAX && prop_chance(&world->prop, 99); i++) {
		uint32_t record = world->open[(from + i) % REQUESTS_MAX];

		if (record != NOBODY && world->records[record].recovery > 0)
			event.recovery = world->records[record].recovery;
	}
	step(world, &event);
}

static void close_session(struct world *world)
{
	struct engine_event event = {.type = EVENT_SESSION_CLOSE};

	event.close.session = world_session_name((uint32_t)prop_below(&world->prop, SESSION_WORDS));
	event.close.user = (uint32_t)prop_below(&world->prop, world->users);
	step(world, &event);
}

static uint32_t some_pool(struct world *world)
{
	return (uint32_t)prop_below(&world->prop, world->settings.pool_count);
}

static void restart_pool(struct world *world)
{
	struct engine_event event = {.type = EVENT_RESTART, .pool = some_pool(world)};

	step(world, &event);
}

static void resize_pool(struct world *world)
{
	struct engine_event event = {.type = EVENT_RESIZE, .pool = some_pool(world)};
	unsigned most = 2 * world->pools[event.pool].workers_max + 1;

	event.size.max = (unsigned)prop_between(&world->prop, 1, most);
	event.size.min = (unsigned)prop_below(&world->prop, event.size.max + 1);
	if (prop_chance(&world->prop, 10))
		event.size.max = (unsigned)prop_below(&world->prop, 2 * (uint64_t)most + 2);
	step(world, &event);
}

static void drain_pool(struct world *world)
{
	struct engine_event event = {.type = EVENT_DRAIN, .pool = some_pool(world)};

	step(world, &event);
}

/* Resumes all pools, so that none is out of service for long. */
static void resume_pools(struct world *world)
{
	struct engine_event event = {.type = EVENT_RESUME};

	for (; event.pool < world->settings.pool_count; event.pool++)
		step(world, &event);
}

static void kill_worker(struct world *world)
{
	struct engine_event event = {.type = EVENT_KILL};

	if (engine_worker_count(world->engine) == 0)
		return;
	event.worker = (uint32_t)prop_below(&world->prop, engine_worker_count(world->engine));
	event.life = world->processes[event.worker].life - prop_chance(&world->prop, 5);
	event.signal = prop_chance(&world->prop, 50) ? SIGTERM : SIGKILL;
	step(world, &event);
}

static void account(struct world *world)
{
	struct engine_event event = {.type = EVENT_WORKER_MEMORY};

	for (uint32_t i = 0; i < engine_worker_count(world->engine); i++) {
		if (!world->processes[i].alive || prop_chance(&world->prop, 50))
			continue;
		event.worker = i;
		event.life = world->processes[i].life;
		event.memory.bytes = prop_below(&world->prop, 2 * MEMORY_MAX);
		step(world, &event);
	}
}

static void press(struct world *world)
{
	struct engine_event event = {.type = EVENT_PRESSURE};

	if (engine_worker_count(world->engine) == 0)
		return;
	event.worker = (uint32_t)prop_below(&world->prop, engine_worker_count(world->engine));
	event.life = world->processes[event.worker].life;
	if (event.life > 0)
		step(world, &event);
}

static void meddle(struct world *world)
{
	static void (*const acts[])(struct world *) = {
		change_breaker, cancel_recovery, cancel_recovery, close_session, press,
		restart_pool,	restart_pool,	 resize_pool,	  drain_pool,	 resume_pools,
		resume_pools,	kill_worker,	 account,	  account};

	acts[prop_below(&world->prop, ARRAY_SIZE(acts))](world);
	if (!is_closing(world))
		plan_next(world, DEED_MEDDLE, 4 * world->pause);
}

/* Faults begin and stop, and sometimes every request of a pool fails. */
static void change_phase(struct world *world)
{
	world->calm = prop_chance(&world->prop, 50);
	world->outage = prop_chance(&world->prop, 40)
				? (uint32_t)prop_below(&world->prop, world->settings.pool_count)
				: NOBODY;
	world_trace(world, "  %s, outage of pool %d", world->calm ? "calm" : "faults",
		    (int)world->outage);
	if (!is_closing(world))
		plan_next(world, DEED_PHASE, 10 * world->pause);
}

/* --- time --- */

static void stop(struct world *world)
{
	struct engine_event event = {.type = EVENT_STOP};

	step(world, &event);
}

static void leap(struct world *world)
{
	usec_t from = world->now;

	world->now += world_span(world, ONE_OF(world, 50000, 1000000, 600000000));
	judge_leap(world, from);
}

static void take_timer(struct world *world)
{
	struct engine_event event = {.type = EVENT_TIMER};

	step(world, &event);
	if (world->timers++ > 1000)
		judge_blame(world, "check", "the timer is due again and again");
}

static void move_to(struct world *world, usec_t at)
{
	if (at <= world->now)
		return;
	world->now = at;
	world->timers = 0;
}

static void perform(struct world *world, const struct deed *deed)
{
	switch (deed->kind) {
	case DEED_ARRIVAL:
		arrive(world, deed->client);
		break;
	case DEED_CANCEL:
		cancel(world, deed->record, false);
		break;
	case DEED_READ:
		set_deaf(world, deed->client, false);
		break;
	case DEED_MEDDLE:
		meddle(world);
		break;
	case DEED_PHASE:
		change_phase(world);
		break;
	case DEED_WORKER_EVENTS:
		if (process_is_heard(world, &deed->news))
			take_news(world, &deed->news);
		break;
	default:
		process_take_deed(world, deed);
		break;
	}
}

static void take_deed(struct world *world)
{
	struct deed deed = agenda_take(&world->agenda);

	move_to(world, deed.at);
	perform(world, &deed);
}

/* --- the daemon stands still --- */

/* Whether the deed is one of the daemon's, which waits for it; the others happen without it. */
static bool awaits_daemon(const struct deed *deed)
{
	return deed->kind <= DEED_PHASE || deed->kind == DEED_WORKER_EVENTS;
}

/* While the daemon stands still, processes go on.  Returns how much waits for the daemon then. */
static unsigned pass_without_daemon(struct world *world, usec_t until, struct deed *waiting)
{
	unsigned count = 0;

	while (agenda_next(&world->agenda) <= until && count < WAITING_MAX) {
		struct deed deed = agenda_take(&world->agenda);

		world->now = usec_max(world->now, deed.at);
		if (awaits_daemon(&deed))
			waiting[count++] = deed;
		else
			process_take_deed(world, &deed);
	}
	if (count < WAITING_MAX)
		world->now = until;
	return count;
}

/* While an attempt is held its time does not count anyway. */
static void note_stall(struct world *world, usec_t span)
{
	for (uint32_t i = 0; i < world->settings.requests_max; i++) {
		struct record *record =
			world->open[i] == NOBODY ? NULL : &world->records[world->open[i]];

		if (record && record->held_since == 0)
			record->stalled += span;
	}
}

/* The daemon stands still for a while.  Then it hears of all that came meanwhile before its timer.
 */
static void stand_still(struct world *world)
{
	struct engine_event event = {.type = EVENT_STALL};
	struct deed waiting[WAITING_MAX];
	usec_t from = world->now;
	unsigned count = pass_without_daemon(
		world, usec_add(from, world_span(world, ONE_OF(world, 5000, 50000, 500000))),
		waiting);

	event.stall = world->now - from;
	note_stall(world, event.stall);
	judge_leap(world, from);
	step(world, &event);
	for (unsigned i = 0; i < count && !world->judge.property; i++)
		perform(world, &waiting[i]);
}

/* Random actions that are not planned for a certain time. */
static void take_chances(struct world *world)
{
	if (!is_closing(world) && world_fault(world, FAULT_LEAP) && prop_chance(&world->prop, 5))
		leap(world);
	if (!is_closing(world) && world_fault(world, FAULT_DAEMON_STALLS) &&
	    prop_chance(&world->prop, 10))
		stand_still(world);
	if (world_fault(world, FAULT_CLIENT_LEAVES))
		leave(world);
	if (!is_closing(world) && world_fault(world, FAULT_READER_STALLS))
		stall(world);
	if (world_fault(world, FAULT_EARLY_TIMER))
		take_timer(world);
	if (world->stop_at[0] <= world->events || is_closing(world)) {
		world->stop_at[0] = UINT32_MAX;
		if (!world->judge.stopping)
			stop(world);
	}
	if (world->judge.stopping && world->stop_at[1] <= world->events) {
		world->stop_at[1] = UINT32_MAX;
		stop(world);
	}
}

static void go_on(struct world *world)
{
	usec_t due = usec_add(engine_deadline(world->engine), world->timer_slack);
	usec_t next = agenda_next(&world->agenda);

	if (due == USEC_INFINITY && next == USEC_INFINITY && world->judge.stopping) {
		judge_blame(world, "stop", "nothing is to come any more, but it has not stopped");
	} else if (due == USEC_INFINITY && next == USEC_INFINITY) {
		world->events = world->events_max;
	} else if (due < next || (due == next && prop_chance(&world->prop, 50))) {
		move_to(world, due);
		take_timer(world);
	} else {
		take_deed(world);
	}
	take_chances(world);
}

/* Events that still come after the end must change nothing. */
static void linger(struct world *world)
{
	struct engine_event event = {.type = EVENT_WORKER_ANSWERED, .id = 1};

	for (uint32_t i = 0; i < engine_worker_count(world->engine); i++) {
		event.worker = i;
		event.life = world->processes[i].life;
		step(world, &event);
	}
	stop(world);
	take_timer(world);
	submit(world, 0);
}

const char *world_run(struct world *world, uint64_t seed)
{
	forget(world);
	draw_world(world, seed);
	reserve(world);
	judge_begin(world);
	world->engine = engine_init(world->memory, &world->settings, world->now);
	world_trace(world, "[%10" PRIu64 "] start", world->now);
	pull(world);
	while (!world->judge.property && !world->judge.stopped) {
		go_on(world);
		if (world->events > 20 * world->events_max + 5000)
			judge_blame(world, "stop", "the world does not come to its end");
	}
	if (!world->judge.property)
		linger(world);
	if (!world->judge.property)
		judge_end(world);
	return world->judge.property;
}

void world_free(struct world *world)
{
	agenda_free(&world->agenda);
	for (unsigned i = 0; i < SLOTS_MAX; i++)
		free(world->processes[i].sendings);
	free(world->records);
	free(world->memory);
}
