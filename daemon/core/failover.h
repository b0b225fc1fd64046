/*
 * Failover of a pool's requests to its fallbacks, and the return: it decides whether the next
 * request goes to the pool itself (level 0) or starts at a fallback.
 *
 * When the pool cannot serve, all requests start at a fallback at once.  When it can serve again,
 * they return after a dwell time and in steps: 10, 25, 50 and then 100 percent.  So requests do not
 * move to and fro with a pool that fails repeatedly, and a recovered pool does not get the full
 * load at once.  The shares are exact, not random: of every hundred requests that many go home.
 */
#ifndef POOLD_CORE_FAILOVER_H
#define POOLD_CORE_FAILOVER_H

#include "protocol/base.h"

/* Maximum number of pools in a chain, the first one included. */
#define FAILOVER_LEVELS_MAX 9

/* STATE(NAME, "name", states that may follow as a mask, sentence) */
#define FAILOVER_STATES(STATE)                                                                     \
	STATE(HOME, "home", 1u << FAILOVER_AWAY, "all requests go to the pool itself")             \
	STATE(AWAY, "away", 1u << FAILOVER_RETURNING | 1u << FAILOVER_HOME,                        \
	      "requests start further down the chain; only probes go to the pool")                 \
	STATE(RETURNING, "returning", 1u << FAILOVER_AWAY | 1u << FAILOVER_HOME,                   \
	      "a growing share goes to the pool again")

enum failover_state {
#define STATE(name, word, next, text) FAILOVER_##name,
	FAILOVER_STATES(STATE)
#undef STATE
	FAILOVER_STATE_COUNT_
};

struct failover_settings {
	usec_t dwell; /* from leaving the pool to the first step of the return */
	usec_t step;  /* duration of each step */
};

struct failover {
	struct failover_settings settings;
	enum failover_state state;
	bool is_able; /* the pool can serve, as last set by failover_set_able */
	usec_t left;  /* when the requests left it */
	usec_t since; /* when the state, or the step of the return, began */
	unsigned step;
	unsigned credit; /* percent so far; at 100 the next request goes home */
	unsigned level;	 /* level at which requests start; set by the caller */
};

const char *failover_state_name(enum failover_state state);
/* Whether FAILOVER_STATES allows the transition. */
bool failover_may_move(enum failover_state from, enum failover_state to);

void failover_init(struct failover *failover, const struct failover_settings *settings, usec_t now);

/* Sets whether the pool can serve all its requests now.  A change that is due by `now` is made
 * first. */
void failover_set_able(struct failover *failover, bool able, usec_t now);

/* Whether the next request goes to the pool itself.  Counts the request for the share. */
bool failover_takes(struct failover *failover, usec_t now);

/* The percentage of requests that go to the pool itself. */
unsigned failover_share(const struct failover *failover);

/* When the next change of state or step is due, or USEC_INFINITY. */
usec_t failover_deadline(const struct failover *failover);

/* Makes the change that is due at failover_deadline.  Does nothing before it. */
void failover_tick(struct failover *failover, usec_t now);

#endif
