#include "tests/lib/transcript.h"

#include "daemon/core/engine_inspect.h"
#include <check.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/defaults.h"
#include "tests/lib/narrate.h"

#define POOLS_MAX 4
#define NAMES_MAX 4096
#define LINE_MAX  (NARRATE_MAX + 40)
#define TEXT_MAX  ((size_t)1 << 18)

/* One scenario that is played; its output is the file as it should be. */
struct play {
	const char *path;
	const char *only; /* the title of the one scenario to play; NULL: all */
	unsigned line_number;
	unsigned played;
	bool is_skipping;
	char title[LINE_MAX];
	struct engine_settings settings;
	struct policy policy;
	struct pool_settings pools[POOLS_MAX];
	void *memory;
	struct engine *engine;
	usec_t now;
	usec_t stalled_until; /* the daemon stood still until then; 0: it never did */
	char *out;
	size_t out_len;
	uint8_t names[NAMES_MAX]; /* names that open requests refer to */
	size_t names_len;
};

/* Retries have no delay unless a scenario sets one. */
static void set_pool_defaults(struct pool_settings *pool)
{
	pool_default_settings(pool);
	pool->workers_min = pool->workers_max = 1;
	pool->no_worker_wait = USEC_INFINITY;
	pool->queue_max = 4;
	pool->queue_bytes_max = 1000;
	pool->max_crash_retries = 1;
	pool->init_timeout = 5 * USEC_PER_SEC;
	pool->ping_interval = 30 * USEC_PER_SEC;
	pool->ping_timeout = 5 * USEC_PER_SEC;
	pool->idle_timeout = 60 * USEC_PER_SEC;
	pool->kill_grace = 2 * USEC_PER_SEC;
	pool->cancel_grace = 2 * USEC_PER_SEC;
	pool->restart_delay = 100 * USEC_PER_MSEC;
	pool->restart_delay_max = 30 * USEC_PER_SEC;
	pool->backoff.kind = BACKOFF_NONE;
}

PRINTF_LIKE(2, 3) static void say(struct play *play, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(play->out + play->out_len, TEXT_MAX - play->out_len, format, args);
	va_end(args);
	ck_assert(len >= 0 && play->out_len + (size_t)len < TEXT_MAX);
	play->out_len += (size_t)len;
}

/* For an error in a scenario: shows what happened before it. */
static void show_tail(const struct play *play)
{
	const char *scenario = strstr(play->out, play->title);
	size_t len = scenario ? strlen(scenario) : 0;

	if (scenario)
		fprintf(stderr, "%s", scenario + (len > 1000 ? len - 1000 : 0));
}

