#include "daemon/core/engine_internal.h"

/* The engine and its tables lie one after the other in memory, each aligned for any type. */
#define ALIGNMENT _Alignof(max_align_t)

static size_t aligned(size_t size)
{
	return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static uint32_t count_workers(const struct engine_settings *settings)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < settings->pool_count; i++)
		count += pool_slots(&settings->pools[i]);
	return count;
}

static uint32_t count_circuits(const struct engine_settings *settings)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < settings->pool_count; i++)
		count += settings->pools[i].breaker_per_method ? 1 + CIRCUIT_METHODS_MAX : 1;
	return count;
}

/*
 * Returns an upper bound of the effects of one event: nine for each request (cancel or recall at a worker,
 * retry, restart, send anew or answer; the end of its recovery, its session, its key; that its key
 * is also another user's), eight for
 * each worker (close, two signals, start, incidents), one for each breaker, five for each pool, two
 * for each session (it loses its worker, it ends), and one for each key.
 */
static uint32_t count_effects(const struct engine_settings *settings)
{
	return 9 * settings->requests_max + 8 * count_workers(settings) + count_circuits(settings) +
	       5 * settings->pool_count + 2 * settings->sessions.max + settings->keys.max + 16;
}

/* Returns how many counts of requests by user are needed at most: each request is in one queue, and
 * in the daemon. */
static uint32_t count_shares(const struct engine_settings *settings)
{
	uint32_t count = settings->requests_per_user > 0 ? settings->requests_max : 0;

	for (uint32_t i = 0; i < settings->pool_count; i++)
		if (settings->pools[i].queue_per_user > 0)
			return count + settings->requests_max;
	return count;
}

/* --- memory --- */

struct layout {
	size_t requests, lanes, lane_buckets, shares, share_buckets, workers, attempts, pools,
		windows, circuits, recoveries, sessions, session_names, keys, key_names,
		request_timers, worker_timers, circuit_timers, chain_timers, effects, end;
};

static size_t put(size_t *at, size_t count, size_t size)
{
	size_t here = *at;

	*at += aligned(count * size);
	return here;
}

static void lay_out(const struct engine_settings *settings, struct layout *ret)
{
	size_t workers = count_workers(settings);
	size_t circuits = count_circuits(settings);
	size_t sessions = sessions_slots(&settings->sessions);
	size_t at = aligned(sizeof(struct engine));

	ret->requests = put(&at, settings->requests_max, sizeof(struct request));
	ret->lanes = put(&at, settings->requests_max, sizeof(struct lane));
	ret->lane_buckets =
		put(&at, table_buckets(settings->requests_max), sizeof(struct table_entry *));
	ret->shares = put(&at, count_shares(settings), sizeof(struct share));
	ret->share_buckets =
		put(&at, table_buckets(count_shares(settings)), sizeof(struct table_entry *));
	ret->workers = put(&at, workers, sizeof(struct worker));
	ret->attempts = put(&at, workers * WORKER_ATTEMPTS_MAX, sizeof(struct attempt));
	ret->pools = put(&at, settings->pool_count, sizeof(struct pool));
	ret->windows = put(&at, settings->pool_count, sizeof(struct window));
	ret->circuits = put(&at, circuits, sizeof(struct circuit));
	ret->recoveries = put(&at, settings->recoveries_max, sizeof(struct recovery));
	ret->sessions = put(&at, sessions, sizeof(struct session));
	ret->session_names = put(&at, names_buckets((uint32_t)sessions), sizeof(struct name *));
	ret->keys = put(&at, settings->keys.max, sizeof(struct key));
	ret->key_names = put(&at, names_buckets(settings->keys.max), sizeof(struct name *));
	ret->request_timers = put(&at, settings->requests_max, sizeof(struct heap_place));
	ret->worker_timers = put(&at, workers, sizeof(struct heap_place));
	ret->circuit_timers = put(&at, circuits, sizeof(struct heap_place));
	ret->chain_timers = put(&at, settings->pool_count, sizeof(struct heap_place));
	ret->effects = put(&at, count_effects(settings), sizeof(struct effect));
	ret->end = at;
}

size_t engine_size(const struct engine_settings *settings)
{
	struct layout layout;

	lay_out(settings, &layout);
	return layout.end;
}

