#include "tests/sim/judge.h"

#include "daemon/core/engine_inspect.h"

#define TICK (10 * USEC_PER_MSEC)

/* With so much time left, no run of any world is too long for a fallback. */
#define ENOUGH (5 * USEC_PER_SEC)

/* --- who lacks workers --- */

static bool lacks_workers(const struct pool *pool)
{
	unsigned kept = pool->settings.workers_min + pool->settings.spares;

	if (pool->settings.adapter == POOL_STATIC ||
	    pool->states[WORKER_READY].len + pool->states[WORKER_BUSY].len > 0)
		return false;
	if (pool->queue.len + pool->states[WORKER_INITIALIZING].len + pool->starts_pending > 0)
		return true;
	return !pool->is_stopping && (kept > 0 || pool->failed_starts >= POOL_FAILED_STARTS);
}

static void note_lack(struct world *world, const struct pool *pool)
{
	struct reported_traffic *traffic = &world->judge.traffic[pool->index];
	bool was = traffic->deserted;

	if (!lacks_workers(pool))
		traffic->lacking_since = 0;
	else if (traffic->lacking_since == 0)
		traffic->lacking_since = world->now;
	traffic->deserted = traffic->lacking_since > 0 &&
			    world->now - traffic->lacking_since >= pool->settings.no_worker_wait;
	/* The engine has not come to its timer yet. */
	if (traffic->deserted && engine_deadline(world->engine) <= world->now)
		traffic->deserted = pool->is_deserted;
	if (!traffic->deserted)
		traffic->fresh = 0;
	else if (!was)
		traffic->fresh = world->now;
}

/* --- who must leave --- */

static bool goes_down(const struct world *world, const struct record *record, enum errcode code)
{
	bool named = world->pools[record->pool].fallback_on & 1u << errcode_info(code)->category;

	switch (world->policy.rows[code].fails_over) {
	case FAILOVER_YES:
		return true;
	case FAILOVER_IDEMPOTENT:
		return record->idempotent || named;
	case FAILOVER_ASKED:
		return named;
	default:
		return false;
	}
}

/* Whether a static pool further down the chain would answer the request at once. */
static bool has_static(struct world *world, const struct record *record, unsigned level)
{
	for (uint32_t i = 0; i < world->settings.pool_count; i++) {
		unsigned at = judge_level(world, record, i);

		if (at != UINT32_MAX && at > level && world->pools[i].adapter == POOL_STATIC &&
		    !judge_is_drained(world, i))
			return !record->chunked;
	}
	return false;
}

/* Whether a worker of the pool has had nothing to do since then, and neither a breaker of the pool nor its queue
 * is in the way. */
static bool is_idle(struct world *world, const struct record *record, uint32_t index, usec_t since)
{
	const struct pool *pool = engine_pool(world->engine, index);
	struct list_node *node = list_last(&pool->states[WORKER_READY]);

	if (!queue_has_room(&pool->queue, engine_request(world->engine, record->slot)->bytes) ||
	    !queue_user_has_room(&pool->queue, judge_user(record)))
		return false;

	for (unsigned i = 0; i < pool->circuit_count; i++)
		if (!circuit_is_closed(&pool->circuits[i]))
			return false;
	return node && list_entry(node, struct worker, in_state)->since < since &&
	       !judge_is_drained(world, index);
}

static bool has_idle(struct world *world, const struct record *record, unsigned level, usec_t since)
{
	/* After a jump of the clock the engine believes that runs take that long. */
	if (record->sends > 0 || record->deadline - world->now < ENOUGH ||
	    world->judge.leap_end > 0)
		return false;
	for (uint32_t i = 0; i < world->settings.pool_count; i++) {
		unsigned at = judge_level(world, record, i);

		if (at != UINT32_MAX && at > level && is_idle(world, record, i, since))
			return true;
	}
	return false;
}

/* None waits in a pool that has just become deserted whom another one would serve. */
static void judge_deserted(struct world *world, const struct pool *pool)
{
	usec_t since = world->judge.traffic[pool->index].fresh;
	enum errcode code =
		pool->settings.adapter == POOL_SOCKET ? ERR_connect_failed : ERR_pool_unavailable;

	/* An operator may have put a fallback back into service only now. */
	if (world->meddles)
		return;
	for (uint32_t i = 0; i < world->settings.requests_max; i++) {
		const struct request *request = engine_request(world->engine, i);
		const struct record *record = judge_record(world, i);

		if (!record || request->state != REQUEST_QUEUED ||
		    request->run.pool != pool->index || !goes_down(world, record, code) ||
		    record->deadline <= world->now || record->submitted >= since ||
		    record->was_aside) /* it may have come back to the queue only since */
			continue;
		if (has_static(world, record, request->run.level) ||
		    has_idle(world, record, request->run.level, since))
			judge_blame(world, "chain", "request %u waits in pool %u, where nobody is",
				    judge_number(world, record), pool->index);
	}
}

/* Nothing has changed for the request since it came: no operator, no clock, no other request that
 * it waited for. */
