#include "tests/sim/judge.h"

#include "daemon/core/engine_inspect.h"
#include <stdarg.h>
#include <stdio.h>

#define TICK (10 * USEC_PER_MSEC)
/* The longest time until a killed process has ended and the daemon knows it, with the lateness
 * of the timer. */
#define EXIT_MAX (500 * USEC_PER_MSEC)

void judge_blame(struct world *world, const char *property, const char *format, ...)
{
	va_list args;

	if (world->judge.property)
		return;
	world->judge.property = property;
	va_start(args, format);
	vsnprintf(world->judge.text, sizeof(world->judge.text), format, args);
	va_end(args);
}

void judge_begin(struct world *world)
{
	struct judge *judge = &world->judge;

	*judge = (struct judge){.stop_by = USEC_INFINITY, .begun = world->now};
	for (unsigned i = 0; i < POOLS_MAX; i++) {
		judge->health[i] = POOL_DOWN;
		judge->short_since[i] = world->now;
		/* Such a pool starts its workers when requests come. */
		if (world->pools[i].workers_min + world->pools[i].spares == 0)
			judge->health[i] = POOL_OK;
	}
	judge_names_begin(world);
	judge_traffic_begin(world);
	judge_rooms_begin(world);
	judge_scaling_begin(world);
}

static usec_t later(usec_t a, usec_t b)
{
	return a > b ? a : b;
}

bool judge_is_late(const struct world *world, usec_t deadline)
{
	const struct judge *judge = &world->judge;

	if (world->now <= usec_add(deadline, TICK))
		return false;
	return judge->leap_end < deadline || world->now > judge->leap_end + TICK;
}

static usec_t stop_limit(const struct world *world)
{
	usec_t grace = 0;

	for (unsigned i = 0; i < world->settings.pool_count; i++)
		if (world->pools[i].kill_grace > grace)
			grace = world->pools[i].kill_grace;
	return 3 * grace + EXIT_MAX;
}

/* The request may have been sent elsewhere since, because its worker's channel broke. */
static void note_end_of_attempt(struct world *world, const struct process *process,
				const struct sending *sending)
{
	struct record *record = sending->record == NOBODY ? NULL : &world->records[sending->record];

	if (record && record->worker == process->worker && record->life == process->life)
		record->sent = false;
}

static void note_exit(struct world *world, const struct engine_event *event)
{
	struct process *process = &world->processes[event->worker];

	if (!process->exists || process->life != event->life)
		return;
	process->exists = false;
	world->judge.short_since[process->pool] = USEC_INFINITY;
	for (uint32_t i = 0; i < process->sending_count; i++) {
		struct sending *sending = &process->sendings[i];

		if (!sending->answered && !sending->given_up)
			note_end_of_attempt(world, process, sending);
		judge_run_over(world, sending, false);
	}
}

static bool may_be_taken_back(const struct record *record)
{
	return record->idempotent && record->key == NO_NAME && record->session == NO_NAME;
}

/* An idempotent request is taken back without a cancel when its worker's channel breaks. */
static void note_break(struct world *world, const struct engine_event *event)
{
	struct process *process = &world->processes[event->worker];

	if (!process->exists || process->life != event->life)
		return;
	process->reported_broken = true;
	for (uint32_t i = 0; i < process->sending_count; i++) {
		const struct sending *sending = &process->sendings[i];

		if (sending->record == NOBODY || sending->answered || sending->given_up ||
		    !may_be_taken_back(&world->records[sending->record]))
			continue;
		world->records[sending->record].sent = false;
		world->records[sending->record].moves++;
		world->judge.traffic[process->pool].moved++;
	}
}

/* The process has given the request back: it is tried elsewhere if anybody still waits for it. */
static void note_given_back(struct world *world, struct process *process, struct sending *sending)
{
	struct record *record = &world->records[sending->record];

	if (!sending->given_up) {
		note_end_of_attempt(world, process, sending);
		record->moves++;
		world->judge.traffic[process->pool].moved++;
	}
	process->in_flight--;
	sending->answered = true;
}

