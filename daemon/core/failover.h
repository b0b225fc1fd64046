/*
 * The way of a pool's requests down its chain and back: whether the next one goes to the pool
 * itself (level 0), or starts further down.
 *
 * When the pool can't serve, its requests leave it at once.  When it can again, they come back
 * after a dwell, and in steps: 10, 25, 50 and then 100 of a hundred, so that neither a pool that
 * fails again and again nor the whole load at once is a surprise to anybody.  The shares are exact
 * and not drawn: of every hundred requests so many go home.
 */
#ifndef POOLD_CORE_FAILOVER_H
#define POOLD_CORE_FAILOVER_H

#include "protocol/base.h"

/* Most pools in a chain, the first one included. */
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
	usec_t dwell; /* from leaving to the first step back */
	usec_t step;  /* that each share lasts */
};

struct failover {
	struct failover_settings settings;
	enum failover_state state;
	bool is_able; /* the pool could serve, as last set by failover_set_able */
	usec_t left;  /* when the requests left it */
	usec_t since; /* in its state, or its step */
	unsigned step;
	unsigned credit; /* of a hundred, towards the next request that goes home */
	unsigned level;	 /* where a request starts now; kept by the caller */
};

const char *failover_state_name(enum failover_state state);
/* Whether the table has an edge from one state to another. */
bool failover_may_move(enum failover_state from, enum failover_state to);

void failover_init(struct failover *failover, const struct failover_settings *settings, usec_t now);

/* Whether the pool could serve all its requests now: called when that changes.  What is due happens
 * first. */
void failover_set_able(struct failover *failover, bool able, usec_t now);

/* Whether the next request goes to the pool itself.  Counts it. */
bool failover_takes(struct failover *failover, usec_t now);

/* Percent of the requests that go to the pool itself. */
unsigned failover_share(const struct failover *failover);

/* When it changes by itself, or USEC_INFINITY. */
usec_t failover_deadline(const struct failover *failover);

/* The deadline has come.  Does nothing before it. */
void failover_tick(struct failover *failover, usec_t now);

#endif
