/*
 * The event loop: libevent, one reading of the clock per turn, one timer, and what is done at the
 * end of each turn.
 *
 * All that a turn writes to one peer leaves in one system call at its end (see link.h).  What a turn
 * takes in is bounded (see turn.h), so that timers, answers and new connections are served between
 * the messages of whoever sends very many.
 */
#ifndef POOLD_IO_BASE_LOOP_H
#define POOLD_IO_BASE_LOOP_H

#include "daemon/io/base/chunk.h"
#include "daemon/io/base/outbox.h"
#include "daemon/io/base/stall.h"
#include "daemon/io/base/turn.h"
#include "protocol/base.h"
#include "protocol/list.h"

#include <event2/event.h>
#include <event2/event_struct.h>

struct loop {
	struct event_base *base;
	struct event timer;
	struct event tidy_timer;
	usec_t timer_at;   /* USEC_INFINITY: not set */
	bool is_timer_due; /* on_timer is to be called at the end of this turn */
	usec_t now;	   /* 0: not read in this turn */
	struct turn turn;
	struct stall stall;
	usec_t stalled;	     /* before this turn the loop stood still so long: loop_take_stall */
	usec_t suspended;    /* and the machine was suspended so long */
	bool is_catching_up; /* it did, so all that has come is read before the timer is judged */
	bool is_leaving;
	struct chunk_store store;
	struct chunk *shared; /* that links read into which have no beginning of a message */
	size_t shared_used;
	struct outbox_store outboxes;
	struct list deferred;	       /* links to be read at the end of the turn */
	struct list backlog;	       /* links whose messages wait for their turn */
	struct list backlog_last;      /* the same of those that are read last */
	struct list dirty;	       /* links with something to write */
	struct list starved;	       /* links that wait for memory */
	unsigned hungry;	       /* of these: links that are not read meanwhile */
	struct event relief_timer;     /* pending while memory is short */
	bool is_relief_due;	       /* it has fired */
	bool is_short;		       /* memory is short: see on_short */
	usec_t short_since;	       /* the last time that it began to be */
	uint64_t refused;	       /* of the store, when it was looked at last */
	usec_t refused_at;	       /* when it had refused memory last; 0: never */
	struct list closed;	       /* links to be freed at the end of the turn */
	struct orphans *orphans;       /* tracks the daemon's children; NULL: nothing does */
	void (*on_timer)(void *owner); /* when all that the turn saw has been read */
	void (*on_turn)(void *owner);  /* at the end of each turn, before anything is written */
	/* Before the loop sleeps: when on_timer is to be called; as for loop_set_timer.  NULL: only
	 * loop_set_timer says so. */
	usec_t (*next_timer)(void *owner);
	void *owner;
	/* While memory is short (CHUNK_CROWDED, links wait for some, or some was refused in the last
	 * seconds): when it begins, every RELIEF_INTERVAL, and once when it is over.  NULL: not
	 * interesting. */
	void (*on_short)(void *owner);
	void *short_owner;
};

#define RELIEF_INTERVAL (100 * USEC_PER_MSEC)

/* Memory stays short for so long after some was refused. */
#define SHORT_FOR (5 * USEC_PER_SEC)

/* Returns 0 or -ENOMEM.  `memory_max` limits all buffers together, in bytes. */
int loop_init(struct loop *loop, size_t memory_max);
void loop_done(struct loop *loop);

/* The monotonic time of this turn. */
usec_t loop_now(struct loop *loop);

/* Returns for how long the loop stood still before this turn, once; 0: it did not.  *ret_suspended:
 * see stall_wake.  Whoever handles events must take it before the first event of a turn. */
usec_t loop_take_stall(struct loop *loop, usec_t *ret_suspended);

/* Whether loop_take_stall has nothing to say: so it is but for the first event of a turn. */
static inline bool loop_knows_no_stall(const struct loop *loop)
{
	return loop->now != 0 && loop->stalled == 0 && loop->suspended == 0;
}

/* The monotonic time now: for what takes long within a turn. */
usec_t loop_clock(void);

/* The time of day: milliseconds since 1970.  For people only: nothing is decided by it. */
uint64_t loop_wall_ms(void);

/* Runs until loop_leave. */
void loop_run(struct loop *loop);

/* Makes loop_run return at the end of this turn. */
void loop_leave(struct loop *loop);

/* Has on_timer called at `at`; USEC_INFINITY: never.  It may also be called earlier, so it compares
 * the time. */
void loop_set_timer(struct loop *loop, usec_t at);

/*
 * Has the event of a timer (evtimer_assign) called after that time.  It always is: room for some
 * thousand timers is reserved, and where there is no memory for more, it is called at once.
 */
void loop_add_timer(struct event *timer, const struct timeval *delay);
void loop_set_event_timer(struct event *timer, usec_t span);

#endif
