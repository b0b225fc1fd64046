/* The number of workers of the pools, which of them end and why, and how operators change that. */
#include "daemon/core/engine_inspect.h"
#include "tests/sim/judge.h"

#define TICK (10 * USEC_PER_MSEC)

void judge_scaling_begin(struct world *world)
{
	for (unsigned i = 0; i < POOLS_MAX; i++)
		world->judge.scaling[i] = (struct reported_scaling){
			.min = world->pools[i].workers_min,
			.max = world->pools[i].workers_max,
		};
	for (unsigned i = 0; i < SLOTS_MAX; i++)
		world->judge.before[i] = (struct reported_slot){.state = WORKER_TERMINATED};
}

/* --- what people do --- */

static bool is_manual(enum event_type type)
{
	return type == EVENT_RESTART || type == EVENT_RESIZE || type == EVENT_DRAIN ||
	       type == EVENT_RESUME || type == EVENT_KILL;
}

static enum errcode verdict(const struct world *world)
{
	const struct engine_event *event = &world->event;
	const struct pool_settings *pool = &world->pools[event->pool];
	const struct process *process = &world->processes[event->worker];

	switch (event->type) {
	case EVENT_DRAIN:
	case EVENT_RESUME:
		return ERR_NONE;
	case EVENT_KILL:
		return process->exists && process->life == event->life ? ERR_NONE
								       : ERR_invalid_request;
	default:
		break;
	}
	if (pool->adapter == POOL_STATIC)
		return ERR_invalid_request;
	if (world->judge.stopping)
		return ERR_shutting_down;
	if (event->type == EVENT_RESIZE &&
	    (event->size.max < 1 || event->size.max > 2 * pool->workers_max ||
	     event->size.min > event->size.max))
		return ERR_invalid_request;
	return ERR_NONE;
}

/* A rolling restart replaces all workers that are there and are not being ended. */
static void note_roll(struct world *world)
{
	const struct pool *pool = engine_pool(world->engine, world->event.pool);

	for (unsigned i = 0; i < pool->slots; i++) {
		const struct worker *worker = &pool->workers[i];
		bool lives = worker->state != WORKER_TERMINATED &&
			     worker->state != WORKER_TERMINATING &&
			     worker->state != WORKER_DRAINING;

		world->judge.rolled[worker->index] = lives ? worker->life : 0;
	}
}

static void note_operator(struct world *world)
{
	const struct engine_event *event = &world->event;
	struct reported_scaling *scaling = &world->judge.scaling[event->pool];

	if (!is_manual(event->type))
		return;
	world->judge.done_code = verdict(world);
	if (world->judge.done_code != ERR_NONE)
		return;
	if (event->type == EVENT_RESTART) {
		note_roll(world);
	} else if (event->type == EVENT_RESIZE) {
		scaling->min = event->size.min;
		scaling->max = event->size.max;
	} else if (event->type == EVENT_DRAIN && scaling->drained == 0) {
		scaling->drained = world->now;
	} else if (event->type == EVENT_RESUME) {
		scaling->drained = 0;
	}
}

/* The highest memory use that was reported: a worker that exceeded max_memory once is replaced. */
static void note_memory(struct process *process, uint64_t bytes)
{
	if (bytes > process->memory)
		process->memory = bytes;
}

void judge_scaling_before(struct world *world)
{
	for (uint32_t i = 0; i < engine_worker_count(world->engine); i++) {
		const struct worker *worker = engine_worker(world->engine, i);

		world->judge.before[i] = (struct reported_slot){
			.state = worker->state,
			.life = worker->life,
			.replacement = worker->is_replacement,
		};
	}
	for (unsigned i = 0; i < world->settings.pool_count; i++) {
		const struct pool *pool = engine_pool(world->engine, i);

		world->judge.scaling[i].working =
			pool->states[WORKER_READY].len + pool->states[WORKER_BUSY].len;
		world->judge.scaling[i].rolling = pool->roll.state == ROLL_RUNNING;
	}
	if (world->event.type == EVENT_WORKER_MEMORY &&
	    world->event.life == world->processes[world->event.worker].life)
		note_memory(&world->processes[world->event.worker], world->event.memory.bytes);
	note_operator(world);
}

/* --- starts --- */

/* After the stop a worker starts only in a pool that has admitted requests and no worker. */
static void judge_late_start(struct world *world, const struct effect *effect)
{
	const struct pool *pool = engine_pool(world->engine, effect->pool);

	if (world->judge.stopping && (world->judge.open == 0 || pool_live(pool) > 1))
		judge_blame(world, "stop", "worker %u is started after the stop", effect->worker);
}

