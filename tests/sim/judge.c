#include "tests/sim/judge.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TICK (10 * USEC_PER_MSEC)
/* The longest that a killed process takes to end and that to be told, and something for the timer's
 * lateness. */
#define EXIT_MAX (500 * USEC_PER_MSEC)

/* A request may be sent and taken back at once where the run time that is typical has just become
 * shorter; but not often. */
#define HASTY_MAX 3

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

	*judge = (struct judge){.stop_by = USEC_INFINITY};
	for (unsigned i = 0; i < POOLS_MAX; i++) {
		judge->health[i] = POOL_DOWN;
		judge->short_since[i] = world->now;
	}
}

static usec_t later(usec_t a, usec_t b)
{
	return a > b ? a : b;
}

/* --- answers --- */

static uint32_t number_of(const struct world *world, const struct record *record)
{
	return (uint32_t)(record - world->records);
}

/* A jump of the clock over a deadline excuses what comes at its end. */
static bool is_late(const struct world *world, usec_t deadline)
{
	const struct judge *judge = &world->judge;

	if (world->now <= usec_add(deadline, TICK))
		return false;
	return judge->leap_end < deadline || world->now > judge->leap_end + TICK;
}

static struct record *record_of(struct world *world, uint32_t slot)
{
	if (slot >= world->settings.requests_max || world->open[slot] == UINT32_MAX)
		return NULL;
	return &world->records[world->open[slot]];
}

/* The answer must be one that the process which is there has just given to this very request. */
static void judge_source(struct world *world, const struct record *record)
{
	const struct engine_event *event = &world->event;
	const struct process *process = &world->processes[event->worker];
	uint32_t number = number_of(world, record);

	if (event->type != EVENT_WORKER_ANSWERED)
		judge_blame(world, "P1", "request %u has an answer that nobody gave", number);
	else if (!process->exists || process->life != event->life)
		judge_blame(world, "P1", "request %u has the answer of a life that is over",
			    number);
	else if (process->closed)
		judge_blame(world, "P1", "request %u has an answer from a closed channel", number);
	else if (event->id >= process->sending_count ||
		 process->sendings[event->id].record != number)
		judge_blame(world, "P1", "request %u has the answer to another", number);
	else if (process->sendings[event->id].given_up)
		judge_blame(world, "P1", "request %u has an answer that was given up", number);
}

static void close_record(struct world *world, struct record *record)
{
	if (!record->open)
		judge_blame(world, "P1", "request %u has two answers", number_of(world, record));
	if (is_late(world, record->deadline))
		judge_blame(world, "P2", "request %u: answered %" PRIu64 " us after its deadline",
			    number_of(world, record), world->now - record->deadline);
	record->open = false;
	world->judge.open--;
}

static void judge_result(struct world *world, struct record *record)
{
	judge_source(world, record);
	if (world->event.type == EVENT_WORKER_ANSWERED && world->event.answer.code != ERR_NONE)
		judge_blame(world, "P1", "request %u: an error became a result",
			    number_of(world, record));
}

/* Whether the error may be said at this moment, by its code. */
static bool is_due(const struct world *world, const struct record *record, enum errcode code)
{
	const struct engine_event *event = &world->event;
	const struct judge *judge = &world->judge;
	const struct pool_settings *pool = &world->pools[record->pool];
	bool submitting = event->type == EVENT_SUBMIT;
	const struct record *submitted =
		submitting ? &world->records[world->record_count - 1] : NULL;

	switch (code) {
	case ERR_queue_timeout:
	case ERR_attempt_timeout:
	case ERR_deadline_exceeded:
		return world->now >= record->deadline;
	case ERR_cancelled:
		return event->type == EVENT_CANCEL && !event->gone &&
		       event->request == record->slot;
	case ERR_shutting_down:
		return judge->stopping;
	case ERR_queue_full:
		return submitted == record &&
		       (judge->queue_len[record->pool] >= pool->queue_max ||
			judge->queue_bytes[record->pool] + event->submit.bytes >
				pool->queue_bytes_max);
	case ERR_shed:
		return submitted && submitted->pool == record->pool &&
		       submitted->priority < record->priority;
	case ERR_pool_unavailable:
		return engine_pool(world->engine, record->pool)->failed_starts >=
		       POOL_FAILED_STARTS;
	case ERR_worker_exited:
	case ERR_worker_killed:
	case ERR_peer_closed:
	case ERR_decode_error:
	case ERR_protocol_violation:
	case ERR_response_too_large:
		return record->sends > 0 && event->type == EVENT_WORKER_EXITED;
	default:
		return false;
	}
}

