/*
 * A worker in the core: its state, its attempts in flight, and the times of its next actions.
 *
 * A worker is a slot that holds one process after the other.  `life` counts these processes, so
 * that the core recognizes and drops a late event of an earlier one.
 */
#ifndef POOLD_CORE_WORKER_H
#define POOLD_CORE_WORKER_H

#include "daemon/core/batch.h"
#include "daemon/core/cause.h"
#include "daemon/core/heap.h"
#include "daemon/core/request.h"
#include "daemon/core/siblings.h"
#include "protocol/list.h"

/* STATE(NAME, "name", states that may follow as a mask, sentence) */
#define WORKER_STATES(STATE)                                                                       \
	STATE(TERMINATED, "terminated", 1u << WORKER_INITIALIZING, "no process")                   \
	STATE(INITIALIZING, "initializing",                                                        \
	      1u << WORKER_READY | 1u << WORKER_TERMINATING | 1u << WORKER_TERMINATED,             \
	      "started, has not said that it is ready")                                            \
	STATE(READY, "ready",                                                                      \
	      1u << WORKER_BUSY | 1u << WORKER_DEGRADED | 1u << WORKER_TERMINATING |               \
		      1u << WORKER_TERMINATED,                                                     \
	      "has nothing to do")                                                                 \
	STATE(BUSY, "busy",                                                                        \
	      1u << WORKER_READY | 1u << WORKER_DRAINING | 1u << WORKER_TERMINATING |              \
		      1u << WORKER_TERMINATED,                                                     \
	      "has at least one attempt in flight")                                                \
	STATE(DEGRADED, "degraded",                                                                \
	      1u << WORKER_READY | 1u << WORKER_TERMINATING | 1u << WORKER_TERMINATED,             \
	      "missed a health check or failed too often; gets no work for now")                   \
	STATE(DRAINING, "draining", 1u << WORKER_TERMINATING | 1u << WORKER_TERMINATED,            \
	      "gets no more work, and is ended when what it runs is done")                         \
	STATE(TERMINATING, "terminating", 1u << WORKER_TERMINATED, "is being ended")

enum worker_state {
#define STATE(name, word, next, text) WORKER_##name,
	WORKER_STATES(STATE)
#undef STATE
	WORKER_STATE_COUNT_
};

enum worker_health {
	HEALTH_UNKNOWN = 0,
	HEALTH_HEALTHY,
	HEALTH_UNHEALTHY,
	HEALTH_COUNT_
};

/* Most attempts in flight at one worker, whatever its concurrency and prefetch say. */
#define WORKER_ATTEMPTS_MAX 64

/* One try of a request at one worker. */
struct attempt {
	struct list_node in_worker;
	struct request *request; /* NULL: given up; an answer to it is dropped */
	uint32_t id;		 /* message id in the channel to the worker */
	usec_t sent;
	/* When it came to the head of the line, or the worker sent `started`; 0: not yet. */
	usec_t begun;
	usec_t given_up;    /* when `request` became NULL; 0: it has not */
	usec_t held_since;  /* its client does not read its parts since then; 0: it reads */
	usec_t held;	    /* how long that was the case before, in all */
	usec_t expected;    /* how long it runs, by what is known of its method; 0: unknown */
	bool is_asked_back; /* EFFECT_RECALL was emitted for it */
	bool has_begun;	    /* the worker sent `started` for it, or a part of its answer */
	bool has_overrun;   /* it was given up because the pool's time limit passed */
	bool is_late;	    /* it was given up because its request's deadline passed */
	unsigned entry;	    /* of its method in the runs of the pool (runs.h) */
	/* While it is given up: what it holds until it ends (engine_late.c); NULL: nothing. */
	struct key *key;
	struct session *session;
	bool was_slow_reported; /* EFFECT_SLOW was emitted for it */
};