/* Counts the workers that are to serve, without those that drain or are being ended. */
static unsigned count_scaling(const struct world *world, const struct pool *pool)
{
	unsigned count = 0;

	for (unsigned i = 0; i < pool->slots; i++) {
		const struct worker *worker = &pool->workers[i];
		const struct process *process = &world->processes[worker->index];

		count += process->exists && !process->killed && !process->reported_to_shut_down &&
			 !process->closed && worker->state != WORKER_DRAINING &&
			 worker->state != WORKER_TERMINATED;
	}
	return count;
}

void judge_start(struct world *world, const struct effect *effect)
{
	const struct pool *pool = engine_pool(world->engine, effect->pool);
	unsigned most = world->judge.scaling[effect->pool].max + pool->settings.spares;

	judge_late_start(world, effect);
	/* The worker that is being started is not counted yet. */
	if (count_scaling(world, pool) > most)
		judge_blame(world, "workers", "pool %u: worker %u is one too many", pool->index,
			    effect->worker);
}

/* --- replacing --- */

static bool has_left(const struct worker *worker, const struct reported_slot *before)
{
	bool worked = before->state == WORKER_READY || before->state == WORKER_BUSY ||
		      before->state == WORKER_DEGRADED || before->state == WORKER_INITIALIZING;

	return worked && before->life == worker->life &&
	       (worker->state == WORKER_DRAINING || worker->state == WORKER_TERMINATING);
}

/* No worker may be replaced for a cause that is not true. */
static void judge_reason(struct world *world, const struct worker *worker, enum worker_cause cause)
{
	const struct pool_settings *pool = &world->pools[worker->pool];
	const struct process *process = &world->processes[worker->index];
	usec_t age = world->now - worker->started;

	if (cause == CAUSE_SERVED &&
	    (pool->max_requests == 0 || worker->served < pool->max_requests))
		judge_blame(world, "workers", "worker %u has not served that much", worker->index);
	if (cause == CAUSE_AGED &&
	    (pool->max_lifetime == 0 || age < pool->max_lifetime - pool->max_lifetime / 10))
		judge_blame(world, "workers", "worker %u is not that old", worker->index);
	if (cause == CAUSE_GROWN && (pool->max_memory == 0 || process->memory <= pool->max_memory))
		judge_blame(world, "workers", "worker %u is not that large", worker->index);
	if (cause == CAUSE_ROLLED && !world->judge.scaling[worker->pool].rolling)
		judge_blame(world, "workers", "worker %u is replaced, but no restart runs",
			    worker->index);
}

/* A worker whose end is planned finishes its requests; so does one that also runs requests which
 * were not given up. */
static void judge_mercy(struct world *world, const struct worker *worker)
{
	const struct reported_slot *before = &world->judge.before[worker->index];
	bool wish = worker_cause_is_replacement(worker->cause) || worker->cause == CAUSE_SURPLUS;
	bool stubborn = worker->cause == CAUSE_OVERRUN || worker->cause == CAUSE_CANCELLED;

	if (worker->state != WORKER_TERMINATING || before->state == WORKER_TERMINATING ||
	    before->life != worker->life)
		return;
	if (wish && !list_empty(&worker->attempts))
		judge_blame(world, "workers", "worker %u leaves before it is through",
			    worker->index);
	if (stubborn && worker->concurrency > 1 && worker_is_needed(worker, true))
		judge_blame(world, "workers", "worker %u is ended, and others with it",
			    worker->index);
}

/* A replaced worker leaves when its replacement becomes READY, one for each replacement. */
static void judge_leaving(struct world *world, const struct pool *pool)
{
	const struct engine_event *event = &world->event;
	unsigned working = pool->states[WORKER_READY].len + pool->states[WORKER_BUSY].len;
	unsigned left = 0;

	for (unsigned i = 0; i < pool->slots; i++) {
		const struct worker *worker = &pool->workers[i];
		enum worker_cause cause =
			worker->state == WORKER_DRAINING ? worker->leaving : worker->cause;

		judge_mercy(world, worker);
		if (!has_left(worker, &world->judge.before[worker->index]) ||
		    !worker_cause_is_replacement(cause))
			continue;
		left++;
		judge_reason(world, worker, cause);
	}
	if (left == 0)
		return;
	if (left > 1 || event->type != EVENT_WORKER_READY ||
	    engine_worker(world->engine, event->worker)->pool != pool->index)
		judge_blame(world, "workers", "pool %u: %u workers leave, and nobody has come",
			    pool->index, left);
	if (working < world->judge.scaling[pool->index].working)
		judge_blame(world, "workers",
			    "pool %u: %u workers are at work, before there were %u", pool->index,
			    working, world->judge.scaling[pool->index].working);
}

