/*
 * A small seeded generator: the core's only source of randomness, so that the same seed and the
 * same events give the same decisions.  Not for secrets.
 *
 * It is splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014):
 * a counter that grows by the golden ratio, and a mixing of its bits.  Neighbouring seeds give
 * unrelated sequences, and within its period of 2^64 every value comes exactly once.
 */
#ifndef POOLD_CORE_PRNG_H
#define POOLD_CORE_PRNG_H

#include "protocol/base.h"

struct prng {
	uint64_t state;
};

void prng_init(struct prng *prng, uint64_t seed);

/* The next 64 random bits. */
uint64_t prng_next(struct prng *prng);

/* A number from `low` to `high`, both included and each as likely as the others, for any
 * low <= high. */
uint64_t prng_between(struct prng *prng, uint64_t low, uint64_t high);

#endif
