/*
 * A pool's circuit breaker: it stops calls to a pool that keeps failing, and later lets a few calls
 * through to test whether the pool works again.
 *
 * The three states and the probes are those of M. Nygard ("Release It!", 2007); the failure rate of
 * the window, the slow calls and the manual states are those of resilience4j's CircuitBreaker.  A
 * run of consecutive failures opens the breaker only if the window has too few calls for a rate, or
 * if no call has succeeded for min_outage.  So the breaker detects an outage at once on a quiet
 * pool and within min_outage on a busy one, and a few unlucky failures on a busy pool do not open
 * it.
 *
 * breaker_admit, breaker_early_probe and the outcomes first make the change that is due by `now`:
 * the breaker is right even if breaker_tick was called late.  `now` is above 0 and never decreases.
 * All functions are O(1), and each makes at most one change of state.
 *
 * The caller decides which outcomes are failures, and records who changed the state manually.
 */
#ifndef POOLD_CORE_BREAKER_H
#define POOLD_CORE_BREAKER_H

#include "daemon/core/prng.h"

/* The maximum of half_open_requests. */
#define BREAKER_PROBES_MAX 16

/* The window consists of this many buckets and advances by one bucket at a time. */
#define BREAKER_BUCKETS 10

/* The states that an operator may set, whatever the state is. */
#define BREAKER_MANUAL                                                                             \
	(1u << BREAKER_CLOSED | 1u << BREAKER_FORCED_OPEN | 1u << BREAKER_DISABLED |               \
	 1u << BREAKER_OBSERVING)

/* STATE(NAME, "name", states that may follow as a mask, sentence) */
#define BREAKER_STATES(STATE)                                                                      \
	STATE(CLOSED, "closed", BREAKER_MANUAL | 1u << BREAKER_OPEN,                               \
	      "every call is admitted and counted")                                                \
	STATE(OPEN, "open", BREAKER_MANUAL | 1u << BREAKER_HALF_OPEN,                              \
	      "no call is admitted until the open time is over")                                   \
	STATE(HALF_OPEN, "half_open", BREAKER_MANUAL | 1u << BREAKER_CLOSED | 1u << BREAKER_OPEN,  \
	      "a few calls are admitted as probes")                                                \
	STATE(FORCED_OPEN, "forced_open", BREAKER_MANUAL,                                          \
	      "no call is admitted until somebody says otherwise")                                 \
	STATE(DISABLED, "disabled", BREAKER_MANUAL, "every call is admitted")                      \
	STATE(OBSERVING, "observing", BREAKER_MANUAL,                                              \
	      "every call is admitted; it only says when it would have opened")

enum breaker_state {
#define STATE(name, word, next, text) BREAKER_##name,
	BREAKER_STATES(STATE)
#undef STATE
	BREAKER_STATE_COUNT_
};

/* REASON(NAME, "name", text): why the state changed. */
#define BREAKER_REASONS(REASON)                                                                    \
	REASON(NONE, "none", "nothing changed")                                                    \
	REASON(RUN, "failure_run", "too many failures in a row")                                   \
	REASON(RATE, "failure_rate", "too large a share of failures")                              \
	REASON(SLOW, "slow_call_rate", "too large a share of slow calls")                          \
	REASON(TIME, "open_timeout", "the open time is over")                                      \
	REASON(EARLY, "early_probe", "a worker started since has answered its health check")       \
	REASON(PROBE_FAILED, "probe_failed", "a probe failed or was slow")                         \
	REASON(PROBE_EXPIRED, "probe_expired", "a probe had no outcome in time")                   \
	REASON(PROBES_SUCCEEDED, "probes_succeeded", "enough probes succeeded")                    \
	REASON(MANUAL, "by_hand", "somebody asked for it")

enum breaker_reason {
#define REASON(name, word, text) BREAKER_BECAUSE_##name,
	BREAKER_REASONS(REASON)
#undef REASON
	BREAKER_REASON_COUNT_
};

struct breaker_settings {
	unsigned failure_threshold;  /* failures in a row that open it; at least 1 */
	unsigned success_threshold;  /* probes that succeed in a row and close it; at least 1 */
	unsigned half_open_requests; /* probes at once; 1 to BREAKER_PROBES_MAX */
	unsigned minimum_calls;	     /* needed in the window before its rates are checked */
	unsigned failure_rate;	     /* percent of the window's calls, opens it; 0: off */
	unsigned slow_call_rate;     /* the same for slow ones; 0: off */
	usec_t slow_call_duration;   /* a call that takes this long is slow; 0: none is */
	usec_t window;		     /* length of the window; at least 10 µs */
	usec_t min_outage;	     /* after this without success a run opens it in any case */
	usec_t failure_run_ttl;	     /* a failure later than this after the last begins a new run */
	usec_t open_timeout;	     /* from opening to half-open */
	usec_t open_timeout_max;     /* limit after multiplier and jitter */
	unsigned open_multiplier; /* after a failed probe: percent of the last open time; >= 100 */
	unsigned open_jitter;	  /* maximum percent that is added at random */
	usec_t probe_timeout;	  /* after this a probe without outcome has failed */
	bool early_probe;	  /* whether breaker_early_probe has an effect */
};

/* An admitted call holds a permit.  The caller returns it exactly once, with the call's outcome. */
struct breaker_permit {
	uint32_t generation;
	uint32_t probe; /* number of its lease, from 1; 0: not a probe */
};

/* A change of state; `reason` is BREAKER_BECAUSE_NONE if nothing changed.  A change from OBSERVING
 * to OBSERVING that is not manual means: the breaker would have opened now. */
struct breaker_change {
	enum breaker_reason reason;
	enum breaker_state from;
	enum breaker_state to;
};

