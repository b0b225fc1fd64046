/* What the files of the engine share, and nobody else. */
#ifndef POOLD_CORE_ENGINE_INTERNAL_H
#define POOLD_CORE_ENGINE_INTERNAL_H

#include "daemon/core/engine.h"

struct engine {
	usec_t now; /* of the event being taken */
	struct request *requests;
	struct worker *workers;
	struct pool *pools;
	uint32_t requests_max;
	uint32_t worker_count;
	uint32_t pool_count;
	uint32_t open_requests;
	struct heap request_timers;
	struct heap worker_timers;
	bool stopping;
	bool stopped;
	usec_t drain_timeout;
	usec_t drain_until; /* USEC_INFINITY while not draining */
	struct effect *effects;
	uint32_t effect_first;
	uint32_t effect_end;
	uint32_t effect_max;
};

/* engine.c */

/* Room for one more effect, zeroed but for its type. */
struct effect *engine_emit(struct engine *engine, enum effect_type type);

static inline struct pool *engine_pool_of(struct engine *engine, const struct worker *worker)
{
	return &engine->pools[worker->pool];
}

static inline uint32_t engine_slot_of(const struct engine *engine, const struct request *request)
{
	return (uint32_t)(request - engine->requests);
}

/* engine_request.c: the requests' side */

void engine_submit(struct engine *engine, const struct engine_event *event);
void engine_cancel(struct engine *engine, uint32_t slot, bool gone);

/* The request's deadline has come. */
void engine_expire(struct engine *engine, struct request *request);

/* Sends as much of the pool's queue as finds a worker; starts workers if that would help. */
void engine_dispatch(struct engine *engine, struct pool *pool);

/* Takes the worker's good or bad answer to the attempt over to its request. */
void engine_take_answer(struct engine *engine, struct worker *worker, struct attempt *attempt,
			const struct engine_event *event);

/* Its worker is gone: every attempt in flight there is tried again or answered. */
void engine_settle_attempts(struct engine *engine, struct worker *worker, bool signalled);

/* Takes back what stands in the worker's line, has not begun and may run twice. */
void engine_take_back(struct engine *engine, struct worker *worker);

/* Answers everything that is queued in the pool with this code. */
void engine_fail_queue(struct engine *engine, struct pool *pool, enum errcode code);

/* Answers everything that is open anywhere with shutting_down. */
void engine_fail_all(struct engine *engine);

/* engine_worker.c: the workers' side */

void engine_worker_ready(struct engine *engine, struct worker *worker,
			 const struct engine_event *event);
void engine_worker_began(struct engine *engine, struct worker *worker, uint32_t id);
void engine_worker_answered(struct engine *engine, struct worker *worker,
			    const struct engine_event *event);
void engine_worker_broke(struct engine *engine, struct worker *worker, enum errcode code);
void engine_worker_exited(struct engine *engine, struct worker *worker,
			  const struct engine_event *event);
void engine_spawn_failed(struct engine *engine, struct worker *worker);

/* Something is due for the worker. */
void engine_worker_due(struct engine *engine, struct worker *worker);

/* Sets the worker's timer to what is next for it; after every change of its state or attempts. */
void engine_arm_worker(struct engine *engine, struct worker *worker);

/* Begins to end the worker; `cause` says how gently. */
void engine_terminate(struct engine *engine, struct worker *worker, enum worker_cause cause);

/* Starts as many workers as the pool lacks, each after the pool's restart delay. */
void engine_refill(struct engine *engine, struct pool *pool);

/* Starts one worker more than there are, if a slot is free. */
void engine_start_one(struct engine *engine, struct pool *pool);

/* While stopping: ends the workers of the pool that nothing waits for. */
void engine_stop_idle(struct engine *engine, struct pool *pool);

#endif
