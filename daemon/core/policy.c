#include "daemon/core/policy.h"

void policy_init(struct policy *policy)
{
	*policy = (struct policy){0};
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++) {
		const struct errinfo *info = errcode_info(code);

		policy->rows[code] = (struct policy_row){
			.severity = info->severity,
			.strategy = info->strategy,
			.retries = info->retries,
			.backoff = info->backoff,
			.counts_worker = info->counts_worker,
			.counts_breaker = info->counts_breaker,
			.fails_over = info->fails_over,
		};
	}
}

enum errseverity policy_severity(const struct policy *policy, enum errcode code,
				 const struct policy_context *context)
{
	enum errseverity severity = policy_row(policy, code)->severity;

	if (context->has_severity)
		return context->severity;
	if (context->is_of_all_workers)
		return SEVERITY_CRITICAL;
	if (context->attempts > 3 && severity < SEVERITY_CRITICAL)
		return severity + 1;
	if (context->priority == PRIORITY_CRITICAL && severity == SEVERITY_MINOR)
		return SEVERITY_MAJOR;
	return severity;
}

usec_t policy_delay(const struct policy *policy, enum errcode code,
		    const struct backoff_settings *pool, uint32_t n, usec_t previous,
		    struct prng *prng)
{
	const struct policy_row *row = policy_row(policy, code);
	struct backoff_settings linear = {
		.kind = BACKOFF_LINEAR, .base = pool->base, .cap = pool->cap};

	if (row->strategy == STRATEGY_IMMEDIATE_RETRY)
		return backoff_delay(&backoff_immediate, n, previous, prng);
	switch (row->backoff) {
	case ERRBACKOFF_NONE:
	case ERRBACKOFF_COUNT_:
		return 0;
	case ERRBACKOFF_LINEAR:
		break;
	case ERRBACKOFF_EXPONENTIAL:
		return backoff_delay(pool, n, previous, prng);
	}
	return backoff_delay(&linear, n, previous, prng);
}
