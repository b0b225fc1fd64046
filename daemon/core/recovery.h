/*
 * Recovery: what the daemon does between a failed attempt and the answer.  Whether the same request
 * may be tried again is a pure decision on numbers; beside it the book of the recoveries that run.
 *
 * A recovery begins with its request's first failed attempt that something can be done about, and
 * ends with the answer.  Its time limit is for getting the request to work again: what waits for a
 * retry or in the queue past it is answered with the original error; an attempt that runs is left
 * to the request's own deadline, but its failure is not tried again.
 */
#ifndef POOLD_CORE_RECOVERY_H
#define POOLD_CORE_RECOVERY_H

#include "daemon/core/hist.h"
#include "daemon/core/policy.h"

/* --- the decision --- */

/* Everything that it rests on. */
struct recovery_case {
	const struct policy *policy;
	enum errcode code;
	bool may_run_again; /* it never ran, or it is idempotent (P3) */
	bool has_retryable; /* the worker said whether it is `retryable`: that wins over the row */
	bool is_retryable;
	bool is_moving; /* its session is being moved to another worker */
	bool has_begun_stream;
	bool is_restartable;
	unsigned retries; /* so far, in this pool */
	unsigned attempts;
	unsigned max_attempts;
	unsigned crashes; /* workers that ended while they may have run it */
	unsigned max_crash_retries;
	usec_t delay; /* before the retry */
	usec_t typical_run;
	usec_t now;
	usec_t until; /* the deadline of the request, or the limit of its recovery */
};

/* VERDICT(NAME, text): whether a retry may be, or what forbids it. */
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

/* Budget and breaker are asked after it: they are the pool's, and asking the budget spends it. */
enum recovery_verdict recovery_judge(const struct recovery_case *facts);

/* --- the book --- */

enum recovery_result {
	RECOVERY_SUCCEEDED = 0,
	RECOVERY_FAILED,
	RECOVERY_CANCELLED, /* by its client, by an operator, or as the client left */
	RECOVERY_EXPIRED,   /* its time limit was over; counted with the failed */
	RECOVERY_RESULT_COUNT_
};

struct recovery {
	uint64_t id; /* from 1, never used twice */
	struct request *request;
	enum errcode cause;
	enum errcategory category; /* these three: as when it began */
	enum errstrategy strategy;
	enum errseverity severity;
	unsigned attempts; /* that failed since, the first one included */
	usec_t started;
	usec_t until;
	struct list_node in_list;
};

struct recovery_counts {
	uint64_t initiated;
	uint64_t succeeded;
	uint64_t failed; /* expired ones too */
	uint64_t cancelled;
};

struct recoveries {
	struct recovery *slots; /* max of them */
	uint32_t max;
	uint64_t next_id;
	struct list spare;
	struct list active; /* in the order they began */
	uint64_t refused;   /* as max of them ran */
	struct recovery_counts all;
	struct recovery_counts by_category[ERRCAT_COUNT_];
	struct recovery_counts by_strategy[STRATEGY_COUNT_];
	struct hist duration; /* of those that are over */
};

const char *recovery_result_name(enum recovery_result result);

void recoveries_init(struct recoveries *recoveries, struct recovery *slots, uint32_t max);

/* 5 s critical, 30 s major, 60 s below; half of it for a critical request. */
usec_t recovery_limit(enum errseverity severity, enum priority priority);

/* Begins one; NULL, and counted, when max of them run. */
struct recovery *recoveries_begin(struct recoveries *recoveries, struct request *request,
				  const struct policy *policy, enum errcode cause,
				  enum errseverity severity, usec_t now);

/* It is over; the slot is free again. */
void recoveries_end(struct recoveries *recoveries, struct recovery *recovery,
		    enum recovery_result result, usec_t now);

/* The one of that number that runs, or NULL. */
struct recovery *recoveries_find(const struct recoveries *recoveries, uint64_t id);

#endif
