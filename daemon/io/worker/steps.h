/*
 * The steps of a worker's start, with their times, so that it can be seen where a start hangs.
 *
 * One step ends where the next begins.  The daemon names the first ones (PROTOCOL.md, "Workers"),
 * the worker may name others.
 */
#ifndef POOLD_IO_WORKER_STEPS_H
#define POOLD_IO_WORKER_STEPS_H

#include "protocol/buf.h"

#define STEPS_MAX     8 /* of more the first ones and the last are kept */
#define STEP_NAME_MAX 32

struct step {
	char name[STEP_NAME_MAX + 1];
	usec_t begun;
};

struct steps {
	struct step list[STEPS_MAX];
	unsigned count;
	usec_t ended; /* 0: the last is under way */
};

/* Begins a new list with this step. */
void steps_begin(struct steps *steps, const char *name, usec_t now);
/* A step begins; `name` may be any bytes, and is cut.  Nothing happens once they have ended. */
void steps_add(struct steps *steps, struct bytes name, usec_t now);
/* The start is over, successful or not. */
void steps_end(struct steps *steps, usec_t now);

/* Writes an array of [name, milliseconds]; of one that is under way as many as it has lasted. */
void steps_pack(const struct steps *steps, struct buf *out, usec_t now);
/* The last step and how long it has lasted, "exec for 1.5 s"; "" where there is none. */
void steps_describe(const struct steps *steps, usec_t now, char *out, size_t size);

#endif
