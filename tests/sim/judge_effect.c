#include "tests/sim/judge.h"

#include "daemon/core/engine_inspect.h"
#include <inttypes.h>
#include <string.h>

/* A request may be sent and taken back at once when the typical run time has just become shorter;
 * but not often. */
#define HASTY_MAX 3

/* Nothing in any world takes longer than this, including jumps of the clock. */
#define RETRY_AFTER_MAX (1000000 * USEC_PER_SEC)

/* --- answers --- */

struct record *judge_record(struct world *world, uint32_t slot)
{
	if (slot >= world->settings.requests_max || world->open[slot] == NOBODY)
		return NULL;
	return &world->records[world->open[slot]];
}

/* The answer must be one that the present process has just given to this request. */
static void judge_source(struct world *world, const struct record *record)
{
	const struct engine_event *event = &world->event;
	const struct process *process = &world->processes[event->worker];
	uint32_t number = judge_number(world, record);

	if (event->type != EVENT_WORKER_ANSWERED && event->type != EVENT_WORKER_CHUNK)
		judge_blame(world, "P1", "request %u has an answer that nobody gave", number);
	else if (!process->exists || process->life != event->life)
		judge_blame(world, "P1", "request %u has the answer of a life that is over",
			    number);
	else if (process->closed)
		judge_blame(world, "P1", "request %u has an answer from a closed channel", number);
	else if (event->id >= process->sending_count ||
		 process->sendings[event->id].record != number)
		judge_blame(world, "P1", "request %u has the answer to another", number);
	else if (process->sendings[event->id].given_up)
		judge_blame(world, "P1", "request %u has an answer that was given up", number);
}

/* No cancel is sent to a process whose channel is broken. */
static void give_up_silently(struct world *world, struct record *record)
{
	struct process *process = &world->processes[record->worker];

	if (!record->sent || !judge_is_broken(world, process))
		return;
	for (uint32_t i = 0; i < process->sending_count; i++)
		if (process->sendings[i].record == judge_number(world, record))
			judge_give_up(world, &process->sendings[i]);
	record->sent = false;
}

static void close_record(struct world *world, struct record *record)
{
	if (!record->open)
		judge_blame(world, "P1", "request %u has two answers", judge_number(world, record));
	if (judge_is_late(world, record->deadline))
		judge_blame(world, "P2", "request %u: answered %" PRIu64 " us after its deadline",
			    judge_number(world, record), world->now - record->deadline);
	record->open = false;
	world->judge.open--;
}

/* The static answer is of a pool in the request's own chain, and the client has no part
 * of another answer. */
static void judge_static(struct world *world, const struct record *record,
			 const struct effect *effect)
{
	judge_service(world, record, effect->pool);
	judge_traffic_static(world, record, effect->pool);
	if (world->pools[effect->pool].adapter != POOL_STATIC)
		judge_blame(world, "chain", "pool %u has no canned answers", effect->pool);
	if (record->sent)
		judge_blame(world, "P3", "request %u is at a worker and has a canned answer",
			    judge_number(world, record));
	if (record->chunked)
		judge_blame(world, "stream", "request %u: a canned answer after parts of another",
			    judge_number(world, record));
}

static void judge_result(struct world *world, struct record *record, const struct effect *effect)
{
	unsigned level = judge_level(world, record, effect->pool);

	switch (effect->result.source) {
	case RESULT_WORKER:
		judge_source(world, record);
		world->judge.results[effect->pool]++;
		judge_breaker_success(world, record);
		if (effect->pool != record->at)
			judge_blame(world, "chain", "request %u was sent to pool %u",
				    judge_number(world, record), record->at);
		if (world->event.type == EVENT_WORKER_ANSWERED &&
		    world->event.answer.code != ERR_NONE)
			judge_blame(world, "P1", "request %u: an error became a result",
				    judge_number(world, record));
		break;
	case RESULT_STATIC:
		judge_static(world, record, effect);
		break;
	case RESULT_STORED:
		break;
	}
	if (effect->result.source != RESULT_STORED &&
	    (level == UINT32_MAX || effect->result.level != level))
		judge_blame(world, "chain", "request %u has an answer of level %u from pool %u",
			    judge_number(world, record), effect->result.level, effect->pool);
	judge_session_result(world, record, effect);
	judge_key_result(world, record, effect);
}

/* Returns the longest run that the engine has learnt for a method of the pool. */
static usec_t longest_run(const struct pool *pool)
{
	usec_t longest = 0;

	for (unsigned i = 0; i < pool->runs.count; i++) {
		longest = usec_max(longest, runs_typical(&pool->runs, i));
		longest = usec_max(longest, runs_cost(&pool->runs, i));
	}
	return longest;
}

/* Whether the request can't wait and run in the time that it has left, by the least favourable
 * forecast: each request before it is one of the longest, and nearly all that is done in the
 * meantime is for higher priorities. */