PRINTF_LIKE(2, 3) static _Noreturn void blame(const struct play *play, const char *format, ...)
{
	char text[LINE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	show_tail(play);
	ck_abort_msg("%s:%u (%s): %s", play->path, play->line_number, play->title, text);
	abort();
}

/* --- settings --- */

static bool read_uint(const char *text, unsigned *ret)
{
	char *end;

	*ret = (unsigned)strtoul(text, &end, 10);
	return end != text && *end == '\0';
}

static bool set_span(struct pool_settings *pool, const char *key, const char *value)
{
	const struct {
		const char *key;
		usec_t *span;
	} spans[] = {
		{"init_timeout", &pool->init_timeout},
		{"ping_interval", &pool->ping_interval},
		{"ping_timeout", &pool->ping_timeout},
		{"idle_timeout", &pool->idle_timeout},
		{"kill_grace", &pool->kill_grace},
		{"cancel_grace", &pool->cancel_grace},
		{"restart_delay", &pool->restart_delay},
		{"restart_delay_max", &pool->restart_delay_max},
		{"attempt_timeout", &pool->attempt_timeout},
		{"max_lifetime", &pool->max_lifetime},
		{"slow_after", &pool->slow_after},
		{"open_timeout", &pool->breaker.open_timeout},
		{"probe_timeout", &pool->breaker.probe_timeout},
		{"base", &pool->backoff.base},
		{"cap", &pool->backoff.cap},
		{"no_worker_wait", &pool->no_worker_wait},
		{"dwell", &pool->failover.dwell},
		{"step", &pool->failover.step},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(spans); i++)
		if (strcmp(spans[i].key, key) == 0)
			return narrate_read_span(value, spans[i].span);
	return false;
}

static bool set_number(struct pool_settings *pool, const char *key, const char *value)
{
	const struct {
		const char *key;
		unsigned *number;
	} numbers[] = {
		{"queue", &pool->queue_max},
		{"queue_per_user", &pool->queue_per_user},
		{"prefetch", &pool->prefetch},
		{"prefetch_max", &pool->prefetch_max},
		{"spares", &pool->spares},
		{"start_parallel", &pool->start_parallel},
		{"crash_retries", &pool->max_crash_retries},
		{"failures", &pool->breaker.failure_threshold},
		{"successes", &pool->breaker.success_threshold},
		{"probes", &pool->breaker.half_open_requests},
		{"budget", &pool->budget.max},
		{"fallback_on", &pool->fallback_on},
		{"degraded_share", &pool->failing.share},
		{"degraded_min", &pool->failing.min},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++)
		if (strcmp(numbers[i].key, key) == 0)
			return read_uint(value, numbers[i].number);
	return false;
}

static bool set_adapter(struct pool_settings *pool, const char *value)
{
	if (strcmp(value, "socket") == 0)
		pool->adapter = POOL_SOCKET;
	else if (strcmp(value, "static") == 0)
		pool->adapter = POOL_STATIC;
	else
		return false;
	if (pool->adapter == POOL_STATIC)
		pool->workers_min = pool->workers_max = 0;
	return true;
}

static bool set_affinity(struct pool_settings *pool, const char *value)
{
	unsigned i = 0;

	while (i < SESSION_AFFINITY_COUNT_ &&
	       strcmp(session_affinity_name((enum session_affinity)i), value) != 0)
		i++;
	pool->affinity = (enum session_affinity)i;
	return i < SESSION_AFFINITY_COUNT_;
}

static bool set_backoff(struct pool_settings *pool, const char *value)
{
	unsigned kind = 0;

	while (kind < BACKOFF_KIND_COUNT_ &&
	       strcmp(backoff_kind_name((enum backoff_kind)kind), value) != 0)
		kind++;
	pool->backoff.kind = (enum backoff_kind)kind;
	return kind < BACKOFF_KIND_COUNT_;
}

/* "1,2": the pools with these numbers, in this order. */
static bool set_fallback(struct pool_settings *pool, const char *value)
{
	for (; *value; value += strcspn(value, ","), value += *value == ',') {
		if (pool->fallback_count == FAILOVER_LEVELS_MAX - 1)
			return false;
		pool->fallbacks[pool->fallback_count++] = (uint32_t)strtoul(value, NULL, 10);
	}
	return true;
}

static bool set_pool(struct pool_settings *pool, const char *key, const char *value)
{
	unsigned bytes;

	if (strcmp(key, "workers") == 0) {
		if (sscanf(value, "%u..%u", &pool->workers_min, &pool->workers_max) == 2)
			return true;
		pool->workers_max = (unsigned)strtoul(value, NULL, 10);
		return read_uint(value, &pool->workers_min);
	}
	if (strcmp(key, "bytes") == 0) {
		bool good = read_uint(value, &bytes);

		pool->queue_bytes_max = bytes;
		return good;
	}
	if (strcmp(key, "max_requests") == 0 && read_uint(value, &bytes))
		return (pool->max_requests = bytes) > 0;
	if (strcmp(key, "max_memory") == 0 && read_uint(value, &bytes))
		return (pool->max_memory = bytes) > 0;
	if (strcmp(key, "adapter") == 0)
		return set_adapter(pool, value);
	if (strcmp(key, "affinity") == 0)
		return set_affinity(pool, value);
	if (strcmp(key, "fallback") == 0)
		return set_fallback(pool, value);
	if (strcmp(key, "any_pong") == 0)
		return pool->any_pong = strcmp(value, "yes") == 0;
	if (strcmp(key, "per_method") == 0)
		return pool->breaker_per_method = strcmp(value, "yes") == 0;
	if (strcmp(key, "keys_shared") == 0)
		return pool->keys_are_shared = strcmp(value, "yes") == 0;
	if (strcmp(key, "backoff") == 0)
		return set_backoff(pool, value);
	return set_number(pool, key, value) || set_span(pool, key, value);
}

/* Makes failures of that code count at the worker and at the breaker. */
static bool set_count(struct policy *policy, const char *value)
{
	enum errcode code = errcode_find(value, strlen(value));

	policy->rows[code].counts_worker = policy->rows[code].counts_breaker = true;
	return code != ERR_NONE;
}

static bool set_engine(struct play *play, const char *key, const char *value)
{
	struct engine_settings *engine = &play->settings;
	const struct {
		const char *key;
		uint32_t *number;
	} numbers[] = {
		{"requests", &engine->requests_max},
		{"recoveries", &engine->recoveries_max},
		{"sessions", &engine->sessions.max},
		{"keys", &engine->keys.max},
	};
	const struct {
		const char *key;
		usec_t *span;
	} spans[] = {
		{"drain", &engine->drain_timeout},
		{"session_ttl", &engine->sessions.ttl},
		{"key_ttl", &engine->keys.ttl},
	};
	const struct {
		const char *key;
		uint64_t *bytes;
	} sizes[] = {
		{"state_max", &engine->sessions.state_max},
		{"session_bytes", &engine->sessions.bytes_max},
		{"key_bytes", &engine->keys.bytes_max},
	};

	if (strcmp(key, "count") == 0)
		return set_count(&play->policy, value);
	if (strcmp(key, "sessions_shared") == 0)
		return engine->sessions.is_shared = strcmp(value, "yes") == 0;
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++)
		if (strcmp(numbers[i].key, key) == 0)
			return read_uint(value, numbers[i].number);
	for (unsigned i = 0; i < ARRAY_SIZE(spans); i++)
		if (strcmp(spans[i].key, key) == 0)
			return narrate_read_span(value, spans[i].span);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		if (strcmp(sizes[i].key, key) == 0) {
			*sizes[i].bytes = strtoull(value, NULL, 10);
			return true;
		}
	return false;
}

