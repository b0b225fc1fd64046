/*
 * A simulated world around the core, generated from one seed: clients, worker processes with every
 * fault, and the clock.
 *
 * The world has only these laws: a message takes time, and a channel keeps the order; a killed
 * process always ends; the daemon learns of its end after the messages that the process sent
 * before, unless these are lost with a closed channel.  The world knows what really happened (which
 * requests really ran), while the core can only infer it; judge.h compares the core's promises to
 * that.
 */
#ifndef POOLD_SIM_WORLD_H
#define POOLD_SIM_WORLD_H

#include "daemon/core/engine.h"
#include "tests/lib/prop.h"
#include "tests/sim/agenda.h"

#define POOLS_MAX     5
#define WORKERS_MAX   20 /* of all pools, as they are configured */
#define SLOTS_MAX     60 /* of all pools */
#define REQUESTS_MAX  48 /* open at a time */
#define CLIENTS_MAX   6
#define METHODS	      3
#define USERS	      3
#define SESSION_WORDS 6 /* few names, so that they are reused often */
#define KEY_WORDS     3
/* The judge tells names apart by numbers: the words of user 0 come first, then those of user 1.
 * Where all users share their names, they are all user 0's. */
#define SESSIONS     (USERS * SESSION_WORDS)
#define KEYS	     (USERS * KEY_WORDS)
#define NAMES_MAX    9 /* sessions open at once, and keys */
#define CIRCUITS_MAX (1 + METHODS)
#define INBOX_MAX    256
#define TASKS_MAX    128

/* FAULT(NAME): each fault has its own rate in each world, mostly 0. */
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
	FAULT(FALSE_RECALL)                                                                        \
	FAULT(PAGE_STAYS)                                                                          \
	FAULT(PAGE_AHEAD)                                                                          \
	FAULT(PAGE_JUMPS)                                                                          \
	FAULT(IGNORES_RECALL)                                                                      \
	FAULT(SLOW_RECALL)                                                                         \
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
	FAULT(DAEMON_STALLS)                                                                       \
	FAULT(READER_STALLS)                                                                       \
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
	uint32_t user;
	uint32_t pool; /* the pool of its submit: the head of the chain */
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
	bool entered;	  /* its session has admitted it */
	uint32_t heir;	  /* the request that its attempt was handed over to, or NOBODY */
	uint32_t heir_in; /* the pool where it took an attempt over, or NOBODY */
	unsigned before;  /* runs that it took over */
	unsigned runs;	  /* times that a process really began its code */
	unsigned paid;	  /* of these runs, those after which it was sent again */
	unsigned sends;	  /* EFFECT_SEND */
	unsigned moves;	  /* times the engine took it back from a slow worker */
	unsigned deaths;  /* processes that crashed while they really ran it */
	bool misled;	  /* a process that breaks the protocol ran it */
	bool unstored;	  /* a process ran it whose page did not say so */
	bool told_no;	  /* the client was told that it did not run, and will not */
	bool sent;	  /* an attempt is in flight and not given up, at `worker` */
	usec_t sent_at;	  /* USEC_INFINITY: a timer was overdue at that time */
	uint32_t worker;
	uint32_t life;
	uint32_t at;	   /* the pool where it was last reported */
	unsigned level;	   /* the level of that pool */
	unsigned retries;  /* reported in that pool */
	usec_t first_at;   /* when it was first sent there */
	unsigned overran;  /* number of the event at which its attempt had overrun */
	bool aside;	   /* its client has too much unread */
	bool was_aside;	   /* now or earlier */
	usec_t held_since; /* its client does not read its parts since then; 0: it reads */
	usec_t held;	   /* how long that was so before, in this attempt */
	usec_t stalled; /* how long the daemon stood still in this attempt, while it was not held */
	struct {
		uint32_t worker;
		uint32_t life;
	} failed[REQUEST_TRIED_MAX]; /* where it failed recently in this pool */
	unsigned failed_next;
	usec_t not_before;     /* when the reported delay is over */
	enum errcode last;     /* the error of the last reported retry */
	bool chunked;	       /* the client has parts of an answer */
	unsigned taken_back;   /* number of the event at which it was taken back */
	unsigned failed_in;    /* mask of the pools where a failed attempt was reported */
	uint32_t circuit;      /* of the pool where it is sent */
	unsigned generation;   /* of that circuit when it was sent */
	uint64_t recovery;     /* the reported one that is active; 0: none */
	usec_t recovery_began; /* these two: of that recovery */
	usec_t recovery_until;
	unsigned recovered; /* 1: it succeeded; 2: it failed; 0: it has not ended */
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
	FATE_NEVER /* the process hangs or dies */
};