static bool may_be_too_late(const struct world *world, const struct record *record, uint32_t index)
{
	const struct pool *pool = engine_pool(world->engine, index);
	usec_t worst = usec_mul(longest_run(pool), 20 * (world->judge.queue_len[index] + 2));

	return longest_run(pool) > 0 && usec_add(world->now, worst) > record->deadline;
}

/* Whether the request has less than FORECAST_SHARE percent of a typical run left. */
static bool is_too_late(const struct world *world, const struct record *record, uint32_t index)
{
	const struct pool *pool = engine_pool(world->engine, index);
	const struct request *request = engine_request(world->engine, record->slot);
	usec_t run = runs_typical(&pool->runs, runs_find(&pool->runs, request->method));

	return usec_sub(record->deadline, world->now) < run * FORECAST_SHARE / 100;
}

static bool is_queue_full(const struct world *world, const struct record *record, uint32_t pool)
{
	const struct judge *judge = &world->judge;
	const struct queue *queue = &engine_pool(world->engine, pool)->queue;
	uint64_t bytes = engine_request(world->engine, record->slot)->bytes;

	/* A request from another pool may have found the queue full during the event. */
	if (world->subject != judge_number(world, record))
		return true;
	/* So may one that waited for another to end: what waited for that came in before it. */
	if (judge->open + 1 < judge->open_before)
		return true;
	return may_be_too_late(world, record, pool) || judge->queue_len[pool] >= queue->len_max ||
	       judge->queue_bytes[pool] + bytes > queue->bytes_max || !queue_has_room(queue, bytes);
}

/* Whether the pool can't run an attempt of the request. */
static bool can_not_start(const struct world *world, uint32_t pool, enum errcode code)
{
	enum errcode due = world->pools[pool].adapter == POOL_SOCKET ? ERR_connect_failed
								     : ERR_pool_unavailable;

	if (code == ERR_pool_unavailable && judge_is_drained(world, pool))
		return true;
	return code == due && engine_pool(world->engine, pool)->failed_starts >= POOL_FAILED_STARTS;
}

/* Whether the deadline, or the pool's attempt_timeout for the request's attempt, is over. */
static bool is_overrun(const struct world *world, const struct record *record)
{
	usec_t timeout = world->pools[record->at].attempt_timeout;

	/* The time in which its client does not read is nobody's, but for its own deadline. */
	if (record->held_since > 0)
		return false;
	return world->now >= record->deadline ||
	       (timeout > 0 && world->now >= usec_add(usec_add(record->first_at, timeout),
						      record->held + record->stalled));
}

/* Whether the error may be reported at this moment, by its code. */
static bool is_due(struct world *world, const struct record *record, const struct effect *effect)
{
	const struct engine_event *event = &world->event;
	enum errcode code = effect->failed.failure.code;

	/* The error of the earlier failure, when the retry was not possible. */
	if (effect->failed.failure.was_attempted && code == record->last)
		return true;
	switch (code) {
	case ERR_queue_timeout:
	case ERR_deadline_exceeded:
		return world->now >= record->deadline || is_too_late(world, record, effect->pool);
	case ERR_attempt_timeout:
		return is_overrun(world, record);
	case ERR_cancelled:
		return event->type == EVENT_CANCEL && !event->is_gone &&
		       event->request == record->slot;
	case ERR_shutting_down:
		return world->judge.stopping;
	case ERR_queue_full:
		world->judge.turned_away |= effect->failed.failure.over_share == OVER_DAEMON;
		if (effect->failed.failure.over_share != OVER_NONE)
			return judge_is_over_share(world, record, effect->pool,
						   effect->failed.failure.over_share);
		return is_queue_full(world, record, effect->pool);
	case ERR_shed:
		return record->priority != PRIORITY_CRITICAL;
	case ERR_circuit_open:
		return judge_is_closed_to(world, record, effect->pool);
	case ERR_pool_unavailable:
	case ERR_connect_failed:
		return can_not_start(world, effect->pool, code);
	case ERR_session_not_found:
	case ERR_session_expired:
	case ERR_session_lost:
	case ERR_session_limit:
		return judge_is_session_error(world, record, code, effect->pool);
	case ERR_memory_limit:
		return judge_is_key_error(world, record, effect->failed.failure.executed);
	case ERR_worker_exited:
	case ERR_worker_killed:
	case ERR_peer_closed:
	case ERR_decode_error:
	case ERR_protocol_violation:
	case ERR_response_too_large:
		return record->sends > 0 && event->type == EVENT_WORKER_EXITED;
	case ERR_encode_error:
		return record->sends > 0 && event->type == EVENT_SEND_FAILED;
	default:
		return false;
	}
}

/* Only the engine knows whether all workers of a pool are affected, so that `critical`
 * is accepted there. */
static bool is_as_grave(const struct world *world, const struct record *record,
			const struct effect *effect)
{
	const struct failure *failure = &effect->failed.failure;
	enum errseverity severity = world->policy.rows[failure->code].severity;

	if (failure->has_severity)
		return effect->failed.severity == failure->severity;
	if (record->sends > 3 && severity < SEVERITY_CRITICAL)
		severity++;
	else if (record->priority == PRIORITY_CRITICAL && severity == SEVERITY_MINOR)
		severity = SEVERITY_MAJOR;
	return effect->failed.severity == severity ||
	       (effect->failed.severity == SEVERITY_CRITICAL && failure->was_attempted &&
		!failure->is_from_worker);
}

