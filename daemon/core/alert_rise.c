#include "daemon/core/alert_rise.h"

/* Clears the buckets that time has gone past. */
static void advance(struct alert_rise *rise, uint64_t bucket)
{
	uint64_t passed = bucket - rise->bucket;

	if (passed > ALERT_RISE_BUCKETS)
		passed = ALERT_RISE_BUCKETS;
	for (uint64_t i = 0; i < passed; i++)
		rise->buckets[(bucket - i) % ALERT_RISE_BUCKETS] = 0;
	rise->bucket = bucket;
}

static uint32_t saturated(uint64_t a, uint64_t b)
{
	return a + b < UINT32_MAX ? (uint32_t)(a + b) : UINT32_MAX;
}

uint64_t alert_rise_read(struct alert_rise *rise, uint64_t value, usec_t window, usec_t now)
{
	usec_t length = usec_max(window / (ALERT_RISE_BUCKETS - 1), 1);
	uint64_t sum = 0;
	uint32_t *newest;

	advance(rise, now / length);
	newest = &rise->buckets[rise->bucket % ALERT_RISE_BUCKETS];
	if (value > rise->last)
		*newest = saturated(*newest, usec_min(value - rise->last, UINT32_MAX));
	rise->last = value;
	for (unsigned i = 0; i < ALERT_RISE_BUCKETS; i++)
		sum += rise->buckets[i];
	return sum;
}
