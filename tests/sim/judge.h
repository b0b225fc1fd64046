/*
 * The promises of the core, compared to what really happened in the world:
 *
 * - P1: every request gets exactly one answer
 * - P2: no answer is later than 10 ms after its deadline, no time-out is earlier than the deadline
 * - P3: a request that may not run twice does not run twice, a key succeeds once in its lifetime,
 *   and the limits of attempts hold
 * - P4: retries stay within the pool's budget, and runs at each pool within that and the requests
 *   that came to it, those of other pools included
 * - P5: queues, sessions, keys, recoveries and probes stay within their limits; nothing is refused
 *   without a reason
 * - session: its requests run one at a time and in order, with the state that was committed last,
 *   at the worker that the affinity demands; a strict one is answered by its own pool from its own
 *   state; a used name is known as long as its tombstone exists
 * - key: a request that repeats a key gets the stored answer, which is kept for its lifetime
 * - stream: parts come before the answer and only to requests for streams; void parts are declared
 * - hold: what a client that does not read holds back is not sent, and costs no worker its life
 * - retry: none comes earlier than reported or more often than the error code allows
 * - breaker, chain, recovery: each change follows from the one before, and has its effect
 * - chain: who waits where no worker is at work, or to the end of its time, leaves for a fallback
 * - workers: a slot holds one process, which is replaced when it is dead, gets messages only while
 *   it exists, and is ended only for a true cause; there are never too many; a replaced worker ends
 *   when its replacement is READY; a rolling restart stops at the first failed start; an operator's
 *   request is carried out, or refused for a reason
 * - stop: it is complete within its time limit and reported once
 * - health: the reported health is the real one
 * - check: engine_check holds, and no timer stays due for ever
 */
#ifndef POOLD_SIM_JUDGE_H
#define POOLD_SIM_JUDGE_H

#include "daemon/core/engine_inspect.h"
#include "tests/sim/world.h"

void judge_begin(struct world *world);

/* Called before and after each event, and for each effect before it is carried out. */
void judge_before(struct world *world);
void judge_effect(struct world *world, const struct effect *effect);
void judge_after(struct world *world);

/* The clock jumped from `from` to world->now. */
void judge_leap(struct world *world, usec_t from);

/* A process of that pool really began to run this request; one ran it successfully. */
void judge_run(struct world *world, uint32_t number, uint32_t pool);
void judge_completed(struct world *world, uint32_t number);

/* The process has begun this task, or (the engine hears) has done what it was sent there. */
void judge_ledger_run(struct world *world, const struct process *process, const struct task *task);
void judge_ledger_success(struct world *world, const struct process *process,
			  const struct sending *sending);

/* The request of what was sent gives up on it: the run holds its key and session from now on.  And:
 * the engine hears that it has ended, and (`is_known`) how. */
void judge_give_up(struct world *world, struct sending *sending);
void judge_run_over(struct world *world, struct sending *sending, bool is_known);
void judge_ledger_after(struct world *world);

/* Called at the end of the world, when nothing is left to happen. */
void judge_end(struct world *world);

/* Whether the present time is more than a tick after the deadline.  What comes at the end of a
 * clock jump over the deadline is not late. */
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

/* Whether the engine can send nothing to the process any more. */
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
void judge_namesake(struct world *world, const struct effect *effect);
void judge_session_send(struct world *world, const struct record *record,
			const struct effect *effect);
/* A worker has answered a request that gave up on it: the key has its answer, the session its
 * state. */
void judge_store(struct world *world, const struct effect *effect);
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
/* A run with the key may have succeeded, and nobody knows. */
void judge_key_doubt(struct world *world, struct reported_key *key);
/* The request succeeded, but its answer can't be kept. */
void judge_key_lost(struct world *world, const struct record *record);
/* The request that failed in this event handed its attempt to `heir`, which gets the result: it is
 * not in doubt yet. */
void judge_key_inherit(struct world *world, const struct record *heir);
void judge_forget(struct world *world, const struct effect *effect);
bool judge_is_key_error(struct world *world, const struct record *record, enum executed executed);
/* Whether another request with the same key failed in this event. */
bool judge_is_passed_on(struct world *world, const struct record *record);

/* The number of workers, which of them end, and why. */
void judge_scaling_begin(struct world *world);
void judge_scaling_before(struct world *world);
void judge_scaling_after(struct world *world);
void judge_start(struct world *world, const struct effect *effect);
void judge_roll_reported(struct world *world, const struct effect *effect);
void judge_slow(struct world *world, const struct effect *effect);
/* Whether an operator took the pool out of service. */
bool judge_is_drained(const struct world *world, uint32_t pool);
/* Checks a request that is sent or answered in that pool. */
void judge_service(struct world *world, const struct record *record, uint32_t pool);

/* Ejection: for a reason, for a while, of at most half of a pool; who failed is asked last. */
void judge_eject_before(struct world *world);
void judge_eject_after(struct world *world);
/* The engine hears the answer to an attempt, whose request may have given it up. */
void judge_answered(struct world *world, const struct engine_event *event, bool given_up);

/* What comes to pools, what runs there, and what must go elsewhere because nobody is there. */
/* Turns and users: who sent a request, and whether one user has more than one may have. */
void judge_turns_before(struct world *world);
void judge_turns_after(struct world *world);
void judge_turns_send(struct world *world, const struct record *record, uint32_t pool);
uint32_t judge_user(const struct record *record);
bool judge_is_over_share(const struct world *world, const struct record *record, uint32_t pool,
			 enum over_share over);

/* Whether a request that was held has come back to the queue of the pool. */
bool judge_has_come_back(const struct world *world, uint32_t pool);

void judge_traffic_begin(struct world *world);
void judge_traffic_after(struct world *world);
void judge_traffic_send(struct world *world, const struct record *record, uint32_t pool);
void judge_traffic_static(struct world *world, const struct record *record, uint32_t pool);
void judge_queue_timeout(struct world *world, const struct record *record);

/* Breakers, chains, recoveries. */
void judge_rooms_begin(struct world *world);
void judge_rooms_before(struct world *world);
void judge_rooms_after(struct world *world);
void judge_breaker(struct world *world, const struct effect *effect);
void judge_breaker_send(struct world *world, struct record *record, uint32_t pool);
void judge_breaker_success(struct world *world, const struct record *record);
void judge_breaker_failure(struct world *world, struct record *record,
			   const struct failure *failure, uint32_t pool);
/* Whether the breaker that the request uses in the pool is not closed. */
bool judge_is_closed_to(struct world *world, const struct record *record, uint32_t pool);
unsigned judge_level(const struct world *world, const struct record *record, uint32_t pool);
void judge_level_change(struct world *world, const struct effect *effect);
void judge_recovery(struct world *world, const struct effect *effect);
void judge_recovery_answer(struct world *world, struct record *record, const struct effect *effect);

#endif
