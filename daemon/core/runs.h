/*
 * What a pool knows about the run times of its methods.
 *
 * Three figures for each method, all learnt from the time between an attempt's start at a worker
 * and its answer:
 *
 *	cost	mean time that a call occupies a worker, errors included: what the queue is worth
 *	typical	mean time to a result: whether a call can still finish before its deadline
 *	high	a time that about one call in a hundred exceeds: how long a run may still go on
 *
 * The means are exponential moving averages: typical of the last 16 runs or so, and cost, by which
 * long queues are measured, of the last 64.  They are robust: a sample counts as at most four times
 * the mean, eight times for cost (many methods have a few runs as long as that, which are most of
 * their work), so that one stuck call does not close the pool to others, and yet a method that has
 * become 20 times slower is known as such after some 20 or 30 calls.  `high` rises to a longer run
 * at once, and falls by 1/2048 of the distance with each shorter one.
 *
 * A method gets its own figures with its first result, so that clients cannot fill the table with
 * invented names.  Methods for which there is no room share the first entry.  An error names a method
 * too where the workers tell an unknown method from one that fails (runs_note).
 *
 * The work in the queue is the sum of the costs of the queued requests.  It is always that of the
 * present costs: when a cost changes, the sum is adapted.
 */
#ifndef POOLD_CORE_RUNS_H
#define POOLD_CORE_RUNS_H

#include "daemon/core/names.h"
#include "daemon/core/request.h"

/* How many methods of a pool have their own figures. */
#define RUNS_METHODS_MAX 32

/* The entry of methods without own figures: unknown ones, and those for which there is no room. */
#define RUNS_OTHER 0

/* A moving average.  Its value is sum / count; count stops at the number of runs that it is of. */
struct runs_mean {
	uint64_t sum; /* µs */
	usec_t mean;  /* of so many; 0: there was none */
	unsigned count;
};

struct method_runs {
	struct name name; /* unused in RUNS_OTHER */
	struct runs_mean of_results;
	struct runs_mean of_all;
	usec_t high;
	usec_t answered; /* the same, of the runs that were answered */
	/* A run that was expected to be shorter than a typical one was not: it takes at least
	 * `refuted`, as was seen at that time. */
	usec_t refuted;
	usec_t refuted_at;
	usec_t cost; /* by which the entry's queued requests count in `work` */
	unsigned queued[PRIORITY_COUNT_];
};

struct runs {
	struct method_runs methods[1 + RUNS_METHODS_MAX];
	unsigned count; /* entries in use, RUNS_OTHER included */
	unsigned last;	/* the entry with the last result, which is looked at first */
	struct runs_mean of_pool;
	uint64_t work[PRIORITY_COUNT_]; /* µs: costs of the queued requests of each priority */
	struct names names;
	struct name *buckets[RUNS_METHODS_MAX];
};

/* `runs` must not be moved after this. */
void runs_init(struct runs *runs, uint64_t seed);

/* Returns the method's entry; RUNS_OTHER if it has none. */
unsigned runs_find(const struct runs *runs, struct bytes method);

/* Returns the method's entry, which it gets now if it has none; RUNS_OTHER if there is no room. */
unsigned runs_note(struct runs *runs, struct bytes method);

/* Returns the name of an entry; empty: of RUNS_OTHER, or of none. */
struct bytes runs_name(const struct runs *runs, unsigned entry);

/* An attempt of the method, whose entry was `entry` when it was sent, has been answered after
 * `run` µs: with a result, or with an error of the worker's code.  It took `cost` of the worker's time:
 * less than `run` where several ran at once. */
void runs_learn_result(struct runs *runs, unsigned entry, struct bytes method, usec_t run,
		       usec_t cost, usec_t now);
void runs_learn_error(struct runs *runs, unsigned entry, usec_t run, usec_t cost);

/* An attempt was given up when it had been running for `run` µs: its run is longer.  Nothing is
 * learnt if that is no news. */
void runs_learn_longer(struct runs *runs, unsigned entry, usec_t run);

/* A run of the method could be answered in time only if it was shorter than a typical one, and it is
 * not.  Until a shorter one ends, a typical run is what is known. */
void runs_refute(struct runs *runs, unsigned entry, usec_t now);

/* Whether that has been seen since then for a run of `span` µs. */
bool runs_is_refuted(const struct runs *runs, unsigned entry, usec_t span, usec_t since);

/* One run counts in what is typical as at most so many times the mean. */
#define RUNS_TYPICAL_OUTLIER 4

/* The method's figures in µs; 0: unknown. */
usec_t runs_typical(const struct runs *runs, unsigned entry);
/* As runs_typical; 0 also of RUNS_OTHER, whose figures are those of many methods. */
usec_t runs_own_typical(const struct runs *runs, unsigned entry);
usec_t runs_high(const struct runs *runs, unsigned entry);
/* As runs_high, without the runs that were given up: one that hung is not what is usual. */
usec_t runs_answered(const struct runs *runs, unsigned entry);

/* The cost in µs; that of the whole pool for an unknown method; 0: nothing has run yet. */
usec_t runs_cost(const struct runs *runs, unsigned entry);

/* The method's cost, where the pool's mean cost is `unit`; `unit` if nothing has run yet. */
uint64_t runs_weight(const struct runs *runs, unsigned entry, uint32_t unit);

/* What so many units are in µs. */
uint64_t runs_of_weight(const struct runs *runs, uint64_t weight, uint32_t unit);

/* Counts a request of that method and priority in the work of the queue, and removes it again. */
void runs_enter(struct runs *runs, unsigned entry, enum priority priority);
void runs_leave(struct runs *runs, unsigned entry, enum priority priority);

/* The work of the queued requests of this and all higher priorities, in µs of one worker. */
uint64_t runs_work(const struct runs *runs, enum priority priority);

#endif
