/* A pool in the core: its settings, its workers by state, its queue and its counters; the choice of
 * a worker for a request, and the pool's health. */
#ifndef POOLD_CORE_POOL_H
#define POOLD_CORE_POOL_H

#include "daemon/core/backoff.h"
#include "daemon/core/budget.h"
#include "daemon/core/circuit.h"
#include "daemon/core/failing.h"
#include "daemon/core/failover.h"
#include "daemon/core/forecast.h"
#include "daemon/core/queue.h"
#include "daemon/core/runs.h"
#include "daemon/core/session.h"
#include "daemon/core/stats.h"
#include "daemon/core/window.h"
#include "daemon/core/worker.h"

/* ADAPTER(NAME, "name", text): where a pool sends its attempts. */
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
	unsigned spares;	 /* workers kept in addition to the BUSY ones */
	unsigned start_parallel; /* workers that may start at the same time; 0: no limit */
	unsigned queue_max;	 /* requests */
	uint64_t queue_bytes_max;
	unsigned queue_per_user; /* requests of one user; 0: no limit but queue_max */
	bool no_admission;	 /* no request is refused because it would come too late */
	/* Requests that may wait at a worker behind the ones it runs, where runs are short: as many as
	 * it will run within about 1 ms, at least `prefetch` and at most `prefetch_max`, which counts
	 * as `prefetch` where it is less.  With a prefetch of 0 none waits there. */
	unsigned prefetch;
	unsigned prefetch_max;
	unsigned max_crash_retries;
	usec_t attempt_timeout; /* time limit of one attempt; 0: the request's deadline */
	usec_t timeout;		/* usual time limit of a request, for runs that nobody waits for */
	bool errors_name_methods; /* the workers say unknown_method of methods that they lack */
	bool any_pong; /* a worker passes a health check with any answer, even an error */
	usec_t init_timeout;
	usec_t ping_interval;
	usec_t ping_timeout;
	usec_t idle_timeout;  /* a surplus worker that is idle for so long is stopped */
	usec_t kill_grace;    /* time between shutdown message, SIGTERM and SIGKILL */
	usec_t cancel_grace;  /* time for a worker to give up a cancelled request */
	usec_t restart_delay; /* after 3 consecutive lives without an answer; then doubles */
	usec_t restart_delay_max;
	uint64_t max_requests; /* these three: limits after which a worker is replaced; 0: none */
	usec_t max_lifetime;
	uint64_t max_memory;
	usec_t slow_after; /* an attempt that runs for longer is reported; 0: none is */
	struct failing_settings failing;

	struct breaker_settings breaker;
	enum breaker_state breaker_begins; /* CLOSED, OBSERVING or DISABLED */
	bool breaker_per_method;
	struct backoff_settings backoff; /* its list is the caller's and must outlive the engine */
	struct budget_settings budget;

	uint32_t fallbacks[FAILOVER_LEVELS_MAX - 1]; /* pool numbers, in order */
	unsigned fallback_count;
	unsigned fallback_on; /* mask of 1u << enum errcategory, in addition to the matrix */
	struct failover_settings failover;
	usec_t no_worker_wait; /* without a worker at work, after which requests go elsewhere */
	enum session_affinity affinity;
	bool keys_are_shared; /* all users have the same idempotency keys */
};

/* Returns how many slots a pool with these settings needs: twice workers_max, so that it can be
 * resized while it runs, its spares, and replacements that start before the old workers leave. */
unsigned pool_slots(const struct pool_settings *settings);

/* After this many failed starts in a row a pool has failed: its requests are refused, and it starts
 * only one worker at a time. */
#define POOL_FAILED_STARTS 5

