#include "daemon/io/driver.h"

#include "daemon/io/connection.h"
#include "daemon/io/failure.h"
#include "daemon/io/log.h"
#include "protocol/read.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Exit status of a command that can't work as it is configured (sysexits: EX_CONFIG). */
#define EXIT_UNUSABLE 78

const struct config_pool *driver_pool_config(const struct driver *driver, uint32_t pool)
{
	return &driver->config->pools[pool];
}

unsigned driver_worker_number(const struct driver *driver, uint32_t worker)
{
	const struct worker *state = engine_worker(driver->engine, worker);

	return (unsigned)(state - engine_pool(driver->engine, state->pool)->workers) + 1;
}

int driver_find_pool(const struct driver *driver, struct bytes name, uint32_t *ret_pool)
{
	for (uint32_t i = 0; i < driver->config->pool_count; i++) {
		if (bytes_equal(name, driver->config->pools[i].name)) {
			*ret_pool = i;
			return 0;
		}
	}
	return -ENOENT;
}

bool driver_is_ready(const struct driver *driver)
{
	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++)
		if (pool_troubles(engine_pool(driver->engine, i)) & TROUBLE_BELOW_MINIMUM)
			return false;
	return true;
}

/* --- effects --- */

static void log_worker(const struct driver *driver, enum log_level level, uint32_t worker,
		       const char *what, const char *detail)
{
	const struct channel *channel = &driver->channels[worker];
	const struct worker *state = engine_worker(driver->engine, worker);
	const char *pool = driver_pool_config(driver, state->pool)->name;
	char number[16], pid[16];
	struct log_field fields[] = {{"pool", pool}, {"worker", number}, {"pid", pid}};

	snprintf(number, sizeof(number), "%u", driver_worker_number(driver, worker));
	snprintf(pid, sizeof(pid), "%d", (int)channel->last_pid);
	log_event(level, NULL, fields, ARRAY_SIZE(fields), "%s%s%s", what, *detail ? ": " : "",
		  detail);
}

static void do_send(struct driver *driver, const struct effect *effect)
{
	const struct call *call = &driver->calls.calls[effect->request];
	const struct request *request = engine_request(driver->engine, effect->request);
	usec_t left = usec_sub(effect->send.deadline, loop_now(driver->loop)) / USEC_PER_MSEC;
	struct channel_request sent = {
		.id = effect->send.id,
		.attempt = effect->send.attempt,
		.deadline_ms = left < UINT32_MAX ? (uint32_t)left : UINT32_MAX,
	};

	if (request->priority != PRIORITY_NORMAL)
		sent.priority = priority_name(request->priority);
	channel_send(&driver->channels[effect->worker], call, &sent);
}

/* {result, meta: {...}} in the place of the result. */
static void answer_with_meta(struct driver *driver, const struct call *call)
{
	const struct request *request = engine_request(driver->engine, call->slot);
	struct buf *buf = &driver->scratch;

	buf_init(buf, driver->answer->result.len + 512);
	pack_map(buf, 2);
	pack_str(buf, "result");
	pack_raw(buf, driver->answer->result);
	pack_str(buf, "meta");
	pack_map(buf, 6);
	pack_str(buf, "served_by");
	pack_str(buf, driver_pool_config(driver, call->pool)->name);
	pack_str(buf, "attempts");
	pack_uint(buf, request->attempts);
	pack_str(buf, "degraded");
	pack_bool(buf, false);
	pack_str(buf, "queue_ms");
	pack_double(buf, (double)usec_sub(request->first_sent, request->submitted) / 1e3);
	pack_str(buf, "run_ms");
	pack_double(buf, (double)usec_sub(loop_now(driver->loop), request->sent) / 1e3);
	pack_str(buf, "worker");
	pack_uint(buf, driver_worker_number(driver, request->worker));
	if (buf_error(buf) == 0) {
		connection_answer(call->connection, call->msgid, NULL,
				  (struct bytes){buf->data, buf->len});
	} else {
		struct error error = {.code = ERR_memory_limit, .executed = EXECUTED_YES};

		connection_answer_error(call->connection, call->msgid, &error);
	}
	buf_free(buf);
}

