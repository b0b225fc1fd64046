/*
 * The error handler's rules: what the daemon does about each code, and how grave it is.
 *
 * The table of errcode.def is the default of a matrix that the configuration may change row by row.
 * Everything is decided from the code; no text is ever looked at.
 */
#ifndef POOLD_CORE_POLICY_H
#define POOLD_CORE_POLICY_H

#include "daemon/core/backoff.h"
#include "daemon/core/request.h"

/* One row: what may be changed of struct errinfo. */
struct policy_row {
	enum errseverity severity;
	enum errstrategy strategy;
	unsigned retries; /* a ceiling: a retry needs more than that (recovery.h) */
	enum errbackoff backoff;
	bool counts_worker;
	bool counts_breaker;
	enum errfailover fails_over;
};

struct policy {
	struct policy_row rows[ERR_COUNT_]; /* that of ERR_NONE is of no use */
};

/* The table of errcode.def. */
void policy_init(struct policy *policy);

static inline const struct policy_row *policy_row(const struct policy *policy, enum errcode code)
{
	assert(code > ERR_NONE && code < ERR_COUNT_);
	return &policy->rows[code];
}

/* Around an error, for its severity. */
struct policy_context {
	unsigned attempts;	/* of the request so far */
	bool is_of_all_workers; /* no worker of the pool is at work */
	enum priority priority;
	bool has_severity; /* the worker said how grave it is: `severity` */
	enum errseverity severity;
};

/*
 * How grave an error is, the first of these that fits: as the worker said; critical when all
 * workers of the pool are affected; one step above its row after the third attempt; major where the
 * row says minor and the request is critical; as its row says.  For people and alerts: nothing is
 * decided by it but the time limit of a recovery.
 */
enum errseverity policy_severity(const struct policy *policy, enum errcode code,
				 const struct policy_context *context);

/*
 * The delay before the nth retry after `code` (n >= 1).  A row without backoff waits for nothing;
 * immediate_retry waits 0, 100, 200 ms; linear is n times the pool's base; exponential is the curve
 * that the pool is configured for.  `previous` and `prng`: see backoff_delay.
 */
usec_t policy_delay(const struct policy *policy, enum errcode code,
		    const struct backoff_settings *pool, uint32_t n, usec_t previous,
		    struct prng *prng);

#endif
