#include "daemon/io/driver/span.h"

#include "daemon/io/base/clock.h"
#include "daemon/io/base/pack_named.h"
#include "daemon/io/driver/state.h"
#include "protocol/envelope.h"

#include <stdio.h>
#include <string.h>

/* Pairs of the event. */
#define PAIRS	      21
#define ATTEMPT_PAIRS 7

/* What is told of a request. */
struct facts {
	const struct caller *caller;
	const struct trace *trace;
	uint64_t request; /* 0: it did not become a call */
	const char *pool; /* that it named; NULL: none that exists */
	struct bytes method;
	usec_t begun;
	const char *outcome;
	const char *served_by; /* the pool; NULL: none gave a result */
	enum errcode code;     /* ERR_NONE: a result */
	const char *message;   /* NULL: that of the code */
	unsigned attempts;     /* that were made */
	const struct attempt_history *history;
	struct error_attempt last; /* with is_last_apart: not in the history */
	bool is_last_apart;
};

static bool is_wanted(const struct driver *driver, const struct trace *trace, bool has_failed)
{
	return trace->is_w3c && (has_failed || (trace->parsed.flags & TRACEPARENT_SAMPLED)) &&
	       events_is_wanted(&driver->events, EVENT_KIND_span);
}

/* --- the event --- */

static void pack_span_id(struct buf *out, const char *name, uint64_t span)
{
	uint8_t text[SPAN_ID_LEN];

	traceparent_format_span(span, text);
	pack_str(out, name);
	pack_str_len(out, (const char *)text, sizeof(text));
}

/* NULL: nil. */
static void pack_string(struct buf *out, const char *name, const char *text)
{
	pack_named_text(out, name, (struct bytes){(const uint8_t *)text, text ? strlen(text) : 0});
}

/* The code and the message, or nil for both. */
static void pack_code(struct buf *out, enum errcode code, const char *message)
{
	bool has_failed = code != ERR_NONE;

	pack_string(out, "code", has_failed ? errcode_name(code) : NULL);
	pack_string(out, "message",
		    !has_failed ? NULL
		    : message	? message
				: errcode_info(code)->text);
}

/* `begun`: when the request began, in µs since 1970. */
static void pack_attempt(struct buf *out, const struct error_attempt *attempt, usec_t begun)
{
	pack_map(out, ATTEMPT_PAIRS);
	pack_span_id(out, "span", attempt->span);
	pack_string(out, "pool", attempt->pool);
	pack_named_uint(out, "worker", attempt->worker);
	pack_named_uint(out, "start_us", begun + attempt->started);
	pack_named_uint(out, "end_us", begun + attempt->started + attempt->run);
	pack_code(out, attempt->code, attempt->message);
}

static void pack_attempts(struct buf *out, const struct facts *facts, usec_t begun)
{
	uint32_t failed = facts->history ? (uint32_t)facts->history->count : 0;

	pack_str(out, "attempts");
	pack_array(out, failed + facts->is_last_apart);
	for (uint32_t i = 0; i < failed; i++)
		pack_attempt(out, &facts->history->attempts[i], begun);
	if (facts->is_last_apart)
		pack_attempt(out, &facts->last, begun);
}

static void pack_name(struct buf *out, const struct facts *facts)
{
	char name[CONFIG_NAME_MAX + METHOD_LEN_MAX + 2];
	int len = snprintf(name, sizeof(name), "%s%s%.*s", facts->pool ? facts->pool : "",
			   facts->pool ? "." : "", (int)facts->method.len,
			   facts->method.len > 0 ? (const char *)facts->method.data : "");

	if ((size_t)len >= sizeof(name))
		len = sizeof(name) - 1;
	pack_named_text(out, "name", (struct bytes){(const uint8_t *)name, (size_t)len});
}

static void pack_trace(struct buf *out, const struct trace *trace)
{
	pack_named_text(out, "trace", trace->parsed.trace_id);
	pack_span_id(out, "span", trace->span);
	pack_span_id(out, "parent", trace->parsed.parent);
	pack_named_bool(out, "sampled", trace->parsed.flags & TRACEPARENT_SAMPLED);
	pack_named_text(out, "tracestate", trace->state);
}