/* Whether the replacement in that slot was starting before the event, and its start has failed.  Not one
 * that was there when the restart began, and so is to be replaced as well. */
static bool has_failed(const struct world *world, const struct worker *worker)
{
	const struct reported_slot *before = &world->judge.before[worker->index];
	bool ended = worker->state == WORKER_TERMINATED || worker->state == WORKER_TERMINATING;

	return before->state == WORKER_INITIALIZING && before->replacement &&
	       world->judge.rolled[worker->index] != before->life &&
	       (before->life != worker->life || (ended && !worker_cause_is_planned(worker->cause)));
}

static void judge_roll(struct world *world, const struct pool *pool)
{
	const struct reported_scaling *scaling = &world->judge.scaling[pool->index];

	if (!scaling->rolling || pool->roll.state != ROLL_RUNNING)
		return;
	for (unsigned i = 0; i < pool->slots; i++)
		if (has_failed(world, &pool->workers[i]))
			judge_blame(world, "workers",
				    "pool %u: the restart goes on after worker %u did not start",
				    pool->index, pool->workers[i].index);
}

static bool is_of_old(const struct world *world, const struct worker *worker)
{
	return worker->state != WORKER_TERMINATED &&
	       world->judge.rolled[worker->index] == worker->life;
}

/* Each step is reported; at ROLL_DONE none of the workers that were there at the start is left. */
void judge_roll_reported(struct world *world, const struct effect *effect)
{
	const struct pool *pool = engine_pool(world->engine, effect->pool);

	if (effect->roll.left > effect->roll.total)
		judge_blame(world, "workers", "pool %u: %u of %u are left", pool->index,
			    effect->roll.left, effect->roll.total);
	if ((effect->roll.state == ROLL_STOPPED) != (effect->roll.reason != ERR_NONE))
		judge_blame(world, "workers", "pool %u: a restart stops, or not?", pool->index);
	if (effect->roll.state == ROLL_DONE && effect->roll.left > 0)
		judge_blame(world, "workers", "pool %u: done, and some are left", pool->index);
	for (unsigned i = 0; i < pool->slots && effect->roll.state == ROLL_DONE; i++)
		if (is_of_old(world, &pool->workers[i]))
			judge_blame(world, "workers", "pool %u: restarted, but worker %u is old",
				    pool->index, pool->workers[i].index);
}

static void judge_begun(struct world *world)
{
	const struct pool *pool = engine_pool(world->engine, world->event.pool);
	bool lives = false;

	if (world->event.type != EVENT_RESTART || world->judge.done_code != ERR_NONE)
		return;
	for (unsigned i = 0; i < pool->slots; i++)
		lives |= world->judge.rolled[pool->workers[i].index] > 0;
	if (lives && pool->roll.state != ROLL_RUNNING)
		judge_blame(world, "workers", "pool %u: a restart does not begin", pool->index);
}

/* --- limits --- */

static void judge_worker_limits(struct world *world, const struct worker *worker)
{
	const struct pool_settings *pool = &world->pools[worker->pool];
	bool works = worker->state == WORKER_READY || worker->state == WORKER_BUSY ||
		     worker->state == WORKER_DEGRADED;

	if (!works || worker->due_for != CAUSE_NONE || world->judge.stopping)
		return;
	if (pool->max_requests > 0 && worker->served >= pool->max_requests)
		judge_blame(world, "workers", "worker %u has served its time", worker->index);
	if (pool->max_lifetime > 0 && engine_deadline(world->engine) > world->now &&
	    judge_is_late(world,
			  usec_max(worker->started + pool->max_lifetime, worker->since) + TICK))
		judge_blame(world, "workers", "worker %u is too old", worker->index);
	if (pool->max_memory > 0 && world->event.type == EVENT_WORKER_MEMORY &&
	    world->event.worker == worker->index && world->event.life == worker->life &&
	    world->event.memory.bytes > pool->max_memory)
		judge_blame(world, "workers", "worker %u is too large", worker->index);
}

