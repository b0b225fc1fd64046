#include "tests/lib/narrate.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTEMPTS_DEFAULT 3
#define TIMEOUT_DEFAULT	 USEC_PER_SEC

const char *narrate_span(usec_t span, char *text)
{
	if (span == USEC_INFINITY)
		snprintf(text, NARRATE_MAX, "never");
	else if (span % USEC_PER_SEC == 0)
		snprintf(text, NARRATE_MAX, "%" PRIu64 "s", span / USEC_PER_SEC);
	else if (span % USEC_PER_MSEC == 0)
		snprintf(text, NARRATE_MAX, "%" PRIu64 "ms", span / USEC_PER_MSEC);
	else
		snprintf(text, NARRATE_MAX, "%" PRIu64 "us", span);
	return text;
}

bool narrate_read_span(const char *text, usec_t *ret)
{
	static const struct {
		const char *name;
		usec_t factor;
	} units[] = {{"us", 1}, {"ms", USEC_PER_MSEC}, {"s", USEC_PER_SEC}};
	char *end;
	usec_t number;

	if (strcmp(text, "never") == 0) {
		*ret = USEC_INFINITY;
		return true;
	}
	number = strtoull(text, &end, 10);
	for (unsigned i = 0; end != text && i < ARRAY_SIZE(units); i++)
		if (strcmp(end, units[i].name) == 0) {
			*ret = number * units[i].factor;
			return true;
		}
	return false;
}

PRINTF_LIKE(2, 3) static void add(char *text, const char *format, ...)
{
	size_t len = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + len, NARRATE_MAX - len, format, args);
	va_end(args);
}

static void add_span(char *text, const char *name, usec_t span)
{
	char words[NARRATE_MAX];

	add(text, " %s %s", name, narrate_span(span, words));
}

/* --- events --- */

static const char *const event_names[] = {
	[EVENT_SUBMIT] = "submit",
	[EVENT_CANCEL] = "cancel",
	[EVENT_WORKER_READY] = "ready",
	[EVENT_WORKER_BEGAN] = "began",
	[EVENT_WORKER_ALIVE] = "alive",
	[EVENT_WORKER_CHUNK] = "chunk",
	[EVENT_HOLD] = "hold",
	[EVENT_WORKER_HELD] = "held",
	[EVENT_WORKER_ANSWERED] = "answered",
	[EVENT_SEND_FAILED] = "send_failed",
	[EVENT_WORKER_BROKE] = "broke",
	[EVENT_WORKER_EXITED] = "exited",
	[EVENT_SPAWN_FAILED] = "spawn_failed",
	[EVENT_PRESSURE] = "pressure",
	[EVENT_BREAKER] = "breaker",
	[EVENT_RECOVERY_CANCEL] = "recovery_cancel",
	[EVENT_SESSION_CLOSE] = "session_close",
	[EVENT_WORKER_MEMORY] = "memory",
	[EVENT_RESTART] = "roll",
	[EVENT_RESIZE] = "resize",
	[EVENT_DRAIN] = "drain",
	[EVENT_RESUME] = "resume",
	[EVENT_KILL] = "kill",
	[EVENT_TIMER] = "timer",
	[EVENT_STALL] = "stall",
	[EVENT_STOP] = "stop",
};

static const char *signal_name(int signal)
{
	return signal == SIGKILL ? "KILL" : signal == SIGTERM ? "TERM" : "?";
}

static void add_name(char *text, const char *name, struct bytes bytes)
{
	if (bytes.len > 0)
		add(text, " %s %.*s", name, (int)bytes.len, (const char *)bytes.data);
}

static void add_submit_options(char *text, const struct engine_event *event)
{
	if (event->submit.no_fallback)
		add(text, " stays");
	if (event->submit.is_stream)
		add(text, " stream");
	if (event->submit.is_restartable)
		add(text, " restartable");
	if (event->submit.is_held)
		add(text, " held");
	if (event->submit.session_exists)
		add(text, " exists");
	if (event->submit.client != 0)
		add(text, " client %u", event->submit.client);
	if (event->submit.user != 0)
		add(text, " user %u", event->submit.user);
	if (event->submit.skip != 0)
		add(text, " skip %u", event->submit.skip);
	add_name(text, "method", event->submit.method);
	add_name(text, "session", event->submit.session);
	add_name(text, "key", event->submit.key);
}

