#include "tests/sim/judge.h"

/* So many counted failures in a row eject a worker. */
#define EJECT_AFTER 5
#define EJECT_MIN   USEC_PER_SEC
#define EJECT_MAX   (60 * USEC_PER_SEC)

static struct reported_worker *find(struct world *world, uint32_t worker, uint32_t life)
{
	struct reported_worker *known = &world->judge.workers[worker];

	if (known->life != life)
		*known = (struct reported_worker){.life = life};
	return known;
}

void judge_answered(struct world *world, const struct engine_event *event, bool given_up)
{
	const struct worker *worker = engine_worker(world->engine, event->worker);
	struct reported_worker *known = find(world, event->worker, event->life);
	struct reported_success *success = &world->judge.successes[worker->pool];
	enum errcode code =
		event->answer.code == ERR_cancelled ? ERR_exception : event->answer.code;

	known->has_left |= given_up;
	if (given_up)
		return;
	if (code == ERR_NONE) {
		known->failed_last = false;
		known->run = 0;
		if (success->worker != event->worker)
			success->before = success->at;
		success->worker = event->worker;
		success->at = world->now;
		return;
	}
	known->run += policy_row(&world->policy, code)->counts_worker;
	if (code != ERR_exception && !event->answer.is_fatal)
		return;
	known->failed_last = true;
	world->judge.fatal[worker->pool] |= event->answer.is_fatal;
	if (known->failures++ == 0)
		known->since = world->now;
}

void judge_eject_before(struct world *world)
{
	for (uint32_t i = 0; i < engine_worker_count(world->engine); i++) {
		const struct worker *worker = engine_worker(world->engine, i);
		struct reported_worker *known = find(world, i, worker->life);

		known->was_ejected = worker->eject_until > 0;
		known->was_on_trial = worker->on_probation;
	}
}

/* Whether what the worker did is a reason to eject it. */
static bool has_reason(const struct world *world, const struct worker *worker)
{
	const struct reported_worker *known = &world->judge.workers[worker->index];
	const struct reported_success *success = &world->judge.successes[worker->pool];
	usec_t at = success->worker == worker->index ? success->before : success->at;

	if (world->event.type == EVENT_WORKER_READY && world->event.worker == worker->index)
		return world->judge.fatal[worker->pool];
	if (known->run >= EJECT_AFTER || known->was_on_trial || known->has_left)
		return true;
	return known->failures >= EJECT_AFTER && at >= known->since;
}

static void judge_ejection(struct world *world, const struct pool *pool,
			   const struct worker *worker)
{
	struct reported_worker *known = &world->judge.workers[worker->index];
	usec_t span = worker->eject_until - world->now;

	if (span < EJECT_MIN || span > EJECT_MAX)
		judge_blame(world, "workers", "worker %u is ejected for %" PRIu64 " us",
			    worker->index, span);
	if (2 * pool->ejected > pool_live(pool))
		judge_blame(world, "workers", "pool %u: %u of %u workers are ejected", pool->index,
			    pool->ejected, pool_live(pool));
	if (!has_reason(world, worker))
		judge_blame(world, "workers", "worker %u is ejected, and others are as bad",
			    worker->index);
	known->failures = known->run = 0;
}

/* Who failed last is asked last: nobody who did well stands behind in the list of the READY. */
static void judge_order(struct world *world, const struct pool *pool)
{
	struct list_node *node;
	bool has_bad = false;

	list_for_each (node, &pool->states[WORKER_READY]) {
		const struct worker *worker = list_entry(node, struct worker, in_state);
		const struct reported_worker *known = find(world, worker->index, worker->life);
		bool bad = known->failed_last || worker->on_probation;

		if (has_bad && !bad)
			judge_blame(world, "workers", "worker %u is asked after one that failed",
				    worker->index);
		has_bad |= bad;
	}
}

void judge_eject_after(struct world *world)
{
	for (unsigned i = 0; i < world->settings.pool_count; i++) {
		const struct pool *pool = engine_pool(world->engine, i);

		judge_order(world, pool);
		for (unsigned n = 0; n < pool->slots; n++) {
			const struct worker *worker = &pool->workers[n];
			struct reported_worker *known = find(world, worker->index, worker->life);

			if (worker->eject_until == 0)
				continue;
			if (!known->was_ejected)
				judge_ejection(world, pool, worker);
			if (!list_empty(&worker->attempts))
				judge_blame(world, "workers", "worker %u is ejected, and works",
					    worker->index);
		}
	}
}