/* `pool key=value ...` or `engine key=value ...` */
static void read_settings(struct play *play, const char *line)
{
	char copy[LINE_MAX], *rest, *word;
	struct pool_settings *pool = NULL;

	snprintf(copy, sizeof(copy), "%s", line);
	word = strtok_r(copy, " ", &rest);
	if (strcmp(word, "pool") == 0) {
		ck_assert(play->settings.pool_count < POOLS_MAX);
		pool = &play->pools[play->settings.pool_count++];
		set_pool_defaults(pool);
	} else if (strcmp(word, "engine") != 0) {
		blame(play, "what is \"%s\"?", line);
	}
	while ((word = strtok_r(NULL, " ", &rest))) {
		char *value = strchr(word, '=');

		if (!value)
			blame(play, "\"%s\" is no setting", word);
		*value++ = '\0';
		if (!(pool ? set_pool(pool, word, value) : set_engine(play, word, value)))
			blame(play, "\"%s=%s\" is no setting", word, value);
	}
}

/* --- playing --- */

static void say_event(struct play *play, const char *words)
{
	say(play, "[%10" PRIu64 "] %s\n", play->now, words);
}

static void say_effects(struct play *play)
{
	const struct effect *effect;
	char text[NARRATE_MAX];
	const char *wrong;

	while ((effect = engine_next_effect(play->engine)))
		say(play, "                 %s\n", narrate_effect(effect, text));
	wrong = engine_check(play->engine);
	if (wrong)
		blame(play, "engine_check: %s", wrong);
}

static void start(struct play *play)
{
	free(play->memory);
	play->memory = malloc(engine_size(&play->settings));
	ck_assert_ptr_nonnull(play->memory);
	play->now = 0;
	memset(play->memory, 0xa5, engine_size(&play->settings));
	play->engine = engine_init(play->memory, &play->settings, 0);
	say_event(play, "start");
	say_effects(play);
}

/* Slots in that state that ever held a process. */
static unsigned used(const struct pool *pool, enum worker_state state)
{
	unsigned count = 0;

	for (unsigned i = 0; i < pool->slots; i++)
		count += pool->workers[i].state == state && pool->workers[i].life > 0;
	return count;
}

static void look_at_pool(struct play *play, const struct pool *pool)
{
	static const struct {
		const char *name;
		size_t offset;
	} counters[] = {
#define COUNTER(name, help) {#name, offsetof(struct pool_stats, name)},
		POOL_COUNTERS(COUNTER)
#undef COUNTER
	};

	say(play, "                 pool %u %s: queued %u, running %u;", pool->index,
	    pool_health_name(pool->health), pool->queue.len, pool->running);
	for (unsigned i = 0; i < WORKER_STATE_COUNT_; i++)
		if (used(pool, (enum worker_state)i) > 0)
			say(play, " %s %u", worker_state_name((enum worker_state)i),
			    used(pool, (enum worker_state)i));
	say(play, "\n                 counted:");
	for (unsigned i = 0; i < ARRAY_SIZE(counters); i++) {
		uint64_t count;

		memcpy(&count, (const char *)&pool->stats + counters[i].offset, sizeof(count));
		if (count > 0)
			say(play, " %s %" PRIu64, counters[i].name, count);
	}
	say(play, "\n");
}

static void look(struct play *play)
{
	say_event(play, "look");
	for (uint32_t i = 0; i < engine_pool_count(play->engine); i++)
		look_at_pool(play, engine_pool(play->engine, i));
}

/* Copies the name: the engine keeps it as long as its request is open, the line is freed before. */
static void keep_name(struct play *play, struct bytes *name)
{
	ck_assert(play->names_len + name->len <= NAMES_MAX);
	if (name->len == 0)
		return;
	memcpy(play->names + play->names_len, name->data, name->len);
	name->data = play->names + play->names_len;
	play->names_len += name->len;
}

