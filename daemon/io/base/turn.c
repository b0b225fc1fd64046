#include "daemon/io/base/turn.h"

#include "daemon/io/base/clock.h"

/* The clock is read after so many units. */
#define CLOCK_EACH 8

#define UNIT_BYTES 1024

void turn_end(struct turn *turn)
{
	*turn = (struct turn){0};
}

usec_t turn_measure(struct turn *turn)
{
	turn->unmeasured = 0;
	turn->measured = clock_now(CLOCK_MONOTONIC);
	return turn->measured;
}

void turn_begin(struct turn *turn)
{
	if (turn->begun == 0)
		turn->begun = turn_measure(turn);
}

struct slice slice_begin(struct turn *turn)
{
	turn_begin(turn);
	/* What was done since the last reading is charged to this link: it was little. */
	return (struct slice){
		.turn = turn, .until = usec_add(turn->measured, SLICE_TIME), .units = SLICE_UNITS};
}

struct slice slice_of(struct turn *turn, unsigned units)
{
	turn_begin(turn);
	return (struct slice){.turn = turn, .until = USEC_INFINITY, .units = units};
}

bool slice_charge(struct slice *slice, uint64_t bytes)
{
	struct turn *turn = slice->turn;
	uint64_t units = 1 + bytes / UNIT_BYTES;

	if (units >= slice->units) {
		turn_measure(turn);
		slice->units = 0;
		return true;
	}
	slice->units -= (unsigned)units;
	turn->unmeasured += (unsigned)units;
	return turn->unmeasured >= CLOCK_EACH && turn_measure(turn) >= slice->until;
}
