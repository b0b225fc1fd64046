#include "tests/sim/judge.h"

#include <inttypes.h>

/* A request may be sent and taken back at once where the run time that is typical has just become
 * shorter; but not often. */
#define HASTY_MAX 3

/* --- answers --- */

static uint32_t number_of(const struct world *world, const struct record *record)
{
	return (uint32_t)(record - world->records);
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
	if (judge_is_late(world, record->deadline))
		judge_blame(world, "P2", "request %u: answered %" PRIu64 " us after its deadline",
			    number_of(world, record), world->now - record->deadline);
	record->open = false;
	world->judge.open--;
}

static void judge_result(struct world *world, struct record *record)
{
	judge_source(world, record);
	world->judge.results[record->pool]++;
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
	case ERR_circuit_open:
		return true;
	case ERR_worker_exited:
	case ERR_worker_killed:
	case ERR_peer_closed:
	case ERR_decode_error:
	case ERR_protocol_violation:
	case ERR_response_too_large:
		return record->sends > 0;
	default:
		return false;
	}
}

static void judge_error(struct world *world, struct record *record, const struct effect *effect)
{
	enum errcode code = effect->failed.failure.code;
	uint32_t number = number_of(world, record);

	if (effect->failed.failure.from_worker)
		judge_source(world, record);
	else if (!is_due(world, record, code))
		judge_blame(world, "P1", "request %u: %s is not due", number, errcode_name(code));
	if (effect->failed.failure.executed == EXECUTED_NO && record->runs > 0 && !record->misled)
		judge_blame(world, "P3", "request %u: \"executed no\" after %u runs (%s)", number,
			    record->runs, errcode_name(code));
	if (effect->failed.failure.executed == EXECUTED_YES && record->runs == 0)
		judge_blame(world, "P3", "request %u: \"executed yes\", but it never ran", number);
	if (code == ERR_attempt_timeout)
		world->judge.overrun = effect->worker;
	if (effect->failed.has_worker != (record->sends > 0))
		judge_blame(world, "P1", "request %u: sent %u times, the error says otherwise",
			    number, record->sends);
	if ((code == ERR_queue_full || code == ERR_shed) &&
	    effect->failed.failure.retry_after == USEC_INFINITY)
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

/*
 * What really ran and is sent again is a retry.  The pool's budget gives 20 to begin with, one a
 * second and one for five results; what was taken back from a slow worker costs nothing.
 */
static void judge_budget(struct world *world, const struct record *record)
{
	struct judge *judge = &world->judge;
	uint32_t pool = record->pool;
	uint64_t most = 20 + judge->results[pool] / 5 + (world->now - judge->begun) / USEC_PER_SEC;

	if (record->runs == 0 || record->moves > 0 || record->misled)
		return;
	if (++judge->retries[pool] > most + 1)
		judge_blame(world, "P4", "pool %u: %u retries", pool, judge->retries[pool]);
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
	if (record->deaths > world->pools[record->pool].max_crash_retries + record->moves &&
	    !record->misled)
		judge_blame(world, "P3", "request %u took %u workers down and goes to another",
			    number_of(world, record), record->deaths);
	if (effect->send.attempt != ++record->sends)
		judge_blame(world, "P5", "request %u: attempt %u is the %uth",
			    number_of(world, record), effect->send.attempt, record->sends);
	if (effect->send.deadline != record->deadline || record->deadline <= world->now)
		judge_blame(world, "P2", "request %u is sent with another deadline, or after it",
			    number_of(world, record));
	judge_budget(world, record);
	judge_line(world, process);
	process->in_flight++;
	record->sent = true;
	record->sent_at = world->judge.overdue ? USEC_INFINITY : world->now;
	record->worker = effect->worker;
	record->life = effect->life;
}

/* Counted once for each event, which may take a whole line back. */
static void judge_haste(struct world *world, const struct effect *effect)
{
	if (world->judge.hasty_at == world->events)
		return;
	world->judge.hasty_at = world->events;
	if (++world->judge.hasty > HASTY_MAX)
		judge_blame(world, "workers", "worker %u: requests are sent and taken back at once",
			    effect->worker);
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
	    engine_worker(world->engine, effect->worker)->state == WORKER_BUSY)
		judge_haste(world, effect);
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
	default:
		break;
	}
}
