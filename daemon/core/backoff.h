/*
 * Backoff: how long a request waits before a retry.
 *
 * n counts the retries of one request from 1.  No delay exceeds the cap, for any n and any setting;
 * a value that does not fit into 64 bits becomes USEC_INFINITY before the cap is applied.
 */
#ifndef POOLD_CORE_BACKOFF_H
#define POOLD_CORE_BACKOFF_H

#include "daemon/core/prng.h"

/*
 * KIND(NAME, "name", formula)
 *
 * F is the Fibonacci sequence, 1 1 2 3 5 8.  The three kinds with jitter are those of M. Brooker,
 * "Exponential backoff and jitter" (AWS architecture blog, 2015).  Their `exponential` is limited
 * to the cap before the random number is drawn.  If it were limited only afterwards, most late
 * retries would wait exactly for the cap and come at the same time, which jitter must prevent.
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
	const usec_t *list; /* list_len delays, owned by the caller; for BACKOFF_CUSTOM */
	unsigned list_len;  /* 0: no delay */
};

/* The delays of the strategy immediate_retry: 0, 100, 200 ms; all later ones are 200 ms. */
extern const struct backoff_settings backoff_immediate;

const char *backoff_kind_name(enum backoff_kind kind);

/*
 * The delay before the nth retry (n >= 1).  `previous` is the delay before the request's last
 * retry, 0 if there was none; only decorrelated_jitter uses it, and takes at least the base.  Only
 * the three kinds with jitter draw from `prng`.
 */
usec_t backoff_delay(const struct backoff_settings *settings, uint32_t n, usec_t previous,
		     struct prng *prng);

#endif
