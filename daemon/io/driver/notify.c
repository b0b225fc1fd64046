#include "daemon/io/driver/notify.h"

#include "daemon/io/base/log_text.h"
#include "daemon/io/base/pack_named.h"
#include "daemon/io/driver/state.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void notify_log(const struct driver *driver, enum event_kind kind, uint64_t seq,
		enum log_level level, const struct log_field *fields, size_t count,
		const char *format, ...)
{
	struct log_field numbered[LOG_FIELDS_MAX];
	char text[LOG_TEXT_MAX + 2], number[24];
	va_list args;

	if (!log_is_enabled(level))
		return;
	/* Where fields follow the message it is of no use: no event is found by it there. */
	if (log_has_fields() && count < LOG_FIELDS_MAX) {
		for (size_t i = 0; i < count; i++)
			numbered[i] = fields[i];
		snprintf(number, sizeof(number), "%" PRIu64,
			 seq != 0 ? seq : driver->events.sequence + 1);
		numbered[count++] = (struct log_field){"seq", number};
		fields = numbered;
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_event(level, event_message_id(kind), fields, count, "%s", text);
}

static const char *pool_name(const struct driver *driver, uint32_t pool)
{
	return driver_pool_config(driver, pool)->name;
}

void notify_worker_event(struct driver *driver, uint32_t worker, const char *what, const char *text,
			 bool is_of_requests)
{
	uint32_t pool = engine_worker_pool(driver->engine, worker);
	const struct audience audience = {
		.uid = RIGHTS_NO_UID, .pool = pool, .is_for_callers = !is_of_requests};
	int pid = (int)driver->lives[worker].last_pid;
	struct buf *out = events_begin(&driver->events, EVENT_KIND_worker, 4);

	if (!out)
		return;
	pack_named_str(out, "pool", pool_name(driver, pool));
	pack_named_uint(out, "worker", driver_worker_number(driver, worker));
	pack_named_uint(out, "pid", pid > 0 ? (uint64_t)pid : 0);
	pack_named_str(out, "what", what);
	pack_named_str(events_restrict(&driver->events, &audience, 1), "text", text);
	events_send(&driver->events);
}

void notify_worker(struct driver *driver, enum log_level level, uint32_t worker, const char *what,
		   const char *text)
{
	uint32_t pool = engine_worker_pool(driver->engine, worker);
	char number[16], pid[16];
	struct log_field fields[] = {
		{"pool", pool_name(driver, pool)}, {"worker", number}, {"pid", pid}};

	snprintf(number, sizeof(number), "%u", driver_worker_number(driver, worker));
	snprintf(pid, sizeof(pid), "%d", (int)driver->lives[worker].last_pid);
	notify_log(driver, EVENT_KIND_worker, 0, level, fields, ARRAY_SIZE(fields), "worker %s%s%s",
		   what, *text ? ": " : "", text);
	notify_worker_event(driver, worker, what, text, false);
}

#define NUMBER_SIZE 24

/* Fields by which a line of output is found. */
struct output_fields {
	char worker[NUMBER_SIZE], pid[NUMBER_SIZE], request[NUMBER_SIZE], part[NUMBER_SIZE];
};

/* The number of the only request that a worker has; 0: it has none, or several. */
static uint64_t only_request(const struct driver *driver, uint32_t worker)
{
	uint32_t request = engine_only_request(driver->engine, worker);

	return request != NO_SLOT ? driver->calls.calls[request].number : 0;
}

static const char *number_field(uint64_t number, char text[NUMBER_SIZE])
{
	if (number == 0)
		return NULL;
	snprintf(text, NUMBER_SIZE, "%" PRIu64, number);
	return text;
}

/* A line may begin with its level, as "<4>": see sd-daemon(3). */
static enum log_level take_level(enum output_stream stream, struct bytes *line)
{
	const uint8_t *text = line->data;
	enum log_level level;

	if (line->len < 3 || text[0] != '<' || text[1] < '0' || text[1] > '7' || text[2] != '>')
		return stream == OUTPUT_STDERR ? LOG_LEVEL_NOTICE : LOG_LEVEL_INFO;
	level = (enum log_level)(text[1] - '0');
	*line = (struct bytes){text + 3, line->len - 3};
	/* What is worse than an error would be the daemon's own. */
	return level < LOG_LEVEL_ERROR ? LOG_LEVEL_ERROR : level;
}

void notify_output(struct driver *driver, uint32_t worker, enum output_stream stream,
		   struct bytes line, unsigned part)
{
	enum log_level level = take_level(stream, &line);
	const char *pool = pool_name(driver, engine_worker_pool(driver->engine, worker));
	char text[LOG_TEXT_MAX + 1];
	struct output_fields texts;
	const struct log_field fields[] = {
		{"pool", pool},
		{"worker", number_field(driver_worker_number(driver, worker), texts.worker)},
		{"pid", number_field((uint64_t)driver->lives[worker].last_pid, texts.pid)},
		{"stream", stream == OUTPUT_STDERR ? "stderr" : "stdout"},
		{"request", number_field(only_request(driver, worker), texts.request)},
		{"part", number_field(part, texts.part)},
	};

	if (!log_is_enabled(level))
		return;
	log_text_escape(line, text, sizeof(text));
	log_event(level, NULL, fields, ARRAY_SIZE(fields), "%s", text);
}

void notify_last_stderr(struct driver *driver, uint32_t worker)
{
	uint32_t pool = engine_worker_pool(driver->engine, worker);
	struct bytes last = driver->lives[worker].last_stderr;
	char number[NUMBER_SIZE], text[LOG_TEXT_MAX / 2];
	const struct log_field fields[] = {
		{"pool", pool_name(driver, pool)},
		{"worker", number_field(driver_worker_number(driver, worker), number)},
		{"stderr", text},
	};

	if (!log_has_fields() || last.len == 0)
		return;
	/* A field ends at LOG_TEXT_MAX, and its last lines matter most. */
	if (last.len >= sizeof(text))
		last = (struct bytes){last.data + last.len - sizeof(text) + 1, sizeof(text) - 1};
	snprintf(text, sizeof(text), "%.*s", (int)last.len, (const char *)last.data);
	log_event(LOG_LEVEL_NOTICE, NULL, fields, ARRAY_SIZE(fields), "worker said last: %s", text);
}

void notify_output_dropped(struct driver *driver, uint32_t worker, uint64_t count)
{
	char text[128];

	snprintf(text, sizeof(text), "%" PRIu64 " lines over output_rate were not logged", count);
	notify_worker(driver, LOG_LEVEL_WARNING, worker, "writes too much", text);
}

void notify_health(struct driver *driver, const struct effect *effect)
{
	const char *pool = pool_name(driver, effect->pool);
	const char *is = pool_health_name(effect->health.is);
	const char *was = pool_health_name(effect->health.was);
	bool worse = effect->health.is > effect->health.was;
	struct log_field fields[] = {{"pool", pool}};
	struct buf *out;

	notify_log(driver, EVENT_KIND_health, 0,
		   worse && !engine_stopping(driver->engine) ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE,
		   fields, ARRAY_SIZE(fields), "pool is %s, was %s", is, was);
	out = events_begin(&driver->events, EVENT_KIND_health, 3);
	if (!out)
		return;
	pack_named_str(out, "pool", pool);
	pack_named_str(out, "from", was);
	pack_named_str(out, "to", is);
	events_send(&driver->events);
}

void notify_pack_operator(const struct driver *driver, struct buf *out,
			  const struct circuit_operator *operator, bool is_shown)
{
	if (operator->at == 0 || !is_shown) {
		pack_nil(out);
		return;
	}
	pack_map(out, 3);
	pack_named_uint(out, "uid", operator->uid);
	pack_named_uint(out, "pid", (uint64_t)(operator->pid > 0 ? operator->pid : 0));
	pack_named_whole_ms(out, "ago_ms", usec_sub(loop_now(driver->loop), operator->at));
}

void notify_breaker(struct driver *driver, const struct effect *effect)
{
	const struct breaker_change *change = &effect->breaker.change;
	const char *pool = pool_name(driver, effect->pool);
	const char *from = breaker_state_name(change->from), *to = breaker_state_name(change->to);
	const struct audience operators = {.uid = RIGHTS_NO_UID, .pool = effect->pool};
	bool opens = change->to == BREAKER_OPEN || change->from == BREAKER_OBSERVING;
	struct log_field fields[] = {{"pool", pool}, {"circuit", to}};
	struct circuit_view circuit;
	struct bytes method;
	struct buf *out;

	engine_view_circuit(driver->engine, effect->pool, effect->breaker.circuit,
			    loop_now(driver->loop), &circuit);
	method = circuit.method;
	notify_log(driver, EVENT_KIND_breaker, 0, opens ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE,
		   fields, ARRAY_SIZE(fields), "breaker%s%.*s is %s, was %s: %s",
		   method.len > 0 ? " of method " : "", (int)method.len, (const char *)method.data,
		   to, from, breaker_reason_text(change->reason));
	out = events_begin(&driver->events, EVENT_KIND_breaker, 5);
	if (!out)
		return;
	pack_named_str(out, "pool", pool);
	pack_named_text(out, "method", method);
	pack_named_str(out, "from", from);
	pack_named_str(out, "to", to);
	pack_named_str(out, "reason", breaker_reason_name(change->reason));
	out = events_restrict(&driver->events, &operators, 1);
	pack_str(out, "by");
	notify_pack_operator(driver, out, &circuit.changed_by, true);
	events_send(&driver->events);
}

void notify_level(struct driver *driver, const struct effect *effect)
{
	const char *pool = pool_name(driver, effect->pool);
	const char *from = pool_name(
		driver, engine_chain_pool(driver->engine, effect->pool, effect->level.from));
	const char *to = pool_name(
		driver, engine_chain_pool(driver->engine, effect->pool, effect->level.to));
	bool down = effect->level.to > effect->level.from;
	const char *reason =
		down ? errcode_name(effect->level.reason) : "the pool before it serves again";
	struct log_field fields[] = {{"pool", pool}};
	struct buf *out;

	notify_log(driver, EVENT_KIND_failover, 0, down ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE,
		   fields, ARRAY_SIZE(fields),
		   "requests start at %s (level %u), before at %s (level %u): %s", to,
		   effect->level.to, from, effect->level.from, reason);
	out = events_begin(&driver->events, EVENT_KIND_failover, 6);
	if (!out)
		return;
	pack_named_str(out, "pool", pool);
	pack_named_str(out, "from", from);
	pack_named_str(out, "to", to);
	pack_named_uint(out, "from_level", effect->level.from);
	pack_named_uint(out, "to_level", effect->level.to);
	pack_named_str(out, "reason", down ? reason : "returned");
	events_send(&driver->events);
}

/* Its state in words. */
static void describe_roll(const struct roll *roll, char *text, size_t size)
{
	unsigned done = roll->total - roll->left;

	switch (roll->state) {
	case ROLL_STOPPED:
		snprintf(text, size, "stopped after %u of %u workers, the others are kept: %s",
			 done, roll->total, errcode_name(roll->reason));
		break;
	case ROLL_DONE:
		snprintf(text, size, "done, %u workers", roll->total);
		break;
	case ROLL_NONE:
	case ROLL_RUNNING:
	case ROLL_STATE_COUNT_:
		snprintf(text, size, "%u of %u workers replaced", done, roll->total);
		break;
	}
}

void notify_roll(struct driver *driver, const struct effect *effect)
{
	const char *pool = pool_name(driver, effect->pool);
	struct log_field fields[] = {{"pool", pool}};
	char text[128];
	struct buf *out;

	describe_roll(&effect->roll, text, sizeof(text));
	notify_log(driver, EVENT_KIND_worker, 0,
		   effect->roll.state == ROLL_STOPPED ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE,
		   fields, ARRAY_SIZE(fields), "rolling restart: %s", text);
	out = events_begin(&driver->events, EVENT_KIND_worker, 3);
	if (!out)
		return;
	pack_named_str(out, "pool", pool);
	pack_named_str(out, "what", "rolling restart");
	pack_named_str(out, "text", text);
	events_send(&driver->events);
}

void notify_recovery(struct driver *driver, const struct effect *effect)
{
	struct buf *out = events_begin(&driver->events, EVENT_KIND_recovery, 7);

	if (!out)
		return;
	pack_named_uint(out, "id", effect->recovery.id);
	pack_named_uint(out, "request", driver->calls.calls[effect->request].number);
	pack_named_str(out, "pool", pool_name(driver, effect->pool));
	pack_named_str(out, "cause", errcode_name(effect->recovery.cause));
	pack_named_str(out, "strategy", errstrategy_name(effect->recovery.strategy));
	pack_named_str(out, "result",
		       effect->recovery.has_begun ? "started"
						  : recovery_result_name(effect->recovery.result));
	pack_named_ms(out, "duration_ms", effect->recovery.duration);
	events_send(&driver->events);
}

void notify_session(struct driver *driver, const struct effect *effect)
{
	enum session_reason reason = effect->session.reason;
	bool is_shared = driver->config->daemon.sessions_shared;
	struct audience audience = {.pool = NO_SLOT};
	const char *what = "ended";
	/* A session that is used, moved and closed succeeds. */
	bool is_loss =
		!effect->session.has_begun &&
		(reason == SESSION_LOST || reason == SESSION_EXPIRED || reason == SESSION_EVICTED);
	struct buf *out = (is_loss ? events_begin : events_begin_passing)(
		&driver->events, EVENT_KIND_session, is_shared ? 3 : 2);

	if (!out)
		return;
	if (effect->session.has_begun)
		what = "created";
	else if (reason == SESSION_MOVED)
		what = "moved";
	else if (reason == SESSION_LOST)
		what = "lost";
	pack_named_str(out, "what", what);
	pack_named_str(out, "reason",
		       effect->session.has_begun ? "used" : session_reason_name(reason));
	audience.uid = engine_session_user(driver->engine, effect->session.session);
	/* A shared session is everybody's, and so is its name. */
	if (!is_shared)
		out = events_restrict(&driver->events, &audience, 1);
	pack_named_text(out, "session",
			engine_session_name(driver->engine, effect->session.session));
	events_send(&driver->events);
}

void notify_error(struct driver *driver, const struct audience *audience, const struct error *error)
{
	struct buf *out = events_begin(&driver->events, EVENT_KIND_error, 2);

	if (!out)
		return;
	pack_named_str(out, "code", errcode_name(error->code));
	pack_str(out, "pool");
	if (error->pool)
		pack_str(out, error->pool);
	else
		pack_nil(out);
	out = events_restrict(&driver->events, audience,
			      1u + (error->outcome != NULL) + (error->trace.len > 0));
	pack_str(out, "message");
	pack_text(out, (struct bytes){(const uint8_t *)error->message, strlen(error->message)});
	if (error->outcome)
		pack_named_str(out, "outcome", error->outcome);
	if (error->trace.len > 0)
		pack_named_text(out, "trace", error->trace);
	events_send(&driver->events);
}

void notify_end(struct driver *driver, const struct caller *caller, enum caller_end end)
{
	const struct audience audience = {.uid = caller->uid, .pool = NO_SLOT};
	struct buf *out = events_begin(&driver->events, EVENT_KIND_connection, 2);

	if (!out)
		return;
	pack_named_str(out, "reason", caller_end_name(end));
	pack_named_str(out, "message", caller_end_text(end));
	out = events_restrict(&driver->events, &audience, 3);
	pack_named_uint(out, "uid", caller->uid);
	pack_named_uint(out, "pid", (uint64_t)(caller->pid > 0 ? caller->pid : 0));
	pack_named_text(out, "client",
			(struct bytes){(const uint8_t *)caller->name, strlen(caller->name)});
	events_send(&driver->events);
}

void notify_retry(struct driver *driver, const struct audience *audience, const struct error *error,
		  const struct effect *effect)
{
	struct buf *out = events_begin(&driver->events, EVENT_KIND_retry, 7);

	if (!out)
		return;
	pack_named_str(out, "pool", error->pool);
	pack_named_str(out, "to", pool_name(driver, effect->pool));
	pack_named_uint(out, "request", error->request);
	pack_named_uint(out, "worker", error->worker);
	pack_named_uint(out, "attempt", error->attempt);
	pack_named_str(out, "code", errcode_name(error->code));
	pack_named_ms(out, "delay_ms", effect->failed.delay);
	out = events_restrict(&driver->events, audience, 1);
	pack_named_text(out, "message",
			(struct bytes){(const uint8_t *)error->message, strlen(error->message)});
	events_send(&driver->events);
}

static void pack_pool(const struct driver *driver, struct buf *out, uint32_t pool)
{
	pack_str(out, "pool");
	if (pool == NO_SLOT)
		pack_nil(out);
	else
		pack_str(out, pool_name(driver, pool));
}

void notify_overload(struct driver *driver, uint32_t pool, const struct overload *overload,
		     bool begins)
{
	const char *code = errcode_name(overload->code);
	const char *name = pool == NO_SLOT ? NULL : pool_name(driver, pool);
	usec_t lasted = usec_sub(loop_now(driver->loop), overload->since);
	const struct log_field fields[] = {{"pool", name}, {"code", code}};
	struct buf *out;

	if (begins)
		notify_log(driver, EVENT_KIND_overload, 0, LOG_LEVEL_NOTICE, fields,
			   ARRAY_SIZE(fields), "overload begins: %s",
			   errcode_info(overload->code)->text);
	else
		notify_log(driver, EVENT_KIND_overload, 0, LOG_LEVEL_NOTICE, fields,
			   ARRAY_SIZE(fields),
			   "overload ends: %" PRIu64 " requests were refused in %.1f s",
			   overload->refused, (double)lasted / USEC_PER_SEC);
	out = events_begin(&driver->events, EVENT_KIND_overload, 5);
	if (!out)
		return;
	pack_pool(driver, out, pool);
	pack_named_str(out, "what", begins ? "begins" : "ends");
	pack_named_str(out, "code", code);
	pack_named_uint(out, "refused", overload->refused);
	pack_named_ms(out, "duration_ms", lasted);
	events_send(&driver->events);
}

void notify_config(struct driver *driver, enum log_level level, uint32_t pool, const char *what,
		   const char *text)
{
	const struct audience operators = {.uid = RIGHTS_NO_UID, .pool = pool};
	const struct log_field fields[] = {
		{"pool", pool == NO_SLOT ? NULL : pool_name(driver, pool)}};
	struct buf *out;

	notify_log(driver, EVENT_KIND_config, 0, level, fields, ARRAY_SIZE(fields), "%s", text);
	out = events_begin(&driver->events, EVENT_KIND_config, 2);
	if (!out)
		return;
	pack_pool(driver, out, pool);
	pack_named_str(out, "what", what);
	pack_named_str(events_restrict(&driver->events, &operators, 1), "text", text);
	events_send(&driver->events);
}

void notify_daemon(struct driver *driver, const char *what, bool is_open, const char *text)
{
	const struct audience operators = {.uid = RIGHTS_NO_UID, .pool = NO_SLOT};
	struct buf *out;

	notify_log(driver, EVENT_KIND_daemon, 0, LOG_LEVEL_NOTICE, NULL, 0, "%s", text);
	out = events_begin(&driver->events, EVENT_KIND_daemon, is_open ? 2 : 1);
	if (!out)
		return;
	pack_named_str(out, "what", what);
	if (!is_open)
		out = events_restrict(&driver->events, &operators, 1);
	pack_named_str(out, "text", text);
	events_send(&driver->events);
}

void notify_standstill(struct driver *driver, usec_t stalled, usec_t suspended)
{
	char number[NUMBER_SIZE];
	const struct log_field fields[] = {{"stalled_ms", number}};
	usec_t whole = usec_add(stalled, suspended);
	struct buf *out;

	snprintf(number, sizeof(number), "%" PRIu64, (uint64_t)(whole / USEC_PER_MSEC));
	notify_log(driver, EVENT_KIND_stall, 0, LOG_LEVEL_WARNING, fields, ARRAY_SIZE(fields),
		   "the daemon stood still for %.3f s%s", (double)whole / 1e6,
		   suspended > 0 ? ": the machine was suspended" : "");
	out = events_begin(&driver->events, EVENT_KIND_stall, 2);
	if (!out)
		return;
	pack_named_ms(out, "stalled_ms", whole);
	pack_named_bool(out, "was_suspended", suspended > 0);
	events_send(&driver->events);
}