/* The client must get the error as the worker described it. */
static void judge_words(struct world *world, const struct record *record,
			const struct effect *effect)
{
	const struct failure *failure = &effect->failed.failure;
	const struct engine_event *event = &world->event;

	if (!is_as_grave(world, record, effect))
		judge_blame(world, "retry", "request %u: %s is not %s", judge_number(world, record),
			    errcode_name(failure->code), errseverity_name(effect->failed.severity));
	if (!failure->is_from_worker || record->last == failure->code)
		return;
	judge_source(world, record);
	if (event->type == EVENT_WORKER_ANSWERED &&
	    (failure->has_retryable != event->answer.has_retryable ||
	     failure->has_severity != event->answer.has_severity ||
	     failure->retry_after != event->answer.retry_after))
		judge_blame(world, "retry", "request %u: other words than the worker's",
			    judge_number(world, record));
}

/* A request that failed by session_limit has run well: its breaker counts a success. */
static void note_good_run(struct world *world, const struct record *record, enum errcode code,
			  bool attempted)
{
	if (code != ERR_session_limit || !attempted || world->event.type != EVENT_WORKER_ANSWERED)
		return;
	judge_breaker_success(world, record);
	world->judge.results[record->at]++;
	judge_key_lost(world, record);
}

static void judge_executed(struct world *world, const struct record *record,
			   const struct failure *failure)
{
	uint32_t number = judge_number(world, record);

	if (failure->executed == EXECUTED_NO && record->runs > 0 && !record->misled)
		judge_blame(world, "P3", "request %u: \"executed no\" after %u runs (%s)", number,
			    record->runs, errcode_name(failure->code));
	if (failure->executed == EXECUTED_YES && record->runs == 0 && record->key == NO_NAME &&
	    !world->processes[world->event.worker].liar)
		judge_blame(world, "P3", "request %u: \"executed yes\", but it never ran", number);
}

/* Whether nothing forbids a retry that the worker asked for in the request's first failure. */
static bool may_be_tried_again(struct world *world, const struct record *record,
			       const struct failure *failure)
{
	const struct pool_settings *pool = &world->pools[record->at];
	usec_t run = engine_pool(world->engine, record->at)->typical_run;
	usec_t delay =
		failure->retry_after == USEC_INFINITY ? pool->backoff.cap : failure->retry_after;

	/* The engine suspects a request that was alone at a worker when that died. */
	if (engine_request(world->engine, record->slot)->run.crashes > 0)
		return false;
	/* It also counts requests that may have run, although the world knows that they did not. */
	if (engine_pool(world->engine, record->at)->budget.balance <
	    (uint64_t)BUDGET_RETRY * USEC_PER_SEC)
		return false;
	return failure->has_retryable && failure->is_retryable && record->idempotent &&
	       !record->chunked && record->retries == 0 && record->deaths == 0 &&
	       record->moves == 0 && record->sends < record->max_attempts && delay < USEC_PER_SEC &&
	       usec_add(world->now + USEC_PER_SEC, run) < record->deadline && run < USEC_PER_SEC &&
	       !judge_is_closed_to(world, record, record->at) &&
	       pool->budget.max >= 20 * BUDGET_RETRY && world->judge.retries[record->at] < 5 &&
	       world->judge.recoveries < world->settings.recoveries_max;
}

static void judge_abandoning(struct world *world, const struct record *record,
			     const struct failure *failure)
{
	if (failure->is_from_worker && record->last == ERR_NONE &&
	    world->event.type == EVENT_WORKER_ANSWERED && record->heir_in == NOBODY &&
	    may_be_tried_again(world, record, failure))
		judge_blame(world, "retry", "request %u is not tried again as the worker asked",
			    judge_number(world, record));
}

static void judge_error(struct world *world, struct record *record, const struct effect *effect)
{
	const struct failure *failure = &effect->failed.failure;
	enum errcode code = failure->code;
	uint32_t number = judge_number(world, record);

	record->told_no = failure->executed == EXECUTED_NO;
	judge_words(world, record, effect);
	judge_abandoning(world, record, failure);
	if (!failure->is_from_worker && !judge_is_passed_on(world, record) &&
	    !is_due(world, record, effect))
		judge_blame(world, "P1", "request %u: %s is not due", number, errcode_name(code));
	judge_executed(world, record, failure);
	if (code == ERR_queue_timeout)
		judge_queue_timeout(world, record);
	if (code == ERR_attempt_timeout && record->overran == world->events && record->last != code)
		world->judge.overrun = effect->worker;
	if (effect->failed.has_worker != (record->sends > 0))
		judge_blame(world, "P1", "request %u: sent %u times, the error says otherwise",
			    number, record->sends);
	if ((code == ERR_queue_full || code == ERR_shed) && failure->retry_after == USEC_INFINITY)
		judge_blame(world, "P5", "request %u: %s says not when to come again", number,
			    errcode_name(code));
	if (failure->retry_after != USEC_INFINITY && failure->retry_after > RETRY_AFTER_MAX)
		judge_blame(world, "P5", "request %u: is to come again at the end of all time",
			    number);
	note_good_run(world, record, code, failure->was_attempted);
	judge_breaker_failure(world, record, failure, effect->pool);
	judge_key_leave(world, record, failure->executed);
}

