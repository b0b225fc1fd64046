/*
 * The memory that workers use: which of them is replaced when the machine has too little, and which
 * have grown beyond the max_memory of their pool.
 */
#ifndef POOLD_IO_DRIVER_MEMORY_PRESSURE_H
#define POOLD_IO_DRIVER_MEMORY_PRESSURE_H

#include "protocol/base.h"

struct driver;

struct memory_pressure {
	usec_t check_at;       /* when the memory of workers is read next; USEC_INFINITY: no pool
				limits it */
	uint32_t check_from;   /* the slot to begin with then */
	bool has_start_failed; /* a process could not be started for want of memory or processes */
	uint64_t exhausted;    /* of the chunk store, when it was looked at last */
	usec_t relieved_at;    /* when a worker was replaced for it last */
};

/* `is_limited`: a pool sets max_memory. */
void memory_pressure_init(struct memory_pressure *memory, usec_t now, bool is_limited);

/* Has the engine replace the idle worker with the most memory if the system refused memory since the
 * last time, once a second at most.  What memory_max refuses no worker could give back. */
void memory_pressure_relieve(struct driver *driver);

/* The bytes that a worker uses that is ready now; 0 where its pool does not limit them, or where that
 * says nothing, as it is not known when its program has loaded what it needs. */
uint64_t memory_pressure_at_ready(const struct driver *driver, uint32_t worker);

/* Tells the engine how much memory some of the workers use whose pools limit it, and sets the time
 * for the next of them. */
COLD void memory_pressure_check(struct driver *driver);

#endif