/* Whether the daemon looks at the page with this answer: one that was cancelled may not have begun. */
static bool is_page_read(const struct process *process, const struct engine_event *event)
{
	const struct sending *sending = &process->sendings[event->id];

	return process->pages && event->type == EVENT_WORKER_ANSWERED &&
	       sending->record != NOBODY && !sending->answered &&
	       (event->answer.is_recalled || !sending->given_up ||
		event->answer.code != ERR_cancelled);
}

/* Whether the process's page shows that it can't be trusted: whoever answers has begun, and nobody
 * begins what he gives back. */
static bool is_page_wrong(const struct process *process, const struct engine_event *event)
{
	if (!is_page_read(process, event))
		return false;
	if (event->answer.is_recalled)
		return event->page == event->id || process->page_seen == event->id ||
		       event->page < process->page_seen || event->page >= process->sending_count;
	return event->page < event->id || event->page < process->page_seen ||
	       event->page >= process->sending_count;
}

static void note_answer(struct world *world, const struct engine_event *event)
{
	struct process *process = &world->processes[event->worker];
	struct sending *sending;

	if (!process->exists || process->life != event->life || judge_is_broken(world, process) ||
	    event->id >= process->sending_count)
		return;
	if (is_page_wrong(process, event)) {
		note_break(world, event);
		return;
	}
	if (is_page_read(process, event))
		process->page_seen = event->page;
	sending = &process->sendings[event->id];
	if (event->type == EVENT_WORKER_ANSWERED && event->answer.is_recalled) {
		if (sending->given_back && !sending->answered)
			note_given_back(world, process, sending);
		return;
	}
	if (event->type == EVENT_WORKER_ANSWERED && sending->record != NOBODY && !sending->answered)
		judge_answered(world, event, sending->given_up);
	if (event->type == EVENT_WORKER_ANSWERED && event->answer.code == ERR_NONE &&
	    sending->record != NOBODY && !sending->answered)
		judge_ledger_success(world, process, sending);
	if (!sending->given_up && !sending->answered)
		note_end_of_attempt(world, process, sending);
	judge_run_over(world, sending, true);
	process->in_flight -= sending->record != NOBODY && !sending->answered;
	sending->answered = true;
}

static void note_event(struct world *world)
{
	const struct engine_event *event = &world->event;
	struct process *process = &world->processes[event->worker];
	usec_t limit = stop_limit(world);

	switch (event->type) {
	case EVENT_WORKER_READY:
		process->reported_ready |= process->life == event->life;
		break;
	case EVENT_WORKER_BROKE:
		note_break(world, event);
		break;
	case EVENT_WORKER_ANSWERED:
	case EVENT_SEND_FAILED:
		note_answer(world, event);
		break;
	case EVENT_WORKER_EXITED:
	case EVENT_SPAWN_FAILED:
		note_exit(world, event);
		break;
	case EVENT_STOP:
		/* Pending starts are cancelled; queued requests may need another worker. */
		for (unsigned i = 0; i < POOLS_MAX; i++)
			world->judge.short_since[i] = USEC_INFINITY;
		if (!world->judge.stopping)
			limit += world->settings.drain_timeout;
		if (world->now + limit < world->judge.stop_by)
			world->judge.stop_by = world->now + limit;
		world->judge.stopping = true;
		break;
	default:
		break;
	}
}

void judge_before(struct world *world)
{
	for (unsigned i = 0; i < world->settings.pool_count; i++) {
		const struct queue *queue = &engine_pool(world->engine, i)->queue;

		world->judge.queue_len[i] = queue->len;
		world->judge.queue_bytes[i] = queue->bytes;
	}
	for (uint32_t i = 0; i < world->settings.requests_max; i++)
		world->judge.was_held[i] = engine_request(world->engine, i)->is_held;
	world->judge.open_before = world->judge.open;
	world->judge.overdue = engine_deadline(world->engine) <= world->now;
	world->judge.overrun = NOBODY;
	world->judge.done = 0;
	world->judge.done_known = true;
	judge_names_before(world);
	judge_rooms_before(world);
	judge_scaling_before(world);
	judge_eject_before(world);
	judge_turns_before(world);
	note_event(world);
}

bool judge_has_come_back(const struct world *world, uint32_t pool)
{
	for (uint32_t i = 0; i < world->settings.requests_max; i++) {
		const struct request *request = engine_request(world->engine, i);

		if (world->judge.was_held[i] && request->state == REQUEST_QUEUED &&
		    request->run.pool == pool)
			return true;
	}
	return false;
}