static COLD void send_span(struct driver *driver, const struct audience *audience,
			   const struct facts *facts)
{
	struct events *events = &driver->events;
	const struct caller *caller = facts->caller;
	usec_t elapsed = usec_sub(loop_now(driver->loop), facts->begun);
	/* Both ends from one reading of the clock: what is between them is right, even if somebody
	 * has set it meanwhile. */
	usec_t begun = clock_now(CLOCK_REALTIME) - usec_sub(loop_clock(), loop_now(driver->loop)) -
		       elapsed;
	struct buf *out;
	unsigned held;

	if (!log_limit_pass(&driver->span_limit, loop_now(driver->loop), &held))
		return;
	/* Whose request it is not, gets nothing: no pair is for everybody. */
	if (!events_begin(events, EVENT_KIND_span, 0))
		return;
	out = events_restrict(events, audience, PAIRS);
	pack_name(out, facts);
	pack_string(out, "pool", facts->pool);
	pack_named_text(out, "method", facts->method);
	pack_trace(out, facts->trace);
	pack_named_uint(out, "start_us", begun);
	pack_named_uint(out, "end_us", begun + elapsed);
	pack_named_ms(out, "elapsed_ms", elapsed);
	pack_string(out, "outcome", facts->outcome);
	pack_code(out, facts->code, facts->message);
	pack_string(out, "served_by", facts->served_by);
	pack_named_uint(out, "request", facts->request);
	pack_named_uint(out, "uid", caller->uid);
	pack_string(out, "client", caller->name);
	pack_named_uint(out, "attempt", facts->attempts);
	pack_attempts(out, facts, begun);
	pack_named_uint(out, "left_out", held);
	events_send(events);
}

/* --- what is told --- */

/* The last attempt, unless it is among those that failed before.  `worker`: where it was; NO_SLOT:
 * there was none. */
static COLD void take_last(struct facts *facts, const struct driver *driver,
			   const struct call *call, const struct request_view *request,
			   uint32_t worker)
{
	const struct attempt_history *history = call->history;
	uint64_t span = call->trace.attempt_span;

	if (worker == NO_SLOT || request->attempts == 0)
		return;
	if (history && history->count > 0 && history->attempts[history->count - 1].span == span)
		return;
	facts->is_last_apart = true;
	facts->last = (struct error_attempt){
		.pool = driver_pool_config(driver, engine_worker_pool(driver->engine, worker))
				->name,
		.worker = driver_worker_number(driver, worker),
		.code = facts->code,
		.message = facts->message,
		.started = usec_sub(request->sent, request->submitted),
		.run = usec_sub(loop_now(driver->loop), request->sent),
		.span = span,
	};
}

static struct facts facts_of(const struct driver *driver, const struct call *call,
			     const struct request_view *request)
{
	return (struct facts){
		.caller = call->caller,
		.trace = &call->trace,
		.request = call->number,
		.pool = driver_pool_config(driver, call->pool)->name,
		.method = call->method,
		.begun = request->submitted,
		.attempts = request->attempts,
		.history = call->history,
	};
}

void span_of_answer(struct driver *driver, const struct call *call, const struct effect *effect)
{
	bool is_result = effect->type == EFFECT_RESULT;
	struct request_view request;
	struct audience audience;
	struct facts facts;

	if (!is_wanted(driver, &call->trace, call->lost != ERR_NONE))
		return;
	engine_view_request(driver->engine, call->slot, &request);
	audience = (struct audience){.uid = call->caller->uid, .pool = request.pool};
	facts = facts_of(driver, call, &request);
	if (is_result && call->lost == ERR_NONE) {
		facts.outcome = outcome_code_text(effect->result.outcome);
		facts.served_by = driver_pool_config(driver, effect->pool)->name;
	} else if (is_result) {
		facts.outcome = outcome_code_text(
			(struct outcome_code){OUTCOME_BY_DAEMON, OUTCOME_AT_REPLY});
	} else {
		facts.outcome = outcome_code_text(effect->outcome);
		facts.code = ERR_cancelled;
		facts.message = "its client is gone";
	}
	take_last(&facts, driver, call, &request, effect->worker);
	if (is_result)
		facts.code = call->lost;
	send_span(driver, &audience, &facts);
}

void span_of_failure(struct driver *driver, const struct call *call, const struct effect *effect,
		     const struct error *error)
{
	const struct audience audience = {.uid = call->caller->uid, .pool = effect->failed.from};
	struct request_view request;
	struct facts facts;

	if (!is_wanted(driver, &call->trace, true))
		return;
	engine_view_request(driver->engine, call->slot, &request);
	facts = facts_of(driver, call, &request);
	facts.outcome = error->outcome;
	facts.code = error->code;
	facts.message = error->message;
	take_last(&facts, driver, call, &request,
		  effect->failed.has_worker ? effect->worker : NO_SLOT);
	send_span(driver, &audience, &facts);
}

void span_of_refusal(struct driver *driver, const struct caller *caller, uint32_t pool,
		     const struct trace *trace, const struct error *error)
{
	const struct audience audience = {.uid = caller->uid, .pool = pool};
	const struct facts facts = {
		.caller = caller,
		.trace = trace,
		.pool = pool == NO_SLOT ? NULL : driver_pool_config(driver, pool)->name,
		.method = error->method,
		.begun = loop_now(driver->loop),
		.outcome = error->outcome,
		.code = error->code,
		.message = error->message,
	};

	if (is_wanted(driver, trace, true))
		send_span(driver, &audience, &facts);
}
