/*
 * The engine: the whole of poold's deciding as one state machine without I/O.
 *
 * Events go in with the time they happened at; effects come out and are carried out by the caller,
 * in order and before the next event; one deadline says when EVENT_TIMER is due.  The engine reads
 * no clock, calls no system, allocates nothing after engine_init, and never sees a payload:
 * requests, workers, sessions and keys are numbers (slots) shared with the caller.
 *
 * Ownership of a request's slot: the caller picks a free one (below requests_max) for EVENT_SUBMIT;
 * it belongs to the engine until an effect says EFFECT_RESULT, EFFECT_ERROR or EFFECT_DROP for it,
 * exactly once; then it is the caller's again.
 *
 * Bytes that the caller keeps for the engine: a session's state, by the session's slot, from an
 * EFFECT_RESULT that commits it until the EFFECT_SESSION that ends it; a key's answer, by the key's
 * slot, from an EFFECT_RESULT that keeps it until EFFECT_FORGET.
 */
#ifndef POOLD_CORE_ENGINE_H
#define POOLD_CORE_ENGINE_H

#include "daemon/core/recovery.h"
#include "daemon/core/settings.h"

struct engine;

enum event_type {
	EVENT_SUBMIT = 0, /* a client asks: `submit` */
	EVENT_CANCEL, /* its client gives `request` up; `gone`: it is not there to hear an answer */
	EVENT_WORKER_READY,    /* the worker can work: `ready` */
	EVENT_WORKER_BEGAN,    /* the worker said that it begins attempt `id` */
	EVENT_WORKER_ALIVE,    /* the worker says that it lives, and nothing else */
	EVENT_WORKER_CHUNK,    /* the worker said a part of the answer to attempt `id` */
	EVENT_WORKER_ANSWERED, /* the worker answered attempt `id`: `answer` */
	EVENT_SEND_FAILED,   /* EFFECT_SEND of attempt `id` could not be carried out, the worker has
				heard nothing of it: `code` says why */
	EVENT_WORKER_BROKE,  /* its channel is of no use any more: `code` says how; the process may
				still live */
	EVENT_WORKER_EXITED, /* its process is gone: `exit` */
	EVENT_SPAWN_FAILED,  /* EFFECT_SPAWN could not be carried out: `code` says why */
	EVENT_PRESSURE,	     /* memory is short, and the worker is the heaviest idle one */
	EVENT_WORKER_MEMORY, /* the worker uses `memory` bytes */
	EVENT_BREAKER,	     /* an operator changes a breaker: `manual` */
	EVENT_RECOVERY_CANCEL, /* an operator ends a recovery: `recovery` */
	EVENT_SESSION_CLOSE,   /* an operator closes a session: `session` */
	EVENT_RESTART,	       /* an operator wants the workers of `pool` replaced, one by one */
	EVENT_RESIZE,	       /* an operator gives `pool` other limits: `size` */
	EVENT_DRAIN,	       /* an operator takes `pool` out of service: it takes nothing new */
	EVENT_RESUME,	       /* and puts it back */
	EVENT_KILL,	       /* an operator ends the worker, with `signal` first */
	EVENT_TIMER,	       /* the deadline has come */
	EVENT_STOP /* drain, then end everything; a second one does not wait any longer */
};

struct engine_event {
	enum event_type type;
	usec_t now;	  /* above 0, and never earlier than that of the event before */
	uint32_t request; /* SUBMIT, CANCEL */
	uint32_t pool;	  /* RESTART, RESIZE, DRAIN, RESUME */
	uint32_t worker;  /* WORKER_*, SEND_FAILED, SPAWN_FAILED, PRESSURE, KILL */
	uint32_t life;	  /* the same: an event of another life is ignored */
	uint32_t id;	  /* WORKER_BEGAN, _CHUNK, _ANSWERED, SEND_FAILED */
	union {
		struct {
			uint32_t pool;
			enum priority priority;
			bool is_idempotent;
			bool no_fallback;      /* no other pool of the chain may answer */
			bool is_stream;	       /* parts of the answer may come before it */
			bool is_restartable;   /* and may begin anew */
			bool session_exists;   /* don't open a session for it */
			uint32_t max_attempts; /* at least 1 */
			uint32_t skip; /* levels of the chain that don't know the method, as a mask
					*/
			uint64_t bytes;
			usec_t timeout;
			struct bytes method;  /* for a breaker of its own; this and `key` stay
						 the caller's as long as the request is open */
			struct bytes key;     /* empty: none; at most NAME_LEN_MAX bytes */
			struct bytes session; /* the same */
		} submit;
		bool is_gone;
		struct {
			unsigned concurrency;
			bool announces;
			bool batches;
		} ready;
		struct {
			enum errcode code;  /* ERR_NONE: a result */
			uint64_t bytes;	    /* of the result */
			bool has_state;	    /* it handed the session's state back: */
			uint64_t state;	    /* so many bytes; 0: there is none any more */
			bool has_retryable; /* whether it is retryable: */
			bool is_retryable;
			bool is_fatal;	   /* the worker says that it is broken */
			bool has_severity; /* how grave it is: */
			enum errseverity severity;
			usec_t retry_after; /* USEC_INFINITY: not said */
		} answer;
		enum errcode code; /* WORKER_BROKE: peer_closed, decode_error, protocol_violation,
				      response_too_large.  SEND_FAILED: encode_error.
				      SPAWN_FAILED: spawn_failed, connect_failed,
				      process_limit, memory_limit */
		struct {
			bool is_signalled;  /* ended by a signal that the daemon did not send */
			bool is_unusable;   /* exit status 78: starting it again is of no use */
			bool is_connection; /* no process, but a connection that has ended */
		} exit;
		struct {
			uint32_t pool;
			enum breaker_state state; /* one of BREAKER_MANUAL */
			struct bytes method;	  /* empty: the pool's own */
			uint32_t uid;
			int32_t pid;
		} manual;
		uint64_t recovery;
		struct bytes session;
		struct {
			unsigned min;
			unsigned max;
		} size;
		int signal;
		uint64_t memory;
	};
};

