/*
 * A simulated world for load: one or two pools around the core, workers whose runs take their true
 * time, and clients that send without waiting for answers.
 *
 * A plan describes a world; a seed draws its chance.  The same plan and seed give the same world.
 * load_judge.c compares what the engine does to what really happens, after every event, and counts
 * the figures of the world; load_cases.c has the plans and the limits of their figures.
 */
#ifndef POOLD_SIM_LOAD_WORLD_H
#define POOLD_SIM_LOAD_WORLD_H

#include "daemon/core/engine_inspect.h"
#include "daemon/core/engine_view.h"
#include "tests/lib/prop.h"
#include "tests/sim/agenda.h"

#define LOAD_POOLS	  2
#define LOAD_METHODS	  2
#define LOAD_STREAMS	  3
#define LOAD_SLOTS	  48 /* of both pools */
#define LOAD_REQUESTS_MAX 16384
#define LOAD_TASKS_MAX	  64
/* The time limit that a pool gives to a request that has none: its `timeout`. */
#define LOAD_POOL_TIMEOUT (30 * USEC_PER_SEC)

/* --- what a world is made from --- */

enum load_runs {
	LOAD_FIXED = 0,	  /* every run takes `run` */
	LOAD_EXPONENTIAL, /* `run` on average */
	LOAD_BIMODAL,	  /* nine of ten runs take half of `run`, the others 5.5 times as long */
	LOAD_CHANGING	  /* `run`, but 20 times as long from `slow_from` to `slow_until` */
};

struct load_method {
	enum load_runs runs;
	usec_t run;
	usec_t slow_from;
	usec_t slow_until;
};

/* Clients of one kind, on one connection.  They come in a steady or a random (Poisson) stream, or as one client that
 * sends its next request when the last one is answered. */
struct load_stream {
	unsigned method;
	unsigned percent; /* of the capacity of the first pool; 0: it sends nothing */
	unsigned burst;	  /* instead: so many requests at once, at `from` */
	bool is_closed;	  /* instead: one request at a time */
	bool is_steady;
	usec_t timeout;
	unsigned critical;   /* percent of the requests */
	unsigned idempotent; /* percent of the requests */
	bool returns;	     /* who is told retry_after comes back once, at that time */
	usec_t from;
	usec_t until; /* 0: the end of the load */
};

enum load_fault {
	LOAD_WELL = 0,
	LOAD_RAISES, /* from `fault_at` on one worker does this at each call, and each later one in
			its slot: the one that a quiet pool prefers */
	LOAD_HANGS,
	LOAD_EXITS,
	LOAD_FATAL,
	LOAD_ALL_DIE, /* at `fault_at` all workers of the first pool end */
	LOAD_STALL    /* from `fault_at` on, for `fault_for`, no run of the first pool goes on */
};

struct load_plan {
	const char *name;
	unsigned workers;
	unsigned concurrency; /* 0: 1 */
	unsigned fallback;    /* workers of a second pool, the fallback of the first; 0: none */
	usec_t start;	      /* a worker is ready so long after its start */
	usec_t restart;	      /* the same after `fault_at`; 0: `start` */
	bool ignores_cancel;  /* else a worker with concurrency > 1 gives up what it is asked to */
	bool no_admission;    /* only queue_max bounds the queue */
	bool retries_exceptions; /* an exception says that it may be tried again */
	struct load_method methods[LOAD_METHODS];
	struct load_stream streams[LOAD_STREAMS];
	enum load_fault fault;
	usec_t fault_at;
	usec_t fault_for;
	usec_t warm;   /* figures count requests from then on */
	usec_t length; /* of the load */
};

/* --- the figures of a world --- */

/* FIGURE(NAME, unit, text) */
#define LOAD_FIGURES(FIGURE)                                                                       \
	FIGURE(GOODPUT, "%", "answers in time, of the capacity or of what is offered")             \
	FIGURE(WORK, "%", "time of workers that led to an answer in time, of the same")            \
	FIGURE(WASTE, "%", "time of workers that led to none, of the capacity")                    \
	FIGURE(CRITICAL, "%", "critical requests answered in time")                                \
	FIGURE(REST, "%", "other answers in time, of what the critical ones leave")                \
	FIGURE(FIRST, "%", "requests of the first stream answered in time")                        \
	FIGURE(RETURNED, "%", "clients that came back after the load and were admitted")           \
	FIGURE(VAIN, "%", "requests that waited for 100 ms or more and were not sent after all")   \
	FIGURE(KILLS, "", "workers ended by the daemon that were well")                            \
	FIGURE(OPENINGS, "", "breakers that opened")                                               \
	FIGURE(ATTEMPTS, "", "attempts for each answer")                                           \
	FIGURE(RECOVERY, "s", "from the end of the stall to 95 % of what is offered for good")     \
	FIGURE(FAILED, "", "calls that failed at the bad worker")                                  \
	FIGURE(WAIT, "s", "longest time until an answer in time")                                  \
	FIGURE(BROKEN, "", "promises broken")