static void add_submit(char *text, const struct engine_event *event)
{
	add(text, " %u", event->request);
	if (event->submit.pool > 0)
		add(text, " pool %u", event->submit.pool);
	if (event->submit.priority != PRIORITY_NORMAL)
		add(text, " %s", priority_name(event->submit.priority));
	if (event->submit.is_idempotent)
		add(text, " idempotent");
	if (event->submit.max_attempts != ATTEMPTS_DEFAULT)
		add(text, " attempts %u", event->submit.max_attempts);
	if (event->submit.bytes != 1)
		add(text, " bytes %" PRIu64, event->submit.bytes);
	if (event->submit.timeout != TIMEOUT_DEFAULT)
		add_span(text, "timeout", event->submit.timeout);
	add_submit_options(text, event);
}

static void add_page(char *text, const struct engine_event *event)
{
	if (event->page > 0)
		add(text, " page %" PRIu64, event->page);
}

static void add_answer(char *text, const struct engine_event *event)
{
	add(text, " as %u", event->id);
	if (event->answer.code != ERR_NONE)
		add(text, " %s", errcode_name(event->answer.code));
	if (event->answer.has_retryable)
		add(text, event->answer.is_retryable ? " retryable" : " final");
	if (event->answer.has_severity)
		add(text, " %s", errseverity_name(event->answer.severity));
	if (event->answer.has_state)
		add(text, " state %" PRIu64, event->answer.state);
	if (event->answer.bytes != 0)
		add(text, " bytes %" PRIu64, event->answer.bytes);
	if (event->answer.is_fatal)
		add(text, " fatal");
	if (event->answer.is_dropped)
		add(text, " dropped");
	if (event->answer.is_recalled)
		add(text, " recalled");
	if (event->answer.retry_after != USEC_INFINITY)
		add_span(text, "retry_after", event->answer.retry_after);
	add_page(text, event);
}

static void add_ready(char *text, const struct engine_event *event)
{
	if (event->ready.concurrency != 1)
		add(text, " concurrency %u", event->ready.concurrency);
	if (event->ready.announces)
		add(text, " announces");
	if (event->ready.batches)
		add(text, " batches");
	if (event->ready.recalls)
		add(text, " recalls");
	if (event->ready.pages)
		add(text, " pages");
}

static void add_chunk(char *text, const struct engine_event *event)
{
	add(text, " as %u%s", event->id, event->is_dropped ? " dropped" : "");
	add_page(text, event);
}

static void add_exit(char *text, const struct engine_event *event)
{
	add(text, "%s%s%s", event->exit.is_signalled ? " signalled" : "",
	    event->exit.is_unusable ? " unusable" : "",
	    event->exit.is_connection ? " connection" : "");
	add_page(text, event);
}

const char *narrate_event(const struct engine_event *event, char *text)
{
	snprintf(text, NARRATE_MAX, "%s", event_names[event->type]);
	switch (event->type) {
	case EVENT_SUBMIT:
		add_submit(text, event);
		return text;
	case EVENT_CANCEL:
		add(text, " %u%s", event->request, event->is_gone ? " gone" : "");
		return text;
	case EVENT_HOLD:
		add(text, " %u%s", event->request, event->is_held ? "" : " off");
		return text;
	case EVENT_BREAKER:
		add(text, " %u %s", event->manual.pool, breaker_state_name(event->manual.state));
		add_name(text, "method", event->manual.method);
		return text;
	case EVENT_RECOVERY_CANCEL:
		add(text, " %" PRIu64, event->recovery);
		return text;
	case EVENT_SESSION_CLOSE:
		add_name(text, "of", event->close.session);
		if (event->close.user > 0)
			add(text, " user %u", event->close.user);
		return text;
	case EVENT_RESIZE:
		add(text, " %u %u..%u", event->pool, event->size.min, event->size.max);
		return text;
	case EVENT_RESTART:
	case EVENT_DRAIN:
	case EVENT_RESUME:
		add(text, " %u", event->pool);
		return text;
	case EVENT_STALL:
		add_span(text, "of", event->stall);
		return text;
	case EVENT_TIMER:
	case EVENT_STOP:
		return text;
	default:
		add(text, " %u.%u", event->worker, event->life);
	}
	if (event->type == EVENT_WORKER_READY)
		add_ready(text, event);
	else if (event->type == EVENT_WORKER_BEGAN)
		add(text, " as %u", event->id);
	else if (event->type == EVENT_SEND_FAILED)
		add(text, " as %u%s", event->id,
		    event->code == ERR_memory_limit ? " memory_limit" : "");
	else if (event->type == EVENT_WORKER_CHUNK)
		add_chunk(text, event);
	else if (event->type == EVENT_WORKER_HELD)
		add(text, " as %u%s", event->id, event->is_held ? "" : " off");
	else if (event->type == EVENT_WORKER_MEMORY)
		add(text, " %" PRIu64, event->memory.bytes);
	else if (event->type == EVENT_KILL)
		add(text, " %s", signal_name(event->signal));
	else if (event->type == EVENT_SPAWN_FAILED && event->code != ERR_spawn_failed)
		add(text, " %s", errcode_name(event->code));
	else if (event->type == EVENT_WORKER_ANSWERED)
		add_answer(text, event);
	else if (event->type == EVENT_WORKER_BROKE)
		add(text, " %s", errcode_name(event->code));
	else if (event->type == EVENT_WORKER_EXITED)
		add_exit(text, event);
	return text;
}

