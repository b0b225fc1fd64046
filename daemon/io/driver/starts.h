/*
 * Workers that wait for their process: a start takes a millisecond or two in which the daemon does
 * nothing else, so hundreds of them are started one a turn of the loop, and with them it spends no
 * more than half of its time.
 */
#ifndef POOLD_IO_DRIVER_STARTS_H
#define POOLD_IO_DRIVER_STARTS_H

#include "protocol/base.h"
#include "protocol/list.h"

struct life;

struct starts {
	struct list waiting; /* lives, by in_starts, in the order in which they came */
	usec_t next;	     /* the next start is not before this time */
};

void starts_init(struct starts *starts);

/* The life, whose number is set, is to be started. */
void starts_add(struct starts *starts, struct life *life);

/* Takes it back.  False: it does not wait. */
bool starts_drop(struct starts *starts, struct life *life);

/* Takes out the life that is to be started now; NULL: there is none, or it is too early.
 * starts_pause must follow once it is started. */
struct life *starts_take(struct starts *starts, usec_t now);

/* A start took from `begin` to `end`: the next one is not before as much time again has passed. */
void starts_pause(struct starts *starts, usec_t begin, usec_t end);

/* When the next start is due, or USEC_INFINITY. */
usec_t starts_deadline(const struct starts *starts);

#endif