static void init_pool(struct engine *engine, uint32_t index, const struct pool_settings *settings,
		      struct worker *workers, struct circuit *circuits, struct window *window,
		      struct attempt *attempts)
{
	for (unsigned n = 0; n < pool_slots(settings); n++) {
		uint32_t slot = (uint32_t)(&workers[n] - engine->workers);

		worker_init(&workers[n], slot, index,
			    attempts + (size_t)slot * WORKER_ATTEMPTS_MAX);
	}
	pool_init(&engine->pools[index], index, settings, workers, circuits,
		  prng_next(&engine->prng), engine->now);
	pool_attach_window(&engine->pools[index], window, engine->now);
	queue_attach(&engine->pools[index].queue, index, &engine->lanes, &engine->shares,
		     settings->queue_per_user);
	engine->has_chains |= settings->fallback_count > 0;
}

static void init_pools(struct engine *engine, const struct engine_settings *settings,
		       struct circuit *circuits, struct window *windows, struct attempt *attempts)
{
	struct worker *workers = engine->workers;

	for (uint32_t i = 0; i < settings->pool_count; i++) {
		init_pool(engine, i, &settings->pools[i], workers, circuits, &windows[i], attempts);
		workers += pool_slots(&settings->pools[i]);
		circuits += engine->pools[i].circuit_max;
		engine->pools[i].heads_chain = settings->pools[i].fallback_count > 0;
	}
}

static void init_tables(struct engine *engine, const struct engine_settings *settings, char *base,
			const struct layout *at)
{
	lanes_init(&engine->lanes, (void *)(base + at->lanes), settings->requests_max,
		   (void *)(base + at->lane_buckets));
	shares_init(&engine->shares, (void *)(base + at->shares), count_shares(settings),
		    (void *)(base + at->share_buckets));
	sessions_init(&engine->sessions, &settings->sessions, (void *)(base + at->sessions),
		      (void *)(base + at->session_names),
		      names_buckets(sessions_slots(&settings->sessions)), prng_next(&engine->prng));
	keys_init(&engine->keys, &settings->keys, (void *)(base + at->keys),
		  (void *)(base + at->key_names), names_buckets(settings->keys.max),
		  prng_next(&engine->prng));
	recoveries_init(&engine->recoveries, (void *)(base + at->recoveries),
			settings->recoveries_max);
	heap_init(&engine->request_timers, (void *)(base + at->request_timers),
		  settings->requests_max);
	heap_init(&engine->worker_timers, (void *)(base + at->worker_timers), engine->worker_count);
	heap_init(&engine->circuit_timers, (void *)(base + at->circuit_timers),
		  count_circuits(settings));
	heap_init(&engine->chain_timers, (void *)(base + at->chain_timers), engine->pool_count);
	for (uint32_t i = 0; i < engine->requests_max; i++) {
		engine->requests[i] = (struct request){.state = REQUEST_FREE};
		heap_entry_init(&engine->requests[i].timer);
	}
}

struct engine *engine_init(void *memory, const struct engine_settings *settings, usec_t now)
{
	struct engine *engine = memory;
	char *base = memory;
	struct layout at;

	lay_out(settings, &at);
	*engine = (struct engine){
		.now = now,
		.requests = (void *)(base + at.requests),
		.workers = (void *)(base + at.workers),
		.pools = (void *)(base + at.pools),
		.requests_max = settings->requests_max,
		.requests_per_user = settings->requests_per_user,
		.worker_count = count_workers(settings),
		.pool_count = settings->pool_count,
		.drain_timeout = settings->drain_timeout,
		.drain_until = USEC_INFINITY,
		.effects = (void *)(base + at.effects),
		.effect_max = count_effects(settings),
	};
	list_init(&engine->deferred);
	list_init(&engine->dirty_pools);
	list_init(&engine->touched);
	prng_init(&engine->prng, settings->seed);
	if (settings->policy)
		engine->policy = *settings->policy;
	else
		policy_init(&engine->policy);
	init_tables(engine, settings, base, &at);
	init_pools(engine, settings, (void *)(base + at.circuits), (void *)(base + at.windows),
		   (void *)(base + at.attempts));
	for (uint32_t i = 0; i < engine->pool_count; i++)
		engine_refill(engine, &engine->pools[i]);
	engine_watch_pools(engine);
	engine_update_levels(engine);
	for (uint32_t i = 0; i < engine->pool_count; i++)
		(void)pool_note_troubles(&engine->pools[i], pool_troubles(&engine->pools[i]), now);
	return engine;
}