static void judge_queue(struct world *world, const struct pool *pool)
{
	const struct judge *judge = &world->judge;
	const struct queue *queue = &pool->queue;

	/* One that was held comes back whatever the limits. */
	if (world->event.type == EVENT_SUBMIT && !judge_has_come_back(world, pool->index) &&
	    ((queue->len > queue->len_max && queue->len > judge->queue_len[pool->index]) ||
	     (queue->bytes > queue->bytes_max && queue->bytes > judge->queue_bytes[pool->index])))
		judge_blame(world, "P5", "the queue of pool %u is over its limit", pool->index);
	if (queue_peek(queue) && pool_pick(pool, queue_peek(queue)))
		judge_blame(world, "P5", "pool %u: requests wait while a worker is free",
			    pool->index);
}

/* Returns the lowest number of processes that there should be: fewer while starts fail, one more
 * while requests wait. */
static unsigned workers_wanted(const struct pool *pool)
{
	unsigned wanted =
		pool->is_stopping ? 0 : pool->settings.workers_min + pool->settings.spares;

	if (pool->failed_starts >= POOL_FAILED_STARTS && wanted > 1)
		wanted = 1;
	return wanted == 0 && pool->queue.len > 0 ? 1 : wanted;
}

/* The others start when these are ready; engine_check verifies that none is forgotten. */
static bool are_many_starting(const struct pool *pool)
{
	unsigned at_once = pool->settings.start_parallel;

	return at_once > 0 && pool->states[WORKER_INITIALIZING].len >= at_once;
}

static void judge_scaling(struct world *world, const struct pool *pool)
{
	usec_t *since = &world->judge.short_since[pool->index];
	uint32_t first = pool->workers[0].index;
	unsigned there = 0;

	for (unsigned i = 0; i < pool->slots; i++)
		there += world->processes[first + i].exists;
	if (there >= workers_wanted(pool) || are_many_starting(pool))
		*since = USEC_INFINITY;
	else if (*since == USEC_INFINITY)
		*since = world->now;
	else if (judge_is_late(world, *since + pool->settings.restart_delay_max + TICK))
		judge_blame(world, "workers", "pool %u: a dead worker is not replaced",
			    pool->index);
}

static void judge_ending(struct world *world, const struct pool *pool)
{
	for (unsigned i = 0; i < pool->slots; i++) {
		const struct worker *worker = &pool->workers[i];

		if (worker->state == WORKER_TERMINATING &&
		    world->now > later(worker->since, world->judge.leap_end) + stop_limit(world))
			judge_blame(world, "workers", "worker %u is not ended in time",
				    worker->index);
	}
}

/* Each request of an operator has one verdict, any other event has none. */
static void judge_verdict_reported(struct world *world)
{
	enum event_type type = world->event.type;
	bool asked = type == EVENT_BREAKER || type == EVENT_RECOVERY_CANCEL ||
		     type == EVENT_SESSION_CLOSE || type == EVENT_RESTART || type == EVENT_RESIZE ||
		     type == EVENT_DRAIN || type == EVENT_RESUME || type == EVENT_KILL;

	if (world->judge.done != asked)
		judge_blame(world, "P1", "%u verdicts", world->judge.done);
}

/* A request that was given up may have handed its running attempt to another one with the same
 * key.  Only the engine knows which, but it must be one that waited for it. */
