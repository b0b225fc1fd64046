/* Settings of the core for tests that do not test them: the daemon's defaults
 * (daemon/io/config/config.def), as far as the core uses these. */
#ifndef POOLD_TESTS_DEFAULTS_H
#define POOLD_TESTS_DEFAULTS_H

#include "daemon/core/engine.h"

/*
 * 5 failures, 3 successes, 3 probes, 20 calls, 50 % failures, the slow-call rule off, a window of
 * 10 s, 1 s of outage, runs of 60 s, open for 60 s without growth or jitter (and 10 min at most),
 * probes of 30 s, early probes.
 */
extern const struct breaker_settings breaker_defaults;

/* Full jitter from 100 ms to 30 s. */
extern const struct backoff_settings backoff_defaults;

/* 20 tokens, 0.2 a success, 1 a second while below 10. */
extern const struct budget_settings budget_defaults;

/* Fills in breaker, budget, backoff, failover and affinity; all else is 0. */
void pool_default_settings(struct pool_settings *ret);

/* Fills in recoveries, sessions and keys; all else is 0. */
void engine_default_settings(struct engine_settings *ret);

#endif
