/*
 * When the slots of a window are for: three rings, whose slots are for one second, ten seconds and a
 * minute, and reach back 10 s, 60 s and 15 min.
 *
 * The owner keeps the slots, and for each the number of its time, counted from the clock's start and
 * from 1; 0: it was never used.  A slot of an earlier round has another number.
 */
#ifndef POOLD_CORE_SLOTS_H
#define POOLD_CORE_SLOTS_H

#include "protocol/base.h"

/* Each ring has one slot more than it reaches back: the first and the last one are not whole. */
#define SLOTS_SECONDS 11
#define SLOTS_TENS    7
#define SLOTS_MINUTES 16
#define SLOTS_COUNT   (SLOTS_SECONDS + SLOTS_TENS + SLOTS_MINUTES)
#define SLOTS_LEVELS  3

#define SLOTS_SECOND  USEC_PER_SEC
#define SLOTS_TEN     (10 * USEC_PER_SEC)
#define SLOTS_MINUTE  (60 * USEC_PER_SEC)

/* A ring: `count` slots from the slot `first` on. */
struct slots_level {
	usec_t length; /* of a slot */
	unsigned first;
	unsigned count;
};

extern const struct slots_level slots_levels[SLOTS_LEVELS];

/* The finest level that reaches back so far; NULL: none does. */
const struct slots_level *slots_find(usec_t length);

/* The slot for that time.  Sets its number; *ret_is_new: it was for another time, or unused. */
unsigned slots_place(const struct slots_level *level, uint64_t *numbers, usec_t time,
		     bool *ret_is_new);

/* When the window begins that ends now: where a slot begins. */
static inline usec_t slots_begin(usec_t now, usec_t length, usec_t slot_length)
{
	usec_t from = usec_sub(now, length);

	return from - from % slot_length;
}

static inline uint64_t slots_number(usec_t time, usec_t length)
{
	return time / length + 1;
}

/* Whether a slot with that number is for a time since `from`. */
static inline bool slots_is_since(uint64_t number, usec_t from, usec_t slot_length)
{
	return number >= slots_number(from, slot_length);
}

#endif
