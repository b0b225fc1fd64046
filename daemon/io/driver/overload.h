/*
 * Overload: when a pool, or the daemon for lack of memory, refuses requests that it would take at
 * another time.  It begins with the first one, and ends when none was refused for a while: both are
 * reported once, however many were refused meanwhile.
 */
#ifndef POOLD_IO_DRIVER_OVERLOAD_H
#define POOLD_IO_DRIVER_OVERLOAD_H

#include "protocol/errcode.h"

struct driver;

/* It is over when nothing was refused for so long. */
#define OVERLOAD_QUIET (5 * USEC_PER_SEC)

struct overload {
	usec_t since; /* 0: there is none */
	usec_t last;  /* when the last request was refused */
	uint64_t refused;
	enum errcode code; /* of the first one */
};

struct overloads {
	struct overload *places; /* of each pool; the last one is the daemon's */
	unsigned count;
	usec_t check_at; /* when overloads_check is due; USEC_INFINITY: never */
};

/* Returns 0 or -ENOMEM. */
int overloads_init(struct overloads *overloads, unsigned pool_count);
void overloads_done(struct overloads *overloads);

/* A request failed with this code at the pool, or before it came to one (NO_SLOT).  Codes that say
 * nothing of overload are ignored. */
void overload_note(struct driver *driver, uint32_t pool, enum errcode code);

COLD void overloads_check(struct driver *driver);

#endif
