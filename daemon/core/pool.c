#include "daemon/core/pool.h"

/* Above this typical run a request that waits at the worker instead of in the queue saves under 2 %
 * of its time. */
#define PREFETCH_RUN_MAX (2 * USEC_PER_MSEC)
#define SLOW_MIN	 (10 * USEC_PER_MSEC)
#define SLOW_FACTOR	 8
#define GROW_WAIT	 (50 * USEC_PER_MSEC)
#define RETRY_AFTER_MIN	 (100 * USEC_PER_MSEC)

void pool_init(struct pool *pool, uint32_t index, const struct pool_settings *settings,
	       struct worker *workers)
{
	*pool = (struct pool){.settings = *settings, .index = index, .workers = workers};
	for (unsigned i = 0; i < WORKER_STATE_COUNT_; i++)
		list_init(&pool->states[i]);
	list_init(&pool->open);
	list_init(&pool->behind);
	budget_init(&pool->budget, &budget_defaults, 0);
	queue_init(&pool->queue, settings->queue_max, settings->queue_bytes_max);
	for (unsigned i = 0; i < settings->workers_max; i++)
		list_push_back(&pool->states[WORKER_TERMINATED], &workers[i].in_state);
	pool->health = POOL_DOWN;
}

/* Puts the worker into a list of those with room, or (NULL) into none. */
static void set_room(struct worker *worker, struct list *list)
{
	if (worker->room_list)
		list_remove(worker->room_list, &worker->in_room);
	worker->room_list = list;
	if (list)
		list_push_back(list, &worker->in_room);
}

void pool_move_worker(struct pool *pool, struct worker *worker, enum worker_state state, usec_t now)
{
	assert(worker_may_move(worker->state, state));
	list_remove(&pool->states[worker->state], &worker->in_state);
	set_room(worker, NULL);
	worker->state = state;
	worker->since = now;
	list_push_front(&pool->states[state], &worker->in_state);
}

unsigned pool_live(const struct pool *pool)
{
	return pool->states[WORKER_INITIALIZING].len + pool->states[WORKER_READY].len +
	       pool->states[WORKER_BUSY].len + pool->states[WORKER_DEGRADED].len;
}

static bool may_wait_at_worker(const struct pool *pool, const struct request *request)
{
	return request->idempotent && pool->typical_run > 0 &&
	       pool->typical_run <= PREFETCH_RUN_MAX;
}

struct worker *pool_pick(const struct pool *pool, const struct request *request)
{
	struct list_node *node = list_first(&pool->states[WORKER_READY]);

	if (node)
		return list_entry(node, struct worker, in_state);
	node = list_first(&pool->open);
	if (!node && may_wait_at_worker(pool, request))
		node = list_first(&pool->behind);
	return node ? list_entry(node, struct worker, in_room) : NULL;
}

static struct list *room_of(struct pool *pool, const struct worker *worker)
{
	if (worker->state != WORKER_BUSY || list_empty(&worker->spare_attempts))
		return NULL;
	if (worker->attempts.len < worker->concurrency)
		return &pool->open;
	if (!worker->slow && worker->attempts.len < worker->concurrency + pool->settings.prefetch)
		return &pool->behind;
	return NULL;
}

void pool_place_worker(struct pool *pool, struct worker *worker, usec_t now)
{
	bool busy = !list_empty(&worker->attempts);

	if (busy && worker->state == WORKER_READY)
		pool_move_worker(pool, worker, WORKER_BUSY, now);
	else if (!busy && worker->state == WORKER_BUSY)
		pool_move_worker(pool, worker, WORKER_READY, now);
	set_room(worker, room_of(pool, worker));
}

usec_t pool_slow_after(const struct pool *pool)
{
	usec_t slow = pool->typical_run * SLOW_FACTOR;

	return slow > SLOW_MIN ? slow : SLOW_MIN;
}

void pool_learn_run(struct pool *pool, usec_t run)
{
	usec_t sample = run > 0 ? run : 1;

	if (pool->typical_run == 0)
		pool->typical_run = sample;
	else
		pool->typical_run = (7 * pool->typical_run + sample + 7) / 8;
}

usec_t pool_restart_delay(const struct pool *pool)
{
	usec_t delay = pool->settings.restart_delay;

	if (pool->failed_starts >= POOL_FAILED_STARTS)
		return pool->settings.restart_delay_max;
	if (pool->fruitless < 3)
		return 0;
	for (unsigned i = 3; i < pool->fruitless && delay < pool->settings.restart_delay_max; i++)
		delay *= 2;
	return delay < pool->settings.restart_delay_max ? delay : pool->settings.restart_delay_max;
}

bool pool_wants_more(const struct pool *pool)
{
	unsigned workers = pool_live(pool) + pool->starts_pending;
	unsigned coming = pool->states[WORKER_INITIALIZING].len + pool->starts_pending;

	if ((pool->stopping && workers > 0) || pool->failed_starts >= POOL_FAILED_STARTS ||
	    workers >= pool->settings.workers_max || pool->queue.len <= coming)
		return false;
	return workers == 0 || pool->typical_run == 0 ||
	       pool->typical_run * pool->queue.len / workers >= GROW_WAIT;
}

usec_t pool_retry_after(const struct pool *pool)
{
	unsigned workers = pool_live(pool);
	usec_t wait;

	if (workers == 0)
		return pool_restart_delay(pool) > RETRY_AFTER_MIN ? pool_restart_delay(pool)
								  : RETRY_AFTER_MIN;
	wait = pool->typical_run * pool->queue.len / workers;
	return wait > RETRY_AFTER_MIN ? wait : RETRY_AFTER_MIN;
}

unsigned pool_troubles(const struct pool *pool)
{
	unsigned working = pool->states[WORKER_READY].len + pool->states[WORKER_BUSY].len;
	unsigned troubles = 0;

	if (working == 0)
		troubles |= TROUBLE_NO_WORKER;
	if (working < pool->settings.workers_min)
		troubles |= TROUBLE_BELOW_MINIMUM;
	if (pool->failed_starts >= POOL_FAILED_STARTS)
		troubles |= TROUBLE_START_FAILED;
	if (!queue_has_room(&pool->queue, 1))
		troubles |= TROUBLE_QUEUE_FULL;
	if (pool->states[WORKER_DEGRADED].len > 0)
		troubles |= TROUBLE_UNHEALTHY;
	if (pool->stopping)
		troubles |= TROUBLE_STOPPING;
	return troubles;
}

enum pool_health pool_judge(const struct pool *pool)
{
	unsigned troubles = pool_troubles(pool);

	if (troubles & (TROUBLE_NO_WORKER | TROUBLE_STOPPING))
		return POOL_DOWN;
	return troubles == 0 ? POOL_OK : POOL_DEGRADED;
}

const char *pool_health_name(enum pool_health health)
{
	static const char *const names[POOL_HEALTH_COUNT_] = {"ok", "degraded", "down"};

	return names[health];
}
