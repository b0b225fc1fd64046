#include "tests/lib/havoc.h"

#include "daemon/core/engine_inspect.h"
#include "daemon/core/engine_internal.h"
#include "tests/lib/defaults.h"
#include "tests/lib/narrate.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#define REQUESTS    6
#define POOLS	    3
#define WORKERS_MAX 6  /* of the first two pools; the third one has none */
#define SLOTS_MAX   20 /* for them, their spares and replacements */
/* Highest number of steps until the engine has stopped: start, signals and exit of every worker. */
#define END_STEPS 200

struct havoc {
	struct engine *engine;
	void *memory;
	struct pool_settings pools[POOLS];
	usec_t now;
	FILE *trace;
	const char *wrong;
	bool owned[REQUESTS]; /* by the engine */
	bool exists[SLOTS_MAX];
	uint32_t life[SLOTS_MAX];
	bool calm;
	bool stopping;
	bool stopped;
};

/* --- reading words --- */

/* Takes the next few bits of the word, as a number below `limit`. */
static unsigned take(uint64_t *word, unsigned limit)
{
	unsigned value = (unsigned)(*word & 0xff) % limit;

	*word >>= 5;
	return value;
}

static usec_t take_span(uint64_t *word)
{
	static const usec_t spans[] = {0, 1, 50, 1000, 5000, 20000, 100000, 10000000};

	return spans[take(word, ARRAY_SIZE(spans))];
}

/* Derives more bits from the word. */
static uint64_t more_of(uint64_t word, unsigned turn)
{
	word = (word + turn + 1) * UINT64_C(0x9e3779b97f4a7c15);
	return (word ^ word >> 29) * UINT64_C(0xbf58476d1ce4e5b9) >> 3;
}

static struct bytes take_name(uint64_t *word, unsigned none)
{
	static const uint8_t names[][1] = {{'a'}, {'b'}, {'c'}};
	unsigned number = take(word, ARRAY_SIZE(names) + none);

	if (number >= ARRAY_SIZE(names))
		return (struct bytes){0};
	return (struct bytes){names[number], 1};
}

/* Settings of breakers, retries, chains and sessions. */
static void take_rules(struct pool_settings *pool, unsigned index, uint64_t word)
{
	static const enum breaker_state begins[] = {BREAKER_CLOSED, BREAKER_CLOSED,
						    BREAKER_OBSERVING, BREAKER_DISABLED};

	pool->breaker.failure_threshold = 1 + take(&word, 3);
	pool->breaker.success_threshold = 1 + take(&word, 2);
	pool->breaker.half_open_requests = 1 + take(&word, 2);
	pool->breaker.open_timeout = pool->breaker.open_timeout_max = 1 + take_span(&word);
	pool->breaker.probe_timeout = 1 + take_span(&word);
	pool->breaker_begins = begins[take(&word, ARRAY_SIZE(begins))];
	pool->breaker_per_method = take(&word, 3) == 0;
	pool->affinity = (enum session_affinity)take(&word, SESSION_AFFINITY_COUNT_);
	word = more_of(word, index);
	pool->backoff.kind = (enum backoff_kind)take(&word, BACKOFF_CUSTOM);
	pool->backoff.base = take_span(&word);
	pool->budget.max = take(&word, 4) * BUDGET_RETRY;
	pool->attempt_timeout = take(&word, 2) * take_span(&word);
	pool->failover.dwell = take_span(&word);
	pool->failover.step = take_span(&word);
	pool->fallback_on = take(&word, 2) << ERRCAT_application;
	pool->fallback_count = take(&word, POOLS);
	for (unsigned i = 0; i < pool->fallback_count; i++)
		pool->fallbacks[i] = (index + i + 1) % POOLS;
}