struct worker {
	enum worker_state state;
	enum worker_health health;
	enum worker_cause cause;   /* why the daemon ends it; set when TERMINATING begins */
	enum worker_cause due_for; /* why it is to be replaced; NONE: it is not */
	enum worker_cause leaving; /* while DRAINING: the cause of its end */
	uint32_t index;		   /* its slot */
	uint32_t pool;
	uint32_t life;
	uint32_t next_id;
	unsigned concurrency;
	bool was_ready;	     /* this life became READY */
	bool announces;	     /* says `started` before it begins a request */
	bool batches;	     /* may begin a request before it has answered the one before */
	bool recalls;	     /* gives back a request that it has not begun, when it is asked to */
	bool pages;	     /* stores the id of each request in its page before it begins it */
	uint32_t page;	     /* what stood there last; 0: nothing yet */
	bool is_slow;	     /* the attempt at the head took longer than pool_slow_after */
	bool is_wanted;	     /* the slot is empty and starts a process at restart_at */
	bool is_replacement; /* this life was started to replace another worker */
	bool is_replaced;    /* it ends because its replacement is READY */
	bool is_rolling;     /* the rolling restart waits for its end */
	bool is_excused;     /* its start failed in a rolling restart: not in failed_starts */
	bool channel_broken; /* nothing is sent to it, and what it sends is ignored */
	unsigned pings_missed;
	unsigned given_up;	/* attempts in flight that are given up */
	unsigned unsent;	/* that it was asked for (EFFECT_RECALL), and never got */
	unsigned held;		/* attempts in flight that are held back by their clients */
	usec_t freed;		/* when the last of these was held no more; 0: there was none */
	usec_t work;		/* the sum of what its attempts are expected to run */
	struct batch batch;	/* its last answers, while nothing is learnt from them */
	enum errcode broken_by; /* the error that broke its channel */
	uint32_t large_id;	/* if an answer was too large: of which attempt; 0: unknown */
	usec_t since;		/* when it entered its state */
	usec_t answered;	/* when it answered last; 0: this life has not */
	usec_t started;		/* when this life started */
	usec_t retire_at;	/* end of its lifetime; USEC_INFINITY: there is none */
	uint64_t start_memory;	/* bytes that it used when it was ready; 0: unknown */
	uint64_t memory;	/* bytes that it used when they were read last; 0: they were not */
	usec_t restart_at;	/* while TERMINATED, if is_wanted */
	usec_t ping_sent;	/* 0: no answer to a ping is awaited */
	/* Of the last ping, until it is answered; 0: none. */
	uint32_t ping_id;
	usec_t heard;	 /* last sign of life, for health checks */
	usec_t step_at;	 /* while TERMINATING: when the next signal is due */
	int step_signal; /* the next signal */
	uint64_t served; /* answers of this life */
	uint64_t failed;
	unsigned failures;   /* consecutive failures that count at the worker */
	bool was_useful;     /* this life has given an answer that was no failure of its own */
	bool goes_last;	     /* its last answer was such a failure: others are asked first */
	unsigned ejections;  /* of the slot, until they are forgotten (engine_eject.c) */
	bool begins_ejected; /* this life is ejected when it becomes READY */
	usec_t tried_since;  /* start of this life, or end of its last ejection */
	usec_t bad_at;	     /* when the slot was last found to be bad */
	usec_t well_since;   /* its first success after its last ejection; 0: none yet */
	usec_t ejected[2];   /* the last two ejections of this life, the older first; 0: none */
	usec_t eject_until;  /* end of its present ejection; 0: it is not ejected */
	bool eject_pending;  /* it is to be ejected when no attempt is in flight */
	bool on_probation;   /* after an ejection: the next failure ejects it again */
	struct siblings_share shares[SIBLINGS_METHODS];
	struct list parked;   /* requests that must wait for this worker: part of the queue */
	uint64_t restarts;    /* of the slot */
	unsigned fruitless;   /* of the slot: its last lives in a row that led to nothing */
	struct list attempts; /* in flight, in the order sent */
	struct list spare_attempts;
	struct list_node in_state;
	/* The list of its pool that it is in, `open` or one of `lines`; NULL: it has no room. */
	struct list *room_list;
	struct list_node in_room;
	struct list_node in_touched; /* in engine->touched until its timer is set */
	struct heap_entry timer;
};

