/*
 * Read access to the engine's state for the rest of the daemon: calls that fill small structs of
 * values, and look-ups of single values.
 *
 * Nobody outside the core reads a field of its pools, workers, requests, sessions or recoveries.
 * Pools are named by their number, workers, requests, sessions and recoveries by their slot; worker
 * slots count through all pools.  A slot that the caller gives must exist.
 *
 * A view shows the state at the moment of the call.  Times are those of the event loop's clock, in
 * µs; a time that is not set is 0.  A `struct bytes` in a view is the engine's memory, and
 * valid until the next engine_step.  Nothing here changes the engine or can fail.
 *
 * Each call takes constant time, unless its comment says otherwise.
 */
#ifndef POOLD_CORE_ENGINE_VIEW_H
#define POOLD_CORE_ENGINE_VIEW_H

#include "daemon/core/engine.h"
#include "daemon/core/suspect.h"

/* --- pools --- */

struct pool_view {
	enum pool_adapter adapter;
	enum pool_health health;
	usec_t health_since; /* since when it has that health, as last reported by EFFECT_HEALTH */
	unsigned troubles;   /* what is wrong with it, a mask of enum pool_trouble */
	usec_t troubles_since[POOL_TROUBLE_COUNT]; /* by the number of its bit */

	unsigned workers_min;
	unsigned workers_max;
	unsigned workers_bound; /* the highest workers_max that EVENT_RESIZE can give it */
	unsigned spares;
	unsigned ceiling;		      /* most workers at once, replacements apart */
	unsigned states[WORKER_STATE_COUNT_]; /* slots in each state */
	unsigned at_work;		      /* READY and BUSY workers */
	unsigned live;		/* processes there or being started, without those that leave */
	unsigned failed_starts; /* consecutive starts that failed */
	bool is_unusable;	/* a worker ended with the status that says: it can't work as it is
			     configured */

	uint64_t outgrown; /* workers that were to be replaced for max_memory, since the start */

	unsigned queued;
	bool is_full;	  /* the queue has no room */
	usec_t wait;	  /* predicted, of a normal request that came now */
	uint64_t refused; /* requests in the last FORECAST_RECENT that would have waited too long */
	unsigned queue_max;
	uint64_t queued_bytes;
	uint64_t queue_bytes_max;
	unsigned running; /* requests at workers */
	unsigned held;	  /* requests that wait until their clients have read */

	bool is_drained;	    /* taken out of service */
	unsigned level;		    /* of its chain, where its requests start; 0: the pool itself */
	struct roll roll;	    /* its last rolling restart */
	unsigned circuit_count;	    /* its breaker and those of its methods; 0: it has none */
	enum breaker_state breaker; /* of the pool's own; meaningful with circuit_count > 0 */

	bool is_failing; /* most of its requests fail: these three */
	usec_t failing_since;
	enum errcode failing_code; /* of most of the failures */
	struct failing_tally
		recent; /* requests of the last FAILING_WINDOW by which that is judged */
};

void engine_view_pool(const struct engine *engine, uint32_t index, struct pool_view *ret);

/* Counts over all slots of a pool. */
struct pool_workers_view {
	unsigned states[WORKER_STATE_COUNT_]; /* slots in each state, if worker_view.is_shown */
	uint64_t restarts;		      /* of all slots */
};

/* Takes time in proportion to the pool's slots. */
void engine_view_pool_workers(const struct engine *engine, uint32_t index,
			      struct pool_workers_view *ret);

/* Returns the pool's counters since the start.  They are valid as long as the engine, and change
 * with each engine_step. */
const struct pool_stats *engine_pool_stats(const struct engine *engine, uint32_t pool);

/* Returns what ended in the pool lately, and the run times and waits since the start.  It is valid as
 * long as the engine, and changes with each engine_step. */
const struct window *engine_pool_window(const struct engine *engine, uint32_t pool);

/* The name of a method with a number in the pool's window, from 1 on; empty: no method has it. */
struct bytes engine_method_name(const struct engine *engine, uint32_t pool, unsigned method);

/* Returns what is left of the pool's retry budget at the time `now`, in milli-tokens; a retry takes
 * BUDGET_RETRY of them. */
uint32_t engine_retry_budget(const struct engine *engine, uint32_t pool, usec_t now);

/* The breaker of a whole pool or of one method. */
struct circuit_view {
	struct bytes method; /* empty: the pool's own */
	struct breaker_snapshot breaker;
	enum breaker_reason reason;	    /* of the last change */
	struct circuit_operator changed_by; /* who made it; `at` is 0 if no operator did */
};

/* Looks for who is behind what goes wrong in the pool: see suspects_find.  Takes time in proportion
 * to its workers, to the clients that have queued requests, and to its methods. */
void engine_find_suspects(const struct engine *engine, uint32_t pool, usec_t now,
			  struct suspects *suspects);

/* `circuit` is below the pool's circuit_count; 0 is the pool's own.  Takes the time of a snapshot:
 * see breaker_snapshot. */
void engine_view_circuit(const struct engine *engine, uint32_t index, unsigned circuit, usec_t now,
			 struct circuit_view *ret);

/* --- workers --- */

struct worker_view {
	uint32_t pool;
	unsigned number; /* within its pool, from 1 */
	uint32_t life;
	enum worker_state state;
	enum worker_health health;
	enum worker_cause cause; /* why the daemon ended it, or ends it; CAUSE_NONE: it does not */
	bool is_shown; /* false: it never held a process, or the one it held last is not replaced */
	usec_t since;  /* when it entered its state */
	usec_t started;
	usec_t heard; /* its last sign of life */
	unsigned in_flight;
	uint64_t served; /* these two: answers of this life */
	uint64_t failed;
	uint64_t restarts;
	uint64_t start_memory; /* bytes that it used when it was ready; 0: unknown */
};