static void judge_error(struct world *world, struct record *record, const struct effect *effect)
{
	enum errcode code = effect->error.code;
	uint32_t number = number_of(world, record);

	if (effect->error.from_worker)
		judge_source(world, record);
	else if (!is_due(world, record, code))
		judge_blame(world, "P1", "request %u: %s is not due", number, errcode_name(code));
	if (effect->error.executed == EXECUTED_NO && record->runs > 0 && !record->misled)
		judge_blame(world, "P3", "request %u: \"executed no\" after %u runs (%s)", number,
			    record->runs, errcode_name(code));
	if (effect->error.executed == EXECUTED_YES && record->runs == 0)
		judge_blame(world, "P3", "request %u: \"executed yes\", but it never ran", number);
	if (effect->error.has_worker != (record->sends > 0))
		judge_blame(world, "P1", "request %u: sent %u times, the error says otherwise",
			    number, record->sends);
	if ((code == ERR_queue_full || code == ERR_shed) &&
	    effect->error.retry_after == USEC_INFINITY)
		judge_blame(world, "P5", "request %u: %s says not when to come again", number,
			    errcode_name(code));
}

static void judge_answer(struct world *world, const struct effect *effect)
{
	struct record *record = record_of(world, effect->request);

	if (!record) {
		judge_blame(world, "P1", "an answer for slot %u, which holds no request",
			    effect->request);
		return;
	}
	close_record(world, record);
	if (effect->type == EFFECT_RESULT)
		judge_result(world, record);
	else if (effect->type == EFFECT_ERROR)
		judge_error(world, record, effect);
	else if (world->event.type != EVENT_CANCEL || !world->event.gone ||
		 world->event.request != effect->request)
		judge_blame(world, "P1", "request %u was dropped, but its client is there",
			    number_of(world, record));
}

/* --- attempts --- */

void judge_run(struct world *world, struct record *record)
{
	record->runs++;
	world_trace(world, "  request %u runs (in slot %u)", number_of(world, record),
		    record->slot);
	if (!record->idempotent && record->runs > 1)
		judge_blame(world, "P3", "request %u is not idempotent and ran twice",
			    number_of(world, record));
	else if (record->runs > record->max_attempts + record->moves && !record->misled)
		judge_blame(world, "P3", "request %u ran %u times, %u attempts are allowed",
			    number_of(world, record), record->runs, record->max_attempts);
}

static void judge_line(struct world *world, const struct process *process)
{
	unsigned room = world->pools[process->pool].prefetch;
	unsigned concurrency = process->concurrency;

	if (concurrency > WORKER_ATTEMPTS_MAX)
		concurrency = WORKER_ATTEMPTS_MAX;
	if (process->in_flight >= concurrency + room || process->in_flight >= WORKER_ATTEMPTS_MAX)
		judge_blame(world, "P5", "worker %u gets more than it has room for",
			    process->worker);
}