enum effect_type {
	EFFECT_SEND = 0, /* send `request` to `worker` as message `id`; `attempt` counts from 1 */
	EFFECT_CANCEL,	 /* ask `worker` to give up message `id` */
	EFFECT_PING,	 /* send a health check as message `id` */
	EFFECT_CHUNK,	 /* hand the part that EVENT_WORKER_CHUNK brought just now to the client of
			    `request` */
	EFFECT_RESTART,	 /* notify the client of `request` that the parts so far are void */
	EFFECT_RESULT,	 /* answer `request`: `result` says with what */
	EFFECT_RETRY,	 /* an attempt of `request` failed by `failure` and the request goes on in
			    `pool` at the soonest after `failed.delay` */
	EFFECT_ERROR,	 /* answer `request` with `failed.failure` */
	EFFECT_DROP,	 /* `request` is over, nobody waits for an answer */
	EFFECT_FORGET,	 /* the answer kept for `key` is not needed any more */
	EFFECT_SPAWN,	 /* start a process for `worker`, life `life`, of `pool` */
	EFFECT_SHUTDOWN, /* ask `worker` to finish and exit */
	EFFECT_CLOSE,	 /* close the channel of `worker`: nothing it says from now on counts */
	EFFECT_SIGNAL,	 /* send `signal` to the process group of `worker`, because of `cause` */
	EFFECT_HEALTH,	 /* `pool` went from health `was` to health `is` */
	EFFECT_BREAKER,	 /* a breaker of `pool` changed: `breaker` */
	EFFECT_LEVEL,	 /* requests to `pool` start at another level of its chain: `level` */
	EFFECT_RECOVERY, /* a recovery began or ended: `recovery` */
	EFFECT_SESSION,	 /* of `session`: `reason` */
	EFFECT_SLOW,	 /* an attempt of `request` has been running at `worker` for `ran` */
	EFFECT_ROLL,	 /* the rolling restart of `pool` began, went on or ended: `roll` */
	EFFECT_INCIDENT, /* something failed that is no request's: `incident`, of `worker` unless it
			    is NO_WORKER */
	EFFECT_DONE,   /* the verdict on EVENT_BREAKER, _RECOVERY_CANCEL, _SESSION_CLOSE, _RESTART,
			  _RESIZE, _DRAIN, _RESUME or _KILL: `code` */
	EFFECT_STOPPED /* after EVENT_STOP: no request and no worker is left */
};

enum result_source {
	RESULT_WORKER = 0, /* the result that EVENT_WORKER_ANSWERED brought just now */
	RESULT_STATIC,	   /* the canned one of `pool` */
	RESULT_STORED	   /* the one kept for the key */
};

#define NO_SLOT UINT32_MAX

struct effect {
	enum effect_type type;
	uint32_t pool;
	uint32_t request;
	uint32_t worker; /* NO_SLOT: none */
	uint32_t life;
	union {
		struct {
			uint32_t id;
			uint32_t attempt;
			usec_t deadline;
			enum priority priority;
			uint32_t session; /* NO_SLOT: none */
			bool is_stream;
		} send; /* SEND; CANCEL and PING use id alone */
		struct {
			enum result_source source;
			unsigned level; /* of the chain; above 0 the answer is a degraded one */
			uint32_t
				key; /* KEPT: whose answer; else: keep the answer for it; NO_SLOT */
			uint32_t session;    /* its state is the one just handed back; NO_SLOT */
			bool has_lost_state; /* report: what a worker kept for its session is gone
					   */
		} result;
		struct {
			struct failure failure;
			enum errseverity severity;
			enum errstrategy strategy;
			bool has_worker; /* `worker` had it */
			usec_t delay;	 /* RETRY */
			uint32_t from;	 /* RETRY: the pool where it failed */
		} failed;		 /* ERROR, RETRY */
		struct {
			int signal;
			enum worker_cause cause;
		} kill; /* SIGNAL, SHUTDOWN, CLOSE (signal 0) */
		struct {
			enum pool_health was;
			enum pool_health is;
		} health;
		struct {
			struct breaker_change change;
			uint32_t circuit; /* its number in the pool */
		} breaker;
		struct {
			unsigned from;
			unsigned to;
			enum errcode reason; /* why it left; ERR_NONE on the way back */
		} level;
		struct {
			uint64_t id;
			enum errcode cause;
			enum errstrategy strategy;
			bool has_begun;
			enum recovery_result result; /* when it has not just begun */
			usec_t duration;
		} recovery;
		struct {
			uint32_t session;
			bool has_begun; /* the session was opened just now */
			enum session_reason reason;
		} session; /* notify `worker` (unless NO_SLOT) of all reasons but LOST */
		enum errcode incident;
		usec_t ran;	   /* SLOW */
		struct roll roll;  /* ROLL */
		enum errcode code; /* DONE; ERR_NONE: it was done */
		uint32_t key;	   /* FORGET */
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

/* Pools are numbered from 0; the slots of workers are counted through all pools. */
uint32_t engine_pool_count(const struct engine *engine);
uint32_t engine_worker_count(const struct engine *engine);
bool engine_stopping(const struct engine *engine);
/* Requests that are not answered yet. */
uint32_t engine_open_requests(const struct engine *engine);
/* The pool at that level of the chain that `pool` heads; level 0 is the pool itself. */
uint32_t engine_chain_pool(const struct engine *engine, uint32_t pool, unsigned level);

#endif
