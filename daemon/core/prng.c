#include "daemon/core/prng.h"

void prng_init(struct prng *prng, uint64_t seed)
{
	prng->state = seed;
}

uint64_t prng_next(struct prng *prng)
{
	uint64_t z = prng->state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t prng_between(struct prng *prng, uint64_t low, uint64_t high)
{
	uint64_t count, leftover, bits;

	assert(low <= high);
	if (low == 0 && high == UINT64_MAX)
		return prng_next(prng);
	count = high - low + 1;
	/* 2^64 modulo count: without rejecting so many values some results would be likelier. */
	leftover = (0 - count) % count;
	do
		bits = prng_next(prng);
	while (bits < leftover);
	return low + bits % count;
}