static void judge_send(struct world *world, const struct effect *effect)
{
	struct process *process = &world->processes[effect->worker];
	struct record *record = record_of(world, effect->request);

	if (!record || !record->open) {
		judge_blame(world, "P1", "slot %u is sent, but nothing waits there",
			    effect->request);
		return;
	}
	if (!process->told_ready || process->told_to_shut_down || process->told_broken ||
	    process->killed)
		judge_blame(world, "workers", "worker %u gets work, but is not ready",
			    effect->worker);
	if (process->pool != record->pool || effect->pool != record->pool)
		judge_blame(world, "workers", "worker %u is of another pool", effect->worker);
	if (record->sent)
		judge_blame(world, "P3", "request %u is at two workers", number_of(world, record));
	if (record->deaths > world->pools[record->pool].max_crash_retries + 1)
		judge_blame(world, "P3", "request %u took %u workers down and goes to another",
			    number_of(world, record), record->deaths);
	if (effect->send.attempt != ++record->sends)
		judge_blame(world, "P5", "request %u: attempt %u is the %uth",
			    number_of(world, record), effect->send.attempt, record->sends);
	if (effect->send.deadline != record->deadline || record->deadline <= world->now)
		judge_blame(world, "P2", "request %u is sent with another deadline, or after it",
			    number_of(world, record));
	judge_line(world, process);
	process->in_flight++;
	record->sent = true;
	record->sent_at = world->judge.overdue ? USEC_INFINITY : world->now;
	record->worker = effect->worker;
	record->life = effect->life;
}

static void judge_cancel(struct world *world, const struct effect *effect)
{
	struct process *process = &world->processes[effect->worker];
	struct sending *sending;
	struct record *record;

	if (effect->send.id >= process->sending_count ||
	    process->sendings[effect->send.id].record == UINT32_MAX) {
		judge_blame(world, "workers", "worker %u is to give up what it never got",
			    effect->worker);
		return;
	}
	sending = &process->sendings[effect->send.id];
	if (sending->given_up || sending->answered)
		judge_blame(world, "workers", "worker %u is to give up message %u again",
			    effect->worker, effect->send.id);
	sending->given_up = true;
	record = &world->records[sending->record];
	record->sent = false;
	if (world->event.type == EVENT_CANCEL || !record->open)
		return;
	record->moves++;
	if (record->sent_at == world->now &&
	    engine_worker(world->engine, effect->worker)->state == WORKER_BUSY &&
	    ++world->judge.hasty > HASTY_MAX)
		judge_blame(world, "workers",
			    "request %u is sent to worker %u and taken back at once",
			    number_of(world, record), effect->worker);
}

/* --- workers --- */

static void judge_spawn(struct world *world, const struct effect *effect)
{
	const struct process *process = &world->processes[effect->worker];

	if (process->exists)
		judge_blame(world, "workers", "two processes in slot %u", effect->worker);
	if (effect->life <= process->life)
		judge_blame(world, "workers", "slot %u has life %u again", effect->worker,
			    effect->life);
	if (world->judge.stopped)
		judge_blame(world, "stop", "a process is started after the end");
	world->judge.short_since[effect->pool] = USEC_INFINITY;
}

static void judge_address(struct world *world, const struct effect *effect)
{
	const struct process *process = &world->processes[effect->worker];
	bool talks = effect->type != EFFECT_SIGNAL;

	if (!process->exists || process->life != effect->life)
		judge_blame(world, "workers", "effect for worker %u.%u, which is not there",
			    effect->worker, effect->life);
	else if (talks && process->closed)
		judge_blame(world, "workers", "worker %u is talked to through a closed channel",
			    effect->worker);
}

/* Nobody is ended for what it did not do. */
static void judge_verdict(struct world *world, const struct effect *effect)
{
	const struct process *process = &world->processes[effect->worker];

	if (effect->kill.cause == CAUSE_PROTOCOL && !process->guilty)
		judge_blame(world, "workers", "worker %u kept to the protocol", effect->worker);
	if (effect->kill.cause == CAUSE_INIT_TIMEOUT && process->told_ready && !process->killed)
		judge_blame(world, "workers", "worker %u was ready", effect->worker);
}