/* Settings of the start, the replacement and the report of workers. */
static void take_scaling(struct pool_settings *pool, uint64_t word)
{
	pool->spares = take(&word, 3) == 0 ? take(&word, 3) : 0;
	pool->start_parallel = take(&word, 3);
	pool->max_requests = take(&word, 3) == 0 ? 1 + take(&word, 4) : 0;
	pool->max_lifetime = take(&word, 3) == 0 ? 1 + take_span(&word) : 0;
	pool->max_memory = take(&word, 3) * 10;
	pool->slow_after = take(&word, 3) == 0 ? 1 + take_span(&word) : 0;
	pool->failing =
		(struct failing_settings){.share = 1 + take(&word, 7), .min = take(&word, 3)};
}

static void take_pool(struct pool_settings *pool, unsigned index, uint64_t *word)
{
	unsigned max = 1 + take(word, WORKERS_MAX / 2);

	pool_default_settings(pool);
	pool->workers_min = take(word, max + 1);
	pool->workers_max = max;
	pool->queue_max = 1 + take(word, 4);
	pool->queue_bytes_max = 20;
	pool->prefetch = take(word, 3) * 2;
	pool->prefetch_max = 6;
	pool->max_crash_retries = take(word, 3);
	pool->init_timeout = 20000;
	pool->ping_interval = 30000;
	pool->ping_timeout = 5000;
	pool->idle_timeout = 40000;
	pool->kill_grace = 10000;
	pool->cancel_grace = 10000;
	pool->restart_delay = 1000;
	pool->restart_delay_max = 1000 + take_span(word);
	take_scaling(pool, more_of(*word, index + 7));
	take_rules(pool, index, more_of(*word, index));
	if (index < POOLS - 1)
		return;
	pool->adapter = POOL_STATIC;
	pool->workers_min = pool->workers_max = 0;
}

/* --- what the effects say --- */

static void blame(struct havoc *havoc, const char *wrong)
{
	if (!havoc->wrong)
		havoc->wrong = wrong;
}

static void hold(struct havoc *havoc, bool fact, const char *wrong)
{
	if (!fact)
		blame(havoc, wrong);
}

static bool is_there(const struct havoc *havoc, const struct effect *effect)
{
	return havoc->exists[effect->worker] && havoc->life[effect->worker] == effect->life;
}

/* Whether the effect may come after the end, when requests are refused and operators answered. */
static bool is_of_no_process(const struct effect *effect)
{
	return effect->type == EFFECT_ERROR || effect->type == EFFECT_DONE ||
	       effect->type == EFFECT_BREAKER || effect->type == EFFECT_HEALTH ||
	       effect->type == EFFECT_LEVEL || effect->type == EFFECT_SESSION ||
	       effect->type == EFFECT_STORE || effect->type == EFFECT_FORGET ||
	       effect->type == EFFECT_ROLL;
}

static void take_effect(struct havoc *havoc, const struct effect *effect)
{
	hold(havoc, !havoc->stopped || is_of_no_process(effect), "an effect after the end");
	switch (effect->type) {
	case EFFECT_RESULT:
	case EFFECT_ERROR:
	case EFFECT_DROP:
		hold(havoc, havoc->owned[effect->request], "an answer for a slot without request");
		havoc->owned[effect->request] = false;
		break;
	case EFFECT_SEND:
		hold(havoc, havoc->owned[effect->request], "what is sent was answered already");
		hold(havoc, is_there(havoc, effect), "sent to a worker that is not there");
		break;
	case EFFECT_SPAWN:
		hold(havoc, !havoc->exists[effect->worker], "two processes in a slot");
		hold(havoc, effect->life > havoc->life[effect->worker], "a life came again");
		havoc->exists[effect->worker] = true;
		havoc->life[effect->worker] = effect->life;
		break;
	case EFFECT_STOPPED:
		hold(havoc, havoc->stopping, "stopped unasked");
		havoc->stopped = true;
		break;
	case EFFECT_CHUNK:
	case EFFECT_RESTART:
	case EFFECT_RETRY:
		hold(havoc, havoc->owned[effect->request], "of a request that is answered");
		break;
	case EFFECT_STORE:
	case EFFECT_FORGET:
	case EFFECT_HEALTH:
	case EFFECT_BREAKER:
	case EFFECT_LEVEL:
	case EFFECT_RECOVERY:
	case EFFECT_SESSION:
	case EFFECT_NAMESAKE:
	case EFFECT_INCIDENT:
	case EFFECT_ROLL:
	case EFFECT_DONE:
		break;
	default:
		hold(havoc, is_there(havoc, effect), "an effect for a worker that is not there");
		break;
	}
}