static void close_call(struct driver *driver, struct call *call)
{
	list_remove(&call->connection->calls, &call->in_connection);
	call_close(&driver->calls, call);
}

static void do_result(struct driver *driver, const struct effect *effect)
{
	struct call *call = &driver->calls.calls[effect->request];

	if (call->with_meta)
		answer_with_meta(driver, call);
	else
		connection_answer(call->connection, call->msgid, driver->answer->chunk,
				  driver->answer->result);
	close_call(driver, call);
}

static void do_error(struct driver *driver, const struct effect *effect)
{
	struct call *call = &driver->calls.calls[effect->request];

	failure_answer(driver, call, effect);
	close_call(driver, call);
}

static void step(struct driver *driver, struct engine_event *event);

static void do_spawn(struct driver *driver, const struct effect *effect)
{
	struct channel *channel = &driver->channels[effect->worker];
	int r = channel_start(channel, effect->life, driver_pool_config(driver, effect->pool),
			      driver_worker_number(driver, effect->worker), driver->guard->mark,
			      driver->config->daemon.response_max, &driver->open_files);

	if (r == 0) {
		log_worker(driver, LOG_LEVEL_INFO, effect->worker, "worker started", "");
		return;
	}
	snprintf(channel->last_end, sizeof(channel->last_end), "could not be started: %s",
		 strerror(-r));
	log_worker(driver, LOG_LEVEL_ERROR, effect->worker, "worker", channel->last_end);
	/* Told to the engine once the effects of this event are all carried out. */
	channel->life = effect->life;
	channel->spawn_failed = true;
	driver->spawns_failed++;
}

static void do_signal(struct driver *driver, const struct effect *effect)
{
	struct channel *channel = &driver->channels[effect->worker];
	bool routine = effect->kill.cause == CAUSE_IDLE || effect->kill.cause == CAUSE_STOPPING;

	process_signal(&channel->process, effect->kill.signal);
	log_worker(driver, routine ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, effect->worker,
		   effect->kill.signal == SIGKILL ? "worker gets SIGKILL" : "worker gets SIGTERM",
		   worker_cause_text(effect->kill.cause));
}

static void do_health(struct driver *driver, const struct effect *effect)
{
	const char *name = driver_pool_config(driver, effect->pool)->name;
	struct log_field fields[] = {{"pool", name}};
	bool worse = effect->health.is > effect->health.was;

	log_event(worse && !engine_stopping(driver->engine) ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE,
		  NULL, fields, ARRAY_SIZE(fields), "pool is %s, was %s",
		  pool_health_name(effect->health.is), pool_health_name(effect->health.was));
	driver->on_change(driver->owner);
}

static void carry_out(struct driver *driver, const struct effect *effect)
{
	switch (effect->type) {
	case EFFECT_SEND:
		do_send(driver, effect);
		break;
	case EFFECT_CANCEL:
		channel_cancel(&driver->channels[effect->worker], effect->send.id);
		break;
	case EFFECT_PING:
		channel_ping(&driver->channels[effect->worker], effect->send.id);
		break;
	case EFFECT_RESULT:
		do_result(driver, effect);
		break;
	case EFFECT_ERROR:
		do_error(driver, effect);
		break;
	case EFFECT_DROP:
		close_call(driver, &driver->calls.calls[effect->request]);
		break;
	case EFFECT_SPAWN:
		do_spawn(driver, effect);
		break;
	case EFFECT_SHUTDOWN:
		channel_shutdown(&driver->channels[effect->worker]);
		break;
	case EFFECT_CLOSE:
		channel_close(&driver->channels[effect->worker]);
		break;
	case EFFECT_SIGNAL:
		do_signal(driver, effect);
		break;
	case EFFECT_HEALTH:
		do_health(driver, effect);
		break;
	case EFFECT_STOPPED:
		driver->stopped = true;
		break;
	}
}

static void carry_out_all(struct driver *driver)
{
	struct effect effect;

	while (engine_next_effect(driver->engine, &effect))
		carry_out(driver, &effect);
	/* What on_turn has to do can't wait for the next event. */
	if (driver->spawns_failed > 0 || driver->stopped)
		loop_set_timer(driver->loop, loop_now(driver->loop));
	else
		loop_set_timer(driver->loop, engine_deadline(driver->engine));
}