static void judge_answer(struct world *world, const struct effect *effect)
{
	struct record *record = judge_record(world, effect->request);

	if (!record) {
		judge_blame(world, "P1", "an answer for slot %u, which holds no request",
			    effect->request);
		return;
	}
	/* A request that its client gave up may still have an heir. */
	if (world->gone != judge_number(world, record))
		give_up_silently(world, record);
	close_record(world, record);
	judge_recovery_answer(world, record, effect);
	judge_session_leave(world, record);
	if (effect->type == EFFECT_DROP ||
	    (effect->type == EFFECT_RESULT && effect->result.source == RESULT_STATIC))
		judge_key_leave(world, record, EXECUTED_NO);
	if (effect->type == EFFECT_RESULT)
		judge_result(world, record, effect);
	else if (effect->type == EFFECT_ERROR)
		judge_error(world, record, effect);
	else if (world->event.type != EVENT_CANCEL || !world->event.is_gone ||
		 world->event.request != effect->request)
		judge_blame(world, "P1", "request %u was dropped, but its client is there",
			    judge_number(world, record));
}

/* --- attempts --- */

void judge_run(struct world *world, uint32_t number, uint32_t pool)
{
	const struct record *sent = &world->records[number];
	struct record *record = world_heir(world, number);

	record->runs++;
	world->judge.traffic[pool].ran += !record->misled;
	number = judge_number(world, record);
	world_trace(world, "  request %u runs (in slot %u)", number, record->slot);
	if (record->told_no && !record->misled)
		judge_blame(world, "P3", "request %u runs, but its client knows that it does not",
			    number);
	if (!sent->idempotent && record->runs > 1 && !record->unstored)
		judge_blame(world, "P3", "request %u is not idempotent and ran twice", number);
	else if (record->runs > record->max_attempts + record->before + record->moves &&
		 !record->misled)
		judge_blame(world, "P3", "request %u ran %u times, %u attempts are allowed", number,
			    record->runs, record->max_attempts);
	judge_key_run(world, record, sent->idempotent || record->misled);
}

/* No request may be sent to wait behind one that runs far longer than the typical run time. */
static void judge_queueing(struct world *world, const struct effect *effect)
{
	const struct worker *worker = engine_worker(world->engine, effect->worker);

	if (worker->is_slow && worker->attempts.len > worker->concurrency)
		judge_blame(world, "workers", "worker %u is slow and gets more to do",
			    effect->worker);
}

/* How long the worker runs, by what is known of methods, before it comes to that message. */
static usec_t runs_before(const struct world *world, const struct process *process, uint32_t id)
{
	const struct worker *worker = engine_worker(world->engine, process->worker);
	struct list_node *node;
	usec_t sum = 0;

	/* The event may have sent more after it. */
	list_for_each (node, &worker->attempts) {
		const struct attempt *attempt = list_entry(node, struct attempt, in_worker);

		if (attempt->id < id)
			sum += attempt->expected;
	}
	return sum;
}

/* Who has to wait at a worker: nobody for long, none with a key or a session, and what must not run
 * twice only where it can come back from. */
static void judge_line(struct world *world, const struct process *process,
		       const struct record *record, uint32_t id)
{
	const struct pool_settings *pool = &world->pools[process->pool];
	unsigned concurrency = process->concurrency;
	unsigned line;

	if (concurrency > WORKER_ATTEMPTS_MAX)
		concurrency = WORKER_ATTEMPTS_MAX;
	if (process->in_flight >= WORKER_ATTEMPTS_MAX)
		judge_blame(world, "P5", "worker %u gets more than there may be", process->worker);
	if (process->in_flight < concurrency)
		return;
	line = process->in_flight - concurrency;
	if (line >= pool->prefetch &&
	    (pool->prefetch == 0 || line >= pool->prefetch_max || process->batches))
		judge_blame(world, "P5", "worker %u gets more than it has room for",
			    process->worker);
	if ((line >= pool->prefetch || !record->idempotent) &&
	    runs_before(world, process, id) >= concurrency * USEC_PER_MSEC)
		judge_blame(world, "P5", "request %u is to wait for long at worker %u",
			    judge_number(world, record), process->worker);
	if (record->key != NO_NAME || record->session != NO_NAME)
		judge_blame(world, "P3", "request %u with a name waits at worker %u",
			    judge_number(world, record), process->worker);
	if (!record->idempotent &&
	    (!process->recalls || !(process->announces || process->pages) || process->batches))
		judge_blame(world, "P3", "request %u waits at worker %u, which never gives it back",
			    judge_number(world, record), process->worker);
}

