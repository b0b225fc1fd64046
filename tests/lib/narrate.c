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
	[EVENT_WORKER_ANSWERED] = "answered",
	[EVENT_WORKER_BROKE] = "broke",
	[EVENT_WORKER_EXITED] = "exited",
	[EVENT_SPAWN_FAILED] = "spawn_failed",
	[EVENT_TIMER] = "timer",
	[EVENT_STOP] = "stop",
};

static void add_submit(char *text, const struct engine_event *event)
{
	add(text, " %u", event->request);
	if (event->submit.pool > 0)
		add(text, " pool %u", event->submit.pool);
	if (event->submit.priority != PRIORITY_NORMAL)
		add(text, " %s", priority_name(event->submit.priority));
	if (event->submit.idempotent)
		add(text, " idempotent");
	if (event->submit.max_attempts != ATTEMPTS_DEFAULT)
		add(text, " attempts %u", event->submit.max_attempts);
	if (event->submit.bytes != 1)
		add(text, " bytes %" PRIu64, event->submit.bytes);
	if (event->submit.timeout != TIMEOUT_DEFAULT)
		add_span(text, "timeout", event->submit.timeout);
}

static void add_answer(char *text, const struct engine_event *event)
{
	add(text, " as %u", event->id);
	if (event->answer.code != ERR_NONE)
		add(text, " %s", errcode_name(event->answer.code));
	if (event->answer.retryable)
		add(text, " retryable");
	if (event->answer.fatal)
		add(text, " fatal");
	if (event->answer.retry_after != USEC_INFINITY)
		add_span(text, "retry_after", event->answer.retry_after);
}

static void add_ready(char *text, const struct engine_event *event)
{
	if (event->ready.concurrency != 1)
		add(text, " concurrency %u", event->ready.concurrency);
	if (event->ready.announces)
		add(text, " announces");
	if (event->ready.batches)
		add(text, " batches");
}

const char *narrate_event(const struct engine_event *event, char *text)
{
	snprintf(text, NARRATE_MAX, "%s", event_names[event->type]);
	switch (event->type) {
	case EVENT_SUBMIT:
		add_submit(text, event);
		return text;
	case EVENT_CANCEL:
		add(text, " %u%s", event->request, event->gone ? " gone" : "");
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
	else if (event->type == EVENT_WORKER_ANSWERED)
		add_answer(text, event);
	else if (event->type == EVENT_WORKER_BROKE)
		add(text, " %s", errcode_name(event->code));
	else if (event->type == EVENT_WORKER_EXITED)
		add(text, "%s%s", event->exit.signalled ? " signalled" : "",
		    event->exit.unusable ? " unusable" : "");
	return text;
}

/* --- effects --- */

static void add_error(char *text, const struct effect *effect)
{
	char words[NARRATE_MAX];

	add(text, "error %u %s, executed %s", effect->request, errcode_name(effect->error.code),
	    executed_name(effect->error.executed));
	if (effect->error.retryable)
		add(text, ", retryable");
	if (effect->error.from_worker)
		add(text, ", in the worker's words");
	if (effect->error.has_worker)
		add(text, ", worker %u", effect->worker);
	if (effect->error.cause != CAUSE_NONE)
		add(text, ", cause %s", worker_cause_name(effect->error.cause));
	if (effect->error.retry_after != USEC_INFINITY)
		add(text, ", retry after %s", narrate_span(effect->error.retry_after, words));
}

static const char *signal_name(int signal)
{
	return signal == SIGKILL ? "KILL" : signal == SIGTERM ? "TERM" : "?";
}

const char *narrate_effect(const struct effect *effect, char *text)
{
	uint32_t worker = effect->worker, life = effect->life;

	text[0] = '\0';
	switch (effect->type) {
	case EFFECT_SEND:
		add(text, "send %u to %u.%u as %u, attempt %u", effect->request, worker, life,
		    effect->send.id, effect->send.attempt);
		break;
	case EFFECT_CANCEL:
		add(text, "cancel %u at %u.%u", effect->send.id, worker, life);
		break;
	case EFFECT_PING:
		add(text, "ping %u.%u as %u", worker, life, effect->send.id);
		break;
	case EFFECT_RESULT:
		add(text, "result %u", effect->request);
		break;
	case EFFECT_ERROR:
		add_error(text, effect);
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
			event->submit.idempotent = true;
		else if (strcmp(word, "pool") == 0)
			good = read_u32(words, &event->submit.pool);
		else if (strcmp(word, "attempts") == 0)
			good = read_u32(words, &event->submit.max_attempts);
		else if (strcmp(word, "bytes") == 0)
			good = read_number(words, &event->submit.bytes);
		else if (strcmp(word, "timeout") == 0)
			good = read_span(words, &event->submit.timeout);
		else
			good = false;
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

static bool read_answer(struct words *words, struct engine_event *event)
{
	const char *word;
	bool good = read_id(words, event);

	event->answer.retry_after = USEC_INFINITY;
	while (good && (word = next_word(words))) {
		if (strcmp(word, "retryable") == 0)
			event->answer.retryable = true;
		else if (strcmp(word, "fatal") == 0)
			event->answer.fatal = true;
		else if (strcmp(word, "retry_after") == 0)
			good = read_span(words, &event->answer.retry_after);
		else
			good = (event->answer.code = errcode_find(word, strlen(word))) != ERR_NONE;
	}
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
			event->exit.signalled = true;
		else if (strcmp(word, "unusable") == 0)
			event->exit.unusable = true;
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
	event->gone = word && strcmp(word, "gone") == 0;
	return !word || event->gone;
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
		[EVENT_SUBMIT] = read_submit,	       [EVENT_CANCEL] = read_cancel,
		[EVENT_WORKER_READY] = read_ready,     [EVENT_WORKER_BEGAN] = read_id,
		[EVENT_WORKER_ANSWERED] = read_answer, [EVENT_WORKER_BROKE] = read_broke,
		[EVENT_WORKER_EXITED] = read_exit,     [EVENT_SPAWN_FAILED] = read_worker,
		[EVENT_TIMER] = read_nothing,	       [EVENT_STOP] = read_nothing,
	};
	char copy[NARRATE_MAX];
	struct words words;
	const char *name;

	snprintf(copy, sizeof(copy), "%s", line);
	name = strtok_r(copy, " ", &words.rest);
	for (unsigned i = 0; name && i < ARRAY_SIZE(event_names); i++) {
		if (strcmp(name, event_names[i]) != 0)
			continue;
		*ret = (struct engine_event){.type = (enum event_type)i};
		return readers[i](&words, ret) && !next_word(&words);
	}
	return false;
}
