/* The simulated worker processes: what becomes of messages, signals and requests that reach them.
 */
#ifndef POOLD_SIM_PROCESS_H
#define POOLD_SIM_PROCESS_H

#include "tests/sim/world.h"

/* Carries out the effect, one of those that name a worker. */
void process_take_effect(struct world *world, const struct effect *effect, uint32_t record);

/* A deed of kind DEED_WAKE to DEED_DIE. */
void process_take_deed(struct world *world, const struct deed *deed);

/* Whether the news is to be told at all: what comes through a closed channel mostly is not. */
bool process_is_heard(struct world *world, const struct engine_event *news);

#endif
