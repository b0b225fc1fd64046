#include "tests/lib/havoc.h"

#include <inttypes.h>
#include <stdlib.h>

#include "tests/lib/narrate.h"

#define REQUESTS    6
#define POOLS	    2
#define WORKERS_MAX 6
/* Steps that the end may take: every worker's start, signals and exit. */
#define END_STEPS 200

struct havoc {
	struct engine *engine;
	void *memory;
	struct pool_settings pools[POOLS];
	usec_t now;
	FILE *trace;
	const char *wrong;
	bool owned[REQUESTS]; /* by the engine */
	bool exists[WORKERS_MAX];
	uint32_t life[WORKERS_MAX];
	bool stopping;
	bool stopped;
};

/* --- reading words --- */

/* The next few bits of the word, as a number below `limit`. */
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

static void take_pool(struct pool_settings *pool, uint64_t *word)
{
	unsigned max = 1 + take(word, WORKERS_MAX / POOLS);

	pool_default_settings(pool);
	pool->workers_min = take(word, max + 1);
	pool->workers_max = max;
	pool->queue_max = 1 + take(word, 4);
	pool->queue_bytes_max = 20;
	pool->prefetch = take(word, 3) * 2;
	pool->max_crash_retries = take(word, 3);
	pool->init_timeout = 20000;
	pool->ping_interval = 30000;
	pool->ping_timeout = 5000;
	pool->idle_timeout = 40000;
	pool->kill_grace = 10000;
	pool->cancel_grace = 10000;
	pool->restart_delay = 1000;
	pool->restart_delay_max = 1000 + take_span(word);
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

static void take_effect(struct havoc *havoc, const struct effect *effect)
{
	hold(havoc, !havoc->stopped || effect->type == EFFECT_ERROR, "an effect after the end");
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
	case EFFECT_FORGET:
	case EFFECT_HEALTH:
	case EFFECT_BREAKER:
	case EFFECT_LEVEL:
	case EFFECT_RECOVERY:
	case EFFECT_SESSION:
	case EFFECT_INCIDENT:
	case EFFECT_DONE:
		break;
	default:
		hold(havoc, is_there(havoc, effect), "an effect for a worker that is not there");
		break;
	}
}

static void pull(struct havoc *havoc)
{
	struct effect effect;
	char text[NARRATE_MAX];

	while (engine_next_effect(havoc->engine, &effect)) {
		if (havoc->trace)
			fprintf(havoc->trace, "                 %s\n",
				narrate_effect(&effect, text));
		take_effect(havoc, &effect);
	}
	if (!havoc->wrong)
		havoc->wrong = engine_check(havoc->engine);
}

/* --- events --- */

static void step(struct havoc *havoc, struct engine_event *event)
{
	char text[NARRATE_MAX];

	event->now = havoc->now;
	if (havoc->trace)
		fprintf(havoc->trace, "[%10" PRIu64 "] %s\n", havoc->now,
			narrate_event(event, text));
	engine_step(havoc->engine, event);
	pull(havoc);
}

static void submit(struct havoc *havoc, struct engine_event *event, uint64_t word)
{
	event->request = take(&word, REQUESTS);
	if (havoc->owned[event->request])
		return;
	event->submit.pool = take(&word, POOLS);
	event->submit.priority = (enum priority)take(&word, PRIORITY_COUNT_);
	event->submit.idempotent = take(&word, 2);
	event->submit.max_attempts = 1 + take(&word, 3);
	event->submit.bytes = take(&word, 25);
	event->submit.timeout = take_span(&word);
	havoc->owned[event->request] = true;
	step(havoc, event);
}

/* What io tells of a process is true, even if nothing that the process says is. */
static bool is_possible(const struct havoc *havoc, const struct engine_event *event)
{
	const struct worker *worker = engine_worker(havoc->engine, event->worker);

	if (event->type == EVENT_SPAWN_FAILED)
		return !worker->ready_once && worker->broken_by == ERR_NONE && !worker->deaf;
	return true;
}