/*
 * A request that really ran and is sent again to the same pool is a retry.  The pool's budget has
 * as many tokens as it is set to: some at the start, a part of one for each result and each
 * second.  A request that was taken back from a slow worker costs nothing.
 */
static void judge_budget(struct world *world, struct record *record, uint32_t pool)
{
	const struct budget_settings *budget = &world->pools[pool].budget;
	struct judge *judge = &world->judge;
	uint64_t most = budget->max + (uint64_t)judge->results[pool] * budget->per_success +
			(world->now - judge->begun) * budget->per_second / USEC_PER_SEC;

	/* Retries count in the pool where they are made. */
	if (record->at != pool)
		record->paid = record->runs;
	if (record->runs == record->paid || record->moves > 0 || record->misled)
		return;
	record->paid = record->runs;
	if (++judge->retries[pool] > most / BUDGET_RETRY + 1)
		judge_blame(world, "P4", "pool %u: %u retries", pool, judge->retries[pool]);
}

/* Parts that the client already has must have been declared void. */
static void judge_stream_send(struct world *world, const struct record *record,
			      const struct effect *effect)
{
	if (effect->send.is_stream != record->stream)
		judge_blame(world, "stream", "request %u: a stream or not?",
			    judge_number(world, record));
	if (record->chunked)
		judge_blame(world, "stream", "request %u is sent again after parts of its answer",
			    judge_number(world, record));
}

static void judge_place(struct world *world, struct record *record, const struct effect *effect)
{
	unsigned level = judge_level(world, record, effect->pool);

	if (level == UINT32_MAX)
		judge_blame(world, "chain", "request %u goes to pool %u, not of its chain",
			    judge_number(world, record), effect->pool);
	if (record->sends > 1 && level < record->level)
		judge_blame(world, "chain", "request %u goes back up to pool %u",
			    judge_number(world, record), effect->pool);
	if (effect->pool != record->at)
		record->retries = 0;
	record->at = effect->pool;
	record->level = level;
}

static bool has_failed_at(const struct record *record, uint32_t worker, uint32_t life)
{
	for (unsigned i = 0; i < REQUEST_TRIED_MAX; i++)
		if (record->failed[i].worker == worker && record->failed[i].life == life)
			return true;
	return false;
}

static void note_failed_at(struct record *record)
{
	unsigned next = record->failed_next++ % REQUEST_TRIED_MAX;

	record->failed[next].worker = record->worker;
	record->failed[next].life = record->life;
}

/* A worker at which the request has failed is the last choice. */
static void judge_choice(struct world *world, const struct record *record,
			 const struct effect *effect)
{
	const struct pool *pool = engine_pool(world->engine, effect->pool);

	if (record->session != NO_NAME || record->retries == 0 || record->at != effect->pool ||
	    !has_failed_at(record, effect->worker, effect->life))
		return;
	for (unsigned i = 0; i < pool->slots; i++) {
		const struct worker *worker = &pool->workers[i];

		if (worker->state == WORKER_READY && worker->since < world->now &&
		    !has_failed_at(record, worker->index, worker->life))
			judge_blame(world, "retry",
				    "request %u goes back to worker %u, though worker %u is ready",
				    judge_number(world, record), effect->worker, worker->index);
	}
}

static void judge_time(struct world *world, const struct record *record,
		       const struct effect *effect)
{
	usec_t timeout = world->pools[effect->pool].attempt_timeout;
	usec_t deadline = record->deadline;

	if (timeout > 0)
		deadline = usec_min(deadline, usec_add(world->now, timeout));
	if (effect->send.deadline != deadline || record->deadline <= world->now)
		judge_blame(world, "P2", "request %u is sent with another deadline, or after it",
			    judge_number(world, record));
	if (world->now < record->not_before)
		judge_blame(world, "retry", "request %u is sent before its delay is over",
			    judge_number(world, record));
	if (record->recovery > 0 && world->now >= record->recovery_until)
		judge_blame(world, "recovery", "request %u is sent after its recovery's end",
			    judge_number(world, record));
}

