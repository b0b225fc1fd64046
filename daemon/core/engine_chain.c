#include "daemon/core/engine_internal.h"

/* Whether the pool can serve all its requests: it is not drained, its breaker admits all of them,
 * it can start workers, and it has not lacked them for too long. */
static bool is_able(const struct pool *pool)
{
	return pool->drained == 0 && (pool->settings.adapter == POOL_STATIC ||
				      (circuit_is_closed(&pool->circuits[0]) &&
				       !pool_is_unavailable(pool) && !pool->is_deserted));
}

static enum errcode why_left(const struct pool *pool)
{
	if (pool->drained > 0)
		return ERR_pool_unavailable;
	if (!circuit_is_closed(&pool->circuits[0]))
		return ERR_circuit_open;
	return pool->settings.adapter == POOL_SOCKET ? ERR_connect_failed : ERR_pool_unavailable;
}

/* The first fallback level that can serve; 0: none. */
static unsigned first_able(const struct engine *engine, const struct pool *pool)
{
	for (unsigned level = 1; level <= pool->settings.fallback_count; level++)
		if (is_able(&engine->pools[engine_chain_pool(engine, pool->index, level)]))
			return level;
	return 0;
}

/* Whether a fallback of the pool really serves, so that the pool is not down when it can't. */
static bool is_covered(const struct engine *engine, const struct pool *pool)
{
	for (unsigned level = 1; level <= pool->settings.fallback_count; level++) {
		const struct pool *fallback =
			&engine->pools[engine_chain_pool(engine, pool->index, level)];

		if (is_able(fallback) && pool_serves(fallback))
			return true;
	}
	return false;
}

static void set_level(struct engine *engine, struct pool *pool, unsigned level)
{
	struct effect *effect;

	if (level == pool->failover.level)
		return;
	effect = engine_emit(engine, EFFECT_LEVEL);
	effect->pool = pool->index;
	effect->level.from = pool->failover.level;
	effect->level.to = level;
	effect->level.reason = ERR_NONE;
	if (level > pool->failover.level)
		effect->level.reason = why_left(&engine->pools[engine_chain_pool(
			engine, pool->index, pool->failover.level)]);
	pool->failover.level = level;
}

/* How often the queue of a deserted pool looks for room in the fallbacks. */
#define LEAVE_AGAIN (100 * USEC_PER_MSEC)

/* The queued requests of the pool leave for its fallbacks, as many as these have room for.  The
 * others follow when those have been sent to workers: by the timer, which is due at once. */
static void leave_deserted(struct engine *engine, struct pool *pool)
{
	bool have_left = engine_leave_queue(engine, pool, true) > 0;

	pool->leave_at = usec_add(engine->now, have_left ? 0 : LEAVE_AGAIN);
}

/* Updates since when the pool lacks workers, and whether that has lasted for too long: then its
 * queued requests leave for the fallbacks. */
static void watch_workers(struct engine *engine, struct pool *pool)
{
	bool lacked = pool->lacking_since > 0;
	bool was_deserted = pool->is_deserted;

	if (!pool_lacks_workers(pool))
		pool->lacking_since = 0;
	else if (!lacked)
		pool->lacking_since = engine->now;
	pool->is_deserted = pool->lacking_since > 0 && usec_sub(engine->now, pool->lacking_since) >=
							       pool->settings.no_worker_wait;
	engine->has_touched_pools |= pool->is_deserted != was_deserted;
	if (!engine->has_chains || pool->lacking_since == 0)
		return;
	if (!pool->is_deserted) {
		if (!lacked)
			engine_leave_queue(engine, pool, false);
		return;
	}
	if (!was_deserted)
		pool->leave_at = engine->now;
	if (pool->leave_at <= engine->now)
		leave_deserted(engine, pool);
}

/* Whether it matters how long the pool has lacked workers: for requests, which can go elsewhere, or
 * for its health. */
static bool matters(const struct engine *engine, const struct pool *pool)
{
	return engine->has_chains || pool->settings.workers_min + pool->settings.spares == 0;
}

static usec_t sheds_until(const struct pool *pool)
{
	return usec_add(pool->forecast.refused_at, FORECAST_RECENT);
}

static void set_timer(struct engine *engine, struct pool *pool)
{
	usec_t due = pool->heads_chain ? failover_deadline(&pool->failover) : USEC_INFINITY;

	if (pool->lacking_since > 0 && !pool->is_deserted && matters(engine, pool))
		due = usec_min(due, usec_add(pool->lacking_since, pool->settings.no_worker_wait));
	if (engine->has_chains && pool->is_deserted && pool->queue.len > 0)
		due = usec_min(due, pool->leave_at);
	if (pool->is_shedding)
		due = usec_min(due, sheds_until(pool));
	due = usec_min(due, failing_deadline(&pool->failing));
	heap_set(&engine->chain_timers, &pool->chain_timer, due);
}

static void update(struct engine *engine, struct pool *pool)
{
	unsigned fallback = first_able(engine, pool);

	failover_set_able(&pool->failover, is_able(pool), engine->now);
	pool->is_covered = is_covered(engine, pool);
	if (pool->failover.state == FAILOVER_HOME)
		set_level(engine, pool, 0);
	else if (fallback > 0)
		set_level(engine, pool, fallback);
}

void engine_note_refusal(struct engine *engine, struct pool *pool)
{
	forecast_refused(pool, engine->now);
	/* This sets the timer as well. */
	engine->levels_moved |= !pool->is_shedding;
	pool->is_shedding = true;
}

void engine_watch_pools(struct engine *engine)
{
	for (uint32_t i = 0; i < engine->pool_count; i++) {
		struct pool *pool = &engine->pools[i];

		watch_workers(engine, pool);
		if (pool->is_shedding && sheds_until(pool) <= engine->now) {
			pool->is_shedding = false;
			engine->has_touched_pools = true;
		}
		if (failing_deadline(&pool->failing) <= engine->now)
			engine->has_touched_pools |= failing_tick(&pool->failing, engine->now);
	}
}

void engine_update_levels(struct engine *engine)
{
	for (uint32_t i = 0; i < engine->pool_count; i++) {
		if (engine->pools[i].heads_chain)
			update(engine, &engine->pools[i]);
		set_timer(engine, &engine->pools[i]);
	}
}

void engine_chain_due(struct engine *engine, struct pool *pool)
{
	if (pool->heads_chain)
		failover_tick(&pool->failover, engine->now);
	engine->levels_moved = true;
}
