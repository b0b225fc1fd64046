/*
 * How much of a turn of the loop the handling of messages may take.
 *
 * Work is counted in units: one for a message, and one for each KiB of it and of what it made the
 * link put.  The clock is read only after CLOCK_EACH units, so that a short batch reads none.
 */
#ifndef POOLD_IO_BASE_TURN_H
#define POOLD_IO_BASE_TURN_H

#include "protocol/base.h"

/* One link hands over for so long without a break, and so many units. */
#define SLICE_TIME  (usec_t)500
#define SLICE_UNITS 1024

/* In one turn the links of a kind that wait with a rest hand over for so long, all together. */
#define TURN_REST (usec_t)500

/* When a turn has taken so long, no other client is read in it, or no other worker. */
#define TURN_CLIENTS (2 * USEC_PER_MSEC)
#define TURN_WORKERS (20 * USEC_PER_MSEC)

/* What a worker that has ended has left behind: so many units of it are read at once, and no more.
 * That is as many answers as fit into a socket's buffer. */
#define DRAIN_UNITS 16384

/* Of the loop. */
struct turn {
	usec_t begun;	     /* when its first message came; 0: none has */
	usec_t measured;     /* the last reading of the clock in it */
	unsigned unmeasured; /* units since then */
};

/* What one link may hand over without a break. */
struct slice {
	struct turn *turn;
	usec_t until;	/* USEC_INFINITY: no limit of time */
	unsigned units; /* left */
};

/* The next message is the first one of a turn. */
void turn_end(struct turn *turn);

/* A message comes: if it is the first one of the turn, its time is that of the turn. */
void turn_begin(struct turn *turn);

/* Reads the clock. */
usec_t turn_measure(struct turn *turn);

/* Whether the turn has taken `time`, as far as it is known. */
static inline bool turn_is_over(const struct turn *turn, usec_t time)
{
	return turn->measured - turn->begun >= time;
}

/* An ordinary slice; or one without limit of time, for `units`. */
struct slice slice_begin(struct turn *turn);
struct slice slice_of(struct turn *turn, unsigned units);

/* A message was handed over; `bytes`: its own and those that the link put for it.  Returns whether
 * the slice is used up. */
bool slice_charge(struct slice *slice, uint64_t bytes);

#endif
