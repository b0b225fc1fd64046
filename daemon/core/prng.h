/*
 * A seeded pseudorandom number generator.  It is the core's only source of randomness, so that the
 * same seed and the same events lead to the same decisions.  It is not suitable for secrets.
 *
 * It is splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014):
 * a counter that is incremented by 2^64 divided by the golden ratio, and a function that mixes its
 * bits.  Neighbouring seeds give unrelated sequences; within the period of 2^64 every value comes
 * exactly once.
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

/* A uniformly distributed number from `low` to `high`, both included; low <= high. */
uint64_t prng_between(struct prng *prng, uint64_t low, uint64_t high);

#endif
