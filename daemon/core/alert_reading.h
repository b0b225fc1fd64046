/*
 * What alerts are decided by: readings of the pools and of the daemon, taken at one moment.
 *
 * A burn rate says how fast a pool spends the errors that its slo allows: at 1 it spends just as
 * many as it may, so that those of 30 days last 30 days; at 14.4 they last 50 hours.  It must be
 * high in two windows: the long one shows that it matters, the short one that it still goes on.
 * While the daemon is younger than a window, as many requests as come now are taken to have succeeded
 * before its start: so a failure in its first second is no hour of failures.
 */
#ifndef POOLD_CORE_ALERT_READING_H
#define POOLD_CORE_ALERT_READING_H

#include "daemon/core/alert_rise.h"
#include "daemon/core/alert_rule.h"

/* WINDOW(NAME, seconds) */
#define ALERT_WINDOWS(WINDOW)                                                                      \
	WINDOW(1MIN, 60)                                                                           \
	WINDOW(5MIN, 300)                                                                          \
	WINDOW(30MIN, 1800)                                                                        \
	WINDOW(1H, 3600)                                                                           \
	WINDOW(6H, 21600)

enum alert_window {
#define WINDOW(name, seconds) ALERT_LAST_##name,
	ALERT_WINDOWS(WINDOW)
#undef WINDOW
	ALERT_WINDOW_COUNT_
};

/* The length of that window. */
usec_t alert_window_length(enum alert_window window);

/* Requests that ended in a window: all of them, but for those that their client cancelled or that
 * were its mistake (category request); and those of them that failed. */
struct alert_counts {
	uint64_t ended;
	uint64_t failed;
	usec_t span; /* how long the window is in fact; 0: as long as it should be */
};

struct alert_pool {
	unsigned slo; /* thousandths of a percent, from ALERT_SLO_MIN to ALERT_SLO_MAX */
	struct alert_counts windows[ALERT_WINDOW_COUNT_];
	uint64_t critical; /* errors of severity critical in the last 60 s */
	uint64_t runs; /* runs that ended in the last 60 s, and the 99th percentile of their time */
	usec_t run_p99;
	uint64_t waits; /* the same for waits in the queue */
	usec_t wait_p99;

	/* Those who stand out: suspect.h. */
	struct alert_counts method; /* of the one of which most failed in the last 60 s */
	/* Of the slow one: a usual run now, and what was a long one before; 0: none is slow. */
	usec_t method_run;
	usec_t method_run_before;
	usec_t hung;		/* how long a request has run that runs for longer than is usual */
	uint64_t memory;	/* of the worker that uses the most */
	uint64_t memory_max;	/* max_memory; 0: it is not limited */
	unsigned client_queued; /* requests of the one who has most of the queue */
	/* Requests that it could have there; while requests are refused: those that are queued. */
	unsigned queue_capacity;

	unsigned failed_starts; /* in a row */
	bool is_breaker_open;
	bool is_on_fallback;
	bool has_no_capacity;

	/* These count since the start and never decrease. */
	uint64_t restarts;	 /* ends of workers */
	uint64_t openings;	 /* of the breaker */
	uint64_t outgrown;	 /* workers that used more than max_memory */
	uint64_t output_dropped; /* lines of workers */
};

struct alert_readings {
	const struct alert_pool *pools;
	unsigned pool_count;

	uint64_t memory; /* bytes in all buffers, and their limit */
	uint64_t memory_max;

	/* These count since the start and never decrease. */
	usec_t stalled;	      /* how long the loop stood still in all */
	uint64_t log_dropped; /* lines */
	uint64_t sessions_lost;
};

/* The share of the counts that failed, in thousandths of a percent; 0: nothing ended. */
uint64_t alert_share(struct alert_counts counts);

/* The burn rate in thousandths, in a window that should have that length, with that slo (thousandths
 * of a percent, below 100000). */
uint64_t alert_burn(struct alert_counts counts, usec_t length, unsigned slo);

/* A value that was measured, in thousandths of the unit of the rule's kind. */
struct alert_value {
	uint64_t value;
	bool is_known; /* the window has as many requests as the rule wants */
};

/* Measures what the rule is about, in the pool of that index, which is ignored for rules about the
 * daemon.  `rise` belongs to this rule and pool alone. */
struct alert_value alert_measure(const struct alert_rule *rule,
				 const struct alert_readings *readings, unsigned index,
				 struct alert_rise *rise, usec_t now);

#endif