static void tell_failed_spawns(struct driver *driver)
{
	for (uint32_t i = 0; i < driver->channel_count && driver->spawns_failed > 0; i++) {
		struct channel *channel = &driver->channels[i];
		struct engine_event event = {
			.type = EVENT_SPAWN_FAILED, .worker = i, .life = channel->life};

		if (!channel->spawn_failed)
			continue;
		channel->spawn_failed = false;
		driver->spawns_failed--;
		step(driver, &event);
	}
}

static void step(struct driver *driver, struct engine_event *event)
{
	event->now = loop_now(driver->loop);
	engine_step(driver->engine, event);
	carry_out_all(driver);
}

/* --- events from workers --- */

static struct engine_event worker_event(const struct channel *channel, enum event_type type)
{
	return (struct engine_event){
		.type = type, .worker = channel->worker, .life = channel->life};
}

static void on_ready(struct channel *channel, unsigned concurrency, bool announces, bool batches)
{
	struct driver *driver = channel->owner;
	struct engine_event event = worker_event(channel, EVENT_WORKER_READY);

	event.ready.concurrency = concurrency;
	event.ready.announces = announces;
	event.ready.batches = batches;
	log_worker(driver, LOG_LEVEL_INFO, channel->worker, "worker ready", "");
	step(driver, &event);
	driver->on_change(driver->owner);
}

static void on_began(struct channel *channel, uint32_t id)
{
	struct engine_event event = worker_event(channel, EVENT_WORKER_BEGAN);

	event.id = id;
	step(channel->owner, &event);
}

static void on_answer(struct channel *channel, uint32_t id, const struct channel_answer *answer)
{
	struct driver *driver = channel->owner;
	struct engine_event event = worker_event(channel, EVENT_WORKER_ANSWERED);

	event.id = id;
	if (answer->failed) {
		event.answer.code = answer->error.code;
		event.answer.retryable = answer->error.retryable;
		event.answer.fatal = answer->error.fatal;
		event.answer.retry_after = answer->error.retry_after;
	}
	driver->answer = answer;
	step(driver, &event);
	driver->answer = NULL;
}

static void on_broken(struct channel *channel, enum errcode code)
{
	struct driver *driver = channel->owner;
	struct engine_event event = worker_event(channel, EVENT_WORKER_BROKE);

	if (code != ERR_peer_closed)
		log_worker(driver, LOG_LEVEL_ERROR, channel->worker, "worker broke the protocol",
			   channel->last_why);
	event.code = code;
	step(driver, &event);
}

static void on_exit_of_worker(struct channel *channel, const struct process_end *end)
{
	struct driver *driver = channel->owner;
	const struct worker *worker = engine_worker(driver->engine, channel->worker);
	struct engine_event event = worker_event(channel, EVENT_WORKER_EXITED);
	bool expected = worker->cause == CAUSE_IDLE || worker->cause == CAUSE_STOPPING;

	event.exit.signalled = end->signalled && (end->status == SIGKILL || end->status == SIGTERM);
	event.exit.unusable = !end->signalled && end->status == EXIT_UNUSABLE;
	log_worker(driver, expected ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, channel->worker,
		   "worker ended", channel->last_end);
	step(driver, &event);
}

static const struct channel_handler channel_handler = {
	.on_ready = on_ready,
	.on_began = on_began,
	.on_answer = on_answer,
	.on_broken = on_broken,
	.on_exit = on_exit_of_worker,
};

/* --- the clients' side --- */

void driver_submit(struct driver *driver, struct call *call, const struct call_options *options)
{
	const struct config_pool *pool = driver_pool_config(driver, call->pool);
	struct engine_event event = {.type = EVENT_SUBMIT, .request = call->slot};
	usec_t timeout = options->timeout > 0 ? options->timeout : pool->timeout;

	event.submit.pool = call->pool;
	event.submit.priority = options->priority;
	event.submit.idempotent = options->has_idempotent ? options->idempotent : pool->idempotent;
	event.submit.max_attempts = options->max_attempts > 0 ? options->max_attempts : UINT32_MAX;
	event.submit.bytes = call->args.len;
	event.submit.timeout = timeout < pool->timeout_max ? timeout : pool->timeout_max;
	step(driver, &event);
}