/* --- effects --- */

static void add_failure(char *text, const struct effect *effect)
{
	const struct failure *failure = &effect->failed.failure;
	char words[NARRATE_MAX];

	add(text, " %s, executed %s", errcode_name(failure->code),
	    executed_name(failure->executed));
	if (failure->is_retryable)
		add(text, ", retryable");
	if (failure->is_from_worker)
		add(text, ", in the worker's words");
	if (effect->failed.has_worker)
		add(text, ", worker %u", effect->worker);
	if (failure->cause != CAUSE_NONE)
		add(text, ", cause %s", worker_cause_name(failure->cause));
	if (failure->budget_spent)
		add(text, ", budget spent");
	if (effect->failed.severity != errcode_info(failure->code)->severity)
		add(text, ", %s", errseverity_name(effect->failed.severity));
	if (failure->retry_after != USEC_INFINITY)
		add(text, ", retry after %s", narrate_span(failure->retry_after, words));
}

static void add_retry(char *text, const struct effect *effect)
{
	char words[NARRATE_MAX];

	add(text, "retry %u", effect->request);
	if (effect->pool != effect->failed.from)
		add(text, " in pool %u", effect->pool);
	else
		add(text, " in %s", narrate_span(effect->failed.delay, words));
	add(text, " after");
	add_failure(text, effect);
}

static void add_result(char *text, const struct effect *effect)
{
	add(text, "result %u", effect->request);
	if (effect->result.source == RESULT_STATIC)
		add(text, ", the canned one of pool %u", effect->pool);
	else if (effect->result.source == RESULT_STORED)
		add(text, ", the one kept for key %u", effect->result.key);
	else if (effect->result.key != NO_SLOT)
		add(text, ", kept for key %u", effect->result.key);
	if (effect->result.level > 0)
		add(text, ", level %u", effect->result.level);
	if (effect->result.session != NO_SLOT)
		add(text, ", state of session %u", effect->result.session);
	if (effect->result.has_lost_state)
		add(text, ", state lost");
}

static void add_recovery(char *text, const struct effect *effect)
{
	char words[NARRATE_MAX];

	add(text, "recovery %" PRIu64 " of %u ", effect->recovery.id, effect->request);
	if (effect->recovery.has_begun)
		add(text, "began: %s, %s", errcode_name(effect->recovery.cause),
		    errstrategy_name(effect->recovery.strategy));
	else
		add(text, "%s after %s", recovery_result_name(effect->recovery.result),
		    narrate_span(effect->recovery.duration, words));
}

static void add_session(char *text, const struct effect *effect)
{
	add(text, "session %u %s", effect->session.session,
	    effect->session.has_begun ? "opened" : session_reason_name(effect->session.reason));
	if (effect->worker != NO_SLOT)
		add(text, ", at %u.%u", effect->worker, effect->life);
}

static void add_breaker(char *text, const struct effect *effect)
{
	add(text, "breaker %u.%u %s, was %s: %s", effect->pool, effect->breaker.circuit,
	    breaker_state_name(effect->breaker.change.to),
	    breaker_state_name(effect->breaker.change.from),
	    breaker_reason_name(effect->breaker.change.reason));
}