static void judge_send(struct world *world, const struct effect *effect)
{
	struct process *process = &world->processes[effect->worker];
	struct record *record = judge_record(world, effect->request);

	if (!record || !record->open) {
		judge_blame(world, "P1", "slot %u is sent, but nothing waits there",
			    effect->request);
		return;
	}
	if (!process->reported_ready || process->reported_to_shut_down ||
	    process->reported_broken || process->killed)
		judge_blame(world, "workers", "worker %u gets work, but is not ready",
			    effect->worker);
	if (process->pool != effect->pool)
		judge_blame(world, "workers", "worker %u is of another pool", effect->worker);
	if (record->sent)
		judge_blame(world, "P3", "request %u is at two workers",
			    judge_number(world, record));
	if (record->deaths > world->pools[effect->pool].max_crash_retries + record->moves &&
	    !record->misled)
		judge_blame(world, "P3", "request %u took %u workers down and goes to another",
			    judge_number(world, record), record->deaths);
	if (effect->send.attempt != ++record->sends)
		judge_blame(world, "P5", "request %u: attempt %u is the %uth",
			    judge_number(world, record), effect->send.attempt, record->sends);
	if (record->aside && record->key == NO_NAME)
		judge_blame(world, "hold", "request %u is sent, but its client has too much unread",
			    judge_number(world, record));
	judge_budget(world, record, effect->pool);
	judge_time(world, record, effect);
	judge_choice(world, record, effect);
	judge_traffic_send(world, record, effect->pool);
	judge_turns_send(world, record, effect->pool);
	judge_place(world, record, effect);
	judge_service(world, record, effect->pool);
	judge_stream_send(world, record, effect);
	judge_breaker_send(world, record, effect->pool);
	judge_session_send(world, record, effect);
	judge_key_send(world, record);
	judge_line(world, process, record, effect->send.id);
	judge_queueing(world, effect);
	process->in_flight++;
	record->sent = true;
	record->held = record->held_since = record->stalled = 0;
	record->sent_at = world->judge.overdue ? USEC_INFINITY : world->now;
	record->first_at = world->now;
	record->worker = effect->worker;
	record->life = effect->life;
}

/* Counted once for each event, since one event may take a whole line back. */
static void judge_haste(struct world *world, const struct effect *effect)
{
	if (world->judge.hasty_at == world->events)
		return;
	world->judge.hasty_at = world->events;
	if (++world->judge.hasty > HASTY_MAX)
		judge_blame(world, "workers", "worker %u: requests are sent and taken back at once",
			    effect->worker);
}

static void judge_cancel(struct world *world, const struct effect *effect)
{
	struct process *process = &world->processes[effect->worker];
	struct sending *sending;
	struct record *record;

	if (effect->send.id >= process->sending_count ||
	    process->sendings[effect->send.id].record == NOBODY) {
		judge_blame(world, "workers", "worker %u is to give up what it never got",
			    effect->worker);
		return;
	}
	sending = &process->sendings[effect->send.id];
	if (sending->given_up || sending->answered)
		judge_blame(world, "workers", "worker %u is to give up message %u again",
			    effect->worker, effect->send.id);
	judge_give_up(world, sending);
	record = &world->records[sending->record];
	record->sent = false;
	if (world->event.type == EVENT_CANCEL || world->event.type == EVENT_RECOVERY_CANCEL ||
	    !record->open)
		return;
	/* Until a failure is reported: then the request was not just taken back. */
	record->taken_back = world->events;
	record->moves++;
	world->judge.traffic[record->at].moved++;
	if (is_overrun(world, record))
		record->overran = world->events;
	if (record->sent_at == world->now &&
	    engine_worker(world->engine, effect->worker)->state == WORKER_BUSY)
		judge_haste(world, effect);
}

/* A worker is asked once, and only for what it can give back: one that must not run twice. */
static void judge_recall(struct world *world, const struct effect *effect)
{
	struct process *process = &world->processes[effect->worker];
	uint32_t id = effect->send.id;
	struct sending *sending;

	if (id >= process->sending_count || process->sendings[id].record == NOBODY ||
	    process->reported_broken || process->closed) {
		judge_blame(world, "workers", "worker %u is to give back what it has not",
			    effect->worker);
		return;
	}
	sending = &process->sendings[id];
	if (sending->asked || sending->answered || sending->given_up)
		judge_blame(world, "workers", "worker %u is to give back message %u again",
			    effect->worker, id);
	if (!process->recalls || world->records[sending->record].idempotent)
		judge_blame(world, "workers", "worker %u is asked to give back message %u",
			    effect->worker, id);
	sending->asked = true;
}

/* --- retries --- */

/* How often such a failure may be tried again in a pool. */
static unsigned ceiling(const struct world *world, const struct failure *failure)
{
	unsigned retries = world->policy.rows[failure->code].retries;

	return failure->has_retryable && retries == 0 ? 1 : retries;
}

static void judge_delay(struct world *world, const struct record *record,
			const struct effect *effect)
{
	const struct failure *failure = &effect->failed.failure;
	const struct policy_row *row = &world->policy.rows[failure->code];
	usec_t cap = world->pools[record->at].backoff.cap;
	usec_t delay = effect->failed.delay;

	if (row->strategy == STRATEGY_IMMEDIATE_RETRY)
		cap = 200 * USEC_PER_MSEC;
	if (failure->is_from_worker && failure->retry_after != USEC_INFINITY) {
		if (delay != failure->retry_after)
			judge_blame(world, "retry", "request %u: another delay than was asked for",
				    judge_number(world, record));
	} else if (delay > cap) {
		judge_blame(world, "retry", "request %u: a delay of %" PRIu64 " us, over the cap",
			    judge_number(world, record), delay);
	}
	if (usec_add(world->now, delay) >= record->deadline)
		judge_blame(world, "retry", "request %u: a retry that outlives the deadline",
			    judge_number(world, record));
}