static void judge_health(struct world *world, const struct effect *effect)
{
	enum pool_health *told = &world->judge.health[effect->pool];

	if (effect->health.was != *told || effect->health.is == *told)
		judge_blame(world, "health", "pool %u: was %s, is %s, but %s was told before",
			    effect->pool, pool_health_name(effect->health.was),
			    pool_health_name(effect->health.is), pool_health_name(*told));
	*told = effect->health.is;
}

static void judge_stopped(struct world *world)
{
	struct judge *judge = &world->judge;

	if (judge->stopped || !judge->stopping)
		judge_blame(world, "stop", "stopped twice, or unasked");
	if (judge->open > 0)
		judge_blame(world, "stop", "stopped with %u requests open", judge->open);
	for (unsigned i = 0; i < engine_worker_count(world->engine); i++)
		if (world->processes[i].exists)
			judge_blame(world, "stop", "stopped with worker %u there", i);
	judge->stopped = true;
}

void judge_effect(struct world *world, const struct effect *effect)
{
	switch (effect->type) {
	case EFFECT_RESULT:
	case EFFECT_ERROR:
	case EFFECT_DROP:
		judge_answer(world, effect);
		break;
	case EFFECT_SPAWN:
		judge_spawn(world, effect);
		break;
	case EFFECT_SEND:
		judge_address(world, effect);
		judge_send(world, effect);
		break;
	case EFFECT_CANCEL:
		judge_address(world, effect);
		judge_cancel(world, effect);
		break;
	case EFFECT_PING:
		judge_address(world, effect);
		break;
	case EFFECT_SHUTDOWN:
	case EFFECT_CLOSE:
	case EFFECT_SIGNAL:
		judge_address(world, effect);
		judge_verdict(world, effect);
		break;
	case EFFECT_HEALTH:
		judge_health(world, effect);
		break;
	case EFFECT_STOPPED:
		judge_stopped(world);
		break;
	}
}

/* --- around each event --- */

static usec_t stop_limit(const struct world *world)
{
	usec_t grace = 0;

	for (unsigned i = 0; i < world->settings.pool_count; i++)
		if (world->pools[i].kill_grace > grace)
			grace = world->pools[i].kill_grace;
	return 3 * grace + EXIT_MAX;
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

		if (sending->record != UINT32_MAX && !sending->answered && !sending->given_up)
			world->records[sending->record].sent = false;
	}
}

/* What an idempotent request's worker can't be told any more need not be told to be given up. */
static void note_break(struct world *world, const struct engine_event *event)
{
	struct process *process = &world->processes[event->worker];

	if (!process->exists || process->life != event->life)
		return;
	process->told_broken = true;
	for (uint32_t i = 0; i < process->sending_count; i++) {
		const struct sending *sending = &process->sendings[i];

		if (sending->record == UINT32_MAX || sending->answered || sending->given_up ||
		    !world->records[sending->record].idempotent)
			continue;
		world->records[sending->record].sent = false;
		world->records[sending->record].moves++;
	}
}

static void note_answer(struct world *world, const struct engine_event *event)
{
	struct process *process = &world->processes[event->worker];
	struct sending *sending;

	if (!process->exists || process->life != event->life || process->closed ||
	    event->id >= process->sending_count)
		return;
	sending = &process->sendings[event->id];
	if (sending->record != UINT32_MAX && !sending->given_up && !sending->answered)
		world->records[sending->record].sent = false;
	process->in_flight -= sending->record != UINT32_MAX && !sending->answered;
	sending->answered = true;
}

