/*
 * Alerts: each rule in each pool that it is for is one alert, which has a life of its own.
 *
 * The owner takes readings once a second and calls alerts_update; alerts that are to be reported
 * come out as effects.  An alert fires once, however often its condition is measured:
 *
 *	inactive    the condition does not hold
 *	pending     it holds, but not yet for the rule's `hold`
 *	firing      it has held for so long
 *	resolved    the value was below the resolve level for `resolve_after`; after the cool-down the
 *		    alert is inactive again
 *
 * Between the resolve level and the threshold a firing alert goes on to fire, and one that is not
 * firing does not begin to.  Where there are too few requests to measure, the condition does not
 * hold, and a firing alert is resolved as if the value was low.
 *
 * A firing alert is reported as raised, and when it is resolved, that is reported too.  A report of
 * a new firing is put off while the alert is silenced, and until the cool-down after the last report
 * is over; the state is true all the same.  If the alert still fires then, it is reported.
 *
 * Where a rule names pools, other rules of its kind that name none are not for these pools.
 */
#ifndef POOLD_CORE_ALERT_H
#define POOLD_CORE_ALERT_H

#include "daemon/core/alert_reading.h"

/* Firings that are remembered, those that go on included. */
#define ALERT_HISTORY_MAX 256
/* Effects that wait for the owner; what has no room is reported by a later update. */
#define ALERT_EFFECTS_MAX 128
/* The number of an alert's pool where its rule is about the daemon. */
#define ALERT_NO_POOL UINT32_MAX

/* STATE(NAME, "name", states that may follow as a mask, sentence) */
#define ALERT_STATES(STATE)                                                                        \
	STATE(INACTIVE, "inactive", 1u << ALERT_PENDING | 1u << ALERT_FIRING,                      \
	      "its condition does not hold")                                                       \
	STATE(PENDING, "pending", 1u << ALERT_INACTIVE | 1u << ALERT_FIRING,                       \
	      "its condition holds, but not yet for long enough")                                  \
	STATE(FIRING, "firing", 1u << ALERT_RESOLVED, "its condition has held for long enough")    \
	STATE(RESOLVED, "resolved",                                                                \
	      1u << ALERT_INACTIVE | 1u << ALERT_PENDING | 1u << ALERT_FIRING,                     \
	      "it fired, and its cool-down is not over yet")

enum alert_state {
#define STATE(name, word, next, text) ALERT_##name,
	ALERT_STATES(STATE)
#undef STATE
	ALERT_STATE_COUNT_
};

struct alert {
	enum alert_state state;
	usec_t since;	     /* when it entered the state */
	usec_t low_since;    /* while firing: since when the value is low; 0: it is not */
	usec_t quiet_until;  /* the end of the cool-down after the last report */
	usec_t silent_until; /* an operator silenced it */
	usec_t test_until;   /* an operator tests it: it fires whatever is measured; 0: no test */
	bool is_reported;    /* as raised, and not yet as resolved */
	bool is_test;	     /* it fires, or fired last, for a test */
	uint64_t firing;     /* number of the last firing; 0: there was none */
	struct alert_value value;
	struct alert_rise rise;
};

/* One firing. */
struct alert_record {
	uint64_t firing; /* its number, from 1 */
	unsigned rule;
	uint32_t pool; /* ALERT_NO_POOL: the daemon */
	bool is_test;
	usec_t raised;
	usec_t resolved;  /* 0: it still fires */
	uint64_t highest; /* value so far, in thousandths of the unit */
};

struct alert_effect {
	bool is_raised; /* otherwise it is resolved */
	unsigned rule;
	uint32_t pool;
	struct alert_record record; /* as it was then */
};

struct alerts {
	const struct alert_rule *rules; /* the caller's, as the slots */
	unsigned rule_count;
	unsigned pool_count;
	struct alert *slots;
	uint64_t firings;
	struct alert_record history[ALERT_HISTORY_MAX]; /* firing n is at n % ALERT_HISTORY_MAX */
	struct alert_effect effects[ALERT_EFFECTS_MAX];
	unsigned effect_first;
	unsigned effect_count;
};

/* An alert for reports. */
struct alert_view {
	unsigned rule;
	uint32_t pool; /* ALERT_NO_POOL: the daemon */
	enum alert_state state;
	usec_t since;
	usec_t silent_until; /* 0: it is not silenced */
	bool is_easing;	     /* it fires, but the value is low again: it will be resolved */
	struct alert_value value;
	bool is_test;
};

const char *alert_state_name(enum alert_state state);
/* Whether ALERT_STATES allows the transition. */
bool alert_may_move(enum alert_state from, enum alert_state to);

/* How many slots alerts_init wants for so many rules and pools. */
size_t alerts_slots(unsigned rule_count, unsigned pool_count);

/*
 * Makes alerts that are all inactive.  The rules and the slots are the caller's, and stay as long as
 * the alerts.  There are at most ALERT_RULES_MAX rules and ALERT_POOLS_MAX pools.
 */
void alerts_init(struct alerts *alerts, const struct alert_rule *rules, unsigned rule_count,
		 unsigned pool_count, struct alert *slots);

/* Takes readings of all pools at `now`, which is above 0 and never decreases.  Takes time in
 * proportion to rules and pools. */
void alerts_update(struct alerts *alerts, const struct alert_readings *readings, usec_t now);

/* Takes the next effect; returns false if there is none. */
bool alerts_next_effect(struct alerts *alerts, struct alert_effect *ret_effect);

/* Whether the rule is evaluated for the pool; ALERT_NO_POOL: for the daemon. */
bool alerts_applies(const struct alerts *alerts, unsigned rule, uint32_t pool);

/*
 * Lets the rule's alert fire for `span` in the first pool that it is for, as a test: it is reported
 * at once, silenced or not, and then resolved.  Returns 0; -EALREADY: it fires already; -ENOENT: the
 * rule is for no pool, or is switched off.
 */
int alerts_test(struct alerts *alerts, unsigned rule, usec_t span, usec_t now);

/* Puts off reports of the rule's alerts in all pools for `span` from now; 0: ends that. */
void alerts_silence(struct alerts *alerts, unsigned rule, usec_t span, usec_t now);

/* The alert after that one in any state but inactive or silenced, and of which `cursor` is the place;
 * begin with 0.  Returns false when there are no more. */
bool alerts_next(const struct alerts *alerts, size_t *cursor, usec_t now, struct alert_view *ret);

/* The same among those of that pool; ALERT_NO_POOL: of the daemon.  Looks at each rule once. */
bool alerts_next_of(const struct alerts *alerts, uint32_t pool, size_t *cursor, usec_t now,
		    struct alert_view *ret);

/* The last firings, the newest first: the nth, from 0; NULL: there is none, or it is forgotten. */
const struct alert_record *alerts_history(const struct alerts *alerts, unsigned nth);

#endif
