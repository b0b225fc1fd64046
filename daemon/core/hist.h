/*
 * A latency histogram of fixed size: log-linear buckets, eight to each power of two, so that a
 * quantile is at most 1/8 (12.5 %) above the truth.  Counts only; adding is O(1).
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

/* The value that the share `permille` / 1000 of all values does not exceed, rounded up to its
 * bucket's end; 0 when empty. */
usec_t hist_quantile(const struct hist *hist, unsigned permille);

/* The arithmetic mean; 0 when empty. */
usec_t hist_mean(const struct hist *hist);

/* How many values are at most `value`, exact where `value` is a bucket's end. */
uint64_t hist_count_upto(const struct hist *hist, usec_t value);

#endif
