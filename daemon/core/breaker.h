/*
 * A pool's circuit breaker: it stops sending to what keeps failing, and tries it again carefully.
 *
 * The three states and the probing are M. Nygard's ("Release It!", 2007); the window's rate, the
 * slow calls and the manual states are those of resilience4j's CircuitBreaker.  A run of failures
 * opens it alone only where the window can't tell: with few calls in it, or after a time without
 * any success.  So an outage is seen at once on a quiet pool and within min_outage on a busy one,
 * and bad luck on a busy pool opens nothing.
 *
 * What is due by `now` happens first in every call that takes it, so the breaker is right also
 * where breaker_tick has not been called in time.  `now` is above 0 and never goes back.  All calls
 * are O(1), and each makes at most one change of state.
 *
 * Which outcomes are failures is the caller's business, and so is who changed the state
 * manually, and when.
 */
#ifndef POOLD_CORE_BREAKER_H
#define POOLD_CORE_BREAKER_H

#include "daemon/core/prng.h"

/* Most probes at once, whatever half_open_requests says. */
#define BREAKER_PROBES_MAX 16

/* The window moves on by a tenth of its length. */
#define BREAKER_BUCKETS 10

/* What a person may bring about in any state. */
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
	unsigned minimum_calls;	     /* in the window, for its rates to count */
	unsigned failure_rate;	     /* percent of the window's calls that open it; 0: off */
	unsigned slow_call_rate;     /* the same for slow ones; 0: off */
	usec_t slow_call_duration;   /* from which on a call is slow; 0: none is */
	usec_t window;		     /* how far back its calls are counted; at least 10 µs */
	usec_t min_outage;	/* without a success, for a run to open it in spite of many calls */
	usec_t failure_run_ttl; /* a failure that comes later than this begins a new run */
	usec_t open_timeout;	/* from opening to half-open */
	usec_t open_timeout_max;  /* what the next two may make of it */
	unsigned open_multiplier; /* percent of the open time before, after a probe failed; 100 or
				     more */
	unsigned open_jitter;	  /* percent that is added at random, up to this */
	usec_t probe_timeout;	  /* after which a probe without outcome has failed */
	bool early_probe;	  /* whether breaker_early_probe does anything */
};

/* What an admitted call carries to its end.  It is given back once, with its outcome. */
struct breaker_permit {
	uint32_t generation;
	uint32_t probe; /* which lease it holds, from 1; 0: it is no probe */
};

/* `reason` is BREAKER_BECAUSE_NONE when nothing changed.  From OBSERVING to OBSERVING, unless by
 * hand: it would have opened now. */
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
	usec_t since;	     /* in its state */
	uint32_t generation; /* of its state: grows with every change */
	struct prng prng;

	unsigned run; /* failures in a row */
	usec_t last_failure;
	usec_t last_success; /* or when counting began */
	struct breaker_bucket buckets[BREAKER_BUCKETS];
	struct breaker_bucket sum; /* of the buckets */
	uint64_t bucket;	   /* number of the newest, counted from the clock's zero */

	usec_t open_span;  /* of the last opening, without jitter and maximum */
	usec_t open_until; /* while OPEN; while OBSERVING: it would be open */
	bool is_early;	   /* open_until was moved by an early probe */

	usec_t leases[BREAKER_PROBES_MAX]; /* when each ends; 0: nobody has it */
	unsigned probes;		   /* leases that somebody has */
	unsigned probe_successes;	   /* in a row */

	uint64_t opened; /* times, from half-open too */
	uint64_t would_open;
	uint64_t rejected; /* calls */
	uint64_t late;	   /* permits given back to another generation */
};

enum breaker_verdict {
	BREAKER_ADMIT_NO = 0,
	BREAKER_ADMIT_YES,
	BREAKER_ADMIT_PROBE
};

/* What a report says of it. */
struct breaker_snapshot {
	enum breaker_state state;
	usec_t since;
	uint32_t generation;
	unsigned run;
	struct breaker_bucket window;
	unsigned failure_permille; /* of the window's calls, rounded down; 0 without any */
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

/* Whether the table has an edge from one state to another. */
bool breaker_may_move(enum breaker_state from, enum breaker_state to);

/* A closed one.  The settings are copied; `seed` is for open_jitter. */
void breaker_init(struct breaker *breaker, const struct breaker_settings *settings, uint64_t seed,
		  usec_t now);

/*
 * Takes new settings and keeps all else: its state, manual or not, the end of the open time
 * and of the leases.  Only a window of another length begins empty.
 */
void breaker_reload(struct breaker *breaker, const struct breaker_settings *settings);

/*
 * Whether a call may go.  YES and PROBE give a permit in `ret_permit`, which is given back by one
 * of breaker_success, _failure and _neutral; a PROBE's is a lease that fails by itself after
 * probe_timeout.  (A request's own deadline needs no lease: it ends the request, and that gives the
 * permit back.)  NO counts as rejected; breaker_time_left says for how long.  `ret_change`: what
 * changed on the way, always set.
 */
enum breaker_verdict breaker_admit(struct breaker *breaker, usec_t now,
				   struct breaker_permit *ret_permit,
				   struct breaker_change *ret_change);

/* A call was turned away without being asked for, as it was plain that it would not be admitted: it
 * counts as rejected. */
void breaker_reject(struct breaker *breaker);

/*
 * The outcome of an admitted call: good, bad, or of no weight (cancelled, its client gone, shed,
 * the caller's fault).  `duration` is for the slow-call rule, which counts good and bad ones; a
 * probe that is slow has failed.  The permit of another generation counts as late and moves
 * nothing.
 */
struct breaker_change breaker_success(struct breaker *breaker, struct breaker_permit permit,
				      usec_t now, usec_t duration);
struct breaker_change breaker_failure(struct breaker *breaker, struct breaker_permit permit,
				      usec_t now, usec_t duration);
struct breaker_change breaker_neutral(struct breaker *breaker, struct breaker_permit permit,
				      usec_t now);

/*
 * A worker that was started at `worker_started` has answered its health check: if that was since
 * the breaker opened, it is half-open after max(1 s, 5 % of its open time), should that be earlier.
 */
struct breaker_change breaker_early_probe(struct breaker *breaker, usec_t worker_started,
					  usec_t now);

/* When it next changes by itself (the open time is over, a lease ends), or USEC_INFINITY. */
usec_t breaker_deadline(const struct breaker *breaker);

/* The deadline has come.  Does nothing before it. */
struct breaker_change breaker_tick(struct breaker *breaker, usec_t now);

/*
 * By hand, from any state.  Each begins a new generation and ends the open time and the leases.
 * Reset and observe also forget the run and the window; reset is the way back from the other three.
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
 * When a call that was not admitted may come again: the rest of the open time; while all probes are
 * out, 1 s at most, as nobody knows how soon they answer; USEC_INFINITY while forced open; else 0.
 */
usec_t breaker_time_left(const struct breaker *breaker, usec_t now);

struct breaker_snapshot breaker_snapshot(const struct breaker *breaker, usec_t now);

#endif