static void pull(struct havoc *havoc)
{
	const struct effect *effect;
	char text[NARRATE_MAX];

	while ((effect = engine_next_effect(havoc->engine))) {
		if (havoc->trace)
			fprintf(havoc->trace, "                 %s\n",
				narrate_effect(effect, text));
		take_effect(havoc, effect);
	}
	if (!havoc->wrong)
		havoc->wrong = engine_check(havoc->engine);
}

/* --- events --- */

static uint64_t inputs[INPUT_COUNT_][WORKER_STATE_COUNT_];

uint64_t havoc_inputs(enum worker_input input, enum worker_state state)
{
	return inputs[input][state];
}

static void step(struct havoc *havoc, struct engine_event *event)
{
	char text[NARRATE_MAX];

	event->now = havoc->now;
	if (havoc->trace)
		fprintf(havoc->trace, "[%10" PRIu64 "] %s\n", havoc->now,
			narrate_event(event, text));
	engine_step(havoc->engine, event);
	if (havoc->engine->input != INPUT_COUNT_)
		inputs[havoc->engine->input][havoc->engine->input_state]++;
	pull(havoc);
}

static void submit(struct havoc *havoc, struct engine_event *event, uint64_t word)
{
	uint64_t more = more_of(word, 0);

	event->request = take(&word, REQUESTS);
	if (havoc->owned[event->request])
		return;
	event->submit.pool = take(&word, POOLS);
	event->submit.priority = (enum priority)take(&word, PRIORITY_COUNT_);
	event->submit.is_idempotent = take(&word, 2);
	event->submit.max_attempts = 1 + take(&word, 3);
	event->submit.bytes = take(&word, 25);
	event->submit.timeout = take_span(&word);
	event->submit.no_fallback = take(&more, 8) == 0;
	event->submit.is_stream = take(&more, 4) == 0;
	event->submit.is_restartable = take(&more, 2);
	event->submit.session_exists = take(&more, 8) == 0;
	event->submit.skip = take(&more, 16) & 6;
	event->submit.is_held = take(&more, 8) == 0;
	event->submit.method = take_name(&more, 2);
	event->submit.key = take_name(&more, 4);
	event->submit.session = take_name(&more, 4);
	event->submit.user = take(&more, 2);
	havoc->owned[event->request] = true;
	step(havoc, event);
}

/* What io reports of a process is true, even if nothing that the process sends is. */
static bool is_possible(const struct havoc *havoc, const struct engine_event *event)
{
	const struct worker *worker = engine_worker(havoc->engine, event->worker);

	if (event->type == EVENT_SPAWN_FAILED)
		return !worker->was_ready && worker->broken_by == ERR_NONE &&
		       !worker->channel_broken;
	return true;
}

/* The event is about that attempt, and it is given back only if the worker was asked to. */
static void make_true(struct engine_event *event, const struct attempt *attempt)
{
	event->id = attempt->id;
	if (event->type == EVENT_WORKER_ANSWERED)
		event->answer.is_recalled = attempt->is_asked_back && !attempt->has_begun;
	event->page = attempt->id;
	if (event->type == EVENT_WORKER_ANSWERED && event->answer.is_recalled)
		event->page = 0;
}

/* Whether the event fits a calm world: the worker's messages are true, and it does not end. */
static bool is_calm(const struct havoc *havoc, struct engine_event *event)
{
	const struct worker *worker = engine_worker(havoc->engine, event->worker);
	struct list_node *last = list_last(&worker->attempts);

	/* Few workers enter this state, so that every event is allowed there. */
	if (worker->state == WORKER_DRAINING)
		return true;
	switch (event->type) {
	case EVENT_WORKER_READY:
		return worker->state == WORKER_INITIALIZING;
	case EVENT_WORKER_BEGAN:
	case EVENT_WORKER_CHUNK:
	case EVENT_WORKER_HELD:
	case EVENT_WORKER_ANSWERED:
	case EVENT_SEND_FAILED:
		if (last)
			make_true(event, list_entry(last, struct attempt, in_worker));
		return last != NULL;
	case EVENT_WORKER_ALIVE:
	case EVENT_WORKER_MEMORY:
		return true;
	default:
		return false;
	}
}

