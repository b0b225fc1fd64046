/*
 * A pool's retry budget: a token bucket that keeps retries a fraction of the requests, so that they
 * cannot turn an outage into a storm.
 *
 * It starts full.  A retry takes one token; a request that succeeds gives a part of one back, and
 * while it is low, so does time: a pool with little to do must not be without retries for good.
 * Nobody ever waits for a token: there is one, or there is no retry.
 *
 * The idea and the share of 0.2 are those of Finagle's RetryBudget (20 % of requests, and a least
 * number a second); gRPC's retry throttling (its proposal A6) counts in thousandths likewise.
 */
#ifndef POOLD_CORE_BUDGET_H
#define POOLD_CORE_BUDGET_H

#include "protocol/base.h"

/* What a retry takes, in milli-tokens: one token. */
#define BUDGET_RETRY 1000

/* All in milli-tokens. */
struct budget_settings {
	uint32_t max;	       /* it starts with, and never has more */
	uint32_t per_success;  /* that a success gives */
	uint32_t per_second;   /* that time gives */
	uint32_t refill_below; /* time gives only up to here */
};

struct budget {
	struct budget_settings settings;
	/* In millionths of a milli-token, which is what one milli-token a second comes to in a µs:
	 * so no fraction is ever rounded away, however often it is looked at. */
	uint64_t balance;
	usec_t refilled; /* when time last gave its part */
};

/* A full one.  The settings are copied. */
void budget_init(struct budget *budget, const struct budget_settings *settings, usec_t now);

/* Takes one token for a retry; false, and nothing taken, when there is none. */
bool budget_take(struct budget *budget, usec_t now);

/* A request succeeded. */
void budget_success(struct budget *budget, usec_t now);

/* What is left, in milli-tokens, rounded down. */
uint32_t budget_remaining(const struct budget *budget, usec_t now);

#endif
