/* The statistics of a pool since the start; window.h has those of the last minutes.  Only the
 * engine changes them. */
#ifndef POOLD_CORE_STATS_H
#define POOLD_CORE_STATS_H

#include "daemon/core/hist.h"
#include "protocol/errcode.h"

/* COUNTER(name, help): they never decrease. */
#define POOL_COUNTERS(COUNTER)                                                                     \
	COUNTER(requests, "requests that reached the pool")                                        \
	COUNTER(succeeded, "requests answered with a result")                                      \
	COUNTER(failed, "requests answered with an error, cancelled ones apart")                   \
	COUNTER(cancelled, "requests given up by their client")                                    \
	COUNTER(attempts, "times a request was sent to a worker")                                  \
	COUNTER(degraded, "requests answered for another pool, of whose chain this is a fallback") \
	COUNTER(retried, "failed attempts that were followed by another in the same pool")         \
	COUNTER(failed_over, "requests that went on from here to a fallback")                      \
	COUNTER(taken_over,                                                                        \
		"requests that came to it from a pool of whose chain this is a fallback")          \
	COUNTER(budget_spent, "requests not sent again as the retry budget was spent")             \
	COUNTER(requeued, "requests sent again because they never ran")                            \
	COUNTER(moved, "requests taken back from behind a slow one")                               \
	COUNTER(late_answers, "answers to attempts that were given up already")                    \
	COUNTER(worker_starts, "workers started")                                                  \
	COUNTER(worker_start_failures, "starts that did not lead to a ready worker")               \
	COUNTER(worker_crashes, "workers that ended unasked")                                      \
	COUNTER(worker_replacements, "workers that left as another one had come for them")         \
	COUNTER(ejections, "times a worker got no more work for a while as it failed too often")   \
	COUNTER(worker_kills, "workers ended by the daemon because of what they did")

struct pool_stats {
#define COUNTER(name, help) uint64_t name;
	POOL_COUNTERS(COUNTER)
#undef COUNTER
	uint64_t errors[ERR_COUNT_]; /* answers by code */
	struct hist total_time;	     /* from arrival to the answer, refusals apart */
};

#endif