static void note_event(struct world *world)
{
	const struct engine_event *event = &world->event;
	struct process *process = &world->processes[event->worker];
	usec_t limit = stop_limit(world);

	switch (event->type) {
	case EVENT_WORKER_READY:
		process->told_ready |= process->life == event->life;
		break;
	case EVENT_WORKER_BROKE:
		note_break(world, event);
		break;
	case EVENT_WORKER_ANSWERED:
		note_answer(world, event);
		break;
	case EVENT_WORKER_EXITED:
	case EVENT_SPAWN_FAILED:
		note_exit(world, event);
		break;
	case EVENT_STOP:
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
	world->judge.overdue = engine_deadline(world->engine) <= world->now;
	note_event(world);
}

static void judge_queue(struct world *world, const struct pool *pool)
{
	const struct judge *judge = &world->judge;
	const struct queue *queue = &pool->queue;

	if (world->event.type == EVENT_SUBMIT &&
	    ((queue->len > queue->len_max && queue->len > judge->queue_len[pool->index]) ||
	     (queue->bytes > queue->bytes_max && queue->bytes > judge->queue_bytes[pool->index])))
		judge_blame(world, "P5", "the queue of pool %u is over its limit", pool->index);
	if (queue->len > 0 &&
	    (!list_empty(&pool->states[WORKER_READY]) || !list_empty(&pool->open)))
		judge_blame(world, "P5", "pool %u: requests wait while a worker is free",
			    pool->index);
}

/* How many processes there should be at least: fewer while none will start, and one more where work
 * waits. */
static unsigned workers_wanted(const struct pool *pool)
{
	unsigned wanted = pool->stopping ? 0 : pool->settings.workers_min;

	if (pool->failed_starts >= POOL_FAILED_STARTS && wanted > 1)
		wanted = 1;
	return wanted == 0 && pool->queue.len > 0 ? 1 : wanted;
}

static void judge_staff(struct world *world, const struct pool *pool)
{
	usec_t *since = &world->judge.short_since[pool->index];
	uint32_t first = pool->workers[0].index;
	unsigned there = 0;

	for (unsigned i = 0; i < pool->settings.workers_max; i++)
		there += world->processes[first + i].exists;
	if (there >= workers_wanted(pool))
		*since = USEC_INFINITY;
	else if (*since == USEC_INFINITY)
		*since = world->now;
	else if (is_late(world, *since + pool->settings.restart_delay_max + TICK))
		judge_blame(world, "workers", "pool %u: a dead worker is not replaced",
			    pool->index);
}

static void judge_ending(struct world *world, const struct pool *pool)
{
	for (unsigned i = 0; i < pool->settings.workers_max; i++) {
		const struct worker *worker = &pool->workers[i];

		if (worker->state == WORKER_TERMINATING &&
		    world->now > later(worker->since, world->judge.leap_end) + stop_limit(world))
			judge_blame(world, "workers", "worker %u is not ended in time",
				    worker->index);
	}
}

void judge_after(struct world *world)
{
	struct judge *judge = &world->judge;
	const char *wrong = engine_check(world->engine);

	if (wrong)
		judge_blame(world, "check", "%s", wrong);
	if (engine_open_requests(world->engine) != judge->open)
		judge_blame(world, "P1", "%u requests are open, the engine says %u", judge->open,
			    engine_open_requests(world->engine));
	for (unsigned i = 0; i < world->settings.pool_count; i++) {
		const struct pool *pool = engine_pool(world->engine, i);

		judge_queue(world, pool);
		judge_staff(world, pool);
		judge_ending(world, pool);
		if (pool_judge(pool) != judge->health[i])
			judge_blame(world, "health", "pool %u is %s, but %s was told", i,
				    pool_health_name(pool_judge(pool)),
				    pool_health_name(judge->health[i]));
	}
	if (world->event.type == EVENT_CANCEL && world->open[world->event.request] != UINT32_MAX)
		judge_blame(world, "P1", "request in slot %u was cancelled and not answered",
			    world->event.request);
	if (!judge->stopped && judge->stopping && is_late(world, judge->stop_by))
		judge_blame(world, "stop", "not stopped in time");
}

void judge_leap(struct world *world, usec_t from)
{
	struct judge *judge = &world->judge;

	judge->leap_end = world->now;
	/* What the processes need to end is counted anew from here: they slept too. */
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