const char *narrate_effect(const struct effect *effect, char *text)
{
	uint32_t worker = effect->worker, life = effect->life;
	char words[NARRATE_MAX];

	text[0] = '\0';
	switch (effect->type) {
	case EFFECT_SEND:
		add(text, "send %u to %u.%u as %u, attempt %u", effect->request, worker, life,
		    effect->send.id, effect->send.attempt);
		break;
	case EFFECT_CANCEL:
		add(text, "cancel %u at %u.%u", effect->send.id, worker, life);
		break;
	case EFFECT_RECALL:
		add(text, "recall %u from %u.%u", effect->send.id, worker, life);
		break;
	case EFFECT_PING:
		add(text, "ping %u.%u as %u", worker, life, effect->send.id);
		break;
	case EFFECT_RESULT:
		add_result(text, effect);
		break;
	case EFFECT_RETRY:
		add_retry(text, effect);
		break;
	case EFFECT_ERROR:
		add(text, "error %u", effect->request);
		add_failure(text, effect);
		break;
	case EFFECT_CHUNK:
		add(text, "chunk %u", effect->request);
		break;
	case EFFECT_RESTART:
		add(text, "restart %u", effect->request);
		break;
	case EFFECT_STORE:
		add(text, "store what %u.%u answered", worker, life);
		if (effect->store.key != NO_SLOT)
			add(text, ", key %u", effect->store.key);
		if (effect->store.session != NO_SLOT)
			add(text, ", session %u", effect->store.session);
		break;
	case EFFECT_FORGET:
		add(text, "forget key %u", effect->key);
		break;
	case EFFECT_BREAKER:
		add_breaker(text, effect);
		break;
	case EFFECT_LEVEL:
		add(text, "level of pool %u %u, was %u", effect->pool, effect->level.to,
		    effect->level.from);
		if (effect->level.reason != ERR_NONE)
			add(text, ": %s", errcode_name(effect->level.reason));
		break;
	case EFFECT_RECOVERY:
		add_recovery(text, effect);
		break;
	case EFFECT_SESSION:
		add_session(text, effect);
		break;
	case EFFECT_NAMESAKE:
		add(text, "%s of %u has the name of user %u's",
		    effect->namesake.is_key ? "key" : "session", effect->request,
		    effect->namesake.user);
		break;
	case EFFECT_INCIDENT:
		add(text, "incident in pool %u: %s", effect->pool, errcode_name(effect->incident));
		if (effect->worker != NO_SLOT)
			add(text, ", worker %u.%u", effect->worker, effect->life);
		break;
	case EFFECT_SLOW:
		add(text, "slow %u at %u.%u, %s", effect->request, worker, life,
		    narrate_span(effect->ran, words));
		break;
	case EFFECT_ROLL:
		add(text, "roll of pool %u %s, %u of %u left", effect->pool,
		    roll_state_name(effect->roll.state), effect->roll.left, effect->roll.total);
		if (effect->roll.reason != ERR_NONE)
			add(text, ": %s", errcode_name(effect->roll.reason));
		break;
	case EFFECT_DONE:
		add(text, "done: %s", errcode_name(effect->code));
		break;
	case EFFECT_DROP:
		add(text, "drop %u", effect->request);
		break;
	case EFFECT_SPAWN:
		add(text, "spawn %u.%u", worker, life);
		break;
	case EFFECT_SHUTDOWN:
		add(text, "shutdown %u.%u, %s", worker, life,
		    worker_cause_name(effect->kill.cause));
		break;
	case EFFECT_CLOSE:
		add(text, "close %u.%u, %s", worker, life, worker_cause_name(effect->kill.cause));
		break;
	case EFFECT_SIGNAL:
		add(text, "signal %u.%u %s, %s", worker, life, signal_name(effect->kill.signal),
		    worker_cause_name(effect->kill.cause));
		break;
	case EFFECT_HEALTH:
		add(text, "health pool %u %s, was %s", effect->pool,
		    pool_health_name(effect->health.is), pool_health_name(effect->health.was));
		break;
	case EFFECT_STOPPED:
		add(text, "stopped");
		break;
	}
	return text;
}

/* --- reading --- */

