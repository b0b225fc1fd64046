/*
 * A pool's retry budget: a token bucket that limits retries to a fraction of the requests, so that
 * retries cannot overload a pool that already fails (a retry storm).
 *
 * The bucket starts full.  A retry takes one token.  A successful request adds a part of a token.
 * While the balance is low, time adds tokens too, so that a pool with few requests can retry again
 * after a while.  No request waits for a token: without a token there is no retry.
 *
 * The idea and the share of 0.2 are those of Finagle's RetryBudget (20 % of the requests, and a
 * minimum number per second); gRPC's retry throttling (proposal A6) also counts in thousandths.
 */
#ifndef POOLD_CORE_BUDGET_H
#define POOLD_CORE_BUDGET_H

#include "protocol/base.h"

/* The cost of a retry in milli-tokens: one token. */
#define BUDGET_RETRY 1000

/* All in milli-tokens. */
struct budget_settings {
	uint32_t max;	       /* capacity, and the balance at the start */
	uint32_t per_success;  /* added by each success */
	uint32_t per_second;   /* added by time */
	uint32_t refill_below; /* time adds only up to this balance */
};

struct budget {
	struct budget_settings settings;
	/* In millionths of a milli-token: a rate of one milli-token per second adds one unit per
	 * µs, so nothing is lost by rounding, however often the balance is updated. */
	uint64_t balance;
	usec_t refilled; /* time of the last refill */
};

/* Makes a full budget.  The settings are copied. */
void budget_init(struct budget *budget, const struct budget_settings *settings, usec_t now);

/* Takes one token for a retry.  False: less than one token is left, and nothing is taken. */
bool budget_take(struct budget *budget, usec_t now);

/* Gives back the token of a retry that was not made. */
void budget_return(struct budget *budget, usec_t now);

/* Adds the part of a token that a successful request earns. */
void budget_success(struct budget *budget, usec_t now);

/* The balance in milli-tokens, rounded down. */
uint32_t budget_remaining(const struct budget *budget, usec_t now);

#endif
