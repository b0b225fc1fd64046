/* A request's good answer on its way to the caller. */
#ifndef POOLD_IO_DRIVER_ANSWER_H
#define POOLD_IO_DRIVER_ANSWER_H

struct call;
struct driver;
struct driver_step;
struct effect;

/* Stores what a worker has answered to a request that gave up on it, as EFFECT_STORE says. */
void answer_store(struct driver *driver, const struct driver_step *step,
		  const struct effect *effect);

/* Answers the call as EFFECT_RESULT says, and stores the session's state and the key's answer. */
void answer_result(struct driver *driver, const struct driver_step *step, struct call *call,
		   const struct effect *effect);

#endif
