/*
 * Finds out that the loop stood still: the process was stopped, its container paused, the machine
 * suspended or too busy to run it.
 *
 * The loop sleeps until its timer at the latest.  If it wakes up much later than that, or if a turn
 * takes that long, it did not run in between.  While the machine is suspended CLOCK_MONOTONIC
 * stands still too, so that no timer is late: CLOCK_BOOTTIME tells of that.
 */
#ifndef POOLD_IO_BASE_STALL_H
#define POOLD_IO_BASE_STALL_H

#include "protocol/base.h"

/* A timer that is late by more than this was missed. */
#define STALL_LATE (100 * USEC_PER_MSEC)

/* While requests run the loop wakes up this often, so that it knows when it stopped. */
#define STALL_PULSE (100 * USEC_PER_MSEC)

/* Zeroed memory: no turn has begun. */
struct stall {
	usec_t slept;	    /* when the last turn ended, on the monotonic clock; 0: none did */
	usec_t turn;	    /* how long that turn took, if it was too long; else 0 */
	usec_t wake_at;	    /* when the loop was to wake up; USEC_INFINITY: at no certain time */
	usec_t boot_offset; /* CLOCK_BOOTTIME minus CLOCK_MONOTONIC when that turn began */
};

/* A turn that began at `begun` ends at `now`; the next one begins at `wake_at` at the latest. */
void stall_sleep(struct stall *stall, usec_t begun, usec_t now, usec_t wake_at);

/*
 * The next turn begins at `now`, when CLOCK_BOOTTIME is `boot`.  Returns for how long the loop
 * stood still on the monotonic clock, at most STALL_PULSE too much; 0: it did not.
 * *ret_suspended: for how long the machine was suspended in addition, when no clock ran that a
 * limit is measured by; 0: it was not.
 */
usec_t stall_wake(struct stall *stall, usec_t now, usec_t boot, usec_t *ret_suspended);

#endif
