/* The simulated worker processes: how they handle messages, signals and requests. */
#ifndef POOLD_SIM_PROCESS_H
#define POOLD_SIM_PROCESS_H

#include "tests/sim/world.h"

/* Carries out an effect that names a worker. */
void process_take_effect(struct world *world, const struct effect *effect, uint32_t record);

/* Carries out a deed of kind DEED_WAKE to DEED_DIE. */
void process_take_deed(struct world *world, const struct deed *deed);

/* What stands in the page of the process that has said this, when the daemon hears it. */
uint64_t process_page(const struct world *world, const struct engine_event *news);

/* Whether the event is passed to the daemon: messages through a closed channel mostly are not. */
bool process_is_heard(struct world *world, const struct engine_event *news);

#endif
