/*
 * The engine: it makes all of poold's decisions, as one state machine without I/O.
 *
 * The caller passes events, each with the time when it happened.  The engine returns effects, which
 * the caller carries out in order and before the next event, and one deadline, at which EVENT_TIMER
 * is due.  The engine reads no clock, makes no system call, allocates nothing after engine_init and
 * never sees a payload: requests, workers, sessions and keys are slot numbers shared with the
 * caller.
 *
 * Ownership of a request's slot: the caller chooses a free slot (below requests_max) for
 * EVENT_SUBMIT.  The slot belongs to the engine until exactly one effect EFFECT_RESULT,
 * EFFECT_ERROR or EFFECT_DROP for it; then it is the caller's again.
 *
 * The caller stores these bytes for the engine: a session's state, by the session's slot, from the
 * EFFECT_RESULT or EFFECT_STORE that commits it to the EFFECT_SESSION that ends the session; a key's
 * answer, by the key's slot, from the EFFECT_RESULT or EFFECT_STORE that stores it to EFFECT_FORGET.
 */
#ifndef POOLD_CORE_ENGINE_H
#define POOLD_CORE_ENGINE_H

#include "daemon/core/outcome_code.h"
#include "daemon/core/recovery.h"
#include "daemon/core/settings.h"

struct engine;

enum event_type {
	EVENT_SUBMIT = 0,      /* a client sends a request: `submit` */
	EVENT_CANCEL,	       /* its client cancels `request`; `is_gone`: it has disconnected */
	EVENT_HOLD,	       /* its client has too much unread, or no more: `is_held`; while it is
				  held, `request` is sent to no worker */
	EVENT_WORKER_READY,    /* the worker accepts requests: `ready` */
	EVENT_WORKER_BEGAN,    /* the worker reports that it begins attempt `id` */
	EVENT_WORKER_ALIVE,    /* the worker sent a sign of life, and nothing else */
	EVENT_WORKER_CHUNK,    /* the worker sent a part of the answer to attempt `id` */
	EVENT_WORKER_HELD,     /* the client does not read the parts of attempt `id`, so the worker
				  may send no more of them (`is_held`), or it may again */
	EVENT_WORKER_ANSWERED, /* the worker answered attempt `id`: `answer` */
	EVENT_SEND_FAILED,   /* EFFECT_SEND of attempt `id` failed, and the worker received nothing
				of it: `code` says why */
	EVENT_WORKER_BROKE,  /* its channel is broken: `code` says how; the process may still be
				alive */
	EVENT_WORKER_EXITED, /* its process has ended: `exit` */
	EVENT_SPAWN_FAILED,  /* EFFECT_SPAWN failed: `code` says why */
	EVENT_PRESSURE,	     /* memory is low; of the idle workers this one uses the most */
	EVENT_WORKER_MEMORY, /* the worker uses `memory.bytes` */
	EVENT_BREAKER,	     /* an operator changes a breaker: `manual` */
	EVENT_RECOVERY_CANCEL, /* an operator ends a recovery: `recovery` */
	EVENT_SESSION_CLOSE,   /* somebody closes a session: `close` */
	EVENT_RESTART,	       /* an operator starts a rolling restart of `pool` */
	EVENT_RESIZE,	       /* an operator changes the size limits of `pool`: `size` */
	EVENT_DRAIN,	       /* an operator drains `pool`: it accepts no new requests */
	EVENT_RESUME,	       /* an operator ends the drain of `pool` */
	EVENT_KILL,	       /* an operator ends the worker; `signal` is sent first */
	EVENT_TIMER,	       /* engine_deadline is reached */
	EVENT_STALL,	       /* the caller stood still for `stall`, until `now`, and what came in
				  that time follows; no limit on workers counts that time */
	EVENT_STOP	       /* drain, then stop; a second one stops without waiting */
};

