/*
 * A simulated world around the core, drawn whole from one seed: clients, worker processes with
 * every fault, the clock.
 *
 * The world obeys physics, and nothing else: what is said travels and takes time, in order on each
 * channel; a process that is killed always ends; its end is told after what it had said before,
 * unless that is lost with a closed channel.  It knows what really happened (which code really
 * ran), which the core can only infer; judge.h holds the core's promises against that.
 */
#ifndef POOLD_SIM_WORLD_H
#define POOLD_SIM_WORLD_H

#include "daemon/core/engine.h"
#include "tests/lib/prop.h"
#include "tests/sim/agenda.h"

#define POOLS_MAX    5
#define WORKERS_MAX  20 /* of all pools, as they are configured */
#define SLOTS_MAX    60 /* of all pools */
#define REQUESTS_MAX 48 /* open at a time */
#define CLIENTS_MAX  6
#define METHODS	     3
#define SESSIONS     6 /* names of them; few, so that they collide */
#define KEYS	     3
#define NAMES_MAX    9 /* sessions open at once, and keys */
#define CIRCUITS_MAX (1 + METHODS)
#define INBOX_MAX    256
#define TASKS_MAX    128

/* FAULT(NAME): each has a rate of its own in each world, mostly 0. */
#define FAULTS(FAULT)                                                                              \
	FAULT(SPAWN_FAILS)                                                                         \
	FAULT(DIES_EARLY)                                                                          \
	FAULT(UNUSABLE)                                                                            \
	FAULT(NEVER_READY)                                                                         \
	FAULT(READY_TWICE)                                                                         \
	FAULT(ODD_READY)                                                                           \
	FAULT(IDLE_DEATH)                                                                          \
	FAULT(IGNORES_TERM)                                                                        \
	FAULT(IGNORES_SHUTDOWN)                                                                    \
	FAULT(IGNORES_CANCEL)                                                                      \
	FAULT(IGNORES_PING)                                                                        \
	FAULT(IGNORES_EOF)                                                                         \
	FAULT(BAD_PONG)                                                                            \
	FAULT(INATTENTIVE)                                                                         \
	FAULT(FALSE_BEGAN)                                                                         \
	FAULT(FAILS)                                                                               \
	FAULT(FATAL)                                                                               \
	FAULT(CRASHES)                                                                             \
	FAULT(CRASHES_AFTER)                                                                       \
	FAULT(HANGS)                                                                               \
	FAULT(FORGETS)                                                                             \
	FAULT(ANSWERS_TWICE)                                                                       \
	FAULT(WRONG_ID)                                                                            \
	FAULT(GARBAGE)                                                                             \
	FAULT(CLOSES)                                                                              \
	FAULT(RUDE_PART)                                                                           \
	FAULT(LARGE_STATE)                                                                         \
	FAULT(SLOW)                                                                                \
	FAULT(LATE_EVENTS)                                                                         \
	FAULT(SLOW_EXIT)                                                                           \
	FAULT(UNSAYABLE)                                                                           \
	FAULT(CLIENT_CANCELS)                                                                      \
	FAULT(CLIENT_LEAVES)                                                                       \
	FAULT(TINY_DEADLINE)                                                                       \
	FAULT(LEAP)                                                                                \
	FAULT(EARLY_TIMER)

enum fault {
#define FAULT(name) FAULT_##name,
	FAULTS(FAULT)
#undef FAULT
	FAULT_COUNT_
};

enum sabotage {
	SABOTAGE_NONE = 0,
	SABOTAGE_DROP,
	SABOTAGE_DOUBLE,
	SABOTAGE_LATE,
	SABOTAGE_STALE
};

#define NOBODY	UINT32_MAX
#define NO_NAME UINT32_MAX

