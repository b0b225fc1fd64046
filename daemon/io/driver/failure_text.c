#include "daemon/io/driver/failure_text.h"

#include "daemon/io/config/config_word.h"
#include "daemon/io/driver/state.h"

#include <stdio.h>
#include <string.h>

/* "30 s", "1.5 s", "250 ms": with a unit that people read easily. */
static void describe_span(usec_t span, char *out, size_t size)
{
	if (span >= USEC_PER_SEC)
		snprintf(out, size, "%.3g s", (double)span / 1e6);
	else
		snprintf(out, size, "%.3g ms", (double)span / 1e3);
}

static void describe_death(const struct failure_facts *facts, char *out, size_t size)
{
	enum worker_cause cause = facts->effect->failed.failure.cause;

	if (facts->effect->failed.failure.code == ERR_worker_exited)
		snprintf(out, size, "worker %u ended while it had the request: %s", facts->worker,
			 facts->life->last_end);
	else
		snprintf(out, size, "worker %u was %s: %s", facts->worker,
			 cause == CAUSE_NONE ? "killed from outside" : worker_cause_text(cause),
			 facts->life->last_end);
}

/* Why the last start of the pool's worker failed; "": that is not known. */
static const char *last_fault(const struct failure_facts *facts)
{
	return facts->driver->start_faults[facts->effect->failed.from].text;
}

/* The time that the request has left; 0: its deadline has passed. */
static usec_t time_left(const struct failure_facts *facts)
{
	return usec_sub(facts->request.deadline, loop_now(facts->driver->loop));
}

static void describe_attempt_timeout(const struct failure_facts *facts, char *out, size_t size)
{
	const struct request_view *request = &facts->request;
	char span[32];

	describe_span(time_left(facts) > 0 ? usec_sub(loop_now(facts->driver->loop), request->sent)
					   : usec_sub(request->deadline, request->submitted),
		      span, sizeof(span));
	snprintf(out, size, "no answer from worker %u in %s", facts->worker, span);
}

/* The request never had its turn: another one of its session, or with its key, has not ended. */
static void describe_wait(const struct failure_facts *facts, char *out, size_t size)
{
	const struct call *call = facts->call;
	char span[32];

	describe_span(usec_sub(facts->request.deadline, facts->request.submitted), span,
		      sizeof(span));
	snprintf(out, size, "another request %s did not end in %s",
		 call->key.len == 0	  ? "of its session"
		 : call->session.len == 0 ? "with its key"
					  : "of its session, or with its key,",
		 span);
}

/* Before its deadline a request gets queue_timeout if it could not be answered until then. */
static void describe_queue_timeout(const struct failure_facts *facts, const struct pool_view *pool,
				   char *out, size_t size)
{
	const struct request_view *request = &facts->request;
	usec_t left = time_left(facts);
	bool is_known = pool->at_work == 0 && *last_fault(facts);
	char span[32];

	if (left > 0) {
		describe_span(left, span, sizeof(span));
		snprintf(out, size, "%s are too little for a run in pool %s", span, facts->pool);
		return;
	}
	describe_span(usec_sub(request->deadline, request->submitted), span, sizeof(span));
	snprintf(out, size, "no worker of pool %s was free in %s%s%s", facts->pool, span,
		 is_known ? "; its last start failed: " : "", is_known ? last_fault(facts) : "");
}

/* The queue is full, or so much is in it that the request would be answered too late. */
static void describe_queue_full(const struct failure_facts *facts, const struct pool_view *pool,
				char *out, size_t size)
{
	const struct driver *driver = facts->driver;
	char span[32], bytes_max[VALUE_TEXT_MAX];

	switch (facts->effect->failed.failure.over_share) {
	case OVER_DAEMON:
		snprintf(out, size,
			 "user %u has %u open requests, the most that one user may have "
			 "(requests_per_uid)",
			 facts->call->caller->uid, driver->config->daemon.requests_per_uid);
		return;
	case OVER_QUEUE:
		snprintf(out, size,
			 "user %u has %u requests in the queue of pool %s, the most that one user "
			 "may have (queue_per_uid)",
			 facts->call->caller->uid,
			 driver_pool_config(driver, facts->effect->failed.from)->queue_per_uid,
			 facts->pool);
		return;
	case OVER_NONE:
		break;
	}
	if (pool->queued >= pool->queue_max ||
	    pool->queued_bytes + facts->call->args.len > pool->queue_bytes_max) {
		value_format_size(pool->queue_bytes_max, bytes_max);
		snprintf(out, size,
			 "the queue of pool %s is full: %u requests, %llu bytes; queue_max is %u, "
			 "queue_bytes_max %s",
			 facts->pool, pool->queued, (unsigned long long)pool->queued_bytes,
			 pool->queue_max, bytes_max);
		return;
	}
	describe_span(time_left(facts), span, sizeof(span));
	snprintf(out, size, "pool %s would not answer in %s: %u requests wait", facts->pool, span,
		 pool->queued);
}