static void play_event(struct play *play, const char *words)
{
	char text[NARRATE_MAX];
	struct engine_event event;

	if (!narrate_read_event(words, &event))
		blame(play, "\"%s\" is no event", words);
	if (event.type == EVENT_TIMER) {
		usec_t due = engine_deadline(play->engine);

		if (due == USEC_INFINITY)
			blame(play, "no timer is due, ever");
		if (due > play->now)
			play->now = due;
	} else if (event.type == EVENT_STALL) {
		/* What came meanwhile may follow before the timers that were missed. */
		play->stalled_until = play->now;
	} else if (engine_deadline(play->engine) < play->now && play->stalled_until != play->now) {
		blame(play, "a timer was due at %" PRIu64, engine_deadline(play->engine));
	}
	event.now = play->now;
	say_event(play, narrate_event(&event, text));
	if (event.type == EVENT_SUBMIT) {
		keep_name(play, &event.submit.method);
		keep_name(play, &event.submit.key);
	}
	engine_step(play->engine, &event);
	say_effects(play);
}

static void play_line(struct play *play, const char *line)
{
	uint64_t at;
	int words = 0;

	if (sscanf(line, "[%" SCNu64 "] %n", &at, &words) != 1 || words == 0)
		blame(play, "\"%s\" is neither event nor effect", line);
	line += words;
	if (strcmp(line, "start") == 0) {
		start(play);
		return;
	}
	if (!play->engine)
		blame(play, "the first event is not start");
	if (at > play->now && strcmp(line, "timer") != 0)
		play->now = at;
	if (strcmp(line, "look") == 0)
		look(play);
	else
		play_event(play, line);
}

static void begin_scenario(struct play *play, const char *title)
{
	free(play->memory);
	play->memory = NULL;
	play->engine = NULL;
	engine_default_settings(&play->settings);
	play->settings.requests_max = 8;
	play->settings.pools = play->pools;
	policy_init(&play->policy);
	play->settings.policy = &play->policy;
	play->settings.drain_timeout = 30 * USEC_PER_SEC;
	play->names_len = 0;
	snprintf(play->title, sizeof(play->title), "%s", title);
}

/* Copies comments, blank lines and settings; leaves effects out, since the engine emits them anew.
 * Scenarios that are not played are copied. */
static void take_line(struct play *play, const char *line)
{
	if (strncmp(line, "== ", 3) == 0) {
		play->is_skipping = play->only && strcmp(line + 3, play->only) != 0;
		play->played += !play->is_skipping;
	}
	if (play->is_skipping) {
		say(play, "%s\n", line);
		return;
	}
	if (line[0] == ' ')
		return;
	if (line[0] == '[') {
		play_line(play, line);
		return;
	}
	say(play, "%s\n", line);
	if (strncmp(line, "== ", 3) == 0)
		begin_scenario(play, line + 3);
	else if (line[0] != '#' && line[0] != '\0')
		read_settings(play, line);
}

/* --- files --- */

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = calloc(1, TEXT_MAX);

	ck_assert_msg(file != NULL, "cannot open %s", path);
	ck_assert_ptr_nonnull(text);
	ck_assert(fread(text, 1, TEXT_MAX - 1, file) < TEXT_MAX - 1);
	fclose(file);
	return text;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	ck_assert_msg(file != NULL, "cannot write %s", path);
	fputs(text, file);
	ck_assert_int_eq(fclose(file), 0);
}

static void play_text(struct play *play, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		char line[LINE_MAX];

		snprintf(line, sizeof(line), "%.*s", (int)len, text);
		play->line_number++;
		take_line(play, line);
		text += len + (text[len] == '\n');
	}
}

/* Fails the test at the first line that differs, and shows what follows it. */
static void compare(const char *path, const char *written, const char *happened)
{
	unsigned line = 1;

	if (strcmp(written, happened) == 0)
		return;
	while (*written) {
		size_t len = strcspn(written, "\n") + 1;

		if (strncmp(written, happened, len) != 0)
			break;
		written += len;
		happened += len;
		line++;
	}
	fprintf(stderr, "%s:%u: written:\n%.400s\n--- happened:\n%.400s\n", path, line, written,
		happened);
	ck_abort_msg("%s:%u: what happens is not what is written", path, line);
}

void transcript_check(const char *path)
{
	struct play play = {.path = path, .only = getenv("POOLD_SCENARIO")};
	char *written = read_file(path);

	play.out = calloc(1, TEXT_MAX);
	ck_assert_ptr_nonnull(play.out);
	play_text(&play, written);
	ck_assert_msg(play.played > 0, "%s: no scenario is called \"%s\"", path,
		      play.only ? play.only : "");
	if (getenv("POOLD_ACCEPT"))
		write_file(path, play.out);
	else
		compare(path, written, play.out);
	free(play.memory);
	free(play.out);
	free(written);
}