static void take_answer(struct engine_event *event, uint64_t *word)
{
	static const enum errcode failed[] = {ERR_NONE,	     ERR_NONE,	      ERR_NONE,
					      ERR_exception, ERR_rejected,    ERR_unknown_method,
					      ERR_cancelled, ERR_encode_error};
	uint64_t more = more_of(*word, 1);

	event->answer.code = failed[take(word, ARRAY_SIZE(failed))];
	event->answer.is_fatal = take(word, 8) == 0;
	event->answer.is_dropped = take(&more, 8) == 0;
	event->answer.retry_after = take(&more, 4) == 0 ? take_span(&more) : USEC_INFINITY;
	event->answer.bytes = take(&more, 25);
	event->answer.has_state = take(&more, 2);
	event->answer.state = take(&more, 25);
	event->answer.has_retryable = take(&more, 2);
	event->answer.is_retryable = take(&more, 2);
	event->answer.has_severity = take(&more, 4) == 0;
	event->answer.severity = (enum errseverity)take(&more, SEVERITY_COUNT_);
	event->answer.is_recalled = take(&more, 8) == 0;
}

static enum errcode take_spawn_failure(uint64_t *word)
{
	static const enum errcode codes[] = {ERR_spawn_failed, ERR_connect_failed,
					     ERR_process_limit, ERR_memory_limit};

	return codes[take(word, ARRAY_SIZE(codes))];
}

static void manual(struct havoc *havoc, struct engine_event *event, uint64_t word)
{
	static const enum breaker_state states[] = {BREAKER_CLOSED, BREAKER_FORCED_OPEN,
						    BREAKER_DISABLED, BREAKER_OBSERVING};

	if (event->type == EVENT_BREAKER) {
		event->manual.pool = take(&word, POOLS);
		event->manual.state = states[take(&word, ARRAY_SIZE(states))];
		event->manual.method = take_name(&word, 2);
	} else if (event->type == EVENT_RESIZE) {
		event->pool = take(&word, POOLS);
		event->size.min = take(&word, 5);
		event->size.max = take(&word, 9);
	} else if (event->type == EVENT_RESTART || event->type == EVENT_DRAIN ||
		   event->type == EVENT_RESUME) {
		event->pool = take(&word, POOLS);
	} else if (event->type == EVENT_KILL) {
		event->worker = take(&word, engine_worker_count(havoc->engine));
		event->life = havoc->life[event->worker] - (take(&word, 16) == 0);
		event->signal = take(&word, 2) ? SIGKILL : SIGTERM;
	} else if (event->type == EVENT_RECOVERY_CANCEL) {
		event->recovery = take(&word, 32);
	} else {
		event->close.session = take_name(&word, 0);
		event->close.user = take(&word, 2);
	}
	step(havoc, event);
}