/* What is wrong with a pool, as a mask. */
enum pool_trouble {
	/* No worker is READY or BUSY, and the pool does not just wait for requests to start one. */
	TROUBLE_NO_WORKER = 1u << 0,
	TROUBLE_BELOW_MINIMUM = 1u << 1, /* fewer than workers_min are READY or BUSY */
	TROUBLE_START_FAILED = 1u << 2,	 /* POOL_FAILED_STARTS starts in a row failed */
	TROUBLE_QUEUE_FULL = 1u << 3,
	TROUBLE_UNHEALTHY = 1u << 4, /* a worker is DEGRADED */
	TROUBLE_STOPPING = 1u << 5,
	TROUBLE_CIRCUIT_OPEN = 1u << 6, /* its breaker admits no request */
	TROUBLE_PROBING = 1u << 7,	/* its breaker is half-open: it admits a few probes */
	TROUBLE_FALLBACK = 1u << 8,	/* some or all of its requests go to a fallback */
	TROUBLE_DRAINED = 1u << 9,	/* an operator took it out of service */
	TROUBLE_SHEDDING = 1u << 10,	/* requests were refused lately, for what they would wait */
	TROUBLE_FAILING = 1u << 11	/* most of its requests fail (failing.h) */
};

#define POOL_TROUBLE_COUNT 12

/* A trouble that comes back within this time has not ended: it keeps the time when it began. */
#define POOL_TROUBLE_REST (10 * USEC_PER_SEC)

/* Since when each trouble lasts, by the number of its bit. */
struct pool_troubles {
	unsigned mask;
	usec_t since[POOL_TROUBLE_COUNT];
	usec_t ended[POOL_TROUBLE_COUNT]; /* 0: it was never there, or still is */
};

enum pool_health {
	POOL_OK = 0,
	POOL_DEGRADED,
	POOL_DOWN,
	POOL_HEALTH_COUNT_
};

/* ROLL(NAME, "name", sentence): the state of a pool's rolling restart. */
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
	unsigned left;	     /* of these, workers that have not ended, or had not when it stopped */
	enum errcode reason; /* why it stopped */
	usec_t since;	     /* when it entered its state */
};

/* Lines of BUSY workers at their concurrency that may get more. */
enum line {
	/* Fewer than `prefetch` wait there; one more would begin within about 1 ms. */
	LINE_SHORT = 0,
	/* At least `prefetch` wait there; one more would begin within about 1 ms. */
	LINE_LONG,
	/* Fewer than `prefetch` wait there; one more would begin later, or nobody knows when. */
	LINE_LATE,
	LINE_COUNT_
};

#define POOL_PACE_OF 64

struct pool {
	struct pool_settings settings;
	uint32_t index;
	struct worker *workers;
	unsigned slots;		/* length of `workers`: see pool_slots */
	unsigned workers_bound; /* the highest value that workers_max can get */
	struct list states[WORKER_STATE_COUNT_];
	/* BUSY workers with fewer attempts than their concurrency, least recently changed first. */
	struct list open;
	struct list lines[LINE_COUNT_]; /* the same of those whose line has room */
	struct queue queue;
	struct runs runs; /* of its methods; its work is that of the queue */
	struct forecast forecast;
	struct list held;	  /* HELD requests, in no part of the queue */
	struct siblings siblings; /* recent calls and failures of its workers together */
	unsigned bequeathed;	  /* ejections that the next life to start inherits */
	bool bequeaths_at_once;	  /* and it is ejected when it becomes READY */
	struct budget budget;	  /* retries of attempts that may have run take tokens from it */
	struct circuit *circuits; /* first the pool's own, then those of methods */
	unsigned circuit_count;
	unsigned circuit_max;
	struct failover failover; /* of the chain that this pool heads */
	bool is_covered;	  /* a fallback serves the requests that the pool can't */
	bool is_deserted;	  /* it has lacked workers for no_worker_wait */
	bool is_shedding; /* the forecast has refused requests in the last FORECAST_RECENT */
	bool is_unusable; /* a worker said that it can't work as it is configured, and none
				     was READY since */
	bool heads_chain;
	usec_t lacking_since; /* since when pool_lacks_workers; 0: it does not */
	usec_t leave_at; /* while it is deserted: when its queue looks for room elsewhere again */
	struct heap_entry chain_timer;
	unsigned ejected; /* workers that are DEGRADED by ejection */
	unsigned delayed; /* DELAYED requests of this pool */
	unsigned running; /* requests in flight at workers */
	usec_t typical_run; /* moving average of successful runs, weight 1/8, each of which counts as at
				    most four; 0: none yet */
	usec_t pace; /* sum of about POOL_PACE_OF times that a busy worker took for one answer; 0: none yet */
	unsigned failed_starts;	 /* consecutive starts that failed; POOL_FAILED_STARTS at once if
				    is_unusable */
	unsigned starts_in_vain; /* the same as they were counted, without that */
	unsigned starts_pending; /* empty slots whose restart delay is not over */
	unsigned to_replace;	 /* workers that are to be replaced */
	unsigned replacements;	 /* replacements that are to start or are not READY yet */
	unsigned leaving;	 /* workers that were replaced and have not ended */
	struct roll roll;
	usec_t drained;		/* since when it takes no new requests; 0: it takes them */
	usec_t budget_reported; /* when the spent budget was last reported */
	struct list_node in_dirty_pools;
	bool is_stopping;
	enum pool_health health; /* as last reported by EFFECT_HEALTH, and when */
	usec_t health_since;
	struct pool_troubles troubles; /* as last noted */
	uint64_t outgrown;	       /* workers that were to be replaced for max_memory */
	struct pool_stats stats;
	struct window *window; /* what ended lately */
	struct failing failing;
	bool none_free;	     /* no worker is READY or below its concurrency */
	usec_t manned_since; /* when a worker was at work again, after there was none */
};