struct words {
	char *rest;
	const char *line; /* the line, and below the copy of it that `rest` is in */
	const char *copy;
};

static const char *next_word(struct words *words)
{
	return strtok_r(NULL, " ", &words->rest);
}

static bool read_number(struct words *words, uint64_t *ret)
{
	const char *word = next_word(words);
	char *end;

	if (!word)
		return false;
	*ret = strtoull(word, &end, 10);
	return end != word && *end == '\0';
}

static bool read_u32(struct words *words, uint32_t *ret)
{
	uint64_t number;

	if (!read_number(words, &number) || number > UINT32_MAX)
		return false;
	*ret = (uint32_t)number;
	return true;
}

static bool read_span(struct words *words, usec_t *ret)
{
	const char *word = next_word(words);

	return word && narrate_read_span(word, ret);
}

static bool read_worker(struct words *words, struct engine_event *event)
{
	const char *word = next_word(words);

	return word && sscanf(word, "%" SCNu32 ".%" SCNu32, &event->worker, &event->life) == 2;
}

/* A name: its bytes lie in the line itself, which outlives the event. */
static bool read_name(struct words *words, struct bytes *ret)
{
	const char *word = next_word(words);

	if (!word)
		return false;
	*ret = (struct bytes){(const uint8_t *)words->line + (word - words->copy), strlen(word)};
	return true;
}

static bool read_submit_option(struct words *words, const char *word, struct engine_event *event)
{
	if (strcmp(word, "held") == 0)
		return event->submit.is_held = true;
	if (strcmp(word, "stays") == 0)
		return event->submit.no_fallback = true;
	if (strcmp(word, "stream") == 0)
		return event->submit.is_stream = true;
	if (strcmp(word, "restartable") == 0)
		return event->submit.is_restartable = true;
	if (strcmp(word, "exists") == 0)
		return event->submit.session_exists = true;
	if (strcmp(word, "client") == 0)
		return read_u32(words, &event->submit.client);
	if (strcmp(word, "user") == 0)
		return read_u32(words, &event->submit.user);
	if (strcmp(word, "skip") == 0)
		return read_u32(words, &event->submit.skip);
	if (strcmp(word, "method") == 0)
		return read_name(words, &event->submit.method);
	if (strcmp(word, "session") == 0)
		return read_name(words, &event->submit.session);
	return strcmp(word, "key") == 0 && read_name(words, &event->submit.key);
}

static bool read_submit(struct words *words, struct engine_event *event)
{
	const char *word;
	bool good = read_u32(words, &event->request);

	event->submit.priority = PRIORITY_NORMAL;
	event->submit.max_attempts = ATTEMPTS_DEFAULT;
	event->submit.bytes = 1;
	event->submit.timeout = TIMEOUT_DEFAULT;
	while (good && (word = next_word(words))) {
		enum priority priority = priority_find(word, strlen(word));

		if (priority != PRIORITY_COUNT_)
			event->submit.priority = priority;
		else if (strcmp(word, "idempotent") == 0)
			event->submit.is_idempotent = true;
		else if (strcmp(word, "pool") == 0)
			good = read_u32(words, &event->submit.pool);
		else if (strcmp(word, "attempts") == 0)
			good = read_u32(words, &event->submit.max_attempts);
		else if (strcmp(word, "bytes") == 0)
			good = read_number(words, &event->submit.bytes);
		else if (strcmp(word, "timeout") == 0)
			good = read_span(words, &event->submit.timeout);
		else
			good = read_submit_option(words, word, event);
	}
	return good;
}

static bool read_ready(struct words *words, struct engine_event *event)
{
	const char *word;
	bool good = read_worker(words, event);

	event->ready.concurrency = 1;
	while (good && (word = next_word(words))) {
		if (strcmp(word, "announces") == 0)
			event->ready.announces = true;
		else if (strcmp(word, "batches") == 0)
			event->ready.batches = true;
		else if (strcmp(word, "recalls") == 0)
			event->ready.recalls = true;
		else if (strcmp(word, "pages") == 0)
			event->ready.pages = true;
		else if (strcmp(word, "concurrency") == 0)
			good = read_u32(words, &event->ready.concurrency);
		else
			good = false;
	}
	return good;
}

