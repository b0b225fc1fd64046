/* A histogram of latencies: linear steps inside each power of two, so that every value is kept to
 * within 1 part in 64. */
#ifndef POOLD_TESTS_BENCH_LATENCY_H
#define POOLD_TESTS_BENCH_LATENCY_H

#include <inttypes.h>
#include <stdio.h>

#include "protocol/base.h"

#define LATENCY_STEP_BITS 6
#define LATENCY_STEPS	  (UINT64_C(1) << LATENCY_STEP_BITS)
#define LATENCY_BUCKETS	  ((64 - LATENCY_STEP_BITS) * LATENCY_STEPS)

struct latency {
	uint64_t count;
	uint64_t sum_nsec;
	uint64_t max_nsec;
	uint64_t buckets[LATENCY_BUCKETS];
};

static inline size_t latency_bucket(uint64_t nsec)
{
	if (nsec < LATENCY_STEPS)
		return nsec;

	unsigned shift = 63u - (unsigned)__builtin_clzll(nsec) - LATENCY_STEP_BITS;

	return shift * LATENCY_STEPS + (nsec >> shift);
}

/* The largest value that falls into a bucket. */
static inline uint64_t latency_bucket_end(size_t bucket)
{
	if (bucket < 2 * LATENCY_STEPS)
		return bucket;

	uint64_t shift = bucket / LATENCY_STEPS - 1;

	return ((bucket - shift * LATENCY_STEPS + 1) << shift) - 1;
}

static inline void latency_add(struct latency *latency, uint64_t nsec)
{
	latency->count++;
	latency->sum_nsec += nsec;
	if (nsec > latency->max_nsec)
		latency->max_nsec = nsec;
	latency->buckets[latency_bucket(nsec)]++;
}

/* The value that `share` (0..1) of all values do not exceed, in microseconds; 0 when there is none.
 */
static inline double latency_quantile_usec(const struct latency *latency, double share)
{
	uint64_t rank = (uint64_t)(share * (double)latency->count);
	uint64_t seen = 0;

	if (latency->count == 0)
		return 0;
	for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
		seen += latency->buckets[i];
		if (seen > rank)
			return (double)latency_bucket_end(i) / 1000;
	}
	return (double)latency->max_nsec / 1000;
}

/* Writes it as JSON: pairs of microseconds, rounded up, and how many there were. */
static inline void latency_print(const struct latency *latency)
{
	const char *comma = "";

	printf("[");
	for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
		if (latency->buckets[i] == 0)
			continue;
		printf("%s[%" PRIu64 ", %" PRIu64 "]", comma, latency_bucket_end(i) / 1000 + 1,
		       latency->buckets[i]);
		comma = ", ";
	}
	printf("]");
}

#endif