enum load_figure {
#define FIGURE(name, unit, text) LOAD_##name,
	LOAD_FIGURES(FIGURE)
#undef FIGURE
	LOAD_FIGURE_COUNT_
};

/* --- what happens in it --- */

/* One request as the world knows it. */
struct load_record {
	uint32_t slot;
	unsigned stream;
	unsigned method;
	bool is_critical;
	bool is_idempotent;
	bool is_open;
	bool is_waiting; /* not at a worker, and not between two attempts */
	bool is_return;
	bool is_contradiction; /* it was sent though it can't finish in time, by the typical run */
	usec_t submitted;
	usec_t deadline;
	usec_t run; /* its true time at a worker */
	uint32_t worker;
	unsigned sends;
};

/* A request at a process, in the order sent. */
struct load_task {
	uint32_t id;
	uint32_t record;
	bool is_running;
	bool is_cancelled; /* the engine asked the worker to give it up */
	bool is_hung;
	usec_t begun;
	usec_t ends; /* USEC_INFINITY: never */
};

struct load_process {
	bool is_alive;
	bool is_ready;
	bool is_leaving;
	bool is_bad;
	bool is_ended; /* by the daemon */
	uint32_t life;
	uint32_t pool;
	unsigned answered; /* by this life */
	unsigned task_count;
	struct load_task tasks[LOAD_TASKS_MAX];
};

/* Half a second of the world. */
struct load_bucket {
	unsigned offered;
	unsigned answered; /* in time */
};

struct load_counts {
	uint64_t offered; /* requests from `warm` on; the rest likewise */
	uint64_t offered_work;
	uint64_t critical;
	uint64_t critical_good;
	uint64_t critical_work;
	uint64_t first;
	uint64_t first_good;
	/* These three: answers in time, and those given between `warm` and the end of the load. */
	uint64_t good;
	uint64_t good_work;
	uint64_t busy; /* time of workers of the first pool in runs that ended meanwhile */
	uint64_t rest_work;
	uint64_t answers;
	uint64_t sends;
	uint64_t vain;
	uint64_t returns;
	uint64_t returns_admitted;
	uint64_t kills;
	uint64_t openings;
	uint64_t failed;
	uint64_t failed_by[ERR_COUNT_];
	uint64_t ended[ERR_COUNT_]; /* answers by code; ERR_NONE: results */
	uint64_t broken;
	usec_t wait;
};

struct load_world {
	const struct load_plan *plan;
	uint64_t seed;
	bool trace;
	struct prop prop;
	usec_t now;
	usec_t begin; /* when the load begins: the times of a plan count from here */
	uint64_t events;
	struct engine_settings settings;
	struct pool_settings pools[LOAD_POOLS];
	struct engine *engine;
	void *memory;
	size_t memory_size;
	struct agenda agenda;
	struct load_process processes[LOAD_SLOTS];
	struct load_record *records;
	uint32_t record_count;
	uint32_t record_max;
	uint32_t open[LOAD_REQUESTS_MAX]; /* the record of each slot; NO_SLOT: the slot is free */
	uint32_t free_slots[LOAD_REQUESTS_MAX];
	uint32_t free_count;
	struct load_bucket *buckets;
	uint32_t bucket_count;
	/* the judge's: */
	struct load_counts counts;
	unsigned queued[LOAD_POOLS]; /* before the event */
	unsigned idle[LOAD_POOLS];   /* workers that were READY before the event */
	unsigned critical_waiting;   /* in the first pool */
	unsigned contradictions;     /* at workers now */
	char broken[200];	     /* the first promise that was broken */
};

/* Runs the world of that plan and seed to its end. */
void load_run(struct load_world *world, const struct load_plan *plan, uint64_t seed);
void load_free(struct load_world *world);

/* The figure of a world that has ended. */
double load_figure(const struct load_world *world, enum load_figure figure);

/* --- for the world's own files --- */

/* Time since the load began; 0 before. */
usec_t load_time(const struct load_world *world);

/* Whether the runs of that pool stand still at present, and until when. */
bool load_is_stalled(const struct load_world *world, uint32_t pool);
usec_t load_stall_end(const struct load_world *world);

/* Whether one worker of the first pool has a fault. */
bool load_has_bad_worker(const struct load_plan *plan);

struct bytes load_method_name(unsigned method);

/* Processes: effects and deeds that concern them. */
void load_process_take_effect(struct load_world *world, const struct effect *effect);
void load_process_take_deed(struct load_world *world, const struct deed *deed);
void load_process_stall(struct load_world *world);
void load_process_turn_bad(struct load_world *world);
void load_process_die_all(struct load_world *world);

/* The judge. */
void load_judge_begin(struct load_world *world);
void load_judge_submit(struct load_world *world, const struct load_record *record);
void load_judge_before(struct load_world *world);
void load_judge_effect(struct load_world *world, const struct effect *effect);
void load_judge_after(struct load_world *world);
void load_judge_ran(struct load_world *world, const struct load_process *process,
		    const struct load_task *task);
PRINTF_LIKE(2, 3) void load_blame(struct load_world *world, const char *format, ...);

#endif
