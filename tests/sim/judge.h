/*
 * The promises of the core, held against what really happened in the world:
 *
 * - P1: every request gets exactly one answer
 * - P2: no answer is later than its deadline and 10 ms, no time-out is earlier than the deadline
 * - P3: what may not run twice does not run twice, a key succeeds once in its lifetime, and the
 *   limits of attempts hold
 * - P4: retries stay within the pool's budget
 * - P5: queues, sessions, keys, recoveries and probes keep to their limits; what is refused is
 *   refused for a reason
 * - session: one request at a time and in order, with the state that was committed last, at the
 *   worker that the affinity wants; a name that was in use is known as long as its tombstone stands
 * - key: whoever repeats a key gets its answer, and that is kept as long as it lives
 * - stream: parts come to those who asked, before the answer, and void ones are said to be
 * - retry: no sooner than was told, no more often than the code allows
 * - breaker, chain, recovery: each change follows from the one before, and holds
 * - workers: one process in a slot, replaced when dead, addressed only while it is there, ended
 *   only for what it did; never too many; who is replaced goes when the other one has come; a
 *   restart ends with the first that does not start; what people ask is done, or refused for a
 *   reason
 * - stop: within its time nothing is left, and that is said once
 * - health: what is told is what is
 * - check: engine_check, and a timer that is not due for ever
 */
#ifndef POOLD_SIM_JUDGE_H
#define POOLD_SIM_JUDGE_H

#include "daemon/core/engine_inspect.h"
#include "tests/sim/world.h"

void judge_begin(struct world *world);

/* Before and after each event; for each effect, before it is carried out. */
void judge_before(struct world *world);
void judge_effect(struct world *world, const struct effect *effect);
void judge_after(struct world *world);

/* The clock jumped from `from` to world->now. */
void judge_leap(struct world *world, usec_t from);

/* A process really began the code of this request, or ran it to a good end. */
void judge_run(struct world *world, uint32_t number);
void judge_completed(struct world *world, uint32_t number);

/* When everything has come to rest. */
void judge_end(struct world *world);

/* Whether now is more than a tick after the deadline; a jump of the clock over it excuses what
 * comes at its end. */
bool judge_is_late(const struct world *world, usec_t deadline);

/* Notes that a property is violated; the first one counts. */
PRINTF_LIKE(3, 4)
void judge_blame(struct world *world, const char *property, const char *format, ...);

/* --- for the judge's own files --- */

static inline uint32_t judge_number(const struct world *world, const struct record *record)
{
	return (uint32_t)(record - world->records);
}

/* The request in that slot, or NULL. */
struct record *judge_record(struct world *world, uint32_t slot);

/* The engine can't tell it anything any more. */
static inline bool judge_is_broken(const struct world *world, const struct process *process)
{
	return process->closed || process->reported_broken ||
	       engine_worker(world->engine, process->worker)->channel_broken;
}

/* Sessions and keys. */
void judge_names_begin(struct world *world);
void judge_names_before(struct world *world);
void judge_names_after(struct world *world);
void judge_session(struct world *world, const struct effect *effect);
void judge_session_send(struct world *world, const struct record *record,
			const struct effect *effect);
void judge_session_result(struct world *world, const struct record *record,
			  const struct effect *effect);
void judge_session_leave(struct world *world, const struct record *record);
bool judge_is_session_error(struct world *world, const struct record *record, enum errcode code,
			    uint32_t pool);
void judge_key_send(struct world *world, const struct record *record);
void judge_key_run(struct world *world, const struct record *record, bool idempotent);
void judge_key_result(struct world *world, const struct record *record,
		      const struct effect *effect);
void judge_key_leave(struct world *world, const struct record *record, enum executed executed);
/* What failed in this event left its attempt to that one, which hears how it ends: no doubt yet. */
void judge_key_inherit(struct world *world, const struct record *heir);
void judge_forget(struct world *world, const struct effect *effect);
bool judge_is_key_error(struct world *world, const struct record *record, enum executed executed);
/* Another request with its key failed in this event. */
bool judge_is_passed_on(struct world *world, const struct record *record);

/* How many workers there are, which go and why. */
void judge_scaling_begin(struct world *world);
void judge_scaling_before(struct world *world);
void judge_scaling_after(struct world *world);
void judge_start(struct world *world, const struct effect *effect);
void judge_roll_reported(struct world *world, const struct effect *effect);
void judge_slow(struct world *world, const struct effect *effect);
/* Somebody took the pool out of service. */
bool judge_is_drained(const struct world *world, uint32_t pool);
/* The request is sent or answered there. */
void judge_service(struct world *world, const struct record *record, uint32_t pool);

/* Breakers, chains, recoveries. */
void judge_rooms_begin(struct world *world);
void judge_rooms_before(struct world *world);
void judge_rooms_after(struct world *world);
uint32_t judge_circuit(const struct world *world, const struct record *record, uint32_t number);
void judge_breaker(struct world *world, const struct effect *effect);
void judge_breaker_send(struct world *world, struct record *record, uint32_t pool);
void judge_breaker_success(struct world *world, const struct record *record);
void judge_breaker_failure(struct world *world, struct record *record,
			   const struct failure *failure, uint32_t pool);
/* The breaker that the request asks in the pool does not let everything through. */
bool judge_is_closed_to(struct world *world, const struct record *record, uint32_t pool);
unsigned judge_level(const struct world *world, const struct record *record, uint32_t pool);
void judge_level_change(struct world *world, const struct effect *effect);
void judge_recovery(struct world *world, const struct effect *effect);
void judge_recovery_answer(struct world *world, struct record *record, const struct effect *effect);

#endif