/* The process died of the request, but too late for the engine to know it in time. */
static void forgive_death(const struct world *world, struct record *record, enum errcode code)
{
	const struct process *process = &world->processes[record->worker];

	if (code == ERR_attempt_timeout && !process->alive && process->life == record->life &&
	    record->deaths > 0)
		record->deaths--;
}

/* The request is tried again in the same pool. */
static void judge_again(struct world *world, struct record *record, const struct effect *effect)
{
	const struct failure *failure = &effect->failed.failure;

	judge_delay(world, record, effect);
	if (++record->retries > ceiling(world, failure))
		judge_blame(world, "retry", "request %u: %s is tried again too often",
			    judge_number(world, record), errcode_name(failure->code));
	if (failure->has_retryable && !failure->is_retryable)
		judge_blame(world, "retry", "request %u: the worker said that it is final",
			    judge_number(world, record));
}

static void judge_retry(struct world *world, const struct effect *effect)
{
	const struct failure *failure = &effect->failed.failure;
	struct record *record = judge_record(world, effect->request);
	unsigned level;

	if (!record || !record->open) {
		judge_blame(world, "P1", "slot %u is tried again, but nothing waits there",
			    effect->request);
		return;
	}
	give_up_silently(world, record);
	level = judge_level(world, record, effect->pool);
	if (record->taken_back == world->events) {
		record->taken_back = 0;
		record->moves--;
	}
	judge_words(world, record, effect);
	judge_executed(world, record, failure);
	if (!failure->was_attempted || record->sends == 0 || record->sent ||
	    effect->failed.from != record->at)
		judge_blame(world, "retry", "request %u: no attempt of it failed",
			    judge_number(world, record));
	judge_breaker_failure(world, record, failure, record->at);
	forgive_death(world, record, failure->code);
	record->not_before = usec_add(world->now, effect->failed.delay);
	record->last = failure->code;
	if (record->recovery == 0)
		judge_blame(world, "recovery", "request %u goes on without one",
			    judge_number(world, record));
	if (record->recovery_until == USEC_INFINITY)
		record->recovery_until =
			usec_add(record->recovery_began,
				 recovery_limit(effect->failed.severity, record->priority));
	if (effect->pool == record->at)
		note_failed_at(record);
	else
		memset(record->failed, 0, sizeof(record->failed));
	if (effect->pool == record->at)
		judge_again(world, record, effect);
	else if (level == UINT32_MAX || level <= record->level)
		judge_blame(world, "chain", "request %u can't go on in pool %u",
			    judge_number(world, record), effect->pool);
}

/* --- parts of answers --- */

static void judge_chunk(struct world *world, const struct effect *effect)
{
	struct record *record = judge_record(world, effect->request);

	if (!record || !record->open || !record->stream || !record->sent) {
		judge_blame(world, "stream", "slot %u gets a part of an answer, but wants none",
			    effect->request);
		return;
	}
	if (world->event.type != EVENT_WORKER_CHUNK)
		judge_blame(world, "stream", "request %u: nobody said a part of its answer",
			    judge_number(world, record));
	else
		judge_source(world, record);
	record->chunked = true;
}

static void judge_restart(struct world *world, const struct effect *effect)
{
	struct record *record = judge_record(world, effect->request);

	if (!record || !record->open || !record->chunked || !record->restartable)
		judge_blame(world, "stream", "slot %u may not begin anew", effect->request);
	else
		record->chunked = false;
}

static void judge_done(struct world *world, const struct effect *effect)
{
	struct judge *judge = &world->judge;

	judge->done++;
	if (judge->done_known && effect->code != judge->done_code)
		judge_blame(world, "P1", "the verdict is %s, not %s", errcode_name(effect->code),
			    errcode_name(judge->done_code));
	judge->done_code = effect->code;
}

/* --- workers --- */

static void judge_spawn(struct world *world, const struct effect *effect)
{
	const struct process *process = &world->processes[effect->worker];

	if (process->exists)
		judge_blame(world, "workers", "two processes in slot %u", effect->worker);
	if (effect->life <= process->life)
		judge_blame(world, "workers", "slot %u has life %u again", effect->worker,
			    effect->life);
	if (world->judge.stopped)
		judge_blame(world, "stop", "a process is started after the end");
	judge_start(world, effect);
	world->judge.short_since[effect->pool] = USEC_INFINITY;
}

static void judge_address(struct world *world, const struct effect *effect)
{
	const struct process *process = &world->processes[effect->worker];
	bool talks = effect->type != EFFECT_SIGNAL;

	if (!process->exists || process->life != effect->life)
		judge_blame(world, "workers", "effect for worker %u.%u, which is not there",
			    effect->worker, effect->life);
	else if (talks && process->closed)
		judge_blame(world, "workers", "worker %u is talked to through a closed channel",
			    effect->worker);
}