/* A request that a process has read. */
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
	bool holds;	 /* since then, its request's key and session */
	bool ran;	 /* the process really began it */
	bool slow;	 /* EFFECT_SLOW was emitted for it */
	bool asked;	 /* EFFECT_RECALL was emitted for it */
	bool over;	 /* the process has begun it or dropped it */
	bool given_back; /* before that, as it was asked to */
};

/* The process in a worker's slot, alive or not, until the engine knows that it has ended. */
struct process {
	bool exists;
	bool alive;
	bool up;	     /* it has sent `ready`, and reads its channel */
	bool hung;	     /* it does nothing any more until SIGKILL ends it */
	bool dying;	     /* its end is on the agenda */
	bool mute;	     /* what it sends is lost */
	bool liar;	     /* it broke the protocol in a way that the daemon can't detect */
	bool shut;	     /* it closed its channel itself */
	bool guilty;	     /* it broke the protocol in a way that the daemon detects */
	bool leaving;	     /* it finishes what it began, then exits */
	bool reported_ready; /* these four: as the engine knows */
	bool reported_broken;
	bool reported_to_shut_down;
	bool closed;
	bool killed;	 /* the engine sent it a signal */
	uint64_t memory; /* as last reported */
	uint32_t worker;
	uint32_t life;
	uint32_t pool;
	unsigned concurrency;
	bool announces;
	bool batches;
	bool recalls;
	bool pages;	    /* and says nothing of what it begins */
	uint64_t page;	    /* the id that it has stored in its page */
	uint64_t page_seen; /* the same, as the daemon knew it with its last answer */
	bool attentive;	    /* reads its channel also while a task runs */
	bool ignores[FAULT_COUNT_];
	usec_t outward; /* when the last event on its way to the daemon arrives */
	usec_t inward;	/* when the last message on its way to the process arrives */
	struct message inbox[INBOX_MAX];
	unsigned inbox_first;
	unsigned inbox_len;
	struct task tasks[TASKS_MAX];
	unsigned task_count;
	unsigned running;
	unsigned in_flight;	  /* number of its sendings without an answer */
	struct sending *sendings; /* indexed by id */
	uint32_t sending_count;
	uint32_t sending_max;
};

/* A breaker as the effects reported it. */
struct reported_breaker {
	enum breaker_state state;
	usec_t since;
	unsigned generation;
	unsigned successes; /* of this generation */
	unsigned failures;  /* reported ones since the last success of this generation */
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
	bool lost;	   /* the next answer must report that the state is lost */
	bool unreported;   /* EFFECT_SESSION has not reported it yet */
	unsigned moved_at; /* number of the event that reported the move */
	uint32_t pool;
	uint32_t worker;
	uint32_t life;
	unsigned runs; /* that were given up and hold it */
};

/* What really happened to a key in the scope of a pool. */
struct reported_key {
	usec_t succeeded; /* 0: it has not */
	bool kept;
	uint32_t slot;
	uint64_t bytes;
	/* The last request that really succeeded, from 1; later requests do not depend on it. */
	uint32_t completed;
	uint32_t completed_before; /* number of requests at that time */
	uint32_t doubtful;	   /* number of requests when one failed that may have run */
	uint32_t doubtful_before;  /* its value before the event of the last such failure */
	unsigned doubted_at;	   /* number of that event */
	unsigned failed_at;	   /* number of the event at which a leader failed last */
	unsigned runs;		   /* that were given up and hold it */
	usec_t proven; /* when the engine last heard that a request with it succeeded; 0: never */
};

