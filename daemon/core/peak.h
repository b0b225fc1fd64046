/*
 * How high a value has been lately: the most of the last seconds and minutes, over windows that end
 * now, and since the start.
 *
 * The slots are those of slots.h.  As with a window (window.h), only the current second is counted
 * in; when a later one begins, it is added to its slots, and nothing is done while nothing is noted.
 *
 * Noting takes constant time, without a division but for the first time in a second.  Times are
 * those of the event loop's clock, in µs.
 */
#ifndef POOLD_CORE_PEAK_H
#define POOLD_CORE_PEAK_H

#include "daemon/core/slots.h"

struct peak {
	usec_t second; /* when the current second began, and when it ends */
	usec_t ends;
	uint64_t current;
	uint64_t before; /* of all seconds before the current one */
	uint64_t numbers[SLOTS_COUNT];
	uint64_t slots[SLOTS_COUNT];
};

void peak_init(struct peak *peak, usec_t now);

/* Adds the current second to its slots, and begins the second of `now`. */
COLD void peak_turn(struct peak *peak, usec_t now);

/* The value was `highest` at the most since this was last called, what it was then included. */
static inline void peak_note(struct peak *peak, usec_t now, uint64_t highest)
{
	if (now >= peak->ends)
		peak_turn(peak, now);
	if (highest > peak->current)
		peak->current = highest;
}

/* The most in the last `length`, up to 15 min; a longer one is everything since peak_init.  The value
 * is `highest` at the most since peak_note was last called. */
uint64_t peak_read(const struct peak *peak, usec_t now, usec_t length, uint64_t highest);

#endif
