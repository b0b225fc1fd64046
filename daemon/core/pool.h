/*
 * A pool in the core: its settings, its workers by state, its queue and what it counts; which
 * worker is next; how well it is.
 */
#ifndef POOLD_CORE_POOL_H
#define POOLD_CORE_POOL_H

#include "daemon/core/backoff.h"
#include "daemon/core/budget.h"
#include "daemon/core/circuit.h"
#include "daemon/core/failover.h"
#include "daemon/core/queue.h"
#include "daemon/core/session.h"
#include "daemon/core/stats.h"
#include "daemon/core/worker.h"

/* ADAPTER(NAME, "name", text): what a pool sends an attempt to. */
#define POOL_ADAPTERS(ADAPTER)                                                                     \
	ADAPTER(PROCESS, "process", "its own workers")                                             \
	ADAPTER(SOCKET, "socket", "connections to a server that somebody else runs")               \
	ADAPTER(STATIC, "static", "nothing: its answers stand in the configuration")

enum pool_adapter {
#define ADAPTER(name, word, text) POOL_##name,
	POOL_ADAPTERS(ADAPTER)
#undef ADAPTER
	POOL_ADAPTER_COUNT_
};

const char *pool_adapter_name(enum pool_adapter adapter);

struct pool_settings {
	enum pool_adapter adapter;
	unsigned workers_min; /* a static pool has none */
	unsigned workers_max;
	unsigned spares;	 /* workers kept ready beyond those at work */
	unsigned start_parallel; /* workers that start at once; 0: any number */
	unsigned queue_max;	 /* requests */
	uint64_t queue_bytes_max;
	unsigned prefetch; /* requests that may wait at a worker behind the ones it runs */
	unsigned max_crash_retries;
	usec_t attempt_timeout; /* of one attempt; 0: as long as the request has */
	bool any_pong; /* whatever answers a health check is a sign of life, an error too */
	usec_t init_timeout;
	usec_t ping_interval;
	usec_t ping_timeout;
	usec_t idle_timeout;  /* after which a worker above the minimum is stopped */
	usec_t kill_grace;    /* between two steps of ending a worker */
	usec_t cancel_grace;  /* for a worker to give up what was cancelled */
	usec_t restart_delay; /* before the third start in a row that led to nothing; doubles from
				 there */
	usec_t restart_delay_max;
	uint64_t max_requests; /* these three: after which a worker is replaced; 0: never */
	usec_t max_lifetime;
	uint64_t max_memory;
	usec_t slow_after; /* an attempt that runs for longer is reported; 0: none is */

	struct breaker_settings breaker;
	enum breaker_state breaker_begins; /* CLOSED, OBSERVING or DISABLED */
	bool breaker_per_method;
	struct backoff_settings backoff; /* its list stays the caller's as long as the engine is */
	struct budget_settings budget;

	uint32_t fallbacks[FAILOVER_LEVELS_MAX - 1]; /* pools, in their order */
	unsigned fallback_count;
	unsigned fallback_on; /* 1u << enum errcategory: beside what the matrix says */
	struct failover_settings failover;
	enum session_affinity affinity;
};

/*
 * The slots that such a pool needs: for twice its workers_max, so that it can be resized while it
 * runs, for its spares, and for replacements that start before the old ones leave.
 */
unsigned pool_slots(const struct pool_settings *settings);

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
	TROUBLE_UNHEALTHY = 1u << 4, /* a worker misses its health checks or fails too often */
	TROUBLE_STOPPING = 1u << 5,
	TROUBLE_CIRCUIT_OPEN = 1u << 6, /* its breaker lets nothing through */
	TROUBLE_PROBING = 1u << 7,	/* its breaker lets a few probes through */
	TROUBLE_FALLBACK = 1u << 8,	/* its requests go to a fallback, some at least */
	TROUBLE_DRAINED = 1u << 9	/* somebody took it out of service */
};

enum pool_health {
	POOL_OK = 0,
	POOL_DEGRADED,
	POOL_DOWN,
	POOL_HEALTH_COUNT_
};

/* ROLL(NAME, "name", sentence): how the rolling restart of a pool goes. */
#define ROLL_STATES(ROLL)                                                                          \
	ROLL(NONE, "none", "there was none")                                                       \
	ROLL(RUNNING, "running", "workers are replaced one after the other")                       \
	ROLL(DONE, "done", "all that were there when it began are replaced")                       \
	ROLL(STOPPED, "stopped", "a replacement did not start: the workers left are kept")

enum roll_state {
#define ROLL(name, word, text) ROLL_##name,
	ROLL_STATES(ROLL)
#undef ROLL
	ROLL_STATE_COUNT_
};

const char *roll_state_name(enum roll_state state);

/* The last rolling restart of a pool. */
struct roll {
	enum roll_state state;
	unsigned total;	     /* workers that were there when it began */
	unsigned left;	     /* of these, those that have not ended, or had not when it stopped */
	enum errcode reason; /* why it stopped */
	usec_t since;	     /* when it came into its state */
};