/* A worker that its client holds back, and that runs nothing else, can't give up anything. */
static void judge_patience(struct world *world, const struct effect *effect)
{
	const struct worker *worker = engine_worker(world->engine, effect->worker);

	if (effect->kill.cause != CAUSE_CANCELLED || worker->concurrency > 1)
		return;
	for (uint32_t i = 0; i < world->settings.requests_max; i++) {
		const struct record *record =
			world->open[i] == NOBODY ? NULL : &world->records[world->open[i]];

		if (record && record->sent && record->held_since > 0 &&
		    record->worker == effect->worker && record->life == effect->life)
			judge_blame(world, "hold", "worker %u is ended while request %u holds it",
				    effect->worker, judge_number(world, record));
	}
}

/* No worker may be ended for a cause that is not true. */
static void judge_verdict(struct world *world, const struct effect *effect)
{
	const struct pool *pool = engine_pool(world->engine, effect->pool);
	const struct process *process = &world->processes[effect->worker];

	if (effect->kill.cause == CAUSE_PROTOCOL && !process->guilty)
		judge_blame(world, "workers", "worker %u kept to the protocol", effect->worker);
	if (effect->kill.cause == CAUSE_INIT_TIMEOUT && process->reported_ready && !process->killed)
		judge_blame(world, "workers", "worker %u was ready", effect->worker);
	if (effect->type == EFFECT_SHUTDOWN && effect->kill.cause == CAUSE_MEMORY &&
	    (world->event.type != EVENT_PRESSURE || world->event.worker != effect->worker))
		judge_blame(world, "workers", "worker %u is not the heaviest", effect->worker);
	if (effect->type == EFFECT_SHUTDOWN && effect->kill.cause == CAUSE_MEMORY &&
	    pool->states[WORKER_READY].len + pool->states[WORKER_BUSY].len == 0)
		judge_blame(world, "workers", "worker %u is the last one", effect->worker);
}

static void judge_health(struct world *world, const struct effect *effect)
{
	enum pool_health *reported = &world->judge.health[effect->pool];

	if (effect->health.was != *reported || effect->health.is == *reported)
		judge_blame(world, "health", "pool %u: was %s, is %s, but %s was told before",
			    effect->pool, pool_health_name(effect->health.was),
			    pool_health_name(effect->health.is), pool_health_name(*reported));
	*reported = effect->health.is;
}

static void judge_stopped(struct world *world)
{
	struct judge *judge = &world->judge;

	if (judge->stopped || !judge->stopping)
		judge_blame(world, "stop", "stopped twice, or unasked");
	if (judge->open > 0)
		judge_blame(world, "stop", "stopped with %u requests open", judge->open);
	for (unsigned i = 0; i < engine_worker_count(world->engine); i++)
		if (world->processes[i].exists)
			judge_blame(world, "stop", "stopped with worker %u there", i);
	judge->stopped = true;
}

void judge_effect(struct world *world, const struct effect *effect)
{
	switch (effect->type) {
	case EFFECT_RESULT:
	case EFFECT_ERROR:
	case EFFECT_DROP:
		judge_answer(world, effect);
		break;
	case EFFECT_SPAWN:
		judge_spawn(world, effect);
		break;
	case EFFECT_SEND:
		judge_address(world, effect);
		judge_send(world, effect);
		break;
	case EFFECT_CANCEL:
		judge_address(world, effect);
		judge_cancel(world, effect);
		break;
	case EFFECT_RECALL:
		judge_address(world, effect);
		judge_recall(world, effect);
		break;
	case EFFECT_PING:
		judge_address(world, effect);
		break;
	case EFFECT_SHUTDOWN:
	case EFFECT_CLOSE:
	case EFFECT_SIGNAL:
		judge_address(world, effect);
		judge_verdict(world, effect);
		judge_patience(world, effect);
		break;
	case EFFECT_HEALTH:
		judge_health(world, effect);
		break;
	case EFFECT_STOPPED:
		judge_stopped(world);
		break;
	case EFFECT_CHUNK:
		judge_chunk(world, effect);
		break;
	case EFFECT_RESTART:
		judge_restart(world, effect);
		break;
	case EFFECT_RETRY:
		judge_retry(world, effect);
		break;
	case EFFECT_STORE:
		judge_store(world, effect);
		break;
	case EFFECT_FORGET:
		judge_forget(world, effect);
		break;
	case EFFECT_BREAKER:
		judge_breaker(world, effect);
		break;
	case EFFECT_LEVEL:
		judge_level_change(world, effect);
		break;
	case EFFECT_RECOVERY:
		judge_recovery(world, effect);
		break;
	case EFFECT_SESSION:
		judge_session(world, effect);
		break;
	case EFFECT_DONE:
		judge_done(world, effect);
		break;
	case EFFECT_NAMESAKE:
		judge_namesake(world, effect);
		break;
	case EFFECT_INCIDENT:
		break;
	case EFFECT_SLOW:
		judge_slow(world, effect);
		break;
	case EFFECT_ROLL:
		judge_roll_reported(world, effect);
		break;
	}
}
