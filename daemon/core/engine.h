/*
 * The engine: the whole of poold's deciding as one state machine without I/O.
 *
 * Events go in with the time they happened at; effects come out and are carried out by the caller,
 * in order and before the next event; one deadline says when EVENT_TIMER is due.  The engine reads
 * no clock, calls no system, allocates nothing after engine_init, and never sees a payload:
 * requests and workers are numbers (slots) shared with the caller.
 *
 * Ownership of a request's slot: the caller picks a free one (below requests_max) for EVENT_SUBMIT;
 * it belongs to the engine until an effect says EFFECT_RESULT, EFFECT_ERROR or EFFECT_DROP for it,
 * exactly once; then it is the caller's again.
 */
#ifndef POOLD_CORE_ENGINE_H
#define POOLD_CORE_ENGINE_H

#include "daemon/core/pool.h"

struct engine;

struct engine_settings {
	uint32_t requests_max;
	uint32_t pool_count;
	const struct pool_settings *pools; /* pool_count of them; copied */
	usec_t drain_timeout;		   /* how long a stop waits for what was admitted */
};

enum event_type {
	EVENT_SUBMIT = 0, /* a client asks: `submit` */
	EVENT_CANCEL, /* its client gives `request` up; `gone`: it is not there to hear an answer */
	EVENT_WORKER_READY,    /* the worker can work: `ready` */
	EVENT_WORKER_BEGAN,    /* the worker said that it begins attempt `id` */
	EVENT_WORKER_ANSWERED, /* the worker answered attempt `id`: `answer` */
	EVENT_WORKER_BROKE,  /* its channel is of no use any more: `code` says how; the process may
				still live */
	EVENT_WORKER_EXITED, /* its process is gone: `exit` */
	EVENT_SPAWN_FAILED,  /* EFFECT_SPAWN could not be carried out */
	EVENT_TIMER,	     /* the deadline has come */
	EVENT_STOP	     /* drain, then end everything; a second one does not wait any longer */
};

struct engine_event {
	enum event_type type;
	usec_t now;	  /* above 0, and never earlier than that of the event before */
	uint32_t request; /* SUBMIT, CANCEL */
	uint32_t worker;  /* WORKER_*, SPAWN_FAILED */
	uint32_t life;	  /* WORKER_*, SPAWN_FAILED: news of another life is passed over */
	uint32_t id;	  /* WORKER_BEGAN, WORKER_ANSWERED */
	union {
		struct {
			uint32_t pool;
			enum priority priority;
			bool idempotent;
			uint32_t max_attempts; /* at least 1 */
			uint64_t bytes;
			usec_t timeout;
		} submit;
		bool gone;
		struct {
			unsigned concurrency;
			bool announces;
			bool batches;
		} ready;
		struct {
			enum errcode code; /* ERR_NONE: a result */
			bool retryable;
			bool fatal;	    /* the worker says that it is broken */
			usec_t retry_after; /* USEC_INFINITY: not said */
		} answer;
		enum errcode code; /* WORKER_BROKE: peer_closed, decode_error, protocol_violation,
				      response_too_large */
		struct {
			bool signalled; /* ended by a signal that the daemon did not send */
			bool unusable;	/* exit status 78: starting it again is of no use */
		} exit;
	};
};

enum effect_type {
	EFFECT_SEND = 0, /* send `request` to `worker` as message `id`; `attempt` counts from 1 */
	EFFECT_CANCEL,	 /* tell `worker` to give up message `id` */
	EFFECT_PING,	 /* send a health check as message `id` */
	EFFECT_RESULT,	 /* answer `request` with the result that EVENT_WORKER_ANSWERED brought just
			    now */
	EFFECT_ERROR,	 /* answer `request` with `error` (of the worker's own making if
			    error.from_worker) */
	EFFECT_DROP,	 /* `request` is over, nobody waits for an answer */
	EFFECT_SPAWN,	 /* start a process for `worker`, life `life`, of `pool` */
	EFFECT_SHUTDOWN, /* ask `worker` to finish and exit */
	EFFECT_CLOSE,	 /* close the channel of `worker`: nothing it says from now on counts */
	EFFECT_SIGNAL,	 /* send `signal` to the process group of `worker`, because of `cause` */
	EFFECT_HEALTH,	 /* `pool` went from health `was` to health `is` */
	EFFECT_STOPPED	 /* after EVENT_STOP: no request and no worker is left */
};

struct effect {
	enum effect_type type;
	uint32_t pool;
	uint32_t request;
	uint32_t worker;
	uint32_t life;
	union {
		struct {
			uint32_t id;
			uint32_t attempt;
			usec_t deadline;
		} send; /* SEND; CANCEL and PING use id alone */
		struct {
			enum errcode code;
			enum executed executed;
			bool retryable;
			bool from_worker;  /* the words are the worker's: in the event just given */
			bool has_worker;   /* `worker` had it */
			bool budget_spent; /* only the pool's spent budget kept it from a retry */
			enum worker_cause cause; /* why the daemon ended that worker, if it did */
			usec_t retry_after;	 /* USEC_INFINITY: unknown */
		} error;
		struct {
			int signal;
			enum worker_cause cause;
		} kill; /* SIGNAL, SHUTDOWN, CLOSE (signal 0) */
		struct {
			enum pool_health was;
			enum pool_health is;
		} health;
	};
};

/* The memory an engine of these settings needs, in bytes, aligned as malloc aligns. */
size_t engine_size(const struct engine_settings *settings);

/*
 * An engine in `memory` (engine_size bytes, the caller's, given back by nobody else while it is in
 * use).  It wants its workers started at once: pull the effects.
 */
struct engine *engine_init(void *memory, const struct engine_settings *settings, usec_t now);

/* Takes one event.  All effects of the event before must have been pulled. */
void engine_step(struct engine *engine, const struct engine_event *event);

/* The next thing to do; false when there is nothing. */
bool engine_next_effect(struct engine *engine, struct effect *ret);

/* When EVENT_TIMER is due, or USEC_INFINITY. */
usec_t engine_deadline(const struct engine *engine);

/* For reading: pools by their number, workers by their slot (worker slots count through all pools),
 * requests by their slot. */
uint32_t engine_pool_count(const struct engine *engine);
const struct pool *engine_pool(const struct engine *engine, uint32_t pool);
uint32_t engine_worker_count(const struct engine *engine);
const struct worker *engine_worker(const struct engine *engine, uint32_t worker);
const struct request *engine_request(const struct engine *engine, uint32_t request);
bool engine_stopping(const struct engine *engine);
/* The slot of a request that the engine handed out a pointer to. */
uint32_t engine_slot(const struct engine *engine, const struct request *request);
/* Requests that are queued or at workers. */
uint32_t engine_open_requests(const struct engine *engine);

/* Holds every internal invariant against the state; NULL, or what is wrong in words.  For tests: it
 * walks everything. */
const char *engine_check(const struct engine *engine);

#endif
