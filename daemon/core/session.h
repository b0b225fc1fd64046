/*
 * Sessions: requests that belong together.  They are processed one at a time, in the order in which
 * they came.  A run that its request has given up holds the session until it ends, so that the next
 * request begins after it.  The state that a worker returned is sent to the worker that serves the
 * next request.
 *
 * A session is bound to one life of a worker, not to its slot: a new process in the same slot is
 * another worker.  A session expires when it has not been used for its time to live.  An expired,
 * evicted or closed session leaves a tombstone for the same time, so that its name does not open a
 * new session.  Expiry depends on the time alone, not on when somebody looks the session up.
 *
 * A session belongs to the user that opened it: the same name of another user is another session,
 * unless the settings say that sessions are shared.
 *
 * The caller keeps the bytes of the state; this file knows only how many there are.
 */
#ifndef POOLD_CORE_SESSION_H
#define POOLD_CORE_SESSION_H

#include "daemon/core/names.h"
#include "daemon/core/waiting.h"

/* STATE(NAME, "name", states that may follow as a mask, sentence) */
#define SESSION_STATES(STATE)                                                                      \
	STATE(FREE, "free", 1u << SESSION_OPEN, "the slot holds no session")                       \
	STATE(OPEN, "open", 1u << SESSION_ENDED, "may be used")                                    \
	STATE(ENDED, "ended", 1u << SESSION_FREE,                                                  \
	      "a tombstone: the name is not to be used again yet")

enum session_state {
#define STATE(name, word, next, text) SESSION_##name,
	SESSION_STATES(STATE)
#undef STATE
	SESSION_STATE_COUNT_
};

/* REASON(NAME, "name", text): why a worker must drop what it keeps for a session. */
#define SESSION_REASONS(REASON)                                                                    \
	REASON(CLOSED, "closed", "somebody closed it")                                             \
	REASON(EXPIRED, "expired", "it was not used for its time to live")                         \
	REASON(EVICTED, "evicted", "it was the oldest idle one when there was no room")            \
	REASON(MOVED, "moved", "it goes on at another worker")                                     \
	REASON(LOST, "lost", "its worker is gone, with state that it had not handed back")

enum session_reason {
#define REASON(name, word, text) SESSION_##name,
	SESSION_REASONS(REASON)
#undef REASON
	SESSION_REASON_COUNT_
};

/* AFFINITY(NAME, "name", sentence): to which worker a pool sends the requests of a session. */
#define SESSION_AFFINITIES(AFFINITY)                                                               \
	AFFINITY(HINT, "hint", "the same worker if it is free, else another")                      \
	AFFINITY(QUEUE, "queue", "waits for the same worker as long as it lives")                  \
	AFFINITY(STRICT, "strict", "the same worker or none")

enum session_affinity {
#define AFFINITY(name, word, text) SESSION_##name,
	SESSION_AFFINITIES(AFFINITY)
#undef AFFINITY
	SESSION_AFFINITY_COUNT_
};

struct session_settings {
	uint32_t max; /* open sessions; at least 1 */
	usec_t ttl;
	uint64_t state_max; /* limit of one state, bytes */
	uint64_t bytes_max; /* limit of all states together, bytes */
	bool is_shared;	    /* all users have the same sessions */
};

struct session {
	struct name name; /* its user is 0 where sessions are shared */
	enum session_state state;
	enum session_reason reason; /* while ENDED */
	usec_t created;
	usec_t used;	      /* last arrival or end of a request; while ENDED: the end */
	bool is_bound;	      /* to `life` of `worker` */
	bool was_bound;	      /* the same, also after that life has ended */
	bool has_handed_back; /* that worker has returned the session's state */
	bool is_closing;      /* it ends with its last request */
	bool has_lost_state;  /* to be reported with the next answer */
	uint32_t pool;
	uint32_t worker;
	uint32_t life;
	uint64_t state_bytes;
	uint64_t served;
	struct request *turn;	/* the request being processed, or NULL */
	struct attempt *run;	/* it was given up, may still run, and holds the session; or NULL */
	struct waiting waiting; /* the other requests, in order of arrival */
	struct list_node in_list;
};