static void worker_event(struct havoc *havoc, struct engine_event *event, uint64_t word)
{
	static const enum errcode broken[] = {ERR_peer_closed, ERR_decode_error,
					      ERR_protocol_violation, ERR_response_too_large};
	uint64_t more = more_of(word, 2);

	event->worker = take(&word, engine_worker_count(havoc->engine));
	event->life = havoc->life[event->worker] - (take(&word, 16) == 0);
	event->id = take(&word, 12);
	event->page = event->id;
	if (event->type == EVENT_WORKER_READY) {
		event->ready.concurrency = take(&word, 4);
		event->ready.announces = take(&word, 2);
		event->ready.batches = take(&word, 5) == 0;
		event->ready.recalls = take(&word, 2);
		event->ready.pages = take(&word, 2);
	} else if (event->type == EVENT_WORKER_ANSWERED) {
		take_answer(event, &word);
	} else if (event->type == EVENT_WORKER_CHUNK) {
		event->is_dropped = take(&word, 8) == 0;
	} else if (event->type == EVENT_WORKER_HELD) {
		event->is_held = take(&word, 3) > 0;
	} else if (event->type == EVENT_SEND_FAILED) {
		event->code = take(&word, 4) == 0 ? ERR_memory_limit : ERR_encode_error;
	} else if (event->type == EVENT_SPAWN_FAILED) {
		event->code = take_spawn_failure(&word);
	} else if (event->type == EVENT_WORKER_BROKE) {
		event->code = broken[take(&word, ARRAY_SIZE(broken))];
	} else if (event->type == EVENT_WORKER_EXITED) {
		event->exit.is_signalled = take(&word, 2);
		event->exit.is_unusable = take(&word, 4) == 0;
		event->exit.is_connection = take(&word, 4) == 0;
	} else if (event->type == EVENT_WORKER_MEMORY) {
		event->memory.bytes = take(&word, 30);
	}
	if (take(&more, 4) == 0)
		event->page = take(&more, 24);
	if (!is_possible(havoc, event))
		return;
	if (havoc->calm && take(&word, 8) > 0 && !is_calm(havoc, event))
		return;
	if ((event->type == EVENT_WORKER_EXITED || event->type == EVENT_SPAWN_FAILED) &&
	    event->life == havoc->life[event->worker])
		havoc->exists[event->worker] = false;
	step(havoc, event);
}

static enum event_type take_type(uint64_t *word)
{
	static const enum event_type types[] = {
		EVENT_SUBMIT,
		EVENT_SUBMIT,
		EVENT_SUBMIT,
		EVENT_SUBMIT,
		EVENT_SUBMIT,
		EVENT_CANCEL,
		EVENT_WORKER_READY,
		EVENT_WORKER_READY,
		EVENT_WORKER_READY,
		EVENT_WORKER_READY,
		EVENT_WORKER_BEGAN,
		EVENT_WORKER_ANSWERED,
		EVENT_WORKER_ANSWERED,
		EVENT_WORKER_ANSWERED,
		EVENT_WORKER_ANSWERED,
		EVENT_WORKER_ANSWERED,
		EVENT_WORKER_ANSWERED,
		EVENT_WORKER_BROKE,
		EVENT_WORKER_EXITED,
		EVENT_WORKER_EXITED,
		EVENT_SPAWN_FAILED,
		EVENT_TIMER,
		EVENT_TIMER,
		EVENT_TIMER,
		EVENT_TIMER,
		EVENT_WORKER_CHUNK,
		EVENT_WORKER_CHUNK,
		EVENT_WORKER_HELD,
		EVENT_WORKER_HELD,
		EVENT_HOLD,
		EVENT_HOLD,
		EVENT_STALL,
		EVENT_PRESSURE,
		EVENT_BREAKER,
		EVENT_RECOVERY_CANCEL,
		EVENT_SESSION_CLOSE,
		EVENT_RESTART,
		EVENT_RESTART,
		EVENT_RESIZE,
		EVENT_DRAIN,
		EVENT_RESUME,
		EVENT_RESUME,
		EVENT_KILL,
		EVENT_WORKER_MEMORY,
		EVENT_SEND_FAILED,
		EVENT_WORKER_ALIVE,
		EVENT_WORKER_READY,
	};
	unsigned index = take(word, 100);

	return index == 99 ? EVENT_STOP : types[index % ARRAY_SIZE(types)];
}

/* Mostly a timer comes when it is due; any other event comes after a short span.  Only before a timer
 * the engine is asked when it is due, so that it has many events to look back at. */
static void pass_time(struct havoc *havoc, enum event_type type, uint64_t *word)
{
	bool is_in_time = type == EVENT_TIMER && take(word, 8) > 0;
	usec_t due = is_in_time ? engine_deadline(havoc->engine) : USEC_INFINITY;

	if (due != USEC_INFINITY && due > havoc->now)
		havoc->now = due;
	else
		havoc->now += take_span(word);
}

