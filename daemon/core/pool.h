/*
 * A pool in the core: its settings, its workers by state, its queue and what it counts; which
 * worker is next; how well it is.
 */
#ifndef POOLD_CORE_POOL_H
#define POOLD_CORE_POOL_H

#include "daemon/core/budget.h"
#include "daemon/core/queue.h"
#include "daemon/core/stats.h"
#include "daemon/core/worker.h"

struct pool_settings {
	unsigned workers_min;
	unsigned workers_max;
	unsigned queue_max; /* requests */
	uint64_t queue_bytes_max;
	unsigned prefetch; /* requests that may wait at a worker behind the ones it runs */
	unsigned max_crash_retries;
	usec_t init_timeout;
	usec_t ping_interval;
	usec_t ping_timeout;
	usec_t idle_timeout;  /* after which a worker above the minimum is stopped */
	usec_t kill_grace;    /* between two steps of ending a worker */
	usec_t cancel_grace;  /* for a worker to give up what was cancelled */
	usec_t restart_delay; /* before the third start in a row that led to nothing; doubles from
				 there */
	usec_t restart_delay_max;
};

/* Failed starts in a row after which a pool is failed: its requests are refused, one worker at a
 * time is tried. */
#define POOL_FAILED_STARTS 5

/* What is wrong with a pool, as a mask. */
enum pool_trouble {
	TROUBLE_NO_WORKER =
		1u << 0, /* no worker could take a request now or after its current one */
	TROUBLE_BELOW_MINIMUM = 1u << 1, /* fewer workers than workers_min are at work */
	TROUBLE_START_FAILED = 1u << 2,	 /* POOL_FAILED_STARTS starts in a row failed */
	TROUBLE_QUEUE_FULL = 1u << 3,
	TROUBLE_UNHEALTHY = 1u << 4, /* a worker misses its health checks */
	TROUBLE_STOPPING = 1u << 5
};

enum pool_health {
	POOL_OK = 0,
	POOL_DEGRADED,
	POOL_DOWN,
	POOL_HEALTH_COUNT_
};

struct pool {
	struct pool_settings settings;
	uint32_t index;
	struct worker *workers; /* workers_max slots */
	struct list states[WORKER_STATE_COUNT_];
	struct list
		open; /* BUSY workers that run fewer than they can, the longest untouched first */
	struct list behind; /* BUSY workers with room for one more only behind what they run */
	struct queue queue;
	struct budget budget;	 /* what retries of attempts that may have run are paid from */
	unsigned running;	 /* requests at workers */
	usec_t typical_run;	 /* moving average over good answers, weight 1/8; 0: none yet */
	unsigned fruitless;	 /* lives in a row that ended without one answer */
	unsigned failed_starts;	 /* starts in a row that did not get ready */
	unsigned starts_pending; /* empty slots that wait for their restart delay */
	bool stopping;
	enum pool_health health; /* as last told, with its time */
	usec_t health_since;
	struct pool_stats stats;
};

void pool_init(struct pool *pool, uint32_t index, const struct pool_settings *settings,
	       struct worker *workers);

/* Changes a worker's state: the edge must be in the table; the worker moves to that state's list.
 */
void pool_move_worker(struct pool *pool, struct worker *worker, enum worker_state state,
		      usec_t now);

/* Processes that are there or being started, those being ended apart. */
unsigned pool_live(const struct pool *pool);

/*
 * The worker for this request, or NULL when it has to wait.  A free worker first, the last used of
 * them, as its caches are warm.  Behind a busy one only if the request is idempotent (so it can be
 * taken back when that one hangs) and the pool's requests are short (else a place in its line gains
 * nothing).
 */
struct worker *pool_pick(const struct pool *pool, const struct request *request);

/* Where a worker stands after its attempts changed: READY or BUSY, open or not. */
void pool_place_worker(struct pool *pool, struct worker *worker, usec_t now);

/* When the attempt at the head of a line is slow, so that those behind it are taken back: max(10
 * ms, 8 x the typical run). */
usec_t pool_slow_after(const struct pool *pool);

/* Takes a good answer's run time into the moving average. */
void pool_learn_run(struct pool *pool, usec_t run);

/* How long before the next start of a slot: 0 for the first two fruitless lives, then restart_delay
 * doubling to its maximum. */
usec_t pool_restart_delay(const struct pool *pool);

/*
 * Whether another worker would help: what is queued would wait 50 ms or more for those that are
 * there. While stopping: only where there is none for what is queued.
 */
bool pool_wants_more(const struct pool *pool);

/* When a request refused now may find room: the queue's length times the typical run over the
 * workers, at least 100 ms. */
usec_t pool_retry_after(const struct pool *pool);

unsigned pool_troubles(const struct pool *pool);
enum pool_health pool_judge(const struct pool *pool);
const char *pool_health_name(enum pool_health health);

#endif
