/*
 * Sessions: requests that belong together.  One at a time of them is worked on, in the order they
 * came; the state that a worker handed back goes to whichever worker serves next.
 *
 * A session is bound to one life of a worker, never to a slot: a new process under the same number
 * is not the same worker.  It expires when it was not used for the time to live; what has expired
 * or was closed leaves a tombstone for as long again, so that its name is not taken for a new one.
 * Whether a session has expired is a matter of the time alone, not of who looked first.
 *
 * The state's bytes are the caller's: here only their number is known.
 */
#ifndef POOLD_CORE_SESSION_H
#define POOLD_CORE_SESSION_H

#include "daemon/core/names.h"
#include "daemon/core/request.h"

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

/* REASON(NAME, "name", text): why a worker is to drop what it keeps for a session. */
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

/* AFFINITY(NAME, "name", sentence): which worker a pool gives a session's requests to. */
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
	uint32_t max; /* open at once; at least 1 */
	usec_t ttl;
	uint64_t state_max; /* bytes of one state */
	uint64_t bytes_max; /* of all */
};

struct session {
	struct name name;
	enum session_state state;
	enum session_reason reason; /* while ENDED */
	usec_t created;
	usec_t used;	/* when a request of it came or ended last; while ENDED: when it did */
	bool is_bound;	/* to this life of this worker */
	bool was_bound; /* the same, also when that life is over */
	bool has_handed_back; /* that worker has handed its state back since */
	bool is_closing;      /* it ends when its last request has */
	bool has_lost_state;  /* to be reported with the next answer */
	uint32_t pool;
	uint32_t worker;
	uint32_t life;
	uint64_t state_bytes;
	uint64_t served;
	struct request *turn; /* the one that is worked on */
	struct list waiting;  /* the others, in their order */
	struct list_node in_list;
};

struct sessions {
	struct session_settings settings;
	struct session *slots; /* sessions_slots() of them */
	struct names names;
	struct list spare;
	struct list idle; /* open ones without a request, the longest unused first */
	struct list busy; /* open ones with one */
	struct list ended;
	uint64_t bytes;
};

const char *session_reason_name(enum session_reason reason);
const char *session_affinity_name(enum session_affinity affinity);
/* Whether the table has an edge from one state to another. */
bool session_may_move(enum session_state from, enum session_state to);

/* How many slots a table of these settings has: open ones, and as many tombstones. */
uint32_t sessions_slots(const struct session_settings *settings);

void sessions_init(struct sessions *sessions, const struct session_settings *settings,
		   struct session *slots, struct name **buckets, uint32_t bucket_count,
		   uint64_t seed);

/*
 * The session of that name, for use now.  Returns ERR_NONE and the session; session_expired for a
 * tombstone of one that expired or was evicted; session_not_found for one that was closed, or where
 * there is none.
 */
enum errcode sessions_find(struct sessions *sessions, struct bytes text, usec_t now,
			   struct session **ret);

/* Whether sessions_open finds a place: with `ret_victim` NULL or the idle one that must end first.
 * False: all that are open are in use. */
bool sessions_make_room(const struct sessions *sessions, struct session **ret_victim);

/* A new open session; the name is in no slot, and there is room. */
struct session *sessions_open(struct sessions *sessions, struct bytes text, usec_t now);

/* Ends an open session without requests; its state counts no more. */
void sessions_end(struct sessions *sessions, struct session *session, enum session_reason reason,
		  usec_t now);

/* The request takes the session's turn, or (false) waits for it. */
bool session_enter(struct sessions *sessions, struct session *session, struct request *request,
		   usec_t now);

/* The request is over, whether it had the turn or waited.  Returns the request whose turn it is
 * now, or NULL. */
struct request *session_leave(struct sessions *sessions, struct session *session,
			      struct request *request, usec_t now);

/* Its request succeeded at this life of this worker, which handed state back or did not. */
void session_bind(struct session *session, uint32_t pool, uint32_t worker, uint32_t life,
		  bool handed);

/* Whether it is bound to this life. */
bool session_is_at(const struct session *session, uint32_t worker, uint32_t life);

/* The life it was bound to is over. */
void session_unbind(struct session *session);

/* Whether a state of `bytes` fits the limit of all sessions' states. */
bool sessions_fits(const struct sessions *sessions, const struct session *session, uint64_t bytes);
/* It does: it is the session's state from now on. */
void sessions_set_state(struct sessions *sessions, struct session *session, uint64_t bytes);

/* The next idle one that has expired by `now`, or NULL: the caller ends it. */
struct session *sessions_expired(const struct sessions *sessions, usec_t now);

/* Drops the tombstones whose time is over. */
void sessions_sweep(struct sessions *sessions, usec_t now);

/* When one expires, or a tombstone does; or USEC_INFINITY. */
usec_t sessions_deadline(const struct sessions *sessions);

#endif
