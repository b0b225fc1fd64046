/* What the world for load uses of the core beyond events, effects and views: what a pool knows of
 * the runs of its methods, and the switch of its admission. */
#ifndef POOLD_SIM_LOAD_CORE_H
#define POOLD_SIM_LOAD_CORE_H

#include "tests/sim/load_world.h"

/* The typical run of the method as the pool knows it; 0: it is unknown. */
usec_t load_known_typical(const struct load_world *world, uint32_t pool, unsigned method);

/* The time that about one run in a hundred exceeds, as the pool knows it; 0: it is unknown. */
usec_t load_known_high(const struct load_world *world, uint32_t pool, unsigned method);

/* Whether requests are refused for the wait that is predicted, and at dequeue. */
void load_set_admission(struct pool_settings *pool, bool has_admission);

#endif
