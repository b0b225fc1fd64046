/*
 * A request's life in the core: it waits for its turn, is queued, sent to a worker (behind another
 * one or as the one that runs), delayed before it is tried again, answered.
 *
 * The payload never comes here; `io` and the core know a request by one number, its slot in a table
 * of the same size on both sides.
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
	      "waits for another one of its session, or with its key")                             \
	STATE(QUEUED, "queued", 1u << REQUEST_SENT | 1u << REQUEST_DELAYED | 1u << REQUEST_DONE,   \
	      "waits for a worker")                                                                \
	STATE(SENT, "sent", 1u << REQUEST_DELAYED | 1u << REQUEST_DONE, "is at a worker")          \
	STATE(DELAYED, "delayed", 1u << REQUEST_QUEUED | 1u << REQUEST_DONE,                       \
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
struct recovery;
struct session;

/* What went wrong, once and for all: classified where it happened, never again. */
struct failure {
	enum errcode code; /* ERR_NONE: nothing has */
	enum executed executed;
	bool was_attempted;  /* an attempt failed; else the request was refused a place */
	bool is_from_worker; /* in the worker's words */
	bool has_retryable;  /* these two and the severity: the worker said so */
	bool is_retryable;
	bool has_severity;
	bool was_reported; /* by an EFFECT_RETRY before */
	bool budget_spent; /* only the spent budget kept it from a retry */
	enum errseverity severity;
	enum worker_cause cause; /* why the daemon ended the worker, if it did */
	usec_t retry_after;	 /* USEC_INFINITY: unknown */
};

/* Workers that a request remembers to have failed at. */
#define REQUEST_TRIED_MAX 4

/* How far a request has come with workers.  A request that inherits the running attempt of another
 * one gets all of this from it. */
struct request_run {
	uint32_t pool;		 /* where it is */
	unsigned level;		 /* of the chain, 0: home */
	struct circuit *circuit; /* of that pool; NULL: it has none */
	struct breaker_permit permit;
	bool has_permit;	 /* of its circuit's breaker */
	bool was_counted;	 /* as a failure at the breaker of that pool */
	bool may_have_run;	 /* in an attempt that is over */
	bool outcome_unknown;	 /* it may even have run to a good end there */
	uint32_t attempts;	 /* times it was sent so far */
	uint32_t retries;	 /* of these, since it is in this pool, for what failed */
	uint32_t crashes;	 /* workers that ended while they may have run it */
	uint32_t worker;	 /* of the last attempt (its slot); meaningful once attempts > 0 */
	usec_t first_sent;	 /* end of the first wait in the queue; 0: never sent */
	usec_t sent;		 /* when the last attempt was sent; 0: never */
	usec_t attempt_due;	 /* while SENT: when the attempt has lasted too long */
	struct attempt *attempt; /* while SENT */
};

struct request {
	enum request_state state;
	enum priority priority;
	bool is_idempotent;
	bool no_fallback; /* its client wants no other pool than this */
	bool is_stream;
	bool is_restartable;
	bool has_streamed;    /* a part of the answer is with the client */
	bool is_deferred;     /* goes on at the end of the event: */
	enum errcode refused; /* fails by this, or is placed */
	uint32_t home;	      /* the pool it was sent to: the head of the chain */
	uint32_t pool_skip;   /* levels of the chain that can't serve it, as a mask */
	uint32_t max_attempts;
	uint64_t bytes; /* size of the payload, for the queue's limit */
	usec_t submitted;
	usec_t deadline;
	usec_t due;   /* while DELAYED: when it is tried again */
	usec_t delay; /* before the last retry */
	struct request_run run;
	struct failure last;	   /* of the last attempt that failed */
	struct list *line;	   /* while QUEUED: where in_queue stands */
	struct list_node in_queue; /* also while WAITING, in the session's or key's list */
	struct heap_entry timer;
	struct bytes method;   /* these two: the caller's, as long as the request is open */
	struct bytes key_name; /* empty: it has no key, or has found it */
	struct session *session;
	struct key *key;
	struct recovery *recovery; /* that runs, or NULL */
	struct {
		uint32_t worker;
		uint32_t life;
	} tried[REQUEST_TRIED_MAX]; /* in this pool; life 0: none */
	unsigned tried_next;
};

const char *request_state_name(enum request_state state);
const char *priority_name(enum priority priority);

/* The priority of that name, or PRIORITY_COUNT_. */
enum priority priority_find(const char *name, size_t len);

/* Changes the state; the edge must be in the table. */
void request_move(struct request *request, enum request_state state);

/* Whether it failed at this life of this worker before. */
bool request_has_tried(const struct request *request, uint32_t worker, uint32_t life);
/* It did now. */
void request_note_tried(struct request *request, uint32_t worker, uint32_t life);

#endif
