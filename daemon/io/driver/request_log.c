#include "daemon/io/driver/request_log.h"

#include "daemon/io/driver/state.h"

#include <inttypes.h>
#include <stdio.h>

/* Lines in a second. */
#define LINES	    100

#define NUMBER_SIZE 24
#define SHOWN_MAX   128

void request_log_init(struct request_log *request_log)
{
	*request_log = (struct request_log){.limit.per_second = LINES};
}

/* What the line says, in its order. */
struct facts {
	const struct driver *driver;
	const struct call *call;
	struct request_view request;
	const char *outcome;
	const char *pool;
	unsigned worker; /* 0: none had it */
	usec_t elapsed;
	usec_t queued;
	usec_t run;
};

static struct facts facts_of(const struct driver *driver, const struct call *call,
			     const struct effect *effect)
{
	bool is_result = effect->type == EFFECT_RESULT;
	struct facts facts = {.driver = driver, .call = call};
	usec_t now = loop_now(driver->loop);

	engine_view_request(driver->engine, call->slot, &facts.request);
	facts.outcome = outcome_code_text(is_result ? effect->result.outcome : effect->outcome);
	facts.pool = driver_pool_config(driver, facts.request.pool)->name;
	facts.elapsed = usec_sub(now, facts.request.submitted);
	facts.queued = facts.elapsed;
	if (facts.request.attempts > 0) {
		facts.queued = usec_sub(facts.request.first_sent, facts.request.submitted);
		facts.run = usec_sub(now, facts.request.sent);
	}
	if (is_result && effect->worker != NO_SLOT)
		facts.worker = driver_worker_number(driver, effect->worker);
	return facts;
}

static bool is_slow(const struct facts *facts)
{
	usec_t limit = driver_pool_config(facts->driver, facts->request.pool)->slow_after;

	return limit > 0 && facts->run >= limit;
}

static bool is_wanted(struct request_log *request_log, unsigned wanted, const struct facts *facts)
{
	if (wanted == VALUE_REQUESTS_SLOW)
		return is_slow(facts);
	return request_log->answered++ % wanted == 0;
}

static struct bytes cut(struct bytes text)
{
	text.len = text.len < SHOWN_MAX ? text.len : SHOWN_MAX;
	return text;
}

static void put_name(struct buf *line, const char *name, struct bytes text)
{
	buf_printf(line, " %s=", name);
	if (text.len > 0)
		buf_put_text(line, cut(text));
	else
		buf_printf(line, "N/A");
}

static double in_ms(usec_t span)
{
	return (double)span / 1e3;
}

static void put_line(struct buf *line, const struct facts *facts)
{
	const struct call *call = facts->call;
	const struct caller *caller = call->caller;

	buf_printf(line, "outcome=%s request=%" PRIu64 " pool=%s worker=", facts->outcome,
		   call->number, facts->pool);
	if (facts->worker > 0)
		buf_printf(line, "%u", facts->worker);
	else
		buf_printf(line, "N/A");
	put_name(line, "session", call->session);
	put_name(line, "method", call->method);
	buf_printf(line, " attempt=%u arrived_ms=%" PRIu64, facts->request.attempts,
		   loop_wall_ms() - facts->elapsed / USEC_PER_MSEC);
	buf_printf(line, " elapsed_ms=%.3f queue_ms=%.3f run_ms=%.3f", in_ms(facts->elapsed),
		   in_ms(facts->queued), in_ms(facts->run));
	buf_printf(line, " uid=%" PRIu32 " peer_pid=%" PRId32 " client=%s", caller->uid,
		   caller->pid, caller->name[0] ? caller->name : "N/A");
	put_name(line, "trace", trace_id(&call->trace));
	if (call->trace.is_w3c)
		buf_printf(line, " span=%016" PRIx64 " attempt_span=%016" PRIx64, call->trace.span,
			   call->trace.attempt_span);
}

static COLD void log_line(const struct facts *facts, const char *what, unsigned held)
{
	char request[NUMBER_SIZE], worker[NUMBER_SIZE], elapsed[NUMBER_SIZE], queued[NUMBER_SIZE];
	char run[NUMBER_SIZE], uid[NUMBER_SIZE], method[SHOWN_MAX + 1], trace[SHOWN_MAX + 1];
	char span[NUMBER_SIZE];
	struct bytes name = cut(facts->call->method), id = cut(trace_id(&facts->call->trace));
	const struct log_field fields[] = {
		{"outcome", facts->outcome},
		{"pool", facts->pool},
		{"worker", facts->worker > 0 ? worker : NULL},
		{"request", request},
		{"method", method},
		{"elapsed_ms", elapsed},
		{"queue_ms", queued},
		{"run_ms", run},
		{"uid", uid},
		{"client", facts->call->caller->name[0] ? facts->call->caller->name : NULL},
		{"trace", id.len > 0 ? trace : NULL},
		{"span", facts->call->trace.is_w3c ? span : NULL},
	};
	struct buf line;

	snprintf(request, sizeof(request), "%" PRIu64, facts->call->number);
	snprintf(worker, sizeof(worker), "%u", facts->worker);
	snprintf(elapsed, sizeof(elapsed), "%.3f", in_ms(facts->elapsed));
	snprintf(queued, sizeof(queued), "%.3f", in_ms(facts->queued));
	snprintf(run, sizeof(run), "%.3f", in_ms(facts->run));
	snprintf(uid, sizeof(uid), "%" PRIu32, facts->call->caller->uid);
	snprintf(method, sizeof(method), "%.*s", (int)name.len, (const char *)name.data);
	snprintf(trace, sizeof(trace), "%.*s", (int)id.len, (const char *)id.data);
	snprintf(span, sizeof(span), "%016" PRIx64, facts->call->trace.span);
	buf_init(&line, LOG_TEXT_MAX);
	put_line(&line, facts);
	if (held > 0)
		buf_printf(&line, " (%u more of these not logged)", held);
	/* In the journal the fields are not seen beside the line; on standard error they would be
	 * there twice. */
	if (buf_error(&line) == 0)
		log_event(LOG_LEVEL_INFO, NULL, fields, log_has_fields() ? ARRAY_SIZE(fields) : 0,
			  "%s: %.*s", what, (int)line.len, (const char *)line.data);
	buf_free(&line);
}

void request_log_take(struct driver *driver, const struct call *call, const struct effect *effect)
{
	unsigned wanted = driver->config->daemon.log_requests;
	struct facts facts;
	unsigned held;

	if (wanted == VALUE_REQUESTS_FAILED || !log_is_enabled(LOG_LEVEL_INFO))
		return;
	facts = facts_of(driver, call, effect);
	if (!is_wanted(&driver->request_log, wanted, &facts))
		return;
	if (log_limit_pass(&driver->request_log.limit, loop_now(driver->loop), &held))
		log_line(&facts, effect->type == EFFECT_RESULT ? "request answered" : "client gone",
			 held);
	else
		driver->stats.log_lines_held++;
}
