/*
 * A request's life in the core: queued, sent to a worker (behind another one or as the one that
 * runs), answered.
 *
 * The payload never comes here; `io` and the core know a request by one number, its slot in a table
 * of the same size on both sides.
 */
#ifndef POOLD_CORE_REQUEST_H
#define POOLD_CORE_REQUEST_H

#include "daemon/core/heap.h"
#include "daemon/core/list.h"
#include "protocol/errcode.h"

/* STATE(NAME, "name", states that may follow as a mask, sentence) */
#define REQUEST_STATES(STATE)                                                                      \
	STATE(FREE, "free", 1u << REQUEST_QUEUED | 1u << REQUEST_DONE,                             \
	      "the slot holds no request")                                                         \
	STATE(QUEUED, "queued", 1u << REQUEST_SENT | 1u << REQUEST_DONE, "waits for a worker")     \
	STATE(SENT, "sent", 1u << REQUEST_QUEUED | 1u << REQUEST_DONE, "is at a worker")           \
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

struct request {
	enum request_state state;
	enum priority priority;
	bool idempotent;
	uint32_t pool;
	uint32_t max_attempts;
	uint32_t attempts; /* times it was sent so far */
	uint32_t crashes;  /* workers that ended while they may have run it */
	bool may_have_run; /* in an attempt that is over */
	uint32_t worker; /* the worker of the last attempt (its slot); meaningful once attempts > 0
			  */
	uint64_t bytes;	 /* size of the payload, for the queue's limit */
	usec_t submitted;
	usec_t deadline;
	usec_t first_sent;	 /* end of the first wait in the queue; 0: never sent */
	usec_t sent;		 /* when the last attempt was sent; 0: never */
	struct attempt *attempt; /* while SENT */
	struct list_node in_queue;
	struct heap_entry timer;
};

const char *request_state_name(enum request_state state);
const char *priority_name(enum priority priority);

/* The priority of that name, or PRIORITY_COUNT_. */
enum priority priority_find(const char *name, size_t len);

/* Changes the state; the edge must be in the table. */
void request_move(struct request *request, enum request_state state);

#endif
