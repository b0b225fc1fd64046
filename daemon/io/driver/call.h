/*
 * The open calls: for each request of the core what only io knows, which is who asked and the bytes
 * that were sent.
 *
 * A call and its request share one slot number.  All memory is reserved at start.
 */
#ifndef POOLD_IO_DRIVER_CALL_H
#define POOLD_IO_DRIVER_CALL_H

#include "daemon/io/base/chunk.h"
#include "daemon/io/driver/attempt_history.h"
#include "daemon/io/driver/caller.h"
#include "daemon/io/driver/flow.h"
#include "daemon/io/driver/trace.h"
#include "protocol/list.h"

struct call {
	struct caller *caller; /* NULL: the slot is free */
	uint32_t slot;
	uint32_t msgid;	 /* the caller's */
	uint64_t number; /* the daemon's, never used twice */
	uint32_t pool;
	bool wants_meta;
	struct chunk *chunk; /* keeps the slices below alive */
	size_t cost;	     /* what that counts for: chunk_cost */
	struct bytes method;
	struct bytes args;
	struct trace trace;
	struct bytes session;
	struct bytes key;
	/* Why the last attempt can't be expressed in its worker's dialect; NULL: it was sent. */
	const char *encode_fault;
	struct flow flow;
	struct attempt_history *history; /* NULL: no attempt has failed yet */
	bool is_cancelled_by_operator;	 /* so says the answer (operator_cancel_request) */
	/* Why its result could not be given; ERR_NONE: it was, or there is none. */
	enum errcode lost;
	struct list_node in_caller;
	struct list_node in_open;
	struct call *next_same; /* of the same hash; or the next free one */
};

struct call_table {
	struct call *calls;
	struct call **buckets;
	struct call *free;
	struct list open; /* by in_open, the oldest first: in the order of their numbers */
	uint32_t capacity;
	uint32_t bucket_mask;
	uint64_t next_number;
	size_t kept; /* bytes of memory that all calls keep */
};

/* Returns 0 or -ENOMEM. */
int call_table_init(struct call_table *table, uint32_t capacity);
void call_table_done(struct call_table *table);

/* A call of that caller, in its list and with a number of its own; NULL: all slots are taken. */
struct call *call_open(struct call_table *table, struct caller *caller, uint32_t msgid);

/* Takes a reference of the chunk that holds the call's message, of which `len` bytes are its. */
void call_keep(struct call_table *table, struct call *call, struct chunk *chunk, size_t len);

/* The open call of that caller and message id, or NULL. */
struct call *call_find(const struct call_table *table, const struct caller *caller, uint32_t msgid);

/* The open call of that number, or NULL.  Takes time in proportion to the calls that are older. */
struct call *call_find_number(const struct call_table *table, uint64_t number);

/* Call the function of its caller (caller.h). */
void call_answer(const struct call *call, const struct caller_answer *answer);
COLD void call_answer_error(const struct call *call, const struct error *error);
void call_answer_part(const struct call *call, struct chunk *chunk, struct bytes value);
void call_answer_restart(const struct call *call);

/* Frees the slot and the bytes, and takes the call out of its caller's list. */
void call_close(struct call_table *table, struct call *call);

#endif