struct engine_event {
	enum event_type type;
	usec_t now;	  /* above 0, and never earlier than in the last event */
	uint32_t request; /* SUBMIT, CANCEL, HOLD */
	uint32_t pool;	  /* RESTART, RESIZE, DRAIN, RESUME */
	uint32_t worker;  /* WORKER_*, SEND_FAILED, SPAWN_FAILED, PRESSURE, KILL */
	uint32_t life;	  /* of the worker: an event of another life is ignored */
	uint32_t id;	  /* WORKER_BEGAN, _CHUNK, _HELD, _ANSWERED, SEND_FAILED; WORKER_BROKE by
			     response_too_large: whose answer it was, 0: unknown */
	uint64_t page; /* WORKER_CHUNK, _ANSWERED, and _EXITED: what stands in the page of a worker
			     that was `pages` when it was ready.  Read after the message, or when the
			     process has ended and all its messages were read */
	union {
		struct {
			uint32_t pool;
			uint32_t client; /* those of different clients take turns */
			uint32_t user; /* the uid of who asks: its session and key are this user's,
					    and the limits for each user count it */
			enum priority priority;
			bool is_idempotent;
			bool no_fallback;      /* no other pool of the chain is accepted */
			bool is_stream;	       /* the answer may come in parts */
			bool is_restartable;   /* the parts may start over after a retry */
			bool session_exists;   /* do not open a new session */
			bool is_held;	       /* as by EVENT_HOLD */
			uint32_t max_attempts; /* at least 1 */
			uint32_t skip;	       /* bit mask of chain levels that lack the method */
			uint64_t bytes;
			usec_t timeout;
			struct bytes method;  /* selects the breaker; the caller keeps these bytes
						 and those of `key` until the answer */
			struct bytes key;     /* empty: none; at most NAME_LEN_MAX bytes */
			struct bytes session; /* the same */
		} submit;
		bool is_gone;
		bool is_held;	 /* HOLD, WORKER_HELD */
		bool is_dropped; /* WORKER_CHUNK: there was no memory for the part */
		struct {
			unsigned concurrency;
			bool announces;
			bool batches;
			bool recalls;	 /* it can give back what it has not begun */
			bool pages;	 /* it has a page, and stores there what it begins */
			uint64_t memory; /* that the worker uses now; 0: unknown */
		} ready;
		struct {
			enum errcode code;  /* ERR_NONE: a result */
			uint64_t bytes;	    /* of the result */
			bool is_dropped;    /* there was no memory for it; `code` is unknown */
			bool has_state;	    /* the worker returned the session's state */
			uint64_t state;	    /* its size in bytes; 0: the state is deleted */
			bool has_retryable; /* the worker sent is_retryable */
			bool is_retryable;
			bool is_fatal;	   /* the worker reports that it cannot go on */
			bool has_severity; /* the worker sent `severity` */
			enum errseverity severity;
			usec_t retry_after; /* USEC_INFINITY: not sent */
			/* No answer: as EFFECT_RECALL asked, the worker gives the request back,
			 * which it has not begun and never will.  Nothing else is read. */
			bool is_recalled;
		} answer;
		enum errcode code; /* WORKER_BROKE: peer_closed, decode_error, protocol_violation,
				      response_too_large, memory_limit.  SEND_FAILED: encode_error,
				      memory_limit.  SPAWN_FAILED: spawn_failed, connect_failed,
				      process_limit, memory_limit */
		struct {
			bool is_signalled;  /* ended by a signal that the daemon did not send */
			bool is_unusable;   /* exit status 78: do not start it again */
			bool is_connection; /* a connection ended, not a process */
		} exit;
		struct {
			uint32_t pool;
			enum breaker_state state; /* one of BREAKER_MANUAL */
			struct bytes method;	  /* empty: the pool's breaker */
			uint32_t uid;
			int32_t pid;
		} manual;
		uint64_t recovery;
		struct {
			struct bytes session;
			uint32_t user; /* whose session it is */
		} close;
		struct {
			unsigned min;
			unsigned max;
		} size;
		int signal;
		struct {
			uint64_t bytes;
			bool is_start; /* this is what it needs to work at all */
		} memory;
		usec_t stall;
	};
};

enum effect_type {
	EFFECT_SEND = 0, /* send `request` to `worker` as message `id`; `attempt` counts from 1 */
	EFFECT_CANCEL,	 /* ask `worker` to cancel message `id` */
	EFFECT_RECALL, /* ask `worker`, which recalls, to give back message `id` unless it has begun
			    it; at most once for each attempt, which stays there until it is answered */
	EFFECT_PING,   /* send a health check as message `id` */
	EFFECT_CHUNK,  /* send the part of the current EVENT_WORKER_CHUNK to the client of
			    `request` */
	EFFECT_RESTART,	 /* notify the client of `request` that the parts so far are invalid */
	EFFECT_RESULT,	 /* answer `request` with `result` */
	EFFECT_RETRY,	 /* an attempt of `request` failed with `failed.failure`; the request goes
			    on in `pool`, not before `failed.delay` has passed */
	EFFECT_ERROR,	 /* answer `request` with `failed.failure` */
	EFFECT_DROP,	 /* `request` has ended without an answer, as its client is gone;
			    `worker` had it last */
	EFFECT_STORE,	 /* `worker` has answered a request that gave up on it, and that has a key
			    or a session: store of the current EVENT_WORKER_ANSWERED what `store`
			    says */
	EFFECT_FORGET,	 /* delete the answer stored for `key` */
	EFFECT_SPAWN,	 /* start a process for `worker`, life `life`, of `pool` */
	EFFECT_SHUTDOWN, /* ask `worker` to finish and exit */
	EFFECT_CLOSE,	 /* close the channel of `worker`; ignore what it sends after this */
	EFFECT_SIGNAL,	 /* send `signal` to the process group of `worker`, because of `cause` */
	EFFECT_HEALTH,	 /* the health of `pool` changed: `health` */
	EFFECT_BREAKER,	 /* a breaker of `pool` changed: `breaker` */
	EFFECT_LEVEL,	 /* requests to `pool` now start at another chain level: `level` */
	EFFECT_RECOVERY, /* a recovery began or ended: `recovery` */
	EFFECT_SESSION,	 /* a session began, ended, moved or lost state: `session` */
	EFFECT_SLOW,	 /* an attempt of `request` has been running at `worker` for `ran` */
	EFFECT_ROLL,	 /* the rolling restart of `pool` began, advanced or ended: `roll` */
	EFFECT_NAMESAKE, /* the new session or key of `request` has the name of another user's:
			    `namesake` */
	EFFECT_INCIDENT, /* a failure that belongs to no request: `incident`, at `worker` unless
			    that is NO_SLOT */
	EFFECT_DONE,	 /* the result of EVENT_BREAKER, _RECOVERY_CANCEL, _SESSION_CLOSE, _RESTART,
			  _RESIZE, _DRAIN, _RESUME or _KILL: `code` */
	EFFECT_STOPPED	 /* after EVENT_STOP: no request and no worker is left */
};