const char *worker_state_name(enum worker_state state);
const char *worker_health_name(enum worker_health health);

/* Whether WORKER_STATES allows the change from one state to the other. */
bool worker_may_move(enum worker_state from, enum worker_state to);

/* Initializes an empty slot.  `attempts` is memory for WORKER_ATTEMPTS_MAX attempts. */
void worker_init(struct worker *worker, uint32_t index, uint32_t pool, struct attempt *attempts);

/* Resets the slot for a new process and increments `life`.  The slot's history (ejections, bad_at)
 * stays.  The caller then moves it from TERMINATED to INITIALIZING (pool_move_worker). */
void worker_reset_life(struct worker *worker, usec_t now);

/* Adds an attempt of the request to the end of the line and returns it.  There must be a spare
 * attempt.  It counts as begun at once if it is among those that the worker may run now. */
struct attempt *worker_add_attempt(struct worker *worker, struct request *request, usec_t now);

/* Notes how long the new attempt is expected to run. */
void worker_expect(struct worker *worker, struct attempt *attempt, usec_t expected);

/* After worker_drop_attempt: whether another attempt may have begun by that. */
bool worker_has_next(const struct worker *worker);

/* Returns the attempt with that message id, or NULL. */
struct attempt *worker_find_attempt(const struct worker *worker, uint32_t id);

/* Removes the attempt from the line; the next one that the worker may run counts as begun now. */
void worker_drop_attempt(struct worker *worker, struct attempt *attempt, usec_t now);

/* Separates the attempt from its request: what the worker still sends about it is dropped. */
void worker_give_up_attempt(struct worker *worker, struct attempt *attempt, usec_t now);

/* The attempt's client reads its parts too slowly, so that the worker may send no more of them; or
 * (`held` is false) it may again.  An attempt that ends or is given up is not held any more. */
void worker_hold_attempt(struct worker *worker, struct attempt *attempt, bool held, usec_t now);

/* How long the attempt has run, without the time in which its client held it back; 0: it has not
 * begun. */
usec_t attempt_ran(const struct attempt *attempt, usec_t now);

/* Whether no attempt of the worker can go on, as their clients hold all back that it may run. */
bool worker_is_held(const struct worker *worker);

/* Whether a request still waits for an attempt in flight at the worker; with `begun`: for one
 * that has begun. */
bool worker_is_needed(const struct worker *worker, bool begun);

/* Whether the worker can be asked to give back a request that stands in its line, and its word can be
 * believed: it also says of each one that it begins it, or stores that, and begins one only when it
 * has answered the one before (as many at a time as its concurrency). */
bool worker_gives_back(const struct worker *worker);

/*
 * Takes what stands in the worker's page now: the id of the request that it has begun last.  False:
 * that can't be, as it was above that before, or no such message was sent yet.
 */
bool worker_take_page(struct worker *worker, uint64_t page);

/*
 * Whether that can stand in the page of a worker that has ended, all of whose messages were read:
 * it can't either if it has begun a request behind another that it neither answered nor was asked
 * to give back.
 */
bool worker_may_end_at(const struct worker *worker, uint64_t page);

/* Whether the turn of this attempt has come, as the page said when it was taken last. */
bool worker_has_reached(const struct worker *worker, const struct attempt *attempt);

/* Whether the worker had begun this attempt, as far as the daemon has read what it said.  Of one
 * with a page this is known when it has ended, and its last page was taken. */
bool worker_has_begun(const struct worker *worker, const struct attempt *attempt);

/* Whether the answer of this attempt was too large, which broke the worker's channel. */
bool worker_sent_too_much(const struct worker *worker, const struct attempt *attempt);

/*
 * Whether the request of this attempt may have run, when no message of the worker is left to
 * be read: see PROTOCOL.md, "What has run".  If the worker broke its channel (broken_by), all
 * may have run.
 */
bool worker_may_have_run(const struct worker *worker, const struct attempt *attempt);

#endif
