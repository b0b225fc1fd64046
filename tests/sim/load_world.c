#include "tests/sim/load_world.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/defaults.h"
#include "tests/lib/narrate.h"
#include "tests/sim/load_core.h"

#define BEGIN_AT      (1000 * USEC_PER_SEC)
#define BUCKET	      (500 * USEC_PER_MSEC)
#define CLOSED_PAUSE  USEC_PER_MSEC
#define CHECK_EVERY   4099
#define SAME_TIME_MAX 100000
/* After the load the world goes on for so long, for answers and for clients that come back. */
#define AFTER (40 * USEC_PER_SEC)

/* --- chance and time --- */

usec_t load_time(const struct load_world *world)
{
	return world->now > world->begin ? world->now - world->begin : 0;
}

usec_t load_stall_end(const struct load_world *world)
{
	return world->begin + world->plan->fault_at + world->plan->fault_for;
}

bool load_is_stalled(const struct load_world *world, uint32_t pool)
{
	const struct load_plan *plan = world->plan;

	return plan->fault == LOAD_STALL && pool == 0 && load_time(world) >= plan->fault_at &&
	       world->now < load_stall_end(world);
}

/* The mean time of the method's runs at present. */
static usec_t mean_run(const struct load_world *world, unsigned method)
{
	const struct load_method *of = &world->plan->methods[method];
	usec_t at = load_time(world);

	if (of->runs == LOAD_CHANGING && at >= of->slow_from && at < of->slow_until)
		return 20 * of->run;
	return of->run;
}

bool load_has_bad_worker(const struct load_plan *plan)
{
	return plan->fault >= LOAD_RAISES && plan->fault <= LOAD_FATAL;
}

static double exponential(struct prop *prop)
{
	return -log((double)(prop_below(prop, 1u << 30) + 1) / (double)(1u << 30));
}

static usec_t draw_run(struct load_world *world, unsigned method)
{
	usec_t mean = mean_run(world, method);

	switch (world->plan->methods[method].runs) {
	case LOAD_EXPONENTIAL:
		return 1 + (usec_t)((double)mean * exponential(&world->prop));
	case LOAD_BIMODAL:
		return prop_chance(&world->prop, 10) ? mean * 11 / 2 : mean / 2;
	case LOAD_FIXED:
	case LOAD_CHANGING:
		break;
	}
	return mean;
}

/* --- creation --- */

/* The defaults of the configuration (config.def), as far as a pool's behaviour depends on them. */
static void default_pool(const struct load_plan *plan, struct pool_settings *pool, unsigned workers)
{
	pool_default_settings(pool);
	pool->workers_min = pool->workers_max = workers;
	pool->start_parallel = 8;
	pool->queue_max = 1024;
	pool->queue_bytes_max = (uint64_t)64 << 20;
	pool->prefetch = 2;
	pool->prefetch_max = 16;
	pool->max_crash_retries = 1;
	pool->timeout = LOAD_POOL_TIMEOUT;
	pool->init_timeout = 30 * USEC_PER_SEC;
	pool->ping_interval = 30 * USEC_PER_SEC;
	pool->ping_timeout = 5 * USEC_PER_SEC;
	pool->idle_timeout = 60 * USEC_PER_SEC;
	pool->kill_grace = 2 * USEC_PER_SEC;
	pool->cancel_grace = 2 * USEC_PER_SEC;
	pool->restart_delay = 100 * USEC_PER_MSEC;
	pool->restart_delay_max = 30 * USEC_PER_SEC;
	load_set_admission(pool, !plan->no_admission);
}

static void make_engine(struct load_world *world)
{
	const struct load_plan *plan = world->plan;
	size_t size;

	engine_default_settings(&world->settings);
	world->settings.requests_max = LOAD_REQUESTS_MAX;
	world->settings.pool_count = plan->fallback > 0 ? 2 : 1;
	world->settings.pools = world->pools;
	world->settings.seed = world->seed;
	default_pool(plan, &world->pools[0], plan->workers);
	if (plan->fallback > 0) {
		default_pool(plan, &world->pools[1], plan->fallback);
		world->pools[0].fallbacks[0] = 1;
		world->pools[0].fallback_count = 1;
	}
	size = engine_size(&world->settings);
	if (size > world->memory_size) {
		free(world->memory);
		world->memory = malloc(size);
		world->memory_size = size;
	}
	if (!world->memory)
		abort();
	/* Memory that the engine does not initialize becomes visible. */
	memset(world->memory, 0xa5, size);
	world->engine = engine_init(world->memory, &world->settings, world->now);
	if (engine_worker_count(world->engine) > LOAD_SLOTS)
		abort();
}