enum result_source {
	RESULT_WORKER = 0, /* the result of the current EVENT_WORKER_ANSWERED */
	RESULT_STATIC,	   /* the static answer of `pool` */
	RESULT_STORED	   /* the answer stored for the key */
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
		} send; /* SEND; CANCEL, RECALL and PING use id alone */
		struct {
			enum result_source source;
			unsigned level;	  /* of the chain; above 0: a degraded answer */
			uint32_t key;	  /* STORED: send its answer; else: store the answer for it;
					   NO_SLOT: none */
			uint32_t session; /* store the state just returned; NO_SLOT: none */
			bool has_lost_state; /* report: state that a worker kept is lost */
			struct outcome_code outcome;
		} result;
		struct {
			uint32_t key;	  /* for which the answer is stored; NO_SLOT: none */
			uint32_t session; /* for which the state is stored; NO_SLOT: none */
		} store;
		struct {
			struct failure failure;
			enum errseverity severity;
			enum errstrategy strategy;
			bool has_worker;	     /* it was sent to `worker` */
			usec_t delay;		     /* RETRY */
			uint32_t from;		     /* RETRY: the pool where the attempt failed */
			struct outcome_code outcome; /* ERROR */
		} failed;			     /* ERROR, RETRY */
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
			enum errcode reason; /* why it left its level; ERR_NONE: it returns */
		} level;
		struct {
			uint64_t id;
			enum errcode cause;
			enum errstrategy strategy;
			bool has_begun;
			enum recovery_result result; /* if it has ended (!has_begun) */
			usec_t duration;
		} recovery;
		struct {
			uint32_t session;
			bool has_begun; /* the session was just opened */
			enum session_reason reason;
		} session; /* notify `worker`, unless it is NO_SLOT, except for LOST */
		struct {
			uint32_t user; /* whose the other one is */
			bool is_key;   /* of `pool`; else a session */
		} namesake;
		enum errcode incident;
		struct outcome_code outcome; /* DROP */
		usec_t ran;		     /* SLOW */
		struct roll roll;	     /* ROLL */
		enum errcode code;	     /* DONE; ERR_NONE: success */
		uint32_t key;		     /* FORGET */
	};
};

/* How many bytes of memory, aligned as by malloc, an engine with these settings needs. */
size_t engine_size(const struct engine_settings *settings);

/*
 * Makes an engine in `memory`: engine_size bytes, which the caller owns and frees after use.  The
 * engine starts its workers at once: call engine_next_effect next.
 */
struct engine *engine_init(void *memory, const struct engine_settings *settings, usec_t now);

/* Processes one event.  The caller has taken all effects of the last event. */
void engine_step(struct engine *engine, const struct engine_event *event);

/* Takes the next effect; NULL if there is none.  It is valid until the next event. */
const struct effect *engine_next_effect(struct engine *engine);

/* When EVENT_TIMER is due, or USEC_INFINITY.  It is meant to be asked for after many events, as a turn
 * of the caller's loop may have: what they changed for a worker is looked at only here, together. */
usec_t engine_deadline(struct engine *engine);

/* Pools are numbered from 0; worker slots are numbered across all pools. */
uint32_t engine_pool_count(const struct engine *engine);
uint32_t engine_worker_count(const struct engine *engine);
bool engine_stopping(const struct engine *engine);
/* The number of requests that are not answered yet. */
uint32_t engine_open_requests(const struct engine *engine);
/* The pool at a level of the chain whose head is `pool`; level 0 is the pool itself. */
uint32_t engine_chain_pool(const struct engine *engine, uint32_t pool, unsigned level);

#endif
