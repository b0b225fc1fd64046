/*
 * How long a request waits before it is tried again.
 *
 * n counts the retries of one request from 1.  No delay is above the cap, for any n and any
 * setting; what does not fit 64 bits counts as endless before the cap is applied.
 */
#ifndef POOLD_CORE_BACKOFF_H
#define POOLD_CORE_BACKOFF_H

#include "daemon/core/prng.h"

/*
 * KIND(NAME, "name", formula)
 *
 * F is Fibonacci's sequence, 1 1 2 3 5 8.  The three with jitter are those of M. Brooker,
 * "Exponential backoff and jitter" (AWS architecture blog, 2015).  Their `exponential` is cut at
 * the cap before the dice are thrown: cut afterwards only, all late retries would fall on the cap
 * together, which is what jitter is there to prevent.
 */
#define BACKOFF_KINDS(KIND)                                                                        \
	KIND(NONE, "none", "0")                                                                    \
	KIND(LINEAR, "linear", "n * base")                                                         \
	KIND(EXPONENTIAL, "exponential", "base * 2^(n-1)")                                         \
	KIND(FIBONACCI, "fibonacci", "F(n) * base")                                                \
	KIND(FULL_JITTER, "full_jitter", "uniform(0, exponential)")                                \
	KIND(EQUAL_JITTER, "equal_jitter", "half of exponential + uniform(0, that half)")          \
	KIND(DECORRELATED_JITTER, "decorrelated_jitter",                                           \
	     "uniform(base, min(cap, 3 * the delay before))")                                      \
	KIND(CUSTOM, "custom", "the nth of a list of delays; the last one repeats")

enum backoff_kind {
#define KIND(name, word, text) BACKOFF_##name,
	BACKOFF_KINDS(KIND)
#undef KIND
	BACKOFF_KIND_COUNT_
};

struct backoff_settings {
	enum backoff_kind kind;
	usec_t base;
	usec_t cap;
	const usec_t *list; /* the caller's, list_len delays; for BACKOFF_CUSTOM alone */
	unsigned list_len;  /* 0: no delay */
};

/* Of the strategy immediate_retry: 0, 100, 200 ms, and that from then on. */
extern const struct backoff_settings backoff_immediate;

const char *backoff_kind_name(enum backoff_kind kind);

/*
 * The delay before the nth retry (n >= 1).  `previous` is what this function returned for the same
 * request's retry before, 0 at the first: only decorrelated_jitter reads it, and begins as if it
 * had been the base.  Only the three kinds with jitter draw from `prng`.
 */
usec_t backoff_delay(const struct backoff_settings *settings, uint32_t n, usec_t previous,
		     struct prng *prng);

#endif