static void news(struct havoc *havoc, struct engine_event *event, uint64_t word)
{
	static const enum errcode broken[] = {ERR_peer_closed, ERR_decode_error,
					      ERR_protocol_violation, ERR_response_too_large};
	static const enum errcode failed[] = {ERR_NONE, ERR_NONE, ERR_exception, ERR_rejected,
					      ERR_cancelled};

	event->worker = take(&word, engine_worker_count(havoc->engine));
	event->life = havoc->life[event->worker] - (take(&word, 16) == 0);
	event->id = take(&word, 12);
	if (event->type == EVENT_WORKER_READY) {
		event->ready.concurrency = take(&word, 4);
		event->ready.announces = take(&word, 2);
		event->ready.batches = take(&word, 5) == 0;
	} else if (event->type == EVENT_WORKER_ANSWERED) {
		event->answer.code = failed[take(&word, ARRAY_SIZE(failed))];
		event->answer.fatal = take(&word, 8) == 0;
		event->answer.retry_after = USEC_INFINITY;
	} else if (event->type == EVENT_WORKER_BROKE) {
		event->code = broken[take(&word, ARRAY_SIZE(broken))];
	} else if (event->type == EVENT_WORKER_EXITED) {
		event->exit.signalled = take(&word, 2);
		event->exit.unusable = take(&word, 4) == 0;
	}
	if (!is_possible(havoc, event))
		return;
	if ((event->type == EVENT_WORKER_EXITED || event->type == EVENT_SPAWN_FAILED) &&
	    event->life == havoc->life[event->worker])
		havoc->exists[event->worker] = false;
	step(havoc, event);
}

static enum event_type take_type(uint64_t *word)
{
	static const enum event_type types[] = {
		EVENT_SUBMIT,	       EVENT_SUBMIT,	      EVENT_SUBMIT,
		EVENT_SUBMIT,	       EVENT_SUBMIT,	      EVENT_CANCEL,
		EVENT_WORKER_READY,    EVENT_WORKER_READY,    EVENT_WORKER_READY,
		EVENT_WORKER_READY,    EVENT_WORKER_BEGAN,    EVENT_WORKER_ANSWERED,
		EVENT_WORKER_ANSWERED, EVENT_WORKER_ANSWERED, EVENT_WORKER_ANSWERED,
		EVENT_WORKER_ANSWERED, EVENT_WORKER_ANSWERED, EVENT_WORKER_BROKE,
		EVENT_WORKER_EXITED,   EVENT_WORKER_EXITED,   EVENT_SPAWN_FAILED,
		EVENT_TIMER,	       EVENT_TIMER,	      EVENT_TIMER,
		EVENT_TIMER,
	};
	unsigned index = take(word, 100);

	return index == 99 ? EVENT_STOP : types[index % ARRAY_SIZE(types)];
}

/* A timer mostly comes when it is due, the rest soon. */
static void pass_time(struct havoc *havoc, enum event_type type, uint64_t *word)
{
	usec_t due = engine_deadline(havoc->engine);

	if (type == EVENT_TIMER && take(word, 8) > 0 && due != USEC_INFINITY && due > havoc->now)
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
		event.gone = take(&word, 2);
		step(havoc, &event);
		break;
	case EVENT_STOP:
		havoc->stopping = true;
		step(havoc, &event);
		break;
	case EVENT_TIMER:
		step(havoc, &event);
		break;
	default:
		news(havoc, &event, word);
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

/* Told twice to stop, it has answered everything when its processes are gone. */
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
	settings.sessions = (struct session_settings){2, 50000, 20, 30};
	settings.keys = (struct key_settings){2, 50000, 20};
	for (unsigned i = 0; i < POOLS; i++)
		take_pool(&havoc->pools[i], &word);
	settings.drain_timeout = take_span(&word);
	havoc->memory = malloc(engine_size(&settings));
	if (!havoc->memory)
		return false;
	havoc->engine = engine_init(havoc->memory, &settings, 0);
	pull(havoc);
	return true;
}

const char *havoc_run(const uint64_t *words, size_t len, FILE *trace)
{
	struct havoc havoc = {.trace = trace, .now = 1};

	if (len == 0 || !begin(&havoc, words[0]))
		return NULL;
	for (size_t i = 1; i < len && !havoc.wrong; i++)
		take_word(&havoc, words[i]);
	if (!havoc.wrong)
		end(&havoc);
	free(havoc.memory);
	return havoc.wrong;
}