static void forget(struct load_world *world)
{
	agenda_clear(&world->agenda);
	memset(world->processes, 0, sizeof(world->processes));
	world->record_count = 0;
	world->free_count = LOAD_REQUESTS_MAX;
	for (uint32_t i = 0; i < LOAD_REQUESTS_MAX; i++) {
		world->open[i] = NO_SLOT;
		world->free_slots[i] = LOAD_REQUESTS_MAX - 1 - i;
	}
	world->bucket_count = (uint32_t)((world->plan->length + AFTER) / BUCKET) + 1;
	free(world->buckets);
	world->buckets = calloc(world->bucket_count, sizeof(*world->buckets));
	if (!world->buckets)
		abort();
	world->events = 0;
}

/* --- clients --- */

static void plan_arrival(struct load_world *world, unsigned number, usec_t at)
{
	const struct load_stream *stream = &world->plan->streams[number];
	usec_t until = stream->until > 0 ? stream->until : world->plan->length;
	struct deed deed = {.kind = DEED_ARRIVAL, .at = at};

	deed.client = number;
	if (at < world->begin + until)
		agenda_add(&world->agenda, &deed);
}

/* The time between two requests of the stream, by the capacity of the first pool. */
static usec_t draw_pause(struct load_world *world, const struct load_stream *stream)
{
	const struct load_plan *plan = world->plan;
	unsigned places = plan->workers * (plan->concurrency > 1 ? plan->concurrency : 1);
	double pause = (double)plan->methods[stream->method].run * 100.0 /
		       ((double)stream->percent * places);

	return (usec_t)(stream->is_steady ? pause : pause * exponential(&world->prop)) + 1;
}

static struct load_record *new_record(struct load_world *world)
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

struct bytes load_method_name(unsigned method)
{
	static const char *const names[LOAD_METHODS] = {"m0", "m1"};

	return (struct bytes){(const uint8_t *)names[method], 2};
}

static void step(struct load_world *world, struct engine_event *event);

static void send(struct load_world *world, struct load_record *record)
{
	struct engine_event event = {.type = EVENT_SUBMIT};
	const struct load_stream *stream = &world->plan->streams[record->stream];

	if (world->free_count == 0) {
		load_blame(world, "too many requests are open");
		return;
	}
	record->slot = event.request = world->free_slots[--world->free_count];
	record->is_open = record->is_waiting = true;
	record->submitted = world->now;
	record->deadline = world->now + stream->timeout;
	world->open[record->slot] = (uint32_t)(record - world->records);
	event.submit.client = record->stream;
	event.submit.priority = record->is_critical ? PRIORITY_CRITICAL : PRIORITY_NORMAL;
	event.submit.is_idempotent = record->is_idempotent;
	event.submit.max_attempts = 3;
	event.submit.bytes = 100;
	event.submit.timeout = stream->timeout;
	event.submit.method = load_method_name(record->method);
	load_judge_submit(world, record);
	step(world, &event);
}

static void submit(struct load_world *world, unsigned number)
{
	const struct load_stream *stream = &world->plan->streams[number];
	struct load_record *record = new_record(world);

	*record = (struct load_record){.stream = number, .method = stream->method};
	record->is_critical = prop_chance(&world->prop, stream->critical);
	record->is_idempotent = prop_chance(&world->prop, stream->idempotent);
	record->run = draw_run(world, stream->method);
	send(world, record);
}

static void arrive(struct load_world *world, unsigned number)
{
	const struct load_stream *stream = &world->plan->streams[number];

	if (stream->burst > 0) {
		for (unsigned i = 0; i < stream->burst; i++)
			submit(world, number);
		return;
	}
	submit(world, number);
	if (!stream->is_closed)
		plan_arrival(world, number, world->now + draw_pause(world, stream));
}

static void come_back(struct load_world *world, uint32_t number)
{
	struct load_record *record;
	unsigned stream = world->records[number].stream;
	unsigned method = world->records[number].method;
	bool is_critical = world->records[number].is_critical;

	record = new_record(world);
	*record = (struct load_record){.stream = stream, .method = method, .is_return = true};
	record->is_critical = is_critical;
	record->run = draw_run(world, method);
	send(world, record);
}

