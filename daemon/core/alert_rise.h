/*
 * By how much a counter has risen in the last while: it is read from time to time, and its rises
 * are kept in a few buckets.  The window is that long, or up to one bucket longer.
 */
#ifndef POOLD_CORE_ALERT_RISE_H
#define POOLD_CORE_ALERT_RISE_H

#include "protocol/base.h"

#define ALERT_RISE_BUCKETS 13

/* Zeroed memory: the counter is at 0. */
struct alert_rise {
	uint64_t last;	 /* its value when it was read last */
	uint64_t bucket; /* number of the newest one, counted from time 0 */
	uint32_t buckets[ALERT_RISE_BUCKETS];
};

/*
 * The counter's value is `value` at `now`, which never decreases.  Returns by how much it has risen
 * within `window` (µs, the same at each call).
 */
uint64_t alert_rise_read(struct alert_rise *rise, uint64_t value, usec_t window, usec_t now);

#endif
