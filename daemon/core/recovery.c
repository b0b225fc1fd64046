#include "daemon/core/recovery.h"

/* --- the decision --- */

/* Whether the strategy of the policy's row is to try again, or the worker asks for that.  The state
 * of the request is not considered. */
static bool is_tried_again(const struct recovery_case *facts)
{
	const struct policy_row *row = policy_row(facts->policy, facts->code);

	if (facts->has_retryable)
		return facts->is_retryable;
	if (errcode_info(facts->code)->category == ERRCAT_session && !facts->is_moving)
		return false;
	return row->strategy == STRATEGY_IMMEDIATE_RETRY || row->strategy == STRATEGY_BACKOFF_RETRY;
}

enum recovery_verdict recovery_judge(const struct recovery_case *facts)
{
	const struct policy_row *row = policy_row(facts->policy, facts->code);
	/* If the worker asks for a retry and the row allows none, one is allowed. */
	unsigned ceiling = facts->has_retryable && row->retries == 0 ? 1 : row->retries;

	if (!is_tried_again(facts))
		return RECOVERY_STRATEGY;
	if (facts->retries >= ceiling)
		return RECOVERY_CEILING;
	if (facts->attempts >= facts->max_attempts)
		return RECOVERY_ATTEMPTS;
	if (!facts->may_run_again)
		return RECOVERY_UNSAFE;
	if (facts->crashes > facts->max_crash_retries)
		return RECOVERY_POISON;
	if (facts->has_begun_stream && !facts->is_restartable)
		return RECOVERY_STREAM;
	if (usec_add(usec_add(facts->now, facts->delay), facts->typical_run) >= facts->until)
		return RECOVERY_TIME;
	return RECOVERY_RETRY;
}

/* --- the table of running recoveries --- */

const char *recovery_result_name(enum recovery_result result)
{
	static const char *const names[RECOVERY_RESULT_COUNT_] = {"succeeded", "failed",
								  "cancelled", "expired"};

	return names[result];
}

void recoveries_init(struct recoveries *recoveries, struct recovery *slots, uint32_t max)
{
	*recoveries = (struct recoveries){.slots = slots, .max = max, .next_id = 1};
	list_init(&recoveries->spare);
	list_init(&recoveries->active);
	for (uint32_t i = 0; i < max; i++) {
		slots[i] = (struct recovery){.id = 0};
		list_push_back(&recoveries->spare, &slots[i].in_list);
	}
}

usec_t recovery_limit(enum errseverity severity, enum priority priority)
{
	usec_t limit = 60 * USEC_PER_SEC;

	if (severity == SEVERITY_CRITICAL)
		limit = 5 * USEC_PER_SEC;
	else if (severity == SEVERITY_MAJOR)
		limit = 30 * USEC_PER_SEC;
	return priority == PRIORITY_CRITICAL ? limit / 2 : limit;
}

struct recovery *recoveries_begin(struct recoveries *recoveries, struct request *request,
				  const struct policy *policy, enum errcode cause,
				  enum errseverity severity, usec_t now)
{
	struct list_node *node = list_first(&recoveries->spare);
	struct recovery *recovery;

	if (!node) {
		recoveries->refused++;
		return NULL;
	}
	recovery = list_entry(node, struct recovery, in_list);
	list_remove(&recoveries->spare, node);
	*recovery = (struct recovery){
		.id = recoveries->next_id++,
		.request = request,
		.cause = cause,
		.category = errcode_info(cause)->category,
		.strategy = policy_row(policy, cause)->strategy,
		.severity = severity,
		.started = now,
		.until = usec_add(now, recovery_limit(severity, request->priority)),
	};
	list_push_back(&recoveries->active, &recovery->in_list);
	recoveries->all.initiated++;
	recoveries->by_category[recovery->category].initiated++;
	recoveries->by_strategy[recovery->strategy].initiated++;
	return recovery;
}

static void count(struct recovery_counts *counts, enum recovery_result result)
{
	switch (result) {
	case RECOVERY_SUCCEEDED:
		counts->succeeded++;
		break;
	case RECOVERY_CANCELLED:
		counts->cancelled++;
		break;
	case RECOVERY_FAILED:
	case RECOVERY_EXPIRED:
	case RECOVERY_RESULT_COUNT_:
		counts->failed++;
		break;
	}
}

void recoveries_end(struct recoveries *recoveries, struct recovery *recovery,
		    enum recovery_result result, usec_t now)
{
	count(&recoveries->all, result);
	count(&recoveries->by_category[recovery->category], result);
	count(&recoveries->by_strategy[recovery->strategy], result);
	hist_add(&recoveries->duration, usec_sub(now, recovery->started));
	list_remove(&recoveries->active, &recovery->in_list);
	recovery->request = NULL;
	recovery->id = 0;
	list_push_back(&recoveries->spare, &recovery->in_list);
}

struct recovery *recoveries_find(const struct recoveries *recoveries, uint64_t id)
{
	struct list_node *node;

	list_for_each (node, &recoveries->active) {
		struct recovery *recovery = list_entry(node, struct recovery, in_list);

		if (recovery->id == id)
			return recovery;
	}
	return NULL;
}
