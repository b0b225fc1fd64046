#include "daemon/core/engine_internal.h"

/* Whether the pool can serve all its requests: it is not drained, its breaker admits all of them,
 * and it has workers or can start some. */
static bool is_able(const struct pool *pool)
{
	return pool->drained == 0 &&
	       (pool->settings.adapter == POOL_STATIC ||
		(circuit_is_closed(&pool->circuits[0]) && !pool_is_unavailable(pool)));
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

static void update(struct engine *engine, struct pool *pool)
{
	unsigned fallback = first_able(engine, pool);

	if (!pool->heads_chain)
		return;
	failover_set_able(&pool->failover, is_able(pool), engine->now);
	pool->is_covered = fallback > 0;
	if (pool->failover.state == FAILOVER_HOME)
		set_level(engine, pool, 0);
	else if (fallback > 0)
		set_level(engine, pool, fallback);
	heap_set(&engine->chain_timers, &pool->chain_timer, failover_deadline(&pool->failover));
}

void engine_update_levels(struct engine *engine)
{
	engine->levels_moved = false;
	for (uint32_t i = 0; engine->has_chains && i < engine->pool_count; i++)
		update(engine, &engine->pools[i]);
}

void engine_chain_due(struct engine *engine, struct pool *pool)
{
	failover_tick(&pool->failover, engine->now);
	update(engine, pool);
}
