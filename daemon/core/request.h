/*
 * The life of a request in the core: it waits for its turn, is queued, sent to a worker (where it
 * may stand behind others), delayed before a retry, and answered.
 *
 * The core never sees the payload.  The core and its caller identify a request by one number, its
 * slot in a table that has the same size on both sides.
 */
#ifndef POOLD_CORE_REQUEST_H
#define POOLD_CORE_REQUEST_H

#include "daemon/core/breaker.h"
#include "daemon/core/cause.h"
#include "daemon/core/heap.h"
#include "protocol/errcode.h"
#include "protocol/list.h"

/* STATE(NAME, "name", states that may follow as a mask, sentence) */
#define REQUEST_STATES(STATE)                                                                      \
	STATE(FREE, "free", 1u << REQUEST_WAITING | 1u << REQUEST_DELAYED | 1u << REQUEST_DONE,    \
	      "the slot holds no request")                                                         \
	STATE(WAITING, "waiting", 1u << REQUEST_DELAYED | 1u << REQUEST_SENT | 1u << REQUEST_DONE, \
	      "waits for another one of its session, or with its key, or for its own last run")    \
	STATE(QUEUED, "queued",                                                                    \
	      1u << REQUEST_SENT | 1u << REQUEST_DELAYED | 1u << REQUEST_HELD |                    \
		      1u << REQUEST_DONE,                                                          \
	      "waits for a worker")                                                                \
	STATE(SENT, "sent", 1u << REQUEST_DELAYED | 1u << REQUEST_DONE, "is at a worker")          \
	STATE(HELD, "held", 1u << REQUEST_QUEUED | 1u << REQUEST_DELAYED | 1u << REQUEST_DONE,     \
	      "waits until its client has read the answers before it")                             \
	STATE(DELAYED, "delayed",                                                                  \
	      1u << REQUEST_WAITING | 1u << REQUEST_QUEUED | 1u << REQUEST_HELD |                  \
		      1u << REQUEST_DONE,                                                          \
	      "is between two attempts, or about to be placed")                                    \
	STATE(DONE, "done", 1u << REQUEST_FREE, "is answered; the slot's owner may use it again")

enum request_state {
#define STATE(name, word, next, text) REQUEST_##name,
	REQUEST_STATES(STATE)
#undef STATE
	REQUEST_STATE_COUNT_
};

enum priority {
	PRIORITY_CRITICAL = 0,
	PRIORITY_NORMAL,
	PRIORITY_SHEDDABLE,
	PRIORITY_COUNT_
};

struct attempt;
struct circuit;
struct key;
struct lane;
struct recovery;
struct session;

/* The limit for one user that a request exceeds. */
enum over_share {
	OVER_NONE = 0,
	OVER_DAEMON,
	OVER_QUEUE
};

/* What went wrong.  It is classified once, where it happened, and not changed after that. */
struct failure {
	enum errcode code; /* ERR_NONE: no failure */
	enum executed executed;
	bool was_attempted;  /* an attempt failed; else the pool refused the request */
	bool is_from_worker; /* the worker reported it */
	bool has_retryable;  /* the worker sent is_retryable */
	bool is_retryable;
	bool has_severity;	    /* the worker sent `severity` */
	bool was_reported;	    /* by an earlier EFFECT_RETRY */
	enum over_share over_share; /* queue_full: whose limit for one user it exceeds */
	bool has_waited;   /* to the end, for another request of its session or with its key */
	bool budget_spent; /* only the empty retry budget prevented a retry */
	enum errseverity severity;
	enum worker_cause cause; /* why the daemon ended the worker, if it did */
	usec_t retry_after;	 /* USEC_INFINITY: unknown */
};

/* A request remembers the last workers at which it failed: this many. */
#define REQUEST_TRIED_MAX 4

/* The state of a request's attempts.  A request that takes over the running attempt of another one
 * copies all of this from it. */
