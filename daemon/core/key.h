/*
 * Idempotency keys: a request with a key runs at most once to success within the key's lifetime.
 *
 * Of requests with the same key for the same pool the first one leads, and the others wait for it.
 * When it succeeds its answer is kept (the bytes are the caller's, here only their number is
 * known), and whoever comes with the key gets it, until the lifetime is over, counted from the
 * success.  An answer is never given up early to make room: where there is none, new keys are
 * refused.  An answer for whose bytes there is no room leaves the key RESULT_LOST: the request
 * succeeded and will not run again, but its answer can't be given again.
 */
#ifndef POOLD_CORE_KEY_H
#define POOLD_CORE_KEY_H

#include "daemon/core/names.h"
#include "daemon/core/request.h"

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
	uint64_t bytes_max; /* of all kept answers */
};

struct key {
	struct name name; /* its scope is the pool */
	enum key_state state;
	struct request *leader;
	bool outcome_unknown; /* while IN_PROGRESS: a leader before this one may have succeeded */
	struct list waiting;  /* requests */
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
	struct list completed; /* STORED and RESULT_LOST, the oldest success first */
	uint64_t bytes;
};

bool key_may_move(enum key_state from, enum key_state to);

void keys_init(struct keys *keys, const struct key_settings *settings, struct key *slots,
	       struct name **buckets, uint32_t bucket_count, uint64_t seed);

/* The key as it is at this time, or NULL. */
struct key *keys_find(const struct keys *keys, uint32_t pool, struct bytes text, usec_t now);

/* A new key, led by the request; NULL when all are taken.  It is not in the table (or its lifetime
 * is over), and keys_expired has been asked for the one that is over. */
struct key *keys_lead(struct keys *keys, uint32_t pool, struct bytes text, struct request *leader);

/* The request waits for the leader's answer, or no longer. */
void key_wait(struct key *key, struct request *request);
void key_leave(struct key *key, struct request *request);

/* The first that waits, taken out, leads from now on; NULL: nobody waits. */
struct request *key_promote(struct key *key);

/* The leader succeeded with an answer of `bytes`: whether it is to be kept. */
bool keys_succeed(struct keys *keys, struct key *key, uint64_t bytes, usec_t now);

/* The leader failed, or the lifetime is over; nobody waits. */
void keys_drop(struct keys *keys, struct key *key);

/* The next whose lifetime is over, or NULL: the caller drops it. */
struct key *keys_expired(const struct keys *keys, usec_t now);

/* When the next lifetime is over, or USEC_INFINITY. */
usec_t keys_deadline(const struct keys *keys);

#endif
