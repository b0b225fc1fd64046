/*
 * Idempotency keys: a request with a key succeeds at most once within the key's lifetime.
 *
 * A key belongs to the pool and to the user that gave it: the same key of another user is another
 * one, unless the pool's keys are shared (then the caller gives 0 for every user).
 *
 * Of the requests with the same key for the same pool, the first one is the leader; the others wait
 * for it.  A run that its leader has given up holds the key until it ends, and no other one begins
 * before that.  When the leader, or such a run, succeeds, its answer is stored (by the caller; this
 * file knows only its size), and every request with the key gets this answer until the lifetime,
 * which begins with the success, is over.  A stored answer is never removed early to make room: if
 * the table is full, new keys are refused.  If there is no room for the bytes of an answer, the key
 * becomes RESULT_LOST: the request succeeded and does not run again, but its answer cannot be
 * repeated.
 */
#ifndef POOLD_CORE_KEY_H
#define POOLD_CORE_KEY_H

#include "daemon/core/names.h"
#include "daemon/core/waiting.h"

/* STATE(NAME, "name", states that may follow as a mask, sentence) */
#define KEY_STATES(STATE)                                                                          \
	STATE(FREE, "free", 1u << KEY_IN_PROGRESS, "the slot holds no key")                        \
	STATE(IN_PROGRESS, "in_progress",                                                          \
	      1u << KEY_FREE | 1u << KEY_STORED | 1u << KEY_RESULT_LOST,                           \
	      "a request of it is worked on")                                                      \
	STATE(STORED, "stored", 1u << KEY_FREE, "it succeeded, and its answer is kept")            \
	STATE(RESULT_LOST, "result_lost", 1u << KEY_FREE,                                          \
	      "it succeeded, and its answer could not be kept")

enum key_state {
#define STATE(name, word, next, text) KEY_##name,
	KEY_STATES(STATE)
#undef STATE
	KEY_STATE_COUNT_
};

struct key_settings {
	uint32_t max;
	usec_t ttl;
	uint64_t bytes_max; /* limit of all stored answers together, bytes */
};

struct key {
	struct name name; /* its scope is the pool; its user is 0 where the keys are shared */
	enum key_state state;
	struct request *leader; /* while IN_PROGRESS; NULL: only a run holds the key */
	struct attempt *run;	/* it was given up, may still run, and holds the key; or NULL */
	bool outcome_unknown;	/* while IN_PROGRESS: an earlier leader may have succeeded */
	enum errcode failed_by; /* the error of the last leader that failed */
	struct waiting waiting; /* requests that wait for the leader */
	uint64_t bytes;
	usec_t succeeded;
	struct list_node in_list;
};

struct keys {
	struct key_settings settings;
	struct key *slots; /* settings.max of them */
	struct names names;
	struct list spare;
	struct list in_progress;
	struct list completed; /* STORED and RESULT_LOST keys, the oldest success first */
	uint64_t bytes;
};

bool key_may_move(enum key_state from, enum key_state to);

void keys_init(struct keys *keys, const struct key_settings *settings, struct key *slots,
	       struct name **buckets, uint32_t bucket_count, uint64_t seed);

/* The user's key of that name in the pool; NULL if there is none, or if its lifetime is over at
 * `now`. */
struct key *keys_find(const struct keys *keys, uint32_t pool, uint32_t user, struct bytes text,
		      usec_t now);

/* Whether another user has a key of that name in the pool.  True: `ret_user` is that user. */
bool keys_has_namesake(const struct keys *keys, uint32_t pool, uint32_t user, struct bytes text,
		       uint32_t *ret_user);

/* Adds a key with this leader.  Returns NULL if all slots are in use.  The name must not be in the
 * table: the caller has dropped all keys that keys_expired returns. */
struct key *keys_lead(struct keys *keys, uint32_t pool, uint32_t user, struct bytes text,
		      struct request *leader);

/* Adds the request to those that wait for the leader, or removes it from them. */
void key_wait(struct key *key, struct request *request);
void key_leave(struct key *key, struct request *request);

/* Makes the first waiting request the leader and returns it; NULL if none waits. */
struct request *key_promote(struct key *key);

/* The leader, or a run that held the key, succeeded with an answer of `bytes`.  True: the key is
 * STORED; the caller must keep the answer.  False: there is no room, and the key is RESULT_LOST. */
bool keys_succeed(struct keys *keys, struct key *key, uint64_t bytes, usec_t now);

/* The leader, or a run that held the key, succeeded, but its answer is lost: the key is
 * RESULT_LOST. */
void keys_lose(struct keys *keys, struct key *key, usec_t now);

/* Frees the key, as the leader failed or the lifetime is over.  No request waits. */
void keys_drop(struct keys *keys, struct key *key);

/* A key whose lifetime is over, or NULL.  The caller drops it. */
struct key *keys_expired(const struct keys *keys, usec_t now);

/* When the next key's lifetime is over, or USEC_INFINITY. */
usec_t keys_deadline(const struct keys *keys);

#endif