struct request_run {
	uint32_t pool;		 /* where the request is now */
	unsigned level;		 /* of the chain; 0: the home pool */
	struct circuit *circuit; /* in that pool; NULL: none */
	unsigned entry;		 /* of its method in the runs of that pool (runs.h) */
	struct breaker_permit permit;
	bool has_permit;	 /* of its circuit's breaker */
	bool was_counted;	 /* the breaker of that pool has counted its failure */
	bool may_have_run;	 /* in an attempt that has ended */
	bool outcome_unknown;	 /* and it may have succeeded there */
	uint32_t attempts;	 /* times it was sent so far */
	uint32_t unbegun;	 /* of these: it never began there, or was taken back in time */
	bool has_token;		 /* the pool's budget has paid for a retry that is not sent yet */
	uint32_t retries;	 /* of these: retries after a failure in this pool */
	uint32_t crashes;	 /* workers that ended while they may have run it */
	uint32_t worker;	 /* of the last attempt (its slot); meaningful once attempts > 0 */
	usec_t first_sent;	 /* end of the first wait in the queue; 0: never sent */
	usec_t sent;		 /* when the last attempt was sent; 0: never */
	usec_t attempt_due;	 /* while SENT: when the attempt times out */
	struct attempt *attempt; /* while SENT */
};

struct request {
	enum request_state state;
	enum priority priority;
	/* The class that it queues in: its priority, or the highest of those that wait for it. */
	enum priority rank;
	bool is_idempotent;
	bool no_fallback; /* the client accepts no other pool */
	bool is_stream;
	bool is_restartable;
	bool has_streamed;    /* the client has a part of the answer */
	bool is_held;	      /* its client has too much unread: it is sent to no worker */
	bool is_barred;	      /* while WAITING: until a run that it gave up has ended */
	bool is_deferred;     /* it continues at the end of the event */
	enum errcode refused; /* while deferred: it fails with this; ERR_NONE: it is placed */
	uint32_t client;      /* who sent it, as EVENT_SUBMIT says: clients take turns */
	uint32_t user;	      /* the uid of who asked, whose share of the limits it takes */
	uint32_t home;	      /* the pool that the client named: the head of the chain */
	uint32_t pool_skip;   /* bit mask of the chain's levels that cannot serve it */
	uint32_t max_attempts;
	uint64_t bytes; /* size of the payload, for the queue's limit */
	usec_t submitted;
	usec_t deadline;
	usec_t leave_at; /* while QUEUED: when it may leave for a fallback; USEC_INFINITY: never */
	usec_t waits_from; /* while at no worker: since when it waits for the present cause */
	usec_t due;	   /* while DELAYED: when the next attempt may start */
	usec_t delay;	   /* before the last retry */
	struct request_run run;
	struct failure last;	   /* of the last attempt that failed */
	struct list *line;	   /* while QUEUED: the list that holds in_queue */
	struct list_node in_queue; /* also while WAITING, in the session's or key's list, and while
				      HELD, in the pool's */
	uint32_t weight;	   /* while QUEUED, as is `lane`: see queue.h */
	struct lane *lane;	   /* of its client; NULL: it is parked, or was called */
	struct list_node in_lane;
	struct heap_entry timer;
	struct bytes method;   /* method and key_name: owned by the caller until the answer */
	struct bytes key_name; /* empty: no key */
	struct session *session;
	struct key *key;
	struct recovery *recovery; /* the running one, or NULL */
	struct {
		uint32_t worker;
		uint32_t life;
	} tried[REQUEST_TRIED_MAX]; /* workers of this pool at which it failed; life 0: unused */
	unsigned tried_next;
};

const char *request_state_name(enum request_state state);
const char *priority_name(enum priority priority);

/* The priority of that name, or PRIORITY_COUNT_ if there is none. */
enum priority priority_find(const char *name, size_t len);

/* Changes the state.  REQUEST_STATES must allow the transition. */
void request_move(struct request *request, enum request_state state);

/* How many attempts of it ran, or may have run: these count for max_attempts. */
uint32_t request_runs(const struct request *request);

/* Whether the request has failed before at this life of this worker. */
bool request_has_tried(const struct request *request, uint32_t worker, uint32_t life);
/* Records that it failed there; the oldest record is overwritten. */
void request_note_tried(struct request *request, uint32_t worker, uint32_t life);

#endif