/* The chain of a pool, as it follows from the reported effects. */
struct reported_chain {
	unsigned level;
	bool able;
	bool home;
	usec_t able_since;
	usec_t left;
};

/* The size of a pool as operators set it, and its workers before the event. */
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
	bool replacement; /* that life was started to replace another worker */
};

/* What a life of a worker answered, as far as the engine heard it. */
struct reported_worker {
	uint32_t life;
	bool failed_last;  /* its last answer was a failure of its own */
	unsigned failures; /* of its own, since its last ejection */
	unsigned run;	   /* counted failures in a row */
	usec_t since;	   /* the first of `failures` */
	bool has_left;	   /* an attempt of it was given up, which may count as well */
	bool was_ejected;  /* these two: before the event */
	bool was_on_trial;
};

/* The last success in a pool, and the last one of another worker than that. */
struct reported_success {
	uint32_t worker;
	usec_t at;
	usec_t before;
};

/* What came to a pool and ran there. */
struct reported_traffic {
	usec_t lacking_since; /* since when a worker is wanted and none is at work; 0: not so */
	bool deserted;	      /* for no_worker_wait */
	usec_t fresh;	      /* since when, if the engine has not been at rest since; else 0 */
	unsigned came;	      /* requests that were sent there at least once */
	unsigned taken_over;  /* of these, or with a static answer: requests to other pools */
	unsigned ran;	      /* times that a process really began one of them */
	unsigned moved;	      /* times that one was taken back from a slow worker */
	unsigned unsent;      /* attempts that could not be sent */
};

/* Who waits in a class of a pool, and since two of them wait at the same time, by how much the one
 * was served more than the other, the heaviest request of both, and the most that a turn was worth. */
struct reported_turns {
	bool waits[CLIENTS_MAX];
	int64_t lead[CLIENTS_MAX][CLIENTS_MAX];
	uint32_t heaviest[CLIENTS_MAX][CLIENTS_MAX];
	uint32_t turn[CLIENTS_MAX][CLIENTS_MAX];
};

struct judge {
	const char *property; /* the first property that was violated; NULL: none */
	char text[300];
	unsigned queue_len[POOLS_MAX]; /* before the event */
	uint64_t queue_bytes[POOLS_MAX];
	unsigned queued_by[POOLS_MAX][USERS];
	struct reported_turns turns[POOLS_MAX][PRIORITY_COUNT_];
	bool was_held[REQUESTS_MAX]; /* by slot: its client did not read */
	bool took_along;	     /* the event ends a worker of which one answer was too large */
	enum pool_health health[POOLS_MAX]; /* as reported */
	usec_t short_since[POOLS_MAX]; /* since when workers lack and none starts; or infinity */
	usec_t leap_end;	       /* of the last jump of the clock */
	usec_t stop_by;		       /* when the engine must have stopped */
	uint32_t open;
	uint32_t open_before; /* the event */
	unsigned hasty_at;    /* number of the last such event */
	usec_t begun;
	unsigned results[POOLS_MAX];
	unsigned retries[POOLS_MAX];
	unsigned hasty;	  /* times that a request was sent and taken back at once */
	uint32_t overrun; /* the worker that this event's error blames; UINT32_MAX: none */
	struct reported_breaker breakers[POOLS_MAX][CIRCUITS_MAX];
	struct reported_chain chains[POOLS_MAX];
	struct reported_traffic traffic[POOLS_MAX];
	struct reported_session sessions[SESSIONS];
	uint32_t session_names[2 * NAMES_MAX + 1]; /* by slot; NO_NAME */
	uint64_t versions[2 * NAMES_MAX + 1];	   /* of the state that the caller keeps there */
	unsigned ends;
	struct reported_key keys[POOLS_MAX][KEYS];
	uint32_t key_names[NAMES_MAX]; /* by slot: which answer the caller keeps; NO_NAME */
	enum errcode expected;	       /* what the session of a new request must be answered */
	bool known;	    /* `expected` is certain: the tombstone, if any, still exists */
	bool may_open;	    /* the session may be opened */
	bool turned_away;   /* it was not let in, as its user has too many */
	enum errcode heard; /* what the request was answered */
	bool repeats;	    /* a new request comes with a key that has its answer */
	bool must_store;    /* the answer of a request that gave up is to be stored */
	bool stored;	    /* and it is */
	bool repeated;	    /* and that request gets the answer */
	uint64_t last_recovery;
	unsigned recoveries;
	unsigned done;		/* EFFECT_DONE of this event */
	enum errcode done_code; /* the code that it must have */
	bool done_known;
	struct reported_scaling scaling[POOLS_MAX];
	struct reported_slot before[SLOTS_MAX];
	struct reported_worker workers[SLOTS_MAX];
	struct reported_success successes[POOLS_MAX];
	bool fatal[POOLS_MAX];	    /* a worker has said that it is broken */
	uint32_t rolled[SLOTS_MAX]; /* the life there when the last restart began; 0: none */
	bool overdue;		    /* the engine waited for its timer when this event came */
	bool stopping;
	bool stopped;
};