static void describe_deadline(const struct failure_facts *facts, char *out, size_t size)
{
	char span[32];

	describe_span(usec_sub(facts->request.deadline, facts->request.submitted), span,
		      sizeof(span));
	snprintf(out, size, "no answer within the request's time limit of %s", span);
}

/* Whether it is the fault of a worker that had the request. */
static bool is_of_worker(enum errcode code)
{
	switch (errcode_info(code)->category) {
	case ERRCAT_connection:
		return code != ERR_connect_failed;
	case ERRCAT_communication:
		return code != ERR_encode_error;
	default:
		return code == ERR_attempt_timeout;
	}
}

static void describe_unavailable(const struct failure_facts *facts, bool is_drained, char *out,
				 size_t size)
{
	if (is_drained)
		snprintf(out, size, "pool %s was taken out of service", facts->pool);
	else
		snprintf(out, size, "no worker of pool %s can be started%s%s", facts->pool,
			 *last_fault(facts) ? ": " : "", last_fault(facts));
}

/* Failures of which the code does not say what happened to this request; false: it is none. */
static bool describe_by_request(const struct failure_facts *facts, char *out, size_t size)
{
	enum errcode code = facts->effect->failed.failure.code;

	if (code == ERR_cancelled && facts->call->is_cancelled_by_operator)
		snprintf(out, size, "an operator cancelled the request");
	else if (!facts->life && is_of_worker(code))
		/* It waited for another with its key. */
		snprintf(out, size, "the request that ran with the same key failed: %s",
			 errcode_info(code)->text);
	else if (facts->effect->failed.failure.has_waited)
		describe_wait(facts, out, size);
	else
		return false;
	return true;
}

void failure_describe(const struct failure_facts *facts, char *out, size_t size)
{
	enum errcode code = facts->effect->failed.failure.code;
	struct pool_view pool;

	if (describe_by_request(facts, out, size))
		return;
	engine_view_pool(facts->driver->engine, facts->request.pool, &pool);
	switch (code) {
	case ERR_attempt_timeout:
		describe_attempt_timeout(facts, out, size);
		return;
	case ERR_queue_timeout:
		describe_queue_timeout(facts, &pool, out, size);
		return;
	case ERR_deadline_exceeded:
		describe_deadline(facts, out, size);
		return;
	case ERR_worker_exited:
	case ERR_worker_killed:
		describe_death(facts, out, size);
		return;
	case ERR_decode_error:
	case ERR_protocol_violation:
	case ERR_response_too_large:
		snprintf(out, size, "worker %u: %s", facts->worker, facts->life->channel.last_why);
		return;
	case ERR_peer_closed:
		snprintf(out, size, "worker %u of pool %s: %s", facts->worker, facts->pool,
			 facts->life->last_end);
		return;
	case ERR_encode_error:
		if (!facts->life || !facts->call->encode_fault)
			break;
		snprintf(out, size, "the arguments cannot be said in %s: %s",
			 option_word(OPTION_DIALECT, facts->life->pool->dialect),
			 facts->call->encode_fault);
		return;
	case ERR_queue_full:
		describe_queue_full(facts, &pool, out, size);
		return;
	case ERR_pool_unavailable:
		describe_unavailable(facts, pool.is_drained, out, size);
		return;
	case ERR_connect_failed:
		snprintf(out, size, "the server of pool %s can't be reached%s%s", facts->pool,
			 *last_fault(facts) ? "; the last try: " : "", last_fault(facts));
		return;
	case ERR_circuit_open:
		/* It waited for another one with its key, whose pool has a breaker. */
		if (!facts->request.has_circuit)
			break;
		snprintf(out, size, "the circuit breaker of pool %s is %s", facts->pool,
			 breaker_state_name(facts->request.breaker));
		return;
	default:
		break;
	}
	snprintf(out, size, "%s", errcode_info(code)->text);
}

void failure_quote(const struct worker_error *error, char *out, size_t size)
{
	int type = (int)(error->type.len < 100 ? error->type.len : 100);
	int message = (int)(error->message.len < size ? error->message.len : size);

	if (error->type.len > 0)
		snprintf(out, size, "%.*s: %.*s", type, (const char *)error->type.data, message,
			 (const char *)error->message.data);
	else
		snprintf(out, size, "%.*s", message, (const char *)error->message.data);
}
