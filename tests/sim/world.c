#include "tests/sim/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/narrate.h"
#include "tests/sim/judge.h"
#include "tests/sim/process.h"

#define REQUEST_BYTES_MAX 300

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
	return permille(&world->prop, world->rates[fault]);
}

usec_t world_delay(struct world *world)
{
	static const usec_t most[] = {1, 20, 20, 100, 100, 1000, 10000};

	return prop_below(&world->prop, most[prop_below(&world->prop, ARRAY_SIZE(most))]);
}

static uint64_t one_of(struct world *world, const uint64_t *choices, size_t count)
{
	return choices[prop_below(&world->prop, count)];
}

#define ONE_OF(world, ...)                                                                         \
	one_of(world, (const uint64_t[]){__VA_ARGS__},                                             \
	       sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

/* --- creation --- */

/* Most worlds have some of the faults, some have all or none, in a storm only one thing happens. */
static void draw_rates(struct world *world)
{
	unsigned share = world->storm ? 0 : (unsigned)ONE_OF(world, 0, 10, 25, 25, 50, 100);

	for (unsigned i = 0; i < FAULT_COUNT_; i++)
		world->rates[i] = prop_chance(&world->prop, share)
					  ? (unsigned)ONE_OF(world, 5, 30, 100, 300)
					  : 0;
	if (world->storm)
		world->rates[FAULT_CRASHES] = 900;
}

static void draw_pool(struct world *world, unsigned i)
{
	struct pool_settings *pool = &world->pools[i];
	struct prop *prop = &world->prop;

	pool_default_settings(pool);
	pool->workers_max = (unsigned)prop_between(prop, 1, WORKERS_MAX / POOLS_MAX);
	pool->queue_max = (unsigned)prop_between(prop, 1, 20);
	pool->queue_bytes_max = prop_between(prop, REQUEST_BYTES_MAX / 2, 3000);
	pool->prefetch = (unsigned)ONE_OF(world, 0, 1, 2, 4, 16);
	pool->max_crash_retries = world->storm ? 3 : (unsigned)prop_between(prop, 0, 3);
	pool->init_timeout = world_span(world, 100 * USEC_PER_MSEC);
	pool->ping_interval = world_span(world, 100 * USEC_PER_MSEC);
	pool->ping_timeout = world_span(world, 20 * USEC_PER_MSEC);
	pool->idle_timeout = world_span(world, 100 * USEC_PER_MSEC);
	pool->kill_grace = world_span(world, 20 * USEC_PER_MSEC);
	pool->cancel_grace = world_span(world, 20 * USEC_PER_MSEC);
	pool->restart_delay = world_span(world, 10 * USEC_PER_MSEC);
	pool->workers_min = (unsigned)prop_between(prop, prop_chance(prop, 90), pool->workers_max);
	pool->restart_delay_max = pool->restart_delay + world_span(world, 100 * USEC_PER_MSEC);
	world->concurrency[i] = (unsigned)ONE_OF(world, 1, 1, 1, 1, 2, 4, 16);
	world->announces[i] = prop_chance(prop, 40);
	world->batches[i] = prop_chance(prop, 15);
	world->typical_run[i] = ONE_OF(world, 50, 500, 5000, 50000);
}

static void plan_arrival(struct world *world, uint32_t client)
{
	struct deed deed = {.kind = DEED_ARRIVAL,
			    .at = world->now + world_span(world, world->pause)};

	deed.client = client;
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
	/* Whatever the engine does not set itself shows. */
	memset(world->memory, 0xa5, size);
}

static void forget(struct world *world)
{
	agenda_clear(&world->agenda);
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		struct process *process = &world->processes[i];

		*process = (struct process){.sendings = process->sendings,
					    .sending_max = process->sending_max};
	}
	for (unsigned i = 0; i < REQUESTS_MAX; i++)
		world->open[i] = UINT32_MAX;
	world->record_count = 0;
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
	draw_rates(world);
	engine_default_settings(&world->settings);
	world->settings.requests_max = (uint32_t)prop_between(prop, 1, REQUESTS_MAX);
	world->settings.pool_count = (uint32_t)prop_between(prop, 1, POOLS_MAX);
	world->settings.pools = world->pools;
	world->settings.drain_timeout = ONE_OF(world, 0, 10000, 200000, 2000000);
	world->settings.sessions.max = 8;
	world->settings.keys.max = 8;
	world->settings.recoveries_max = REQUESTS_MAX;
	for (unsigned i = 0; i < world->settings.pool_count; i++)
		draw_pool(world, i);
	world->pause = ONE_OF(world, 200, 2000, 20000, 200000);
	world->burst_max = (unsigned)ONE_OF(world, 1, 2, 5, 20);
	world->timer_slack = ONE_OF(world, 0, 0, 1, 1000, 5000);
	world->stop_at[0] = (unsigned)prop_below(prop, 2 * (uint64_t)world->events_max);
	world->stop_at[1] = world->stop_at[0] + (unsigned)ONE_OF(world, 1, 10, 100, 1000000);
	for (uint32_t client = 0; client < 1 + prop_below(prop, CLIENTS_MAX); client++)
		plan_arrival(world, client);
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
		if (effect->request < REQUESTS_MAX)
			world->open[effect->request] = UINT32_MAX;
		break;
	case EFFECT_SEND:
		record = world->open[effect->request];
		process_take_effect(world, effect, record);
		break;
	case EFFECT_SPAWN:
	case EFFECT_CANCEL:
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

/* The simulator's own proof that it can fail: one answer in a thousand goes wrong on the way to the
 * client. */
static bool is_sabotaged(struct world *world, const struct effect *effect)
{
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
	struct effect effect;

	while (engine_next_effect(world->engine, &effect))
		if (!world->judge.property)
			take_effect(world, &effect);
}

static void step(struct world *world, const struct engine_event *event)
{
	char text[NARRATE_MAX];

	if (world->judge.property)
		return;
	world->event = *event;
	world->event.now = world->now;
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

/* A free slot, any: so that the same one is often used again soon. */
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

	if (world_fault(world, FAULT_TINY_DEADLINE))
		return prop_between(&world->prop, 1, 500);
	return 1 + world_span(world, middles[prop_below(&world->prop, ARRAY_SIZE(middles))]);
}

static void submit(struct world *world, uint32_t client)
{
	struct engine_event event = {.type = EVENT_SUBMIT};
	struct prop *prop = &world->prop;
	struct record *record;

	if (!find_slot(world, &event.request))
		return;
	event.submit.pool = (uint32_t)prop_below(prop, world->settings.pool_count);
	event.submit.priority = (enum priority)prop_below(prop, PRIORITY_COUNT_);
	event.submit.idempotent = world->storm || prop_chance(prop, 50);
	event.submit.max_attempts = world->storm ? 4 : (uint32_t)prop_between(prop, 1, 4);
	event.submit.bytes = prop_below(prop, REQUEST_BYTES_MAX);
	event.submit.timeout = draw_timeout(world);
	record = new_record(world);
	*record = (struct record){
		.slot = event.request,
		.client = client,
		.pool = event.submit.pool,
		.priority = event.submit.priority,
		.idempotent = event.submit.idempotent,
		.max_attempts = event.submit.max_attempts,
		.deadline = world->now + event.submit.timeout,
		.open = true,
	};
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

	event.gone = gone;
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

static void take_deed(struct world *world)
{
	struct deed deed = agenda_take(&world->agenda);

	move_to(world, deed.at);
	switch (deed.kind) {
	case DEED_ARRIVAL:
		arrive(world, deed.client);
		break;
	case DEED_CANCEL:
		cancel(world, deed.record, false);
		break;
	case DEED_NEWS:
		if (process_is_heard(world, &deed.news))
			step(world, &deed.news);
		break;
	default:
		process_take_deed(world, &deed);
		break;
	}
}

/* What comes at no time of its own. */
static void take_chances(struct world *world)
{
	if (!is_closing(world) && world_fault(world, FAULT_LEAP) && prop_chance(&world->prop, 5))
		leap(world);
	if (world_fault(world, FAULT_CLIENT_LEAVES))
		leave(world);
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

/* Whatever still comes after the end changes nothing. */
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
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		free(world->processes[i].sendings);
	free(world->records);
	free(world->memory);
}
