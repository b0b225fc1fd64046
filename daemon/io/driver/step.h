/* A step: the engine takes an event, and its effects are carried out. */
#ifndef POOLD_IO_DRIVER_STEP_H
#define POOLD_IO_DRIVER_STEP_H

#include "daemon/core/engine.h"

struct channel_answer;
struct chunk;
struct driver;

/* An event, and what belongs to it that the engine never sees. */
struct driver_step {
	struct engine_event event; /* its time is set by driver_step */

	/* Of EVENT_WORKER_ANSWERED: what the worker answered, and the request that it answered;
	 * NO_SLOT: it was given up before. */
	const struct channel_answer *answer;
	uint32_t answered;

	/* Of EVENT_WORKER_CHUNK: the part, a whole value in `chunk`. */
	struct {
		struct chunk *chunk;
		struct bytes value;
	} part;

	/* Out: ERR_NONE, or why the engine refused what an operator asked for (EFFECT_DONE). */
	enum errcode verdict;
};

/* Has the engine take the event at this turn's time, and carries out all effects.  Not to be called
 * while effects are carried out. */
void driver_step(struct driver *driver, struct driver_step *step);

/* Carries out the effects that the engine has before any event: it starts its workers. */
void driver_first_step(struct driver *driver);

#endif