static void note_heir(struct world *world, struct process *process, struct sending *sending)
{
	struct record *dead = &world->records[sending->record];
	struct record *heir = NULL;

	for (uint32_t i = 0; i < world->settings.requests_max; i++) {
		const struct request *request = engine_request(world->engine, i);

		if (world->open[i] != NOBODY && request->state == REQUEST_SENT &&
		    !world->records[world->open[i]].sent &&
		    request->run.worker == process->worker &&
		    &process->sendings[request->run.attempt->id] == sending)
			heir = &world->records[world->open[i]];
	}
	if (!heir && judge_is_broken(world, process)) {
		judge_give_up(world, sending);
		return;
	}
	if (!heir || heir->key == NO_NAME || heir->key != dead->key || heir->pool != dead->pool) {
		judge_blame(world, "P3", "request %u is over, and its attempt is left alone",
			    sending->record);
		return;
	}
	world_trace(world, "  request %u goes on as request %u", sending->record,
		    judge_number(world, heir));
	sending->record = dead->heir = judge_number(world, heir);
	judge_key_inherit(world, heir);
	heir->before = heir->runs = dead->runs;
	heir->sends = dead->sends;
	heir->moves = dead->moves;
	heir->deaths = dead->deaths;
	heir->misled = dead->misled;
	heir->unstored = dead->unstored;
	heir->sent = true;
	heir->sent_at = dead->sent_at;
	heir->worker = dead->worker;
	heir->life = dead->life;
	heir->at = heir->heir_in = dead->at;
	heir->level = dead->level;
	heir->retries = dead->retries;
	heir->failed_in = dead->failed_in;
	heir->circuit = dead->circuit;
	heir->generation = dead->generation;
	dead->sent = false;
}

static void note_heirs(struct world *world)
{
	struct record *record = world->gone == NOBODY ? NULL : &world->records[world->gone];
	struct process *process;

	if (!record)
		return;
	process = &world->processes[record->worker];
	if (!process->exists || process->life != record->life)
		return;
	for (uint32_t i = 0; i < process->sending_count; i++) {
		struct sending *sending = &process->sendings[i];

		if (sending->record == world->gone && !sending->given_up && !sending->answered)
			note_heir(world, process, sending);
	}
}

/* Only a worker that runs other requests at the same time gets time to give up one that overran. */
static bool is_left_alone(const struct worker *worker)
{
	return worker->state != WORKER_TERMINATING &&
	       (worker->concurrency == 1 || !worker_is_needed(worker, false));
}

void judge_after(struct world *world)
{
	struct judge *judge = &world->judge;
	const char *wrong = engine_check(world->engine);

	note_heirs(world);
	if (wrong)
		judge_blame(world, "check", "%s", wrong);
	if (engine_open_requests(world->engine) != judge->open)
		judge_blame(world, "P1", "%u requests are open, the engine says %u", judge->open,
			    engine_open_requests(world->engine));
	for (unsigned i = 0; i < world->settings.pool_count; i++) {
		const struct pool *pool = engine_pool(world->engine, i);

		judge_queue(world, pool);
		if (pool->settings.adapter != POOL_STATIC)
			judge_scaling(world, pool);
		judge_ending(world, pool);
		if (pool_judge(pool) != judge->health[i])
			judge_blame(world, "health", "pool %u is %s, but %s was told", i,
				    pool_health_name(pool_judge(pool)),
				    pool_health_name(judge->health[i]));
	}
	judge_verdict_reported(world);
	judge_names_after(world);
	judge_ledger_after(world);
	judge_traffic_after(world);
	judge_turns_after(world);
	judge_rooms_after(world);
	judge_scaling_after(world);
	judge_eject_after(world);
	if (judge->overrun != NOBODY && is_left_alone(engine_worker(world->engine, judge->overrun)))
		judge_blame(world, "workers", "worker %u overran and is left alone",
			    judge->overrun);
	if (world->event.type == EVENT_CANCEL && world->open[world->event.request] != NOBODY)
		judge_blame(world, "P1", "request in slot %u was cancelled and not answered",
			    world->event.request);
	if (!judge->stopped && judge->stopping && judge_is_late(world, judge->stop_by))
		judge_blame(world, "stop", "not stopped in time");
}

void judge_leap(struct world *world, usec_t from)
{
	struct judge *judge = &world->judge;

	judge->leap_end = world->now;
	/* The processes' time to end begins anew: they did not run during the jump. */
	if (judge->stop_by != USEC_INFINITY && judge->stop_by >= from)
		judge->stop_by += world->now - from;
}

void judge_end(struct world *world)
{
	for (uint32_t i = 0; i < world->record_count; i++)
		if (world->records[i].open)
			judge_blame(world, "P1", "request %u has no answer", i);
	if (!world->judge.stopped)
		judge_blame(world, "stop", "the world has come to rest, but not to its end");
	if (engine_deadline(world->engine) != USEC_INFINITY)
		judge_blame(world, "stop", "a timer is armed after the end");
}