static void take_word(struct havoc *havoc, uint64_t word)
{
	struct engine_event event = {.type = take_type(&word)};

	pass_time(havoc, event.type, &word);
	switch (event.type) {
	case EVENT_SUBMIT:
		submit(havoc, &event, word);
		break;
	case EVENT_CANCEL:
		event.request = take(&word, REQUESTS);
		event.is_gone = take(&word, 2);
		step(havoc, &event);
		break;
	case EVENT_HOLD:
		event.request = take(&word, REQUESTS);
		event.is_held = take(&word, 2);
		step(havoc, &event);
		break;
	case EVENT_STOP:
		if (havoc->calm)
			break;
		havoc->stopping = true;
		step(havoc, &event);
		break;
	case EVENT_STALL:
		event.stall = take_span(&word);
		havoc->now += event.stall;
		step(havoc, &event);
		break;
	case EVENT_TIMER:
		step(havoc, &event);
		break;
	case EVENT_BREAKER:
	case EVENT_RECOVERY_CANCEL:
	case EVENT_SESSION_CLOSE:
	case EVENT_RESTART:
	case EVENT_RESIZE:
	case EVENT_DRAIN:
	case EVENT_RESUME:
	case EVENT_KILL:
		manual(havoc, &event, word);
		break;
	default:
		worker_event(havoc, &event, word);
		break;
	}
}

/* --- the end --- */

static void end_processes(struct havoc *havoc)
{
	for (uint32_t i = 0; i < engine_worker_count(havoc->engine); i++) {
		struct engine_event event = {
			.type = EVENT_WORKER_EXITED, .worker = i, .life = havoc->life[i]};

		if (!havoc->exists[i])
			continue;
		havoc->exists[i] = false;
		step(havoc, &event);
	}
}

/* After two EVENT_STOP and the end of its processes the engine must have answered everything. */
static void end(struct havoc *havoc)
{
	struct engine_event stop = {.type = EVENT_STOP}, timer = {.type = EVENT_TIMER};

	havoc->stopping = true;
	step(havoc, &stop);
	step(havoc, &stop);
	for (unsigned i = 0; i < END_STEPS && !havoc->stopped && !havoc->wrong; i++) {
		if (engine_deadline(havoc->engine) <= havoc->now)
			step(havoc, &timer);
		else
			end_processes(havoc);
	}
	hold(havoc, havoc->stopped, "it does not stop");
	hold(havoc, engine_deadline(havoc->engine) == USEC_INFINITY, "a timer after the end");
	for (unsigned i = 0; i < REQUESTS; i++)
		hold(havoc, !havoc->owned[i], "a request without answer");
}

static bool begin(struct havoc *havoc, uint64_t word)
{
	struct engine_settings settings;

	engine_default_settings(&settings);
	settings.requests_max = REQUESTS;
	settings.pool_count = POOLS;
	settings.pools = havoc->pools;
	settings.recoveries_max = 3;
	settings.sessions =
		(struct session_settings){.max = 2, .ttl = 50000, .state_max = 20, .bytes_max = 30};
	settings.keys = (struct key_settings){2, 50000, 20};
	for (unsigned i = 0; i < POOLS; i++)
		take_pool(&havoc->pools[i], i, &word);
	settings.drain_timeout = take_span(&word);
	havoc->memory = malloc(engine_size(&settings));
	if (!havoc->memory)
		return false;
	havoc->engine = engine_init(havoc->memory, &settings, 0);
	pull(havoc);
	return true;
}

static const char *run(struct havoc *havoc, const uint64_t *words, size_t len)
{
	if (len == 0 || !begin(havoc, words[0]))
		return NULL;
	for (size_t i = 1; i < len && !havoc->wrong; i++)
		take_word(havoc, words[i]);
	if (!havoc->wrong)
		end(havoc);
	free(havoc->memory);
	return havoc->wrong;
}

const char *havoc_run(const uint64_t *words, size_t len, FILE *trace)
{
	struct havoc havoc = {.trace = trace, .now = 1};

	return run(&havoc, words, len);
}

const char *havoc_run_calm(const uint64_t *words, size_t len)
{
	struct havoc havoc = {.calm = true, .now = 1};

	return run(&havoc, words, len);
}