/* One request as the world knows it. */
struct record {
	uint32_t slot;
	uint32_t client;
	uint32_t pool; /* that it was sent to: the head of the chain */
	enum priority priority;
	bool idempotent;
	bool no_fallback;
	bool stream;
	bool restartable;
	uint32_t max_attempts;
	uint32_t skip;
	uint32_t method; /* these three: NO_NAME */
	uint32_t session;
	uint32_t key;
	usec_t submitted;
	usec_t deadline;
	bool open;	  /* the engine owes an answer */
	bool entered;	  /* its session has taken it in */
	uint32_t heir;	  /* the request that its attempt was handed over to, or NOBODY */
	uint32_t heir_in; /* the pool where it took an attempt over, or NOBODY */
	unsigned before;  /* runs that it took over */
	unsigned runs;	  /* times that a process really began its code */
	unsigned paid;	  /* of these runs, those after which it was sent again */
	unsigned sends;	  /* EFFECT_SEND */
	unsigned moves;	  /* times the engine took it back from a worker of its own accord */
	unsigned deaths;  /* processes that ended of themselves while they really ran it */
	bool misled;	  /* a process that does not keep to the protocol ran it */
	bool sent;	  /* an attempt is in flight that the engine has not given up: at */
	usec_t sent_at;	  /* USEC_INFINITY: a timer was overdue just then */
	uint32_t worker;  /* this one */
	uint32_t life;
	uint32_t at;	  /* the pool where it was told to be last */
	unsigned level;	  /* that pool's */
	unsigned retries; /* told of that pool */
	usec_t first_at;  /* when it was sent there */
	unsigned overran; /* at which event its attempt had lasted too long */
	struct {
		uint32_t worker;
		uint32_t life;
	} failed[REQUEST_TRIED_MAX]; /* where it failed of late in this pool */
	unsigned failed_next;
	usec_t not_before;     /* when the delay that was told is over */
	enum errcode last;     /* that a retry was told of */
	bool chunked;	       /* parts are with the client */
	unsigned taken_back;   /* at which event */
	unsigned failed_in;    /* pools, as a mask, where a failed attempt of it was told */
	uint32_t circuit;      /* of the pool where it is sent */
	unsigned generation;   /* of that circuit when it was sent */
	uint64_t recovery;     /* that was told to run; 0: none */
	usec_t recovery_began; /* these two: of that */
	usec_t recovery_until;
	unsigned recovered; /* how it ended: 1 well, 2 not; 0: it has not */
};

enum task_fate {
	FATE_RESULT = 0,
	FATE_ERROR,
	FATE_REFUSE, /* answered without running any of its code */
	FATE_FORGET,
	FATE_TWICE,
	FATE_WRONG_ID,
	FATE_GARBAGE,
	FATE_CLOSE,
	FATE_DIE_AFTER,
	FATE_NEVER /* it hangs, or dies over it */
};

/* A request in the hands of a process. */
struct task {
	uint32_t id;
	uint32_t record;
	bool running;
	enum task_fate fate;
};

/* What the engine sent under an id. */
struct sending {
	uint32_t record; /* UINT32_MAX: a ping */
	bool answered;
	bool given_up;
	bool slow; /* that was told */
};

/* What fills a worker's slot, alive or not, until the engine has heard of its end. */
struct process {
	bool exists;
	bool alive;
	bool up;	     /* it has said that it is ready, and reads */
	bool hung;	     /* it does nothing any more; SIGKILL ends it */
	bool dying;	     /* its end is on the agenda */
	bool mute;	     /* what it says is not heard any more */
	bool liar;	     /* it broke the protocol in a way that cannot be seen */
	bool shut;	     /* it closed its channel itself */
	bool guilty;	     /* it broke the protocol in a way that can be seen */
	bool leaving;	     /* it finishes what it began, then exits */
	bool reported_ready; /* these four: as the engine knows */
	bool reported_broken;
	bool reported_to_shut_down;
	bool closed;
	bool killed;	 /* the engine sent it a signal */
	uint64_t memory; /* as was told last */
	uint32_t worker;
	uint32_t life;
	uint32_t pool;
	unsigned concurrency;
	bool announces;
	bool batches;
	bool attentive; /* reads its channel also while it runs something */
	bool ignores[FAULT_COUNT_];
	usec_t outward; /* when the last news under way will arrive */
	usec_t inward;	/* when the last message under way will arrive */
	struct message inbox[INBOX_MAX];
	unsigned inbox_first;
	unsigned inbox_len;
	struct task tasks[TASKS_MAX];
	unsigned task_count;
	unsigned running;
	unsigned in_flight;	  /* of its sendings, those without an answer */
	struct sending *sendings; /* by id */
	uint32_t sending_count;
	uint32_t sending_max;
};

