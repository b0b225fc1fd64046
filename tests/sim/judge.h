/*
 * The promises of the core, held against what really happened in the world:
 *
 * - P1: every request gets exactly one answer
 * - P2: no answer is later than its deadline and 10 ms, no time-out is earlier than the deadline
 * - P3: what may not run twice does not run twice, and the limits of attempts hold
 * - P4: retries stay within the pool's budget
 * - P5: queues keep to their limits, and refuse only when they are full
 * - workers: one process in a slot, replaced when dead, addressed only while it is there, ended
 *   only for what it did
 * - stop: within its time nothing is left, and that is said once
 * - health: what is told is what is
 * - check: engine_check, and a timer that is not due for ever
 */
#ifndef POOLD_SIM_JUDGE_H
#define POOLD_SIM_JUDGE_H

#include "tests/sim/world.h"

void judge_begin(struct world *world);

/* Before and after each event; for each effect, before it is carried out. */
void judge_before(struct world *world);
void judge_effect(struct world *world, const struct effect *effect);
void judge_after(struct world *world);

/* The clock jumped from `from` to world->now. */
void judge_leap(struct world *world, usec_t from);

/* A process really began the code of this request. */
void judge_run(struct world *world, struct record *record);

/* When everything has come to rest. */
void judge_end(struct world *world);

/* Whether now is more than a tick after the deadline; a jump of the clock over it excuses what
 * comes at its end. */
bool judge_is_late(const struct world *world, usec_t deadline);

/* Notes that a property is violated; the first one counts. */
PRINTF_LIKE(3, 4)
void judge_blame(struct world *world, const char *property, const char *format, ...);

#endif
