#include "daemon/core/hist.h"

static unsigned bucket_of(usec_t value)
{
	unsigned exponent, sub;
	unsigned index;

	if (value < (1u << HIST_SUB_BITS))
		return (unsigned)value;
	exponent = 63 - (unsigned)__builtin_clzll(value);
	sub = (unsigned)(value >> (exponent - HIST_SUB_BITS)) & ((1u << HIST_SUB_BITS) - 1);
	index = ((exponent - HIST_SUB_BITS + 1) << HIST_SUB_BITS) + sub;
	return index < HIST_BUCKETS ? index : HIST_BUCKETS - 1;
}

/* The largest value that falls into the bucket. */
static usec_t bucket_end(unsigned index)
{
	unsigned exponent = index >> HIST_SUB_BITS;
	usec_t sub = index & ((1u << HIST_SUB_BITS) - 1);

	if (exponent == 0)
		return sub;
	return ((((usec_t)1 << HIST_SUB_BITS) + sub + 1) << (exponent - 1)) - 1;
}

void hist_add(struct hist *hist, usec_t value)
{
	hist->count++;
	hist->sum += value;
	if (value > hist->max)
		hist->max = value;
	hist->buckets[bucket_of(value)]++;
}

usec_t hist_quantile(const struct hist *hist, unsigned permille)
{
	uint64_t wanted = (hist->count * permille + 999) / 1000;
	uint64_t seen = 0;

	if (hist->count == 0)
		return 0;
	for (unsigned i = 0; i < HIST_BUCKETS - 1; i++) {
		seen += hist->buckets[i];
		if (seen >= wanted && seen > 0)
			return bucket_end(i) < hist->max ? bucket_end(i) : hist->max;
	}
	return hist->max;
}

usec_t hist_mean(const struct hist *hist)
{
	return hist->count == 0 ? 0 : hist->sum / hist->count;
}

uint64_t hist_count_upto(const struct hist *hist, usec_t value)
{
	uint64_t seen = 0;

	if (value >= hist->max)
		return hist->count;
	/* The last bucket has no end. */
	for (unsigned i = 0; i < HIST_BUCKETS - 1 && bucket_end(i) <= value; i++)
		seen += hist->buckets[i];
	return seen;
}
