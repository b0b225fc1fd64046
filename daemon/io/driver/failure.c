#include "daemon/io/driver/failure.h"

#include "daemon/io/base/pack_named.h"
#include "daemon/io/driver/error_report.h"
#include "daemon/io/driver/failure_text.h"
#include "daemon/io/driver/notify.h"
#include "daemon/io/driver/span.h"
#include "daemon/io/driver/state.h"
#include "daemon/io/driver/step.h"

#include <stdio.h>
#include <string.h>

#define MESSAGE_SIZE (START_FAULT_MAX + 256)
#define DETAIL_MAX   ((size_t)64 * 1024)
#define DETAIL_TEXT  ((size_t)16 * 1024)

static usec_t cpu_time(const struct rusage *usage)
{
	return (usec_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * USEC_PER_SEC +
	       (usec_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
}

/* How the worker came to its end, for those failures that come from it. */
static void pack_end(struct buf *detail, const struct failure_facts *facts)
{
	const struct life *life = facts->life;
	const struct process_end *end = &life->last;
	bool process = !life->is_connected;
	bool has_stderr = process && life->last_stderr.len > 0;
	bool knows_memory = process && life->knows_memory;

	pack_map(detail, (process ? 8u : 4u) + (has_stderr ? 1 : 0) + (knows_memory ? 1 : 0));
	pack_named_str(detail, "end", life->last_end);
	pack_named_str(detail, "cause", worker_cause_name(facts->effect->failed.failure.cause));
	pack_named_whole_ms(detail, "uptime_ms", life->last_uptime);
	pack_named_uint(detail, "served", life->last_served);
	if (!process)
		return;
	pack_named_uint(detail, end->is_signalled ? "signal" : "status", (uint64_t)end->status);
	pack_named_bool(detail, "core_dumped", end->has_dumped);
	pack_named_ms(detail, "cpu_ms", cpu_time(&end->usage));
	pack_named_uint(detail, "rss_max_bytes", (uint64_t)end->usage.ru_maxrss * 1024);
	if (knows_memory)
		pack_named_bool(detail, "out_of_memory", life->last_out_of_memory);
	if (has_stderr)
		pack_named_text(detail, "stderr", life->last_stderr);
}

/* --- the error --- */

static struct failure_facts facts_of(const struct driver *driver, const struct driver_step *step,
				     const struct call *call, const struct effect *effect)
{
	struct failure_facts facts = {
		.driver = driver,
		.step = step,
		.call = call,
		.effect = effect,
		.pool = driver_pool_config(driver, effect->failed.from)->name,
	};

	engine_view_request(driver->engine, call->slot, &facts.request);
	if (effect->failed.has_worker) {
		facts.life = &driver->lives[effect->worker];
		facts.worker = driver_worker_number(driver, effect->worker);
	}
	return facts;
}

static void fill_worker(const struct failure_facts *facts, struct error *error)
{
	const struct request_view *request = &facts->request;

	error->worker = facts->worker;
	error->pid = (int)facts->life->last_pid;
	error->attempt = request->attempts;
	error->queued = usec_sub(request->first_sent, request->submitted);
	error->run = usec_sub(loop_now(facts->driver->loop), request->sent);
}

/* The state of the breaker that let the request through, if it is still in the pool where it
 * failed; else of that pool's own. */
static enum breaker_state breaker_of(const struct failure_facts *facts,
				     const struct pool_view *pool)
{
	const struct request_view *request = &facts->request;

	return request->pool == facts->effect->failed.from && request->has_circuit
		       ? request->breaker
		       : pool->breaker;
}

/* The engine does not know who cancelled it. */
static struct outcome_code outcome_for(const struct failure_facts *facts)
{
	struct outcome_code outcome = facts->effect->failed.outcome;

	if (outcome.by == OUTCOME_BY_CLIENT && facts->call->is_cancelled_by_operator)
		outcome.by = OUTCOME_BY_DAEMON;
	return outcome;
}

static struct error error_of(const struct failure_facts *facts)
{
	const struct driver *driver = facts->driver;
	const struct effect *effect = facts->effect;
	usec_t elapsed = usec_sub(loop_now(driver->loop), facts->request.submitted);
	struct error error = error_make(effect->failed.failure.code);
	struct pool_view pool;

	engine_view_pool(driver->engine, effect->failed.from, &pool);
	error.severity = effect->failed.severity;
	error.strategy = effect->failed.strategy;
	error.is_retryable = effect->failed.failure.is_retryable;
	error.retry_after = effect->failed.failure.retry_after;
	error.executed = effect->failed.failure.executed;
	error.request = facts->call->number;
	error.pool = facts->pool;
	error.adapter = pool_adapter_name(pool.adapter);
	error.method = facts->call->method;
	error.session = facts->call->session;
	error.elapsed = error.queued = elapsed;
	error.queue_depth = pool.queued;
	if (pool.circuit_count > 0)
		error.circuit = breaker_state_name(breaker_of(facts, &pool));
	error.outcome = outcome_code_text(outcome_for(facts));
	trace_fill(&facts->call->trace, &error);
	error.arrived_ms = loop_wall_ms() - elapsed / USEC_PER_MSEC;
	if (facts->life)
		fill_worker(facts, &error);
	return error;
}

/* The message of a failure that has just happened. */
static void format_message(const struct failure_facts *facts, struct error *error, char *message,
			   struct buf *detail)
{
	const struct driver_step *step = facts->step;
	const struct failure *failure = &facts->effect->failed.failure;

	if (failure->is_from_worker && step->answer && step->answered == facts->call->slot) {
		failure_quote(&step->answer->error, message, MESSAGE_SIZE);
		worker_error_pack_detail(detail, &step->answer->error, DETAIL_TEXT);
	} else {
		failure_describe(facts, message, MESSAGE_SIZE);
		if (facts->life && errcode_info(failure->code)->category == ERRCAT_connection)
			pack_end(detail, facts);
	}
	if (failure->budget_spent)
		snprintf(message + strlen(message), MESSAGE_SIZE - strlen(message),
			 "; the pool's retry budget is spent");
	error->message = message;
	if (buf_error(detail) == 0)
		error->detail = (struct bytes){detail->data, detail->len};
}

/* The message of one that was reported before, from the attempt history. */
static void restore_message(const struct attempt_history *history, struct error *error)
{
	const struct error_attempt *last;

	error->message = errcode_info(error->code)->text;
	if (!history || history->count == 0)
		return;
	last = &history->attempts[history->count - 1];
	error->message = last->message;
	error->pool = last->pool;
	error->worker = last->worker;
	error->pid = 0; /* of a process that may have had successors since */
	error->run = last->run;
	error->detail = history->detail;
}

struct error failure_error(const struct driver *driver, enum errcode code)
{
	const struct policy_row *row = policy_row(&driver->config->policy, code);
	struct error error = error_make(code);

	error.severity = row->severity;
	error.strategy = row->strategy;
	return error;
}

/* --- what becomes of it --- */

void failure_answer(struct driver *driver, const struct driver_step *step, struct call *call,
		    const struct effect *effect)
{
	struct failure_facts facts = facts_of(driver, step, call, effect);
	struct error error = error_of(&facts);
	const struct error_record record = {
		.kind = ERROR_OF_REQUEST,
		.error = &error,
		.caller = call->caller,
		.audience = {.uid = call->caller->uid, .pool = effect->failed.from},
		.at_ms = loop_wall_ms(),
	};
	char message[MESSAGE_SIZE];
	struct buf detail;

	buf_init(&detail, DETAIL_MAX);
	if (effect->failed.failure.was_reported) {
		restore_message(call->history, &error);
	} else {
		format_message(&facts, &error, message, &detail);
		if (effect->failed.failure.was_attempted && call->history)
			attempt_history_add(&call->history, &error,
					    usec_sub(facts.request.sent, facts.request.submitted));
	}
	if (call->history) {
		error.attempts = call->history->attempts;
		error.attempt_count = call->history->count;
	}
	call_answer_error(call, &error);
	last_failure_take(&driver->last_failures[effect->failed.from], &error, &record.audience);
	error_report(driver, &record, "request failed");
	span_of_failure(driver, call, effect, &error);
	buf_free(&detail);
}

void failure_note(struct driver *driver, const struct driver_step *step, struct call *call,
		  const struct effect *effect)
{
	const struct audience audience = {.uid = call->caller->uid, .pool = effect->failed.from};
	struct failure_facts facts = facts_of(driver, step, call, effect);
	struct error error = error_of(&facts);
	char message[MESSAGE_SIZE];
	struct buf detail;

	buf_init(&detail, DETAIL_MAX);
	format_message(&facts, &error, message, &detail);
	attempt_history_add(&call->history, &error,
			    usec_sub(facts.request.sent, facts.request.submitted));
	if (call->history)
		call->history->delay = effect->failed.delay;
	notify_retry(driver, &audience, &error, effect);
	if (log_is_enabled(LOG_LEVEL_DEBUG)) {
		const struct error_record record = {
			.kind = ERROR_OF_REQUEST, .error = &error, .caller = call->caller};

		error_report_line(&record,
				  effect->pool == effect->failed.from
					  ? "attempt failed, tried again"
					  : "attempt failed, failed over",
				  0);
	}
	buf_free(&detail);
}