/* A breaker as it was told to be. */
struct reported_breaker {
	enum breaker_state state;
	usec_t since;
	unsigned generation;
	unsigned successes; /* of this generation */
	unsigned failures;  /* that were told, since the last success of this generation */
};

/* What really happened to the session of a name. */
struct reported_session {
	bool open;
	bool closing;
	bool ended;
	uint32_t slot;
	usec_t used;
	usec_t over; /* when it ended */
	enum session_reason reason;
	unsigned order;	  /* of its end */
	uint64_t version; /* of the state that was committed last; 0: none */
	uint64_t bytes;
	bool bound; /* to this life: */
	bool was_bound;
	bool handed;
	bool lost;	   /* to be told with the next answer */
	bool unreported;   /* by EFFECT_SESSION */
	unsigned moved_at; /* at which event that was told */
	uint32_t pool;
	uint32_t worker;
	uint32_t life;
};

/* What really happened to a key in the scope of a pool. */
struct reported_key {
	usec_t succeeded; /* 0: it has not */
	bool kept;
	uint32_t slot;
	uint64_t bytes;
	uint32_t completed; /* the last request of it whose code really ran to a good end, counted
			       from 1; whoever came later knows nothing of it */
	uint32_t completed_before; /* how many requests there were then */
	uint32_t doubtful; /* how many requests there were when one failed that may have run */
	uint32_t doubtful_before; /* what that was before the event of the last such failure */
	unsigned doubted_at;	  /* that event */
	unsigned failed_at;	  /* at which event a leader failed last */
};

/* The chain of a pool, as what was told makes it. */
struct reported_chain {
	unsigned level;
	bool able;
	bool home;
	usec_t able_since;
	usec_t left;
};

/* A pool's workers as people want them, and how they were before the event. */
struct reported_scaling {
	unsigned min;
	unsigned max;
	usec_t drained; /* since when it is out of service; 0: it is not */
	unsigned working;
	bool rolling;
};

/* A slot before the event. */
struct reported_slot {
	enum worker_state state;
	uint32_t life;
	bool replacement; /* that life was started for another to leave */
};

struct judge {
	const char *property; /* what was violated first; NULL: nothing */
	char text[300];
	unsigned queue_len[POOLS_MAX]; /* before the event */
	uint64_t queue_bytes[POOLS_MAX];
	enum pool_health health[POOLS_MAX]; /* as told */
	usec_t short_since[POOLS_MAX]; /* since when workers lack, with nothing done; or infinity */
	usec_t leap_end;	       /* of the last jump of the clock */
	usec_t stop_by;		       /* when the engine must have stopped */
	uint32_t open;
	unsigned hasty_at; /* at which event for the last time */
	usec_t begun;
	unsigned results[POOLS_MAX];
	unsigned retries[POOLS_MAX];
	unsigned hasty;	  /* times that a request was sent and taken back at once */
	uint32_t overrun; /* the worker that this event's error blames; UINT32_MAX: none */
	struct reported_breaker breakers[POOLS_MAX][CIRCUITS_MAX];
	struct reported_chain chains[POOLS_MAX];
	struct reported_session sessions[SESSIONS];
	uint32_t session_names[2 * NAMES_MAX + 1]; /* by slot; NO_NAME */
	uint64_t versions[2 * NAMES_MAX + 1];	   /* of the state that the caller keeps there */
	unsigned ends;
	struct reported_key keys[POOLS_MAX][KEYS];
	uint32_t key_names[NAMES_MAX]; /* by slot: which answer the caller keeps; NO_NAME */
	enum errcode expected;	       /* what the session of a new request must be answered */
	bool known;	    /* that is known: its tombstone is surely there, if it left one */
	bool may_open;	    /* it may be opened */
	enum errcode heard; /* what it is answered */
	bool repeats;	    /* a new request comes with a key that has its answer */
	bool repeated;	    /* and gets it */
	uint64_t last_recovery;
	unsigned recoveries;
	unsigned done;		/* EFFECT_DONE of this event */
	enum errcode done_code; /* that it must say */
	bool done_known;
	struct reported_scaling scaling[POOLS_MAX];
	struct reported_slot before[SLOTS_MAX];
	uint32_t rolled[SLOTS_MAX]; /* the life there when the last restart began; 0: none */
	bool overdue;		    /* the engine waited for its timer when this event came */
	bool stopping;
	bool stopped;
};