static bool read_id(struct words *words, struct engine_event *event)
{
	const char *word;

	if (!read_worker(words, event))
		return false;
	word = next_word(words);
	return word && strcmp(word, "as") == 0 && read_u32(words, &event->id);
}

static bool read_code(const char *word, enum errcode *ret)
{
	return (*ret = errcode_find(word, strlen(word))) != ERR_NONE;
}

static bool read_answer_word(struct words *words, const char *word, struct engine_event *event)
{
	enum errseverity severity = errseverity_find(word, strlen(word));

	if (severity != SEVERITY_COUNT_) {
		event->answer.severity = severity;
		return event->answer.has_severity = true;
	}
	if (strcmp(word, "retryable") == 0)
		return event->answer.has_retryable = event->answer.is_retryable = true;
	if (strcmp(word, "final") == 0)
		return event->answer.has_retryable = true;
	if (strcmp(word, "fatal") == 0)
		return event->answer.is_fatal = true;
	if (strcmp(word, "dropped") == 0)
		return event->answer.is_dropped = true;
	if (strcmp(word, "recalled") == 0)
		return event->answer.is_recalled = true;
	if (strcmp(word, "bytes") == 0)
		return read_number(words, &event->answer.bytes);
	if (strcmp(word, "state") == 0) {
		event->answer.has_state = true;
		return read_number(words, &event->answer.state);
	}
	if (strcmp(word, "page") == 0)
		return read_number(words, &event->page);
	if (strcmp(word, "retry_after") == 0)
		return read_span(words, &event->answer.retry_after);
	return read_code(word, &event->answer.code);
}

static bool read_answer(struct words *words, struct engine_event *event)
{
	const char *word;
	bool good = read_id(words, event);

	event->answer.retry_after = USEC_INFINITY;
	while (good && (word = next_word(words)))
		good = read_answer_word(words, word, event);
	return good;
}

static bool read_broke(struct words *words, struct engine_event *event)
{
	const char *word;

	if (!read_worker(words, event))
		return false;
	word = next_word(words);
	event->code = word ? errcode_find(word, strlen(word)) : ERR_NONE;
	return event->code != ERR_NONE;
}

static bool read_exit(struct words *words, struct engine_event *event)
{
	const char *word;
	bool good = read_worker(words, event);

	while (good && (word = next_word(words))) {
		if (strcmp(word, "signalled") == 0)
			event->exit.is_signalled = true;
		else if (strcmp(word, "unusable") == 0)
			event->exit.is_unusable = true;
		else if (strcmp(word, "connection") == 0)
			event->exit.is_connection = true;
		else if (strcmp(word, "page") == 0)
			good = read_number(words, &event->page);
		else
			good = false;
	}
	return good;
}

static bool read_cancel(struct words *words, struct engine_event *event)
{
	const char *word;

	if (!read_u32(words, &event->request))
		return false;
	word = next_word(words);
	event->is_gone = word && strcmp(word, "gone") == 0;
	return !word || event->is_gone;
}

/* "off" ends what was held before. */
static bool read_off(struct words *words, struct engine_event *event)
{
	const char *word = next_word(words);

	event->is_held = !word;
	return !word || strcmp(word, "off") == 0;
}

static bool read_hold(struct words *words, struct engine_event *event)
{
	return read_u32(words, &event->request) && read_off(words, event);
}

static bool read_held(struct words *words, struct engine_event *event)
{
	return read_id(words, event) && read_off(words, event);
}

static bool read_chunk(struct words *words, struct engine_event *event)
{
	const char *word;
	bool good = read_id(words, event);

	while (good && (word = next_word(words))) {
		if (strcmp(word, "dropped") == 0)
			event->is_dropped = true;
		else
			good = strcmp(word, "page") == 0 && read_number(words, &event->page);
	}
	return good;
}

static bool read_spawn_failed(struct words *words, struct engine_event *event)
{
	const char *word;

	event->code = ERR_spawn_failed;
	if (!read_worker(words, event))
		return false;
	word = next_word(words);
	return !word || read_code(word, &event->code);
}

