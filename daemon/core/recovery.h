/*
 * Recovery: what the daemon does between a failed attempt and the answer.  This file has two parts:
 * a pure function that decides whether a request may be retried, and the table of the recoveries
 * that are running.
 *
 * A recovery begins when a request continues after its first failed attempt, and ends with the
 * answer.  It has a time limit.  A request that still waits for a retry or in the queue at the
 * limit is answered with the original error; an attempt that runs then may go on until the
 * request's own deadline, but is not retried if it fails.
 */
#ifndef POOLD_CORE_RECOVERY_H
#define POOLD_CORE_RECOVERY_H

#include "daemon/core/hist.h"
#include "daemon/core/policy.h"

/* --- the decision --- */

/* All inputs of the decision. */
struct recovery_case {
	const struct policy *policy;
	enum errcode code;
	bool may_run_again; /* it never ran, or it is idempotent */
	bool has_retryable; /* the worker sent is_retryable, which overrides the row */
	bool is_retryable;
	bool is_moving; /* its session is being moved to another worker */
	bool has_begun_stream;
	bool is_restartable;
	unsigned retries;  /* in this pool so far */
	unsigned attempts; /* that ran, or may have */
	unsigned max_attempts;
	unsigned crashes; /* workers that ended while they may have run it */
	unsigned max_crash_retries;
	usec_t delay; /* before the retry */
	usec_t typical_run;
	usec_t now;
	usec_t until; /* the deadline of the request, or the limit of its recovery */
};

/* VERDICT(NAME, text): a retry is allowed, or why it is not. */
#define RECOVERY_VERDICTS(VERDICT)                                                                 \
	VERDICT(RETRY, "it may be tried again")                                                    \
	VERDICT(STRATEGY, "such an error is not tried again")                                      \
	VERDICT(CEILING, "it was tried as often as such an error allows")                          \
	VERDICT(ATTEMPTS, "it was tried as often as the request allows")                           \
	VERDICT(UNSAFE, "it may have run, and is not idempotent")                                  \
	VERDICT(POISON, "it took too many workers down with it")                                   \
	VERDICT(STREAM, "a part of its answer is with the client")                                 \
	VERDICT(TIME, "its deadline leaves no time for another try")

enum recovery_verdict {
#define VERDICT(name, text) RECOVERY_##name,
	RECOVERY_VERDICTS(VERDICT)
#undef VERDICT
	RECOVERY_VERDICT_COUNT_
};

/* Decides whether the request may be retried.  The pool's retry budget and breaker are not part of
 * it: the caller checks them after RECOVERY_RETRY, as the check takes a token from the budget. */
enum recovery_verdict recovery_judge(const struct recovery_case *facts);

/* --- the table of running recoveries --- */

enum recovery_result {
	RECOVERY_SUCCEEDED = 0,
	RECOVERY_FAILED,
	RECOVERY_CANCELLED, /* by the client or an operator, or the client disconnected */
	RECOVERY_EXPIRED,   /* its time limit was reached; counted as failed too */
	RECOVERY_RESULT_COUNT_
};

struct recovery {
	uint64_t id; /* from 1, never reused */
	struct request *request;
	enum errcode cause;
	enum errcategory category; /* this and the next two: as they were when it began */
	enum errstrategy strategy;
	enum errseverity severity;
	unsigned attempts; /* failed attempts, the first one included */
	usec_t started;
	usec_t until;
	struct list_node in_list;
};

struct recovery_counts {
	uint64_t initiated;
	uint64_t succeeded;
	uint64_t failed; /* including expired ones */
	uint64_t cancelled;
};

struct recoveries {
	struct recovery *slots; /* max of them */
	uint32_t max;
	uint64_t next_id;
	struct list spare;
	struct list active; /* in the order in which they began */
	uint64_t refused;   /* because max recoveries were running */
	struct recovery_counts all;
	struct recovery_counts by_category[ERRCAT_COUNT_];
	struct recovery_counts by_strategy[STRATEGY_COUNT_];
	struct hist duration; /* of the ended ones */
};

const char *recovery_result_name(enum recovery_result result);

void recoveries_init(struct recoveries *recoveries, struct recovery *slots, uint32_t max);

/* The time limit of a recovery: 5 s for a critical severity, 30 s for major, 60 s below; half of
 * that if the request's priority is critical. */
usec_t recovery_limit(enum errseverity severity, enum priority priority);

/* Begins a recovery.  Returns NULL, and counts that in `refused`, if max recoveries are running. */
struct recovery *recoveries_begin(struct recoveries *recoveries, struct request *request,
				  const struct policy *policy, enum errcode cause,
				  enum errseverity severity, usec_t now);

/* Ends the recovery, counts its result and duration, and frees its slot. */
void recoveries_end(struct recoveries *recoveries, struct recovery *recovery,
		    enum recovery_result result, usec_t now);

/* The running recovery with that id, or NULL. */
struct recovery *recoveries_find(const struct recoveries *recoveries, uint64_t id);

#endif
