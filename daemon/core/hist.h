/*
 * A latency histogram of fixed size: log-linear buckets, eight per power of two, so that a quantile
 * is at most 1/8 (12.5 %) above the exact value.  It stores only counts; adding is O(1).
 */
#ifndef POOLD_CORE_HIST_H
#define POOLD_CORE_HIST_H

#include "protocol/base.h"

#define HIST_SUB_BITS 3
/* Values from 0 µs to 2^36 µs (19 hours); the last bucket takes everything above. */
#define HIST_BUCKETS ((36 - HIST_SUB_BITS + 1) << HIST_SUB_BITS)

struct hist {
	uint64_t count;
	uint64_t sum; /* µs */
	usec_t max;
	uint64_t buckets[HIST_BUCKETS];
};

void hist_add(struct hist *hist, usec_t value);

/* The quantile: `permille` / 1000 of all values are at most this value, which is rounded up to the
 * end of its bucket; 0 if the histogram is empty. */
usec_t hist_quantile(const struct hist *hist, unsigned permille);

/* The arithmetic mean; 0 if the histogram is empty. */
usec_t hist_mean(const struct hist *hist);

/* The number of values that are at most `value`; exact if `value` is the end of a bucket. */
uint64_t hist_count_upto(const struct hist *hist, usec_t value);

#endif