static bool is_plain(const struct world *world, const struct record *record)
{
	/* Who does not read waits for no pool; and a stop of the daemon delays everything. */
	if (record->was_aside || record->stalled > 0)
		return false;
	return !world->meddles && world->timer_slack <= USEC_PER_MSEC && record->sends == 0 &&
	       record->session == NO_NAME && record->key == NO_NAME &&
	       world->judge.leap_end < record->submitted &&
	       record->deadline - record->submitted >= 4 * TICK;
}

void judge_queue_timeout(struct world *world, const struct record *record)
{
	if (is_plain(world, record) && goes_down(world, record, ERR_queue_timeout) &&
	    has_static(world, record, 0))
		judge_blame(world, "chain", "request %u waits to its end, not for its fallback",
			    judge_number(world, record));
}

/* Where no worker is at work, half of a request's time is for a static fallback. */
static void judge_half(struct world *world)
{
	for (uint32_t i = 0; i < world->settings.requests_max; i++) {
		const struct request *request = engine_request(world->engine, i);
		const struct record *record = judge_record(world, i);
		usec_t since;

		if (!record || request->state != REQUEST_QUEUED || !is_plain(world, record))
			continue;
		since = usec_max(world->judge.traffic[request->run.pool].lacking_since,
				 record->submitted);
		if (world->judge.traffic[request->run.pool].lacking_since > 0 &&
		    request->run.level == 0 && goes_down(world, record, ERR_queue_timeout) &&
		    goes_down(world, record, ERR_pool_unavailable) &&
		    goes_down(world, record, ERR_connect_failed) &&
		    since + TICK < record->deadline &&
		    world->now > since + (record->deadline - since) / 2 + TICK &&
		    has_static(world, record, 0))
			judge_blame(world, "chain",
				    "request %u waits for longer than half its time",
				    judge_number(world, record));
	}
}

/* --- how much runs --- */

void judge_traffic_send(struct world *world, const struct record *record, uint32_t pool)
{
	struct reported_traffic *traffic = &world->judge.traffic[pool];

	if (record->sends > 1 && record->at == pool)
		return;
	traffic->came++;
	traffic->taken_over += pool != record->pool;
}

void judge_traffic_static(struct world *world, const struct record *record, uint32_t pool)
{
	world->judge.traffic[pool].taken_over += pool != record->pool;
}

/* Beside one run for each request that came, a pool has as many as its budget has paid for, whether
 * it has a breaker or not.  What was taken back, or could not be sent, has not run. */
static void judge_storm(struct world *world, const struct pool *pool)
{
	const struct reported_traffic *traffic = &world->judge.traffic[pool->index];
	const struct budget_settings *budget = &pool->settings.budget;
	const struct pool_stats *stats = &pool->stats;
	uint64_t tokens = budget->max +
			  (uint64_t)world->judge.results[pool->index] * budget->per_success +
			  (world->now - world->judge.begun) * budget->per_second / USEC_PER_SEC;
	uint64_t most = traffic->came + tokens / BUDGET_RETRY + 1;

	if (traffic->ran > most + traffic->moved)
		judge_blame(world, "P4", "pool %u: %u runs of %u requests", pool->index,
			    traffic->ran, traffic->came);
	if (stats->attempts > most + stats->requeued + stats->moved + traffic->unsent)
		judge_blame(world, "P4", "pool %u: %u attempts of %u requests", pool->index,
			    (unsigned)stats->attempts, traffic->came);
	if (traffic->taken_over > stats->taken_over ||
	    (pool->settings.adapter == POOL_STATIC && traffic->taken_over < stats->taken_over))
		judge_blame(world, "chain", "pool %u: %u requests came down to it, it says %u",
			    pool->index, traffic->taken_over, (unsigned)stats->taken_over);
}

/* --- around each event --- */

void judge_traffic_begin(struct world *world)
{
	for (uint32_t i = 0; i < POOLS_MAX; i++) {
		const struct pool_settings *pool = &world->pools[i];
		bool keeps = pool->workers_min + pool->spares > 0;

		world->judge.traffic[i] =
			(struct reported_traffic){.lacking_since = keeps ? world->now : 0,
						  .deserted = keeps && pool->no_worker_wait == 0};
	}
}

void judge_traffic_after(struct world *world)
{
	for (uint32_t i = 0; i < world->settings.pool_count; i++) {
		const struct pool *pool = engine_pool(world->engine, i);

		world->judge.traffic[i].unsent += world->event.type == EVENT_SEND_FAILED &&
						  world->processes[world->event.worker].pool == i;
		note_lack(world, pool);
		judge_storm(world, pool);
	}
	/* As long as its timer is due, the engine is still at work. */
	if (engine_deadline(world->engine) <= world->now)
		return;
	judge_half(world);
	for (uint32_t i = 0; i < world->settings.pool_count; i++) {
		if (world->judge.traffic[i].fresh > 0)
			judge_deserted(world, engine_pool(world->engine, i));
		world->judge.traffic[i].fresh = 0;
	}
}
