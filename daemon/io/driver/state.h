/*
 * The driver's state, and what can be looked up in it.
 *
 * The driver is where core and io meet: it turns what happens into events of the engine (step.h)
 * and carries out the engine's effects (effects.h).  Every file of this folder works on this one
 * struct; those of higher folders read it, and change it only through the functions of step.h,
 * submit.h, operator.h, events.h and stack.h.
 */
#ifndef POOLD_IO_DRIVER_STATE_H
#define POOLD_IO_DRIVER_STATE_H

#include "daemon/core/engine_view.h"
#include "daemon/core/peak.h"
#include "daemon/core/prng.h"
#include "daemon/io/base/log.h"
#include "daemon/io/base/loop.h"
#include "daemon/io/base/slot_store.h"
#include "daemon/io/config/config.h"
#include "daemon/io/driver/call.h"
#include "daemon/io/driver/critical.h"
#include "daemon/io/driver/error_log.h"
#include "daemon/io/driver/events.h"
#include "daemon/io/driver/exemplar.h"
#include "daemon/io/driver/last_failure.h"
#include "daemon/io/driver/memory_pressure.h"
#include "daemon/io/driver/namesakes.h"
#include "daemon/io/driver/overload.h"
#include "daemon/io/driver/refusal.h"
#include "daemon/io/driver/request_log.h"
#include "daemon/io/driver/rights.h"
#include "daemon/io/driver/starts.h"
#include "daemon/io/driver/stats.h"
#include "daemon/io/worker/confine.h"
#include "daemon/io/worker/life.h"

/* Room for how a worker ended, the step of its start, and its last line. */
#define START_FAULT_MAX (LIFE_END_MAX + 512)

struct alerting;
struct forkserver;
struct guard;

/* Why the last start of a worker failed, in words; "": none has failed since one was ready. */
struct start_fault {
	char text[START_FAULT_MAX];
	bool is_size_told; /* that its workers are larger than max_memory from their start on */
	uint32_t worker;   /* whose start it was: its life has the last words */
};

struct driver {
	struct loop *loop;
	const struct config *config; /* it holds a reference */
	struct engine *engine;
	usec_t started;

	struct list callers; /* who is connected, by in_callers, in the order in which they came */

	/* Requests. */
	struct call_table calls;
	struct prng spans;		  /* ids of spans: trace.h */
	struct list turned_callers;	  /* flow_hold_callers tells the engine of them */
	struct slot_store session_states; /* by the session's slot */
	struct slot_store stored_answers; /* by the slot of the idempotency key */

	/* Workers. */
	struct life *lives; /* one for each worker slot of the engine */
	uint32_t life_count;
	struct list noted;		/* lives with notes, by in_noted: see driver_note */
	struct starts starts;		/* workers that wait for their process */
	struct forkserver *forkservers; /* one for each pool; of use where `prefork` is on */
	const struct guard *guard;
	struct confine confine;	  /* identities, control groups, orphans */
	struct rlimit open_files; /* the limit that workers get */
	struct memory_pressure memory;

	struct rights rights;
	struct namesakes namesakes;

	/* Whose requests may be critical, beside those who may control it. */
	struct lowered lowered;

	/* What people see. */
	struct daemon_stats stats;
	struct incident_counts *incidents; /* of each pool */
	struct peak connections_peak;	   /* these two: noted at each turn of the loop */
	struct peak buffers_peak;
	struct events events;
	struct error_log errors;
	struct log_limit error_limit;
	struct log_limit *refusal_limits;   /* of each pool: it may refuse thousands at a time */
	struct refusal_limits refusals;	    /* of what is refused before it comes to a pool */
	struct log_limit span_limit;	    /* of events of the kind span */
	struct request_log request_log;	    /* of requests that did not fail */
	struct start_fault *start_faults;   /* of each pool */
	struct last_failure *last_failures; /* of each pool */
	struct exemplars *exemplars;	    /* of each pool */
	struct overloads overloads;

	/* Of folder observe: the alerts; NULL: there are none. */
	struct alerting *alerting;

	/* The owner's, set before driver_start. */
	void (*on_change)(void *owner);	 /* the health of a pool or the number of its workers
					    changed: see driver_is_settled */
	void (*on_stopped)(void *owner); /* once after driver_stop: no request and no worker is
					    left */
	void *owner;
	bool has_started; /* the owner's: it waits for no pool any more */
	bool has_stopped; /* on_stopped is to be called at the end of this turn */
};

/* The number of the pool of that name, or -ENOENT. */
int driver_find_pool(const struct driver *driver, struct bytes name, uint32_t *ret_pool);

/* The pool's name and settings by its number. */
const struct config_pool *driver_pool_config(const struct driver *driver, uint32_t pool);

/* The number of a worker within its pool, from 1, which people see. */
unsigned driver_worker_number(const struct driver *driver, uint32_t worker);

/*
 * Whether the pool's start has failed in a way that waiting does not change: its workers ended before
 * they were ready, or could not be started, and none is starting now.  It is tried again all the
 * same.
 */
bool driver_has_given_up(const struct driver *driver, uint32_t pool);

/* Whether every pool has the workers it starts with, or has given up. */
bool driver_is_settled(const struct driver *driver);

/* Whether driver_stop was called. */
bool driver_is_stopping(const struct driver *driver);

/* Requests that are not answered yet. */
uint32_t driver_open_requests(const struct driver *driver);

/* How a process of the pool is started.  The pointers in it last as long as the configuration. */
struct start driver_start_of(const struct driver *driver, uint32_t pool);

/* A static pool's answer to the method, or NULL. */
const struct config_answer *driver_static_answer(const struct driver *driver, uint32_t pool,
						 struct bytes method);

/*
 * The life has notes: something was found out while effects were carried out, when the engine
 * takes no event, so it becomes an event at the end of the turn (worker_events_handle_notes).
 */
void driver_note(struct driver *driver, struct life *life);

#endif