struct world {
	uint64_t seed;
	struct prop prop;
	struct prop mischief; /* used only by the sabotage, so that the world stays the same */
	enum sabotage sabotage;
	bool trace;
	usec_t now;
	unsigned events_max; /* after so many events the world ends */
	unsigned events;
	unsigned stop_at[2];	      /* numbers of the events at which the daemon is stopped */
	unsigned timers;	      /* consecutive ones at the same time */
	bool storm;		      /* nearly every attempt makes its worker crash */
	unsigned rates[FAULT_COUNT_]; /* permille */
	bool plain;		      /* only requests, processes and retries */
	bool patient;		      /* workers start slowly, and clients wait for them */
	bool busy;		      /* much to do, in short runs, and little time on the way */
	bool meddles;		      /* an operator does things */
	bool changes;		      /* faults begin and stop */
	bool calm;		      /* there are no faults at present */
	bool deaf[CLIENTS_MAX];	      /* clients that read nothing for now */
	uint32_t outage;	      /* the pool where every request fails, or NOBODY */
	unsigned users;		      /* who ask, USERS at most */
	unsigned named;		      /* percent of the requests that have a session or a key */
	struct engine_settings settings;
	struct policy policy;
	struct pool_settings pools[POOLS_MAX];
	usec_t delays[3];		 /* of those whose backoff is a list */
	unsigned concurrency[POOLS_MAX]; /* of the pool's workers */
	bool announces[POOLS_MAX];
	bool batches[POOLS_MAX];
	bool recalls[POOLS_MAX];
	bool pages[POOLS_MAX];
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
	struct engine_event event;	   /* the event that the engine has just handled */
	uint32_t subject;		   /* the request that it submits, or NOBODY */
	uint32_t gone;			   /* the request that it cancels, or NOBODY */
	struct judge judge;
};

/* Runs the world of that seed to its end.  Returns NULL, or the promise that was broken (the
 * explanation is in world->judge.text). */
const char *world_run(struct world *world, uint64_t seed);

void world_free(struct world *world);

/* --- for the world's own files --- */

/* Returns the record itself, or its heir if its attempt was handed over. */
struct record *world_heir(struct world *world, uint32_t record);

/* Returns the name of the session with that number. */
struct bytes world_session_name(uint32_t session);
/* The number of the session that this user means by that name. */
uint32_t world_session_number(const struct world *world, uint32_t user, struct bytes name);

/* Returns a number from 0 to about `middle` times 8; small ones are as likely as large ones. */
usec_t world_span(struct world *world, usec_t middle);

/* Draws whether the fault happens this time. */
bool world_fault(struct world *world, enum fault fault);

/* Draws how long a message is on its way. */
usec_t world_delay(struct world *world);

/* Writes a line of the trace, if there is one. */
PRINTF_LIKE(2, 3) void world_trace(const struct world *world, const char *format, ...);

#endif