void engine_view_worker(const struct engine *engine, uint32_t index, struct worker_view *ret);

/* The pool of the worker. */
uint32_t engine_worker_pool(const struct engine *engine, uint32_t worker);

/* The worker's number within its pool, from 1, and the way back; NO_SLOT: the pool has no slot of
 * that number. */
unsigned engine_worker_number(const struct engine *engine, uint32_t index);
uint32_t engine_worker_slot(const struct engine *engine, uint32_t pool_index, uint64_t number);

/*
 * Whether that life of the worker has an attempt of this message id in flight.  If so, *ret_request
 * is its request, or NO_SLOT where the attempt was given up; else NO_SLOT.  Takes time in
 * proportion to the attempts in flight at the worker.
 */
bool engine_find_attempt(const struct engine *engine, uint32_t index, uint32_t life, uint32_t id,
			 uint32_t *ret_request);

/* Whether `page` can stand in the page of that life of the worker, which has ended: EVENT_WORKER_EXITED
 * takes it for a breach of the protocol if it can't. */
bool engine_believes_page(const struct engine *engine, uint32_t index, uint32_t life,
			  uint64_t page);

/* Whether message `id` at the worker is an attempt whose session takes the state that it hands back. */
bool engine_takes_state(const struct engine *engine, uint32_t index, uint32_t id);

/* The request of the worker's only attempt in flight; NO_SLOT: it has none, or several, or that one
 * was given up. */
uint32_t engine_only_request(const struct engine *engine, uint32_t index);

struct attempt_view {
	uint32_t request;
	usec_t sent;
};

/* The attempts in flight at the worker whose requests wait for them, in the order sent; returns how
 * many.  Takes time in proportion to them. */
unsigned engine_view_attempts(const struct engine *engine, uint32_t index,
			      struct attempt_view ret[WORKER_ATTEMPTS_MAX]);

/* --- requests --- */

struct request_view {
	uint32_t pool; /* where it is now */
	enum request_state state;
	enum priority priority;
	unsigned attempts; /* times it was sent so far */
	uint32_t worker;   /* where it is SENT to; NO_SLOT in every other state */
	bool has_begun;	   /* while SENT: it runs there, and does not stand behind others */
	usec_t submitted;
	usec_t deadline;
	usec_t first_sent; /* the end of its first wait in the queue */
	usec_t sent;	   /* when the last attempt was sent */
	bool has_circuit;
	enum breaker_state breaker; /* with has_circuit: of the breaker that it asked in `pool` */
};

/* Of an open request, or of one whose EFFECT_RESULT, _ERROR or _DROP is being carried out. */
void engine_view_request(const struct engine *engine, uint32_t index, struct request_view *ret);

/* --- recoveries --- */

struct recoveries_view {
	unsigned active;
	unsigned max;
	uint64_t refused; /* because `max` of them were active */
	struct recovery_counts all;
	struct recovery_counts by_category[ERRCAT_COUNT_];
	struct recovery_counts by_strategy[STRATEGY_COUNT_];
	usec_t duration_mean; /* of those that are over */
	usec_t duration_p99;
};

/* Takes the time of a quantile: see hist_quantile. */
void engine_view_recoveries(const struct engine *engine, struct recoveries_view *ret);

struct recovery_view {
	uint64_t id;
	uint32_t request;
	uint32_t pool; /* these two: of the request */
	enum request_state state;
	enum errcode cause;
	enum errcategory category;
	enum errstrategy strategy;
	enum errseverity severity;
	unsigned attempts;
	usec_t started;
	usec_t until;
};

/* The recovery that began next after that one; of NO_SLOT: the one that began first.  Returns
 * NO_SLOT when there are no more. */
uint32_t engine_next_recovery(const struct engine *engine, uint32_t recovery);
void engine_view_recovery(const struct engine *engine, uint32_t index, struct recovery_view *ret);

/* --- sessions and keys --- */

struct sessions_view {
	unsigned open;
	unsigned max;
	unsigned tombstones;
	uint32_t slots; /* the slot of a session is below this */
	uint64_t bytes; /* of the states of all sessions */
	usec_t ttl;
	bool is_shared; /* all users have the same sessions */
};

void engine_view_sessions(const struct engine *engine, struct sessions_view *ret);

struct session_view {
	struct bytes name;
	uint32_t user; /* whose it is; without meaning where sessions are shared */
	bool is_bound; /* to a live worker: these two */
	uint32_t pool;
	uint32_t worker;
	bool is_busy; /* one of its requests is in progress */
	unsigned waiting;
	uint64_t served;
	uint64_t state_bytes;
	bool has_lost_state; /* its next answer will report that */
	usec_t created;
	usec_t used; /* when a request of it came or ended last */
};

/* The open session after that one, those with a request at work first; of NO_SLOT: the first one.
 * NO_SLOT: there are no more. */
uint32_t engine_next_session(const struct engine *engine, uint32_t session);
void engine_view_session(const struct engine *engine, uint32_t index, struct session_view *ret);

/* The name of an open session, or of one whose end is being carried out. */
struct bytes engine_session_name(const struct engine *engine, uint32_t session);
/* Whose that one is; without meaning where sessions are shared. */
uint32_t engine_session_user(const struct engine *engine, uint32_t session);

struct keys_view {
	unsigned used;	/* in progress or completed */
	uint64_t bytes; /* of the stored answers */
};

void engine_view_keys(const struct engine *engine, struct keys_view *ret);

#endif