/* An attempt that runs longer than slow_after is reported in time. */
static void judge_silence(struct world *world, const struct worker *worker)
{
	usec_t after = world->pools[worker->pool].slow_after;
	struct list_node *node;

	if (after == 0 || worker->state == WORKER_TERMINATING)
		return;
	list_for_each (node, &worker->attempts) {
		const struct attempt *attempt = list_entry(node, struct attempt, in_worker);

		if (attempt->request && attempt->begun > 0 && !attempt->was_slow_reported &&
		    judge_is_late(world, attempt->begun + after + TICK))
			judge_blame(world, "workers", "worker %u is slow, and nobody says so",
				    worker->index);
	}
}

void judge_slow(struct world *world, const struct effect *effect)
{
	const struct record *record = judge_record(world, effect->request);
	usec_t after = world->pools[effect->pool].slow_after;
	struct process *process = &world->processes[effect->worker];

	if (!record || !record->sent || record->worker != effect->worker ||
	    record->life != effect->life) {
		judge_blame(world, "workers", "slot %u is slow, but not at worker %u",
			    effect->request, effect->worker);
		return;
	}
	if (after == 0 || effect->ran < after || usec_add(record->first_at, after) > world->now)
		judge_blame(world, "workers", "request %u is not slow",
			    judge_number(world, record));
	for (uint32_t i = 0; i < process->sending_count; i++) {
		struct sending *sending = &process->sendings[i];

		if (sending->record != judge_number(world, record) || sending->answered ||
		    sending->given_up)
			continue;
		if (sending->slow)
			judge_blame(world, "workers", "request %u is told to be slow twice",
				    judge_number(world, record));
		sending->slow = true;
	}
}

/* --- all of it --- */

/* Counts replacements that are starting and workers that end because they were replaced. */
static unsigned count_out(const struct pool *pool)
{
	unsigned count = 0;

	for (unsigned i = 0; i < pool->slots; i++) {
		const struct worker *worker = &pool->workers[i];

		count += worker->is_replacement;
		count += worker->state == WORKER_DRAINING &&
			 worker_cause_is_replacement(worker->leaving);
		count += worker->state == WORKER_TERMINATING &&
			 worker_cause_is_replacement(worker->cause);
	}
	return count;
}

/* Whether as many workers are being ended as may be at the same time, so that the others wait. */
static bool is_ending(const struct pool *pool)
{
	unsigned count = 0;

	for (unsigned i = 0; i < pool->slots; i++)
		count += pool->workers[i].state == WORKER_TERMINATING;
	return pool->settings.start_parallel > 0 && count >= pool->settings.start_parallel;
}

static void judge_size(struct world *world, const struct pool *pool)
{
	const struct reported_scaling *scaling = &world->judge.scaling[pool->index];

	if (pool->settings.workers_min != scaling->min ||
	    pool->settings.workers_max != scaling->max)
		judge_blame(world, "workers", "pool %u has another size than was set", pool->index);
	if (count_out(pool) > 1)
		judge_blame(world, "workers", "pool %u: %u replacements at once", pool->index,
			    count_out(pool));
	if (!is_ending(pool) &&
	    count_scaling(world, pool) > scaling->max + pool->settings.spares + 1)
		judge_blame(world, "workers", "pool %u has too many workers", pool->index);
}

static void judge_killed(struct world *world)
{
	const struct engine_event *event = &world->event;

	if (event->type == EVENT_KILL && world->judge.done_code == ERR_NONE &&
	    !world->processes[event->worker].killed)
		judge_blame(world, "workers", "worker %u was killed and gets no signal",
			    event->worker);
}

void judge_scaling_after(struct world *world)
{
	for (unsigned i = 0; i < world->settings.pool_count; i++) {
		const struct pool *pool = engine_pool(world->engine, i);

		if (pool->settings.adapter == POOL_STATIC)
			continue;
		judge_size(world, pool);
		judge_leaving(world, pool);
		judge_roll(world, pool);
		for (unsigned n = 0; n < pool->slots; n++) {
			judge_worker_limits(world, &pool->workers[n]);
			judge_silence(world, &pool->workers[n]);
		}
	}
	judge_begun(world);
	judge_killed(world);
}

/* --- out of service --- */

bool judge_is_drained(const struct world *world, uint32_t pool)
{
	return world->judge.scaling[pool].drained > 0;
}

void judge_service(struct world *world, const struct record *record, uint32_t pool)
{
	usec_t drained = world->judge.scaling[pool].drained;

	if (drained > 0 && record->submitted > drained)
		judge_blame(world, "workers", "request %u goes to pool %u, out of service",
			    judge_number(world, record), pool);
}
