#include "daemon/io/driver/failure.h"
#include "daemon/io/config/config_program.h"

#include "daemon/io/base/pack_named.h"
#include "daemon/io/config/config_word.h"
#include "daemon/io/driver/error_report.h"
#include "daemon/io/driver/notify.h"
#include "daemon/io/driver/span.h"
#include "daemon/io/driver/state.h"
#include "daemon/io/driver/step.h"
#include "protocol/utf8.h"

#include <stdio.h>
#include <string.h>

#define MESSAGE_SIZE  (START_FAULT_MAX + 256)
#define LAST_LINE_MAX 256
#define DETAIL_MAX    ((size_t)64 * 1024)
#define DETAIL_TEXT   ((size_t)16 * 1024)

/* "30 s", "1.5 s", "250 ms": with a unit that people read easily. */
static void describe_span(usec_t span, char *out, size_t size)
{
	if (span >= USEC_PER_SEC)
		snprintf(out, size, "%.3g s", (double)span / 1e6);
	else
		snprintf(out, size, "%.3g ms", (double)span / 1e3);
}

static void append(char *text, size_t size, const char *more)
{
	size_t len = strlen(text);

	snprintf(text + len, size - len, "%s", more);
}

/* Everything that a message is made from. */
struct facts {
	const struct driver *driver;
	const struct driver_step *step;
	const struct call *call;
	const struct effect *effect;
	struct request_view request;
	const struct life *life; /* of the worker that had it, or NULL */
	unsigned worker;
	const char *pool;
};

static void describe_death(const struct facts *facts, char *out, size_t size)
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
static const char *last_fault(const struct facts *facts)
{
	return facts->driver->start_faults[facts->effect->failed.from].text;
}

/* The time that the request has left; 0: its deadline has passed. */
static usec_t time_left(const struct facts *facts)
{
	return usec_sub(facts->request.deadline, loop_now(facts->driver->loop));
}

static void describe_attempt_timeout(const struct facts *facts, char *out, size_t size)
{
	const struct request_view *request = &facts->request;
	char span[32];

	describe_span(time_left(facts) > 0 ? usec_sub(loop_now(facts->driver->loop), request->sent)
					   : usec_sub(request->deadline, request->submitted),
		      span, sizeof(span));
	snprintf(out, size, "no answer from worker %u in %s", facts->worker, span);
}

