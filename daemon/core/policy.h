/*
 * The error policy: what the daemon does about each error code, and how severe the error is.
 *
 * The table in errcode.def has the defaults; the configuration may change it row by row.  Decisions
 * depend on the error code, never on the text of an error.
 */
#ifndef POOLD_CORE_POLICY_H
#define POOLD_CORE_POLICY_H

#include "daemon/core/backoff.h"
#include "daemon/core/request.h"

/* One row: the fields of struct errinfo that the configuration may change. */
struct policy_row {
	enum errseverity severity;
	enum errstrategy strategy;
	unsigned retries; /* the maximum; recovery.h has further conditions */
	enum errbackoff backoff;
	bool counts_worker;
	bool counts_breaker;
	enum errfailover fails_over;
};

struct policy {
	struct policy_row rows[ERR_COUNT_]; /* the row of ERR_NONE is unused */
};

/* Fills in the defaults of errcode.def. */
void policy_init(struct policy *policy);

static inline const struct policy_row *policy_row(const struct policy *policy, enum errcode code)
{
	assert(code > ERR_NONE && code < ERR_COUNT_);
	return &policy->rows[code];
}

/* The facts beside the code that determine the severity of an error. */
struct policy_context {
	unsigned attempts;	/* of the request so far */
	bool is_of_all_workers; /* no worker of the pool is at work */
	enum priority priority;
	bool has_severity; /* the worker sent `severity` */
	enum errseverity severity;
};

/*
 * The severity of an error, by the first rule that applies: the severity that the worker sent;
 * critical if all workers of the pool are affected; one step above the row's severity after the
 * third attempt; major if the row's severity is minor and the request's priority is critical; the
 * row's severity.  It is for reports and alerts; the daemon uses it only for the time limit of a
 * recovery.
 */
enum errseverity policy_severity(const struct policy *policy, enum errcode code,
				 const struct policy_context *context);

/*
 * The delay before the nth retry after `code` (n >= 1): 0, 100, 200 ms if the row's strategy is
 * immediate_retry, whatever its backoff; else 0 if the row has no backoff, n times the pool's base
 * if it says linear, and the pool's configured backoff if it says exponential.  `previous` and
 * `prng`: see backoff_delay.
 */
usec_t policy_delay(const struct policy *policy, enum errcode code,
		    const struct backoff_settings *pool, uint32_t n, usec_t previous,
		    struct prng *prng);

#endif
