/*
 * Workers that wait for their process: a start takes a millisecond or two in which the daemon does
 * nothing else, so hundreds of them are started one a turn of the loop, and with them it spends no
 * more than half of its time.
 */
#ifndef POOLD_IO_DRIVER_STARTS_H
#define POOLD_IO_DRIVER_STARTS_H

#include "daemon/core/list.h"
#include "protocol/base.h"

struct life;
struct driver;

struct starts {
	struct list waiting; /* channels, by in_starts, in the order in which they came */
	usec_t next;	     /* not before then */
};

void starts_init(struct starts *starts);

/* The channel's worker, whose life is set, is to be started. */
void starts_add(struct starts *starts, struct life *life);

/* Takes it back.  False: it does not wait. */
bool starts_drop(struct starts *starts, struct life *life);

/* Starts the next one, if it is time. */
void starts_turn(struct driver *driver);

/* When there is something to start, or USEC_INFINITY. */
usec_t starts_deadline(const struct starts *starts);

#endif