/* The request never had its turn: another one of its session, or with its key, has not ended. */
static void describe_wait(const struct facts *facts, char *out, size_t size)
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
static void describe_queue_timeout(const struct facts *facts, const struct pool_view *pool,
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
static void describe_queue_full(const struct facts *facts, const struct pool_view *pool, char *out,
				size_t size)
{
	const struct config_daemon *daemon = &facts->driver->config->daemon;
	enum over_share over = facts->effect->failed.failure.over_share;
	char span[32];

	if (over != OVER_NONE) {
		const struct config_pool *settings =
			driver_pool_config(facts->driver, facts->effect->failed.from);

		snprintf(out, size,
			 "user %u has %u requests in %s%s, the most that one user may have",
			 facts->call->caller->uid,
			 over == OVER_DAEMON ? daemon->requests_per_uid : settings->queue_per_uid,
			 over == OVER_DAEMON ? "hand" : "the queue of pool ",
			 over == OVER_DAEMON ? "" : facts->pool);
		return;
	}
	if (pool->queued >= pool->queue_max ||
	    pool->queued_bytes + facts->call->args.len > pool->queue_bytes_max) {
		snprintf(out, size, "the queue of pool %s is full: %u requests, %llu bytes",
			 facts->pool, pool->queued, (unsigned long long)pool->queued_bytes);
		return;
	}
	describe_span(time_left(facts), span, sizeof(span));
	snprintf(out, size, "pool %s would not answer in %s: %u requests wait", facts->pool, span,
		 pool->queued);
}

static void describe_deadline(const struct facts *facts, char *out, size_t size)
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

static void describe_unavailable(const struct facts *facts, bool is_drained, char *out, size_t size)
{
	if (is_drained)
		snprintf(out, size, "pool %s was taken out of service", facts->pool);
	else
		snprintf(out, size, "no worker of pool %s can be started%s%s", facts->pool,
			 *last_fault(facts) ? ": " : "", last_fault(facts));
}

static void describe(const struct facts *facts, char *out, size_t size)
{
	enum errcode code = facts->effect->failed.failure.code;
	struct pool_view pool;

	if (code == ERR_cancelled && facts->call->is_cancelled_by_operator) {
		snprintf(out, size, "an operator cancelled the request");
		return;
	}
	if (!facts->life && is_of_worker(code)) {
		/* It waited for another with its key. */
		snprintf(out, size, "the request that ran with the same key failed: %s",
			 errcode_info(code)->text);
		return;
	}
	if (facts->effect->failed.failure.has_waited) {
		describe_wait(facts, out, size);
		return;
	}
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

/* The type and message that the worker gave its error. */
static void quote_worker(const struct worker_error *error, char *out, size_t size)
{
	int type = (int)(error->type.len < 100 ? error->type.len : 100);
	int message = (int)(error->message.len < size ? error->message.len : size);

	if (error->type.len > 0)
		snprintf(out, size, "%.*s: %.*s", type, (const char *)error->type.data, message,
			 (const char *)error->message.data);
	else
		snprintf(out, size, "%.*s", message, (const char *)error->message.data);
}

static usec_t cpu_time(const struct rusage *usage)
{
	return (usec_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * USEC_PER_SEC +
	       (usec_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
}

/* How the worker came to its end, for those failures that come from it. */
static void pack_end(struct buf *detail, const struct facts *facts)
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

static struct facts facts_of(const struct driver *driver, const struct driver_step *step,
			     const struct call *call, const struct effect *effect)
{
	struct facts facts = {
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

static void fill_worker(const struct facts *facts, struct error *error)
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
static enum breaker_state breaker_of(const struct facts *facts, const struct pool_view *pool)
{
	const struct request_view *request = &facts->request;

	return request->pool == facts->effect->failed.from && request->has_circuit
		       ? request->breaker
		       : pool->breaker;
}

/* The engine does not know who cancelled it. */
static struct outcome_code outcome_for(const struct facts *facts)
{
	struct outcome_code outcome = facts->effect->failed.outcome;

	if (outcome.by == OUTCOME_BY_CLIENT && facts->call->is_cancelled_by_operator)
		outcome.by = OUTCOME_BY_DAEMON;
	return outcome;
}

static struct error error_of(const struct facts *facts)
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
static void format_message(const struct facts *facts, struct error *error, char *message,
			   struct buf *detail)
{
	const struct driver_step *step = facts->step;
	const struct failure *failure = &facts->effect->failed.failure;

	if (failure->is_from_worker && step->answer && step->answered == facts->call->slot) {
		quote_worker(&step->answer->error, message, MESSAGE_SIZE);
		worker_error_pack_detail(detail, &step->answer->error, DETAIL_TEXT);
	} else {
		describe(facts, message, MESSAGE_SIZE);
		if (facts->life && errcode_info(failure->code)->category == ERRCAT_connection)
			pack_end(detail, facts);
	}
	if (failure->budget_spent)
		append(message, MESSAGE_SIZE, "; the pool's retry budget is spent");
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
	struct facts facts = facts_of(driver, step, call, effect);
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
	struct facts facts = facts_of(driver, step, call, effect);
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

/* The last line on standard error of a worker that could not start: most often it says why. */
static void append_last_line(char *text, size_t size, const struct life *life)
{
	struct bytes last = life->last_stderr;
	const uint8_t *end = memrchr(last.data ? (const char *)last.data : "", '\n', last.len);
	char line[LAST_LINE_MAX];

	if (last.len == 0)
		return;
	if (end)
		last = (struct bytes){end + 1, (size_t)(last.data + last.len - end) - 1};
	last = utf8_cut(last, sizeof(line) - 1);
	snprintf(line, sizeof(line), "%.*s", (int)last.len, (const char *)last.data);
	append(text, size, ": ");
	append(text, size, line);
}

static void append_step(char *text, size_t size, const struct life *life)
{
	char step[64];

	steps_describe(&life->steps, loop_now(life->loop), step, sizeof(step));
	if (!*step)
		return;
	append(text, size, ", in step ");
	append(text, size, step);
}

/* How the last life of a worker ended, in which step of its start, and what it said last. */
static void append_end(char *text, size_t size, const struct life *life, bool has_step)
{
	append(text, size, life->last_end);
	if (has_step)
		append_step(text, size, life);
	append_last_line(text, size, life);
}

/* The code lies where the daemon may not look. */
static void append_hidden_home(char *text, size_t size, const struct life *life)
{
	const char *home = life->pool && life->pool->adapter == POOL_PROCESS
				   ? config_hidden_home(life->pool)
				   : NULL;

	if (!home)
		return;
	append(text, size, "; its code lies in ");
	append(text, size, home);
	append(text, size, ", which can't be read here: the unit's ProtectHome= may hide it");
}

void failure_note_unusable(struct driver *driver, const struct life *life)
{
	struct start_fault *fault =
		&driver->start_faults[engine_worker_pool(driver->engine, life->worker)];

	snprintf(fault->text, sizeof(fault->text), "a worker ended: ");
	append_end(fault->text, sizeof(fault->text), life, false);
	append_hidden_home(fault->text, sizeof(fault->text), life);
	fault->worker = life->worker;
}

/* Describes a failed start, or a server that was not reached, and keeps that for the requests that
 * fail because of it. */
static void describe_start(struct driver *driver, const struct effect *effect, char *text,
			   size_t size)
{
	const struct life *life = &driver->lives[effect->worker];
	struct start_fault *fault = &driver->start_faults[effect->pool];
	size_t head = strlen(text);
	bool has_step = effect->incident == ERR_init_timeout || life_has_reason(life);

	append(text, size, ": ");
	append_end(text, size, life, has_step);
	append_hidden_home(text, size, life);
	fault->worker = effect->worker;
	snprintf(fault->text, sizeof(fault->text), "%s",
		 text + (life->is_connected ? head + strlen(": ") : 0));
}

/* What the worker was asked, and what to set where its program does not know that. */
static void append_check(char *text, size_t size, const struct config_pool *pool)
{
	bool is_named = pool->dialect == DIALECT_POOLD || *pool->ping_call;

	append(text, size, ": ");
	append(text, size, pool->dialect == DIALECT_POOLD || !is_named ? "ping" : pool->ping_call);
	if (!is_named)
		append(text, size,
		       "; if its program never answers that, set ping_call to a method that it "
		       "answers, or ping_interval = 0");
}

void failure_incident(struct driver *driver, const struct effect *effect)
{
	const struct config_pool *config = driver_pool_config(driver, effect->pool);
	struct error error = failure_error(driver, effect->incident);
	const struct error_record record = {
		.kind = ERROR_INCIDENT,
		.error = &error,
		/* It has the last words of a start, or of a health check. */
		.audience = {.uid = RIGHTS_NO_UID, .pool = effect->pool, .is_for_callers = true},
		.at_ms = loop_wall_ms(),
	};
	char message[MESSAGE_SIZE];
	struct pool_view pool;

	driver->incidents[effect->pool].codes[effect->incident]++;
	error.pool = config->name;
	error.adapter = pool_adapter_name(config->adapter);
	snprintf(message, sizeof(message), "%s",
		 effect->incident == ERR_connect_failed ? "the pool's server"
							: errcode_info(effect->incident)->text);
	if (effect->worker != NO_SLOT) {
		error.worker = driver_worker_number(driver, effect->worker);
		error.pid = (int)driver->lives[effect->worker].last_pid;
		if (errcode_info(effect->incident)->category == ERRCAT_health_check)
			append_check(message, sizeof(message), config);
		else
			describe_start(driver, effect, message, sizeof(message));
	}
	engine_view_pool(driver->engine, effect->pool, &pool);
	if (pool.circuit_count > 0)
		error.circuit = breaker_state_name(pool.breaker);
	error.message = message;
	error_report(driver, &record, "incident");
}