/* Initializes a pool with these settings.  `workers` are its pool_slots slots; `circuits` is memory
 * for one circuit, or with breaker_per_method for 1 + CIRCUIT_METHODS_MAX of them.  The pool is used
 * only after pool_attach_window. */
void pool_init(struct pool *pool, uint32_t index, const struct pool_settings *settings,
	       struct worker *workers, struct circuit *circuits, uint64_t seed, usec_t now);

/* Gives the pool its window, which is initialized here. */
void pool_attach_window(struct pool *pool, struct window *window, usec_t now);

/* Changes a worker's state, which WORKER_STATES must allow, and moves it to that state's list. */
void pool_move_worker(struct pool *pool, struct worker *worker, enum worker_state state,
		      usec_t now);

/* Returns how many processes run or start, without those that drain or are being ended. */
unsigned pool_live(const struct pool *pool);

/*
 * Returns the worker for this request, or NULL when the request has to wait.  The order is: the
 * worker that its session is bound to, if it has room (NULL if not and the pool's affinity demands
 * it); a READY worker at which the request has not failed, the last used first, since its caches
 * are warm, but last of all one whose last answer was a failure, or that is on probation; a BUSY
 * worker below its concurrency; a place in a BUSY worker's line.  The last one is only for a request
 * without key and session, in a pool whose runs are short (otherwise the place gains nothing):
 *
 *	- if it is idempotent (it can be taken back when the worker hangs), as many as `prefetch`
 *	- if a run of its method is known to be short, up to `prefetch_max`, where it would begin
 *	  within about 1 ms; one that is not idempotent only where worker_gives_back
 */
struct worker *pool_pick(const struct pool *pool, const struct request *request);

/* Whether there may be a worker for a request without a session; where not, pool_pick finds none. */
bool pool_has_room(const struct pool *pool);

/* Returns how long the request is expected to run: a typical run of its method.  Of an unknown method,
 * or one without figures of its own, so long that nothing waits behind it in a line for its sake. */
usec_t pool_expected_run(const struct pool *pool, const struct request *request);

/* Returns the worker that the request must wait for, because its session is bound to it and the
 * pool's affinity demands that worker; NULL: it waits for any. */
struct worker *pool_bound_worker(const struct pool *pool, const struct request *request);

/* Whether the pool's affinity is `strict`, and the request's session was bound to a process of this
 * pool that is gone, or to one of another pool that kept state. */
bool pool_has_lost_session(const struct pool *pool, const struct request *request);

/* Returns the highest number of workers at a time, not counting replacements. */
unsigned pool_ceiling(const struct pool *pool);

/* Returns how many workers the pool keeps: workers_min or the number of BUSY workers, whichever is
 * more, plus its spares; at most its ceiling; at least one while starts fail. */
unsigned pool_wanted(const struct pool *pool);

/* Returns how many workers may be replaced at the same time: one in ten, and at least one. */
unsigned pool_out_max(const struct pool *pool);

/* Whether one more surplus worker may be ended now: at most start_parallel end at the same time,
 * since hundreds of processes that exit together would occupy the processor. */
bool pool_may_end(const struct pool *pool);

/* Whether one more worker may be started now: a slot is free, the ceiling is not reached, and fewer
 * than start_parallel workers are starting; one at a time while starts fail. */