struct sessions {
	struct session_settings settings;
	struct session *slots; /* sessions_slots() of them */
	struct names names;
	struct list spare;
	struct list idle;  /* open, without requests; least recently used first */
	struct list busy;  /* open, with requests */
	struct list ended; /* tombstones, the oldest first */
	uint64_t bytes;
};

const char *session_reason_name(enum session_reason reason);
const char *session_affinity_name(enum session_affinity affinity);
/* Whether SESSION_STATES allows the transition. */
bool session_may_move(enum session_state from, enum session_state to);

/* The number of slots for these settings: for open sessions and their tombstones. */
uint32_t sessions_slots(const struct session_settings *settings);

void sessions_init(struct sessions *sessions, const struct session_settings *settings,
		   struct session *slots, struct name **buckets, uint32_t bucket_count,
		   uint64_t seed);

/*
 * Looks up the user's open session of that name.  Returns ERR_NONE and the session in `ret`;
 * ERR_session_expired if it has expired or was evicted; ERR_session_not_found if it was closed, is
 * closing or does not exist.
 */
enum errcode sessions_find(struct sessions *sessions, uint32_t user, struct bytes text, usec_t now,
			   struct session **ret);

/* Whether the user has a session of that name, or a tombstone of one. */
bool sessions_knows(const struct sessions *sessions, uint32_t user, struct bytes text);

/* Whether another user has one, and sessions are not shared.  True: `ret_user` is that user. */
bool sessions_has_namesake(const struct sessions *sessions, uint32_t user, struct bytes text,
			   uint32_t *ret_user);

/* Whether a session can be opened.  True: `ret_victim` is the idle session that must end first, or
 * NULL.  False: `max` sessions are open, and all of them have requests. */
bool sessions_make_room(const struct sessions *sessions, struct session **ret_victim);

/* Opens a session.  No slot has this name for the user, and sessions_make_room has found room. */
struct session *sessions_open(struct sessions *sessions, uint32_t user, struct bytes text,
			      usec_t now);

/* Ends an open session that has no requests; its state no longer counts in `bytes`. */
void sessions_end(struct sessions *sessions, struct session *session, enum session_reason reason,
		  usec_t now);

/* Adds a request.  True: it is the session's turn now.  False: it waits in the session's list. */
bool session_enter(struct sessions *sessions, struct session *session, struct request *request,
		   usec_t now);

/* Removes a request, whether it had the turn or waited.  Returns the request that gets the turn, or
 * NULL. */
struct request *session_leave(struct sessions *sessions, struct session *session,
			      struct request *request, usec_t now);

/* The run that held the session has ended.  Returns the request that gets the turn, or NULL. */
struct request *session_run_over(struct sessions *sessions, struct session *session, usec_t now);

/* Whether a request of the session is being processed, or a run holds it. */
bool session_is_busy(const struct session *session);

/* A request succeeded at `life` of `worker`: binds the session to it.  `handed`: the worker
 * returned the session's state. */
void session_bind(struct session *session, uint32_t pool, uint32_t worker, uint32_t life,
		  bool handed);

/* Whether the session is bound to `life` of `worker`. */
bool session_is_at(const struct session *session, uint32_t worker, uint32_t life);

/* Whether the worker that it is bound to may keep state that it has not returned. */
bool session_is_kept(const struct session *session);

/* The life it was bound to has ended: unbinds it, and notes whether state was lost. */
void session_unbind(struct session *session);

/* Whether a new state of `bytes` for the session fits into the limit of all states together. */
bool sessions_fits(const struct sessions *sessions, const struct session *session, uint64_t bytes);
/* Replaces the session's state by one of `bytes`, which fits. */
void sessions_set_state(struct sessions *sessions, struct session *session, uint64_t bytes);

/* An idle session that has expired by `now`, or NULL.  The caller ends it. */
struct session *sessions_expired(const struct sessions *sessions, usec_t now);

/* Frees the tombstones whose time is over. */
void sessions_sweep(struct sessions *sessions, usec_t now);

/* When the next session or tombstone expires, or USEC_INFINITY. */
usec_t sessions_deadline(const struct sessions *sessions);

#endif