void driver_cancel(struct driver *driver, struct call *call, bool gone)
{
	struct engine_event event = {.type = EVENT_CANCEL, .request = call->slot, .gone = gone};

	step(driver, &event);
}

void driver_stop(struct driver *driver)
{
	struct engine_event event = {.type = EVENT_STOP};

	step(driver, &event);
}

/* --- time and life --- */

static void on_timer(void *owner)
{
	struct driver *driver = owner;
	usec_t now = loop_now(driver->loop);

	while (engine_deadline(driver->engine) <= now) {
		struct engine_event event = {.type = EVENT_TIMER};

		step(driver, &event);
	}
	loop_set_timer(driver->loop, engine_deadline(driver->engine));
}

static void on_turn(void *owner)
{
	struct driver *driver = owner;

	if (driver->spawns_failed > 0)
		tell_failed_spawns(driver);
	if (driver->stopped) {
		driver->stopped = false;
		driver->on_stopped(driver->owner);
	}
}

static struct pool_settings settings_of(const struct config_pool *pool)
{
	return (struct pool_settings){
		.workers_min = pool->workers.min,
		.workers_max = pool->workers.max,
		.queue_max = pool->queue_max,
		.queue_bytes_max = pool->queue_bytes_max,
		.prefetch = pool->prefetch,
		.max_crash_retries = pool->max_crash_retries,
		.init_timeout = pool->init_timeout,
		.ping_interval = pool->ping_interval > 0 ? pool->ping_interval : USEC_INFINITY,
		.ping_timeout = pool->ping_timeout,
		.idle_timeout = pool->idle_timeout,
		.kill_grace = pool->kill_grace,
		.cancel_grace = pool->cancel_grace,
		.restart_delay = pool->restart_delay,
		.restart_delay_max = pool->restart_delay_max,
	};
}

static int make_engine(struct driver *driver)
{
	const struct config *config = driver->config;
	struct engine_settings settings = {
		.requests_max = config->daemon.requests_max,
		.pool_count = (uint32_t)config->pool_count,
		.drain_timeout = config->daemon.drain_timeout,
	};
	struct pool_settings *pools = calloc(config->pool_count + 1, sizeof(*pools));
	void *memory;

	if (!pools)
		return -ENOMEM;
	for (size_t i = 0; i < config->pool_count; i++)
		pools[i] = settings_of(&config->pools[i]);
	settings.pools = pools;
	memory = malloc(engine_size(&settings));
	if (memory)
		driver->engine = engine_init(memory, &settings, driver->started);
	free(pools);
	return memory ? 0 : -ENOMEM;
}

int driver_init(struct driver *driver, struct loop *loop, const struct config *config,
		const struct guard *guard, const struct rlimit *open_files)
{
	*driver = (struct driver){.loop = loop,
				  .config = config,
				  .guard = guard,
				  .open_files = *open_files,
				  .started = loop_now(loop)};
	list_init(&driver->connections);
	if (call_table_init(&driver->calls, config->daemon.requests_max) < 0 ||
	    make_engine(driver) < 0) {
		driver_done(driver);
		return -ENOMEM;
	}
	driver->channel_count = engine_worker_count(driver->engine);
	driver->channels = calloc(driver->channel_count + 1, sizeof(*driver->channels));
	if (!driver->channels) {
		driver_done(driver);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < driver->channel_count; i++)
		channel_init(&driver->channels[i], loop, i, &channel_handler, driver);
	loop->on_timer = on_timer;
	loop->on_turn = on_turn;
	loop->owner = driver;
	return 0;
}

void driver_start(struct driver *driver)
{
	carry_out_all(driver);
}

void driver_done(struct driver *driver)
{
	for (uint32_t i = 0; driver->channels && i < driver->channel_count; i++)
		channel_done(&driver->channels[i]);
	free(driver->channels);
	driver->channels = NULL;
	free(driver->engine);
	driver->engine = NULL;
	call_table_done(&driver->calls);
}