bool pool_may_start(const struct pool *pool, bool replacement);

/* Where a request goes in the queue. */
enum queue_place {
	QUEUE_BACK = 0, /* the end of its client's lane */
	QUEUE_FRONT,	/* the head of its client's lane */
	QUEUE_RETURN	/* where it was before it was HELD (queue_put_back) */
};

/* Returns the weight in the queue of a request whose method has that entry. */
uint32_t pool_weight(const struct pool *pool, unsigned entry);

/* Adds the request to the queue and to what depends on it, the work and the circuit's count;
 * removes it from there; or takes it from there as it is sent. */
void pool_enqueue(struct pool *pool, struct request *request, enum queue_place place);
void pool_dequeue(struct pool *pool, struct request *request);
void pool_take(struct pool *pool, struct request *request);

/* Returns the request that may be shed for one of `priority`: queue_victim, or a request of a still
 * lower priority that is the last to wait for a certain worker.  NULL: there is none. */
COLD struct request *pool_victim(const struct pool *pool, enum priority priority);

/* Whether one more worker may be ejected: at most half of the live ones. */
bool pool_may_eject(const struct pool *pool);

/* Whether more workers are ejected than READY or BUSY: then the ejected ones must serve. */
bool pool_needs_ejected(const struct pool *pool);

/* Returns the method's circuit, or the pool's own if `method` is empty; NULL: it has none. */
struct circuit *pool_find_circuit(const struct pool *pool, struct bytes method);

/* Adds a circuit for a method that has none.  Returns it, or NULL when all are in use. */
COLD struct circuit *pool_add_circuit(struct pool *pool, struct bytes method, uint64_t seed,
				      usec_t now);

/* Whether the pool can serve nothing: starts fail, and no worker is READY or BUSY. */
bool pool_is_unavailable(const struct pool *pool);

/* Returns how many workers are READY or BUSY. */
static inline unsigned pool_at_work(const struct pool *pool)
{
	return pool->states[WORKER_READY].len + pool->states[WORKER_BUSY].len;
}

/* Whether no worker is at work although one is wanted: always, or for a request. */
bool pool_lacks_workers(const struct pool *pool);

/* Whether the pool serves what is sent to it now: with a worker that is at work, with one that it
 * starts for a request, or with a static answer. */
bool pool_serves(const struct pool *pool);

/* Updates the state (READY or BUSY) and the list (`open`, one of `lines`, or none) of a worker
 * whose attempts have changed. */
void pool_place_worker(struct pool *pool, struct worker *worker, usec_t now);

/* Returns the run time above which the attempt at the head of a line is slow, so that those behind
 * it are taken back: 8 times typical_run, and at least 10 ms. */
usec_t pool_slow_after(const struct pool *pool);

/* The worker has answered after such a run, whose `taken` and `overlaps` are set here.  It is learnt how
 * long runs of its method take, and typical_run is updated: now, or when it is known which answers are
 * of the same turn (batch.h).  The pace is that at which workers answer, however many requests each of
 * them runs at the same time: what a client's turn in the queue is worth follows it. */
void pool_measure(struct pool *pool, struct worker *worker, const struct batch_run *run,
		  usec_t now);

/* Returns the delay before the next start of the slot, the longer one of two: after the third start
 * of the pool in a row that failed, and after the second life of the slot in a row that led to
 * nothing.  Both begin with restart_delay, and double up to restart_delay_max. */
usec_t pool_restart_delay(const struct pool *pool, const struct worker *worker);

/* Whether one more worker would help: queued requests would wait 50 ms or more for the present
 * workers.  While the daemon stops: only if there is no worker at all. */
bool pool_wants_more(const struct pool *pool);

/* Returns the delay after which a request that is refused now may find room: the queue's length
 * times typical_run divided by the number of workers, and at least 100 ms. */
usec_t pool_retry_after(const struct pool *pool);

/* What is wrong with the pool (a mask of enum pool_trouble), and the pool's health by that. */
unsigned pool_troubles(const struct pool *pool);
enum pool_health pool_judge(const struct pool *pool);
/* The same where the troubles are known; notes since when they last. */
enum pool_health pool_note_troubles(struct pool *pool, unsigned troubles, usec_t now);
const char *pool_health_name(enum pool_health health);

#endif