static bool read_manual(struct words *words, struct engine_event *event)
{
	const char *word;
	unsigned state = 0;

	if (!read_u32(words, &event->manual.pool) || !(word = next_word(words)))
		return false;
	while (state < BREAKER_STATE_COUNT_ &&
	       strcmp(breaker_state_name((enum breaker_state)state), word) != 0)
		state++;
	event->manual.state = (enum breaker_state)state;
	word = next_word(words);
	if (word && (strcmp(word, "method") != 0 || !read_name(words, &event->manual.method)))
		return false;
	return state < BREAKER_STATE_COUNT_;
}

static bool read_pool(struct words *words, struct engine_event *event)
{
	return read_u32(words, &event->pool);
}

static bool read_resize(struct words *words, struct engine_event *event)
{
	const char *word;

	if (!read_u32(words, &event->pool) || !(word = next_word(words)))
		return false;
	return sscanf(word, "%u..%u", &event->size.min, &event->size.max) == 2;
}

static bool read_kill(struct words *words, struct engine_event *event)
{
	const char *word;

	if (!read_worker(words, event) || !(word = next_word(words)))
		return false;
	event->signal = strcmp(word, "KILL") == 0 ? SIGKILL : SIGTERM;
	return true;
}

static bool read_stall(struct words *words, struct engine_event *event)
{
	const char *word = next_word(words);

	return word && strcmp(word, "of") == 0 && read_span(words, &event->stall);
}

static bool read_memory(struct words *words, struct engine_event *event)
{
	return read_worker(words, event) && read_number(words, &event->memory.bytes);
}

static bool read_recovery(struct words *words, struct engine_event *event)
{
	return read_number(words, &event->recovery);
}

static bool read_session(struct words *words, struct engine_event *event)
{
	const char *word = next_word(words);

	if (!word || strcmp(word, "of") != 0 || !read_name(words, &event->close.session))
		return false;
	word = next_word(words);
	return !word || (strcmp(word, "user") == 0 && read_u32(words, &event->close.user));
}

static bool read_send_failed(struct words *words, struct engine_event *event)
{
	const char *word;

	if (!read_id(words, event))
		return false;
	word = next_word(words);
	event->code = word ? errcode_find(word, strlen(word)) : ERR_encode_error;
	return event->code != ERR_NONE;
}

static bool read_nothing(struct words *words, struct engine_event *event)
{
	(void)words;
	(void)event;
	return true;
}

bool narrate_read_event(const char *line, struct engine_event *ret)
{
	static bool (*const readers[])(struct words *, struct engine_event *) = {
		[EVENT_SUBMIT] = read_submit,
		[EVENT_CANCEL] = read_cancel,
		[EVENT_WORKER_READY] = read_ready,
		[EVENT_WORKER_BEGAN] = read_id,
		[EVENT_WORKER_ALIVE] = read_worker,
		[EVENT_WORKER_CHUNK] = read_chunk,
		[EVENT_HOLD] = read_hold,
		[EVENT_WORKER_HELD] = read_held,
		[EVENT_WORKER_ANSWERED] = read_answer,
		[EVENT_SEND_FAILED] = read_send_failed,
		[EVENT_WORKER_BROKE] = read_broke,
		[EVENT_WORKER_EXITED] = read_exit,
		[EVENT_SPAWN_FAILED] = read_spawn_failed,
		[EVENT_PRESSURE] = read_worker,
		[EVENT_BREAKER] = read_manual,
		[EVENT_RECOVERY_CANCEL] = read_recovery,
		[EVENT_SESSION_CLOSE] = read_session,
		[EVENT_WORKER_MEMORY] = read_memory,
		[EVENT_RESTART] = read_pool,
		[EVENT_RESIZE] = read_resize,
		[EVENT_DRAIN] = read_pool,
		[EVENT_RESUME] = read_pool,
		[EVENT_KILL] = read_kill,
		[EVENT_TIMER] = read_nothing,
		[EVENT_STALL] = read_stall,
		[EVENT_STOP] = read_nothing,
	};
	char copy[NARRATE_MAX];
	struct words words;
	const char *name;

	snprintf(copy, sizeof(copy), "%s", line);
	words.line = line;
	words.copy = copy;
	name = strtok_r(copy, " ", &words.rest);
	for (unsigned i = 0; name && i < ARRAY_SIZE(event_names); i++) {
		if (strcmp(name, event_names[i]) != 0)
			continue;
		*ret = (struct engine_event){.type = (enum event_type)i};
		return readers[i](&words, ret) && !next_word(&words);
	}
	return false;
}