/* What a client does after its answer. */
static void take_answer(struct load_world *world, const struct effect *effect)
{
	struct load_record *record = &world->records[world->open[effect->request]];
	const struct load_stream *stream = &world->plan->streams[record->stream];
	struct deed deed = {.kind = DEED_RETURN};

	world->open[effect->request] = NO_SLOT;
	world->free_slots[world->free_count++] = effect->request;
	record->is_open = false;
	if (stream->is_closed)
		plan_arrival(world, record->stream, world->now + CLOSED_PAUSE);
	if (effect->type != EFFECT_ERROR || !stream->returns || record->is_return ||
	    effect->failed.failure.retry_after == USEC_INFINITY)
		return;
	deed.record = (uint32_t)(record - world->records);
	deed.at = world->now + effect->failed.failure.retry_after;
	agenda_add(&world->agenda, &deed);
}

/* --- the engine's side --- */

static void pull(struct load_world *world)
{
	const struct effect *effect;
	char text[NARRATE_MAX];

	while ((effect = engine_next_effect(world->engine))) {
		if (world->trace)
			printf("                 %s\n", narrate_effect(effect, text));
		load_judge_effect(world, effect);
		if (effect->type == EFFECT_RESULT || effect->type == EFFECT_ERROR ||
		    effect->type == EFFECT_DROP)
			take_answer(world, effect);
		else
			load_process_take_effect(world, effect);
	}
}

static void step(struct load_world *world, struct engine_event *event)
{
	char text[NARRATE_MAX];
	const char *wrong;

	event->now = world->now;
	world->events++;
	if (world->trace)
		printf("[%10" PRIu64 "] %s\n", world->now, narrate_event(event, text));
	load_judge_before(world);
	engine_step(world->engine, event);
	pull(world);
	load_judge_after(world);
	if (world->events % CHECK_EVERY == 0 && (wrong = engine_check(world->engine)))
		load_blame(world, "engine_check: %s", wrong);
}

/* --- time --- */

static void take_deed(struct load_world *world)
{
	struct deed deed = agenda_take(&world->agenda);

	if (deed.at > world->now)
		world->now = deed.at;
	switch (deed.kind) {
	case DEED_ARRIVAL:
		arrive(world, deed.client);
		break;
	case DEED_RETURN:
		come_back(world, deed.record);
		break;
	case DEED_PHASE:
		if (world->plan->fault == LOAD_STALL)
			load_process_stall(world);
		else if (load_has_bad_worker(world->plan))
			load_process_turn_bad(world);
		else
			load_process_die_all(world);
		break;
	case DEED_WORKER_EVENTS:
		step(world, &deed.news);
		break;
	default:
		load_process_take_deed(world, &deed);
		break;
	}
}

static void go_on_until(struct load_world *world, usec_t end)
{
	struct engine_event timer = {.type = EVENT_TIMER};
	unsigned timers = 0;

	for (;;) {
		usec_t due = engine_deadline(world->engine);
		usec_t next = agenda_next(&world->agenda);

		if (usec_min(due, next) >= end)
			break;
		if (next <= due) {
			take_deed(world);
			timers = 0;
			continue;
		}
		if (due > world->now)
			world->now = due, timers = 0;
		step(world, &timer);
		if (++timers > SAME_TIME_MAX) {
			load_blame(world, "the timer is due again and again");
			return;
		}
	}
	world->now = end;
}

void load_run(struct load_world *world, const struct load_plan *plan, uint64_t seed)
{
	struct deed fault = {.kind = DEED_PHASE};

	world->plan = plan;
	world->seed = seed;
	world->prop = prop_seeded(seed);
	world->now = 1;
	world->begin = BEGIN_AT;
	forget(world);
	make_engine(world);
	load_judge_begin(world);
	pull(world);
	fault.at = world->begin + plan->fault_at;
	if (plan->fault != LOAD_WELL && plan->fault_at > 0)
		agenda_add(&world->agenda, &fault);
	for (unsigned i = 0; i < LOAD_STREAMS; i++) {
		const struct load_stream *stream = &plan->streams[i];

		if (stream->percent > 0 || stream->burst > 0 || stream->is_closed)
			plan_arrival(world, i, world->begin + stream->from);
	}
	/* All workers are ready when the load begins. */
	go_on_until(world, world->begin);
	go_on_until(world, world->begin + plan->length + AFTER);
	if (engine_open_requests(world->engine) > 0)
		load_blame(world, "%u requests have no answer at the end",
			   engine_open_requests(world->engine));
}

void load_free(struct load_world *world)
{
	agenda_free(&world->agenda);
	free(world->records);
	free(world->buckets);
	free(world->memory);
}