struct breaker_bucket {
	uint32_t calls;
	uint32_t failures;
	uint32_t slow;
};

struct breaker {
	struct breaker_settings settings;
	enum breaker_state state;
	usec_t since;	     /* when the state began */
	uint32_t generation; /* incremented with every change of state */
	struct prng prng;

	unsigned run; /* failures in a row */
	usec_t last_failure;
	usec_t last_success; /* or, before any, when counting began */
	struct breaker_bucket buckets[BREAKER_BUCKETS];
	struct breaker_bucket sum; /* of the buckets */
	uint64_t bucket;	   /* number of the newest one, counted from time 0 */
	usec_t bucket_ends;	   /* when a newer one begins */

	usec_t open_span;  /* last open time, before jitter and maximum */
	usec_t open_until; /* while OPEN; while OBSERVING: it would be open until then */
	bool is_early;	   /* open_until was moved by an early probe */

	usec_t leases[BREAKER_PROBES_MAX]; /* when each lease ends; 0: free */
	unsigned probes;		   /* leases in use */
	unsigned probe_successes;	   /* in a row */

	uint64_t opened; /* times that it opened, also from half-open */
	uint64_t would_open;
	uint64_t rejected; /* calls */
	uint64_t late;	   /* permits returned in a later generation */
};

enum breaker_verdict {
	BREAKER_ADMIT_NO = 0,
	BREAKER_ADMIT_YES,
	BREAKER_ADMIT_PROBE
};

/* The breaker as reports show it. */
struct breaker_snapshot {
	enum breaker_state state;
	usec_t since;
	uint32_t generation;
	unsigned run;
	struct breaker_bucket window;
	unsigned failure_permille; /* of the window's calls, rounded down; 0: no calls */
	unsigned slow_permille;
	usec_t open_until; /* OPEN; USEC_INFINITY while FORCED_OPEN, 0 in the other states */
	unsigned probes;
	unsigned probe_successes;
	uint64_t opened;
	uint64_t would_open;
	uint64_t rejected;
	uint64_t late;
};

const char *breaker_state_name(enum breaker_state state);
const char *breaker_reason_name(enum breaker_reason reason);
const char *breaker_reason_text(enum breaker_reason reason);

/* Whether BREAKER_STATES allows the transition. */
bool breaker_may_move(enum breaker_state from, enum breaker_state to);

/* Makes a closed breaker.  The settings are copied; `seed` is for open_jitter. */
void breaker_init(struct breaker *breaker, const struct breaker_settings *settings, uint64_t seed,
		  usec_t now);

/*
 * Takes new settings.  The state, the end of the open time and the leases are kept.  If the length
 * of the window changes, its counts are cleared.
 */
void breaker_reload(struct breaker *breaker, const struct breaker_settings *settings);

/*
 * Decides whether a call may go.  YES and PROBE set `ret_permit`, which the caller returns with
 * breaker_success, breaker_failure or breaker_neutral.  A PROBE also holds a lease: if the caller
 * has not returned the permit after probe_timeout, the probe has failed.  NO counts as rejected;
 * breaker_time_left returns when the call may come again.  `ret_change` is always set.
 */
enum breaker_verdict breaker_admit(struct breaker *breaker, usec_t now,
				   struct breaker_permit *ret_permit,
				   struct breaker_change *ret_change);

/* Counts a call as rejected that the caller refused without breaker_admit, because the breaker
 * would not have admitted it. */
void breaker_reject(struct breaker *breaker);

/*
 * Reports the outcome of an admitted call and returns its permit.  A neutral outcome is not
 * counted: the call was cancelled or shed, its client has disconnected, or the client's request was
 * wrong.  `duration` is for the slow-call rule, which applies to successes and failures; a slow
 * probe has failed.  A permit of an earlier generation counts as late and has no other effect.
 */
struct breaker_change breaker_success(struct breaker *breaker, struct breaker_permit permit,
				      usec_t now, usec_t duration);
struct breaker_change breaker_failure(struct breaker *breaker, struct breaker_permit permit,
				      usec_t now, usec_t duration);
struct breaker_change breaker_neutral(struct breaker *breaker, struct breaker_permit permit,
				      usec_t now);

/*
 * A worker that was started at `worker_started` has answered its health check.  If it was started
 * since the breaker opened, the open time ends after max(1 s, 5 % of it), unless it ends earlier.
 */
struct breaker_change breaker_early_probe(struct breaker *breaker, usec_t worker_started,
					  usec_t now);

/* When the open time or the next lease ends, or USEC_INFINITY. */
usec_t breaker_deadline(const struct breaker *breaker);

/* Makes the change that is due at breaker_deadline.  Does nothing before it. */
struct breaker_change breaker_tick(struct breaker *breaker, usec_t now);

/*
 * Manual changes, allowed in any state.  Each begins a new generation and ends the open time and
 * the leases.  Reset and observe also clear the run and the window.  Reset closes the breaker and
 * so ends the other three.
 */
struct breaker_change breaker_reset(struct breaker *breaker, usec_t now);
struct breaker_change breaker_force_open(struct breaker *breaker, usec_t now);
struct breaker_change breaker_disable(struct breaker *breaker, usec_t now);
struct breaker_change breaker_observe(struct breaker *breaker, usec_t now);

static inline enum breaker_state breaker_state(const struct breaker *breaker)
{
	return breaker->state;
}

/*
 * The time after which a call that was not admitted may come again: the rest of the open time;
 * while all leases are in use, at most 1 s, as the probes may end at any time; USEC_INFINITY while
 * forced open; else 0.
 */
usec_t breaker_time_left(const struct breaker *breaker, usec_t now);

struct breaker_snapshot breaker_snapshot(const struct breaker *breaker, usec_t now);

#endif
