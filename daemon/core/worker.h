/*
 * A worker's life in the core: its states, its attempts in flight, and what is due next for it.
 *
 * A slot outlives the processes that fill it; `life` counts them, so that a late event
 * of an earlier process is known as such.
 */
#ifndef POOLD_CORE_WORKER_H
#define POOLD_CORE_WORKER_H

#include "daemon/core/cause.h"
#include "daemon/core/heap.h"
#include "daemon/core/request.h"
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
	struct request *request; /* NULL: given up; its answer, if it comes, is for nobody */
	uint32_t id;		 /* the message id towards the worker */
	usec_t sent;
	usec_t begun;	 /* when it came to the head of the line or was announced as started; 0: not
			    yet */
	usec_t given_up; /* when `request` became NULL; 0: it has not */
	bool has_begun;	 /* the worker said that it began */
	bool has_overrun;	/* it was given up for that */
	bool was_slow_reported; /* EFFECT_SLOW was emitted for it */
};

struct worker {
	enum worker_state state;
	enum worker_health health;
	enum worker_cause cause;   /* while TERMINATING */
	enum worker_cause due_for; /* it is to be replaced for this; NONE: it is not */
	enum worker_cause leaving; /* while DRAINING: what it is ended for then */
	uint32_t index;		   /* its slot */
	uint32_t pool;
	uint32_t life;
	uint32_t next_id;
	unsigned concurrency;
	bool was_ready;	     /* this life got ready */
	bool announces;	     /* says `started` before it begins a request */
	bool batches;	     /* may begin the next before it has written an answer */
	bool is_slow;	     /* the attempt at the head takes unusually long */
	bool is_wanted;	     /* the slot is to be filled again when empty */
	bool is_replacement; /* this life was started so that another may leave */
	bool is_replaced;    /* it leaves, as its replacement has come */
	bool is_rolling;     /* the rolling restart waits for its end */
	bool is_excused;     /* it did not start, and a rolling restart has ended with that */
	bool channel_broken; /* nothing is sent to it any more, and nothing from it counts */
	unsigned pings_missed;
	unsigned given_up; /* attempts in flight that were */
	enum errcode
		broken_by; /* what made the channel useless, with CAUSE_PROTOCOL and CAUSE_CLOSED */
	usec_t since;	   /* when it came into its state */
	usec_t started;	   /* of this life */
	usec_t retire_at;  /* when that has lasted long enough; USEC_INFINITY: never */
	usec_t restart_at; /* while TERMINATED and wanted */
	usec_t ping_sent;  /* 0: none outstanding */
	uint32_t ping_id;
	usec_t heard;	 /* last sign of life, for health checks */
	usec_t step_at;	 /* while TERMINATING: when the next signal is due */
	int step_signal; /* and which */
	uint64_t served; /* answers of this life */
	uint64_t failed;
	unsigned failures;  /* counted ones in a row */
	unsigned ejections; /* of this life */
	usec_t ejected[2];  /* when the last but one and the last were; 0: none */
	usec_t eject_until; /* while DEGRADED for its failures; 0: it is not */
	bool eject_pending; /* it failed so often that it is ejected when its line is empty */
	bool on_probation;  /* back from that: one more failure, and it is ejected again */
	struct list parked; /* requests that wait for this very worker: part of the pool's queue */
	uint64_t restarts;  /* of the slot */
	struct list attempts; /* in flight, in the order sent */
	struct list spare_attempts;
	struct list_node in_state;
	struct list *room_list; /* the pool's list of BUSY workers with room that it stands in, or
				   NULL */
	struct list_node in_room;
	struct list_node in_touched; /* until the end of the event */
	struct heap_entry timer;
};

const char *worker_state_name(enum worker_state state);
const char *worker_health_name(enum worker_health health);

/* Whether the table has an edge from one state to another. */
bool worker_may_move(enum worker_state from, enum worker_state to);

/* A slot with no process; `attempts` is room for WORKER_ATTEMPTS_MAX of them. */
void worker_init(struct worker *worker, uint32_t index, uint32_t pool, struct attempt *attempts);

/* Begins a new life: TERMINATED becomes INITIALIZING in the caller's hands (pool_move_worker). */
void worker_reset_life(struct worker *worker, usec_t now);

/* Puts a request in flight.  There must be a spare attempt.  The first in line counts as begun at
 * once. */
struct attempt *worker_add_attempt(struct worker *worker, struct request *request, usec_t now);

/* The attempt of that message id, or NULL. */
struct attempt *worker_find_attempt(const struct worker *worker, uint32_t id);

/* Takes the attempt out; the next in line counts as begun now. */
void worker_drop_attempt(struct worker *worker, struct attempt *attempt, usec_t now);

/* Cuts the attempt from its request: whatever the worker still says of it is for nobody. */
void worker_give_up_attempt(struct worker *worker, struct attempt *attempt, usec_t now);

/* Whether a request still waits for what the worker has in flight; `begun`: one that it has begun.
 */
bool worker_is_needed(const struct worker *worker, bool begun);

/*
 * Whether the request of this attempt may have run, once all that the worker said has been heard:
 * see PROTOCOL.md, "What has run".  Where that was broken off because of what it said, all may have
 * run.
 */
bool worker_may_have_run(const struct worker *worker, const struct attempt *attempt);

#endif