struct pool {
	struct pool_settings settings;
	uint32_t index;
	struct worker *workers;
	unsigned slots;		/* so many: more than workers_max, see pool_slots */
	unsigned workers_bound; /* what workers_max can become */
	struct list states[WORKER_STATE_COUNT_];
	struct list
		open; /* BUSY workers that run fewer than they can, the longest untouched first */
	struct list behind; /* BUSY workers with room for one more only behind what they run */
	struct queue queue;
	struct budget budget;	  /* what retries of attempts that may have run are paid from */
	struct circuit *circuits; /* the pool's own, then those of methods */
	unsigned circuit_count;
	unsigned circuit_max;
	struct failover failover; /* of the chain that this pool heads */
	bool is_covered;	  /* a fallback serves what the pool can't */
	bool heads_chain;
	struct heap_entry chain_timer;
	unsigned ejected;	 /* DEGRADED workers that are so for their failures */
	unsigned delayed;	 /* requests between two attempts here */
	unsigned running;	 /* requests at workers */
	usec_t typical_run;	 /* moving average over good answers, weight 1/8; 0: none yet */
	unsigned fruitless;	 /* lives in a row that ended without one answer */
	unsigned failed_starts;	 /* starts in a row that did not get ready */
	unsigned starts_pending; /* empty slots that wait for their restart delay */
	unsigned to_replace;	 /* workers that are to be replaced */
	unsigned replacements;	 /* that are to start, or have not got ready */
	unsigned leaving;	 /* workers that were replaced and have not ended */
	struct roll roll;
	usec_t drained;		/* since when it takes nothing new; 0: it does */
	usec_t budget_reported; /* when it was last reported that the budget is spent */
	struct list_node in_dirty_pools;
	bool is_stopping;
	enum pool_health health; /* as last reported, with its time */
	usec_t health_since;
	struct pool_stats stats;
};

/* `circuits`: room for one, or with breaker_per_method for 1 + CIRCUIT_METHODS_MAX of them. */
void pool_init(struct pool *pool, uint32_t index, const struct pool_settings *settings,
	       struct worker *workers, struct circuit *circuits, uint64_t seed, usec_t now);

/* Changes a worker's state: the edge must be in the table; the worker moves to that state's list.
 */
void pool_move_worker(struct pool *pool, struct worker *worker, enum worker_state state,
		      usec_t now);

/* Processes that are there or being started, those that leave or are being ended apart. */
unsigned pool_live(const struct pool *pool);

/*
 * The worker for this request, or NULL when it has to wait.  The one that its session is bound to
 * if it has room, as the pool's affinity says.  A free worker first, one it has not failed at, the
 * last used of them, as its caches are warm.  Behind a busy one only if the request is idempotent
 * (so it can be taken back when that one hangs) and the pool's requests are short (else a place in
 * its line gains nothing).
 */
struct worker *pool_pick(const struct pool *pool, const struct request *request);

/* The worker that the request must wait for as its session is bound to it and the pool's affinity
 * wants that one; NULL: it waits for any. */
struct worker *pool_bound_worker(const struct pool *pool, const struct request *request);

/* Whether its session is bound to a life of this pool that is over, and strictly. */
bool pool_has_lost_session(const struct pool *pool, const struct request *request);

/* The most workers at once, replacements apart. */
unsigned pool_ceiling(const struct pool *pool);

/*
 * How many workers the pool keeps: workers_min or those at work, whichever is more, and its spares
 * beyond them; never more than its ceiling; one at least while starts fail.
 */
unsigned pool_wanted(const struct pool *pool);

/* How many workers may be replaced at once: one in ten, and one at least. */
unsigned pool_out_max(const struct pool *pool);

/* Whether one more that is not needed any more may be ended now: as many end at once as start at
 * once, since hundreds of processes that exit together leave the processor to nobody else. */
bool pool_may_end(const struct pool *pool);

/*
 * Whether one more worker may be started now: a slot is free, there are not too many, and not too
 * many of them are starting; one at a time while starts fail.
 */
bool pool_may_start(const struct pool *pool, bool replacement);

/* What may be shed for a request of `priority`: queue_victim, or a request of a still lower
 * priority that is the last to wait for a certain worker.  NULL: none. */
struct request *pool_victim(const struct pool *pool, enum priority priority);

/* Whether one more worker may be ejected: never more than half of those that live. */
bool pool_may_eject(const struct pool *pool);

/* Whether so few are at work, because of the ejected ones, that those are needed after all. */
bool pool_needs_ejected(const struct pool *pool);

/* The circuit of that method, or of the pool itself (no method); NULL: the method has none. */
struct circuit *pool_find_circuit(const struct pool *pool, struct bytes method);

/* A new circuit for that method, which has none; NULL when all are given away. */
struct circuit *pool_add_circuit(struct pool *pool, struct bytes method, uint64_t seed, usec_t now);

/* Whether no worker can be had: starts fail, and none is at work. */
bool pool_is_unavailable(const struct pool *pool);

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