struct world {
	uint64_t seed;
	struct prop prop;
	struct prop mischief; /* of the sabotage: leaves the world as it is without */
	enum sabotage sabotage;
	bool trace;
	usec_t now;
	unsigned events_max; /* after which the world comes to its end */
	unsigned events;
	unsigned stop_at[2];	      /* at which events the daemon is told to stop */
	unsigned timers;	      /* in a row, with no time between them */
	bool storm;		      /* whatever is tried takes its worker down */
	unsigned rates[FAULT_COUNT_]; /* permille */
	bool plain;		      /* only requests, processes and retries */
	bool patient;		      /* workers take long to come, and who asks waits for them */
	bool meddles;		      /* somebody does things by hand */
	bool changes;		      /* faults come and go */
	bool calm;		      /* they are gone for now */
	uint32_t outage;	      /* the pool where all fails, or NOBODY */
	unsigned named;		      /* percent of the requests that have a session, a key */
	struct engine_settings settings;
	struct policy policy;
	struct pool_settings pools[POOLS_MAX];
	usec_t delays[3];		 /* of those whose backoff is a list */
	unsigned concurrency[POOLS_MAX]; /* of the pool's workers */
	bool announces[POOLS_MAX];
	bool batches[POOLS_MAX];
	usec_t typical_run[POOLS_MAX];
	unsigned popular; /* percent of the requests that go to the first pool */
	usec_t pause;	  /* between two bursts of a client, on average */
	unsigned burst_max;
	usec_t timer_slack; /* how late the timer comes */
	struct engine *engine;
	void *memory;
	size_t memory_size;
	struct agenda agenda;
	struct process processes[SLOTS_MAX];
	struct record *records;
	uint32_t record_count;
	uint32_t record_max;
	uint32_t open[REQUESTS_MAX]; /* the record of each slot; UINT32_MAX: the slot is free */
	uint8_t names[REQUESTS_MAX][2][2]; /* method and key of each, while it is open */
	struct engine_event event;	   /* the one that the engine has just taken */
	uint32_t subject;		   /* the request that it brings, or NOBODY */
	uint32_t gone;			   /* the request that it gives up, or NOBODY */
	struct judge judge;
};

/* Runs the world of that seed to its end.  NULL, or the promise that was broken (world->judge.text
 * says how). */
const char *world_run(struct world *world, uint64_t seed);

void world_free(struct world *world);

/* --- for the world's own files --- */

/* The record that stands for this one now: its heir, if its attempt was handed over. */
struct record *world_heir(struct world *world, uint32_t record);

/* The name of that number. */
struct bytes world_session_name(uint32_t session);

/* A number from 0 to about `middle` times 8, small ones as likely as large ones. */
usec_t world_span(struct world *world, usec_t middle);

/* Whether the fault happens this time. */
bool world_fault(struct world *world, enum fault fault);

/* How long something said is under way. */
usec_t world_delay(struct world *world);

/* One line of the trace, if there is one. */
PRINTF_LIKE(2, 3) void world_trace(const struct world *world, const char *format, ...);

#endif
