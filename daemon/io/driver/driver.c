#include "daemon/io/driver/driver.h"

#include "daemon/io/config/settings.h"
#include "daemon/io/driver/effects.h"
#include "daemon/io/driver/memory_pressure.h"
#include "daemon/io/driver/stack.h"
#include "daemon/io/driver/worker_events.h"
#include "protocol/read.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>

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

/* --- stepping --- */

static usec_t next_deadline(const struct driver *driver)
{
	usec_t next = usec_min(engine_deadline(driver->engine), starts_deadline(&driver->starts));

	return engine_stopping(driver->engine) ? next : usec_min(next, driver->memory_check_at);
}

static void carry_out_all(struct driver *driver)
{
	struct effect effect;

	while (engine_next_effect(driver->engine, &effect))
		effects_carry_out(driver, &effect);
	/* What on_turn has to do can't wait for the next event. */
	if (driver->has_notes || driver->stopped)
		loop_set_timer(driver->loop, loop_now(driver->loop));
	else
		loop_set_timer(driver->loop, next_deadline(driver));
}

static void notify_note(struct driver *driver, struct channel *channel)
{
	struct engine_event event = worker_events_make(channel, EVENT_SPAWN_FAILED);

	if (channel->spawn_failed) {
		event.code = channel->spawn_code;
	} else {
		event.type = EVENT_WORKER_EXITED;
		event.exit.connection = channel->hung_up;
	}
	channel->spawn_failed = channel->hung_up = channel->cancelled_before_start = false;
	driver_step(driver, &event);
}

/* Requests that never reached the worker, as its dialect has no way to say them. */
static void notify_unsaid(struct driver *driver, struct channel *channel)
{
	while (channel->unsaid_count > 0) {
		struct engine_event event = worker_events_make(channel, EVENT_SEND_FAILED);

		event.id = channel->unsaid[--channel->unsaid_count];
		event.code = ERR_encode_error;
		driver_step(driver, &event);
	}
}

static void handle_deferred(struct driver *driver, struct channel *channel)
{
	if (channel->opened) {
		channel->opened = false;
		channel_open(channel);
	}
	notify_unsaid(driver, channel);
	if (channel->spawn_failed || channel->hung_up || channel->cancelled_before_start)
		notify_note(driver, channel);
}

/* What was found out while effects were carried out. */
static void notify_notes(struct driver *driver)
{
	driver->has_notes = false;
	for (uint32_t i = 0; i < driver->channel_count; i++)
		handle_deferred(driver, &driver->channels[i]);
}

void driver_step(struct driver *driver, struct engine_event *event)
{
	event->now = loop_now(driver->loop);
	engine_step(driver->engine, event);
	carry_out_all(driver);
}

/* --- the clients' side --- */

/* The levels of the pool's chain that have no answer for the method. */
static uint32_t levels_without(const struct driver *driver, const struct call *call)
{
	const struct config_pool *pool = driver_pool_config(driver, call->pool);
	uint32_t skip = 0;

	for (size_t i = 0; i < pool->fallback_count; i++) {
		uint32_t fallback = pool->fallbacks[i];

		if (driver_pool_config(driver, fallback)->adapter == POOL_STATIC &&
		    !driver_has_answer(driver, fallback, call->method))
			skip |= 1u << (i + 1);
	}
	return skip;
}

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
	event.submit.no_fallback = options->no_fallback;
	event.submit.stream = options->stream;
	event.submit.restartable = options->restartable;
	event.submit.session_exists = options->session_exists;
	event.submit.session = call->session;
	event.submit.key = call->key;
	event.submit.method = call->method;
	event.submit.skip = levels_without(driver, call);
	driver_step(driver, &event);
}

static void cancel(struct driver *driver, const struct call *call, bool gone)
{
	struct engine_event event = {.type = EVENT_CANCEL, .request = call->slot, .gone = gone};

	driver_step(driver, &event);
}

void driver_cancel(struct driver *driver, struct call *call)
{
	cancel(driver, call, false);
}

void driver_leave(struct driver *driver, struct caller *caller)
{
	struct list_node *node;

	events_unsubscribe(&driver->events, caller);
	while ((node = list_first(&caller->calls)))
		cancel(driver, list_entry(node, struct call, in_caller), true);
}

void driver_stop(struct driver *driver)
{
	struct engine_event event = {.type = EVENT_STOP};

	driver_step(driver, &event);
}

/* --- time and life --- */

static void on_timer(void *owner)
{
	struct driver *driver = owner;
	usec_t now = loop_now(driver->loop);

	while (engine_deadline(driver->engine) <= now) {
		struct engine_event event = {.type = EVENT_TIMER};

		driver_step(driver, &event);
	}
	if (driver->memory_check_at <= now && !engine_stopping(driver->engine))
		memory_pressure_check(driver);
	loop_set_timer(driver->loop, next_deadline(driver));
}

static void on_turn(void *owner)
{
	struct driver *driver = owner;

	starts_turn(driver);
	if (driver->has_notes)
		notify_notes(driver);
	if (driver->memory_short || driver->refused_seen != driver->loop->store.refused)
		memory_pressure_relieve(driver);
	if (driver->stopped) {
		driver->stopped = false;
		driver->on_stopped(driver->owner);
	}
}

static int make_engine(struct driver *driver)
{
	const struct config *config = driver->config;
	struct engine_settings settings = settings_engine(config);
	struct pool_settings *pools = calloc(config->pool_count + 1, sizeof(*pools));
	void *memory;

	if (!pools)
		return -ENOMEM;
	for (size_t i = 0; i < config->pool_count; i++) {
		settings_pool(&config->pools[i], &pools[i]);
		if (pools[i].max_memory > 0)
			driver->memory_check_at =
				usec_add(driver->started, MEMORY_PRESSURE_INTERVAL);
	}
	settings.pools = pools;
	memory = malloc(engine_size(&settings));
	if (memory)
		driver->engine = engine_init(memory, &settings, driver->started);
	free(pools);
	return memory ? 0 : -ENOMEM;
}

struct start driver_start_of(const struct driver *driver, uint32_t pool)
{
	return (struct start){.loop = driver->loop,
			      .pool = driver_pool_config(driver, pool),
			      .instance = driver->guard->instance,
			      .open_files = &driver->open_files,
			      .identity = &driver->confine.identities[pool]};
}

static int make_forkservers(struct driver *driver)
{
	driver->forkservers = calloc(driver->config->pool_count + 1, sizeof(*driver->forkservers));
	if (!driver->forkservers)
		return -ENOMEM;
	/* Their marks name slots behind those of the workers. */
	for (uint32_t i = 0; i < driver->config->pool_count; i++) {
		const struct start start = driver_start_of(driver, i);

		forkserver_init(&driver->forkservers[i], &start, driver->channel_count + i);
	}
	for (uint32_t i = 0; i < driver->channel_count; i++) {
		uint32_t pool = engine_worker(driver->engine, i)->pool;

		if (driver->config->pools[pool].prefork)
			driver->channels[i].forkserver = &driver->forkservers[pool];
	}
	return 0;
}

static int make_tables(struct driver *driver)
{
	const struct config_daemon *daemon = &driver->config->daemon;
	const struct sessions *sessions;

	if (call_table_init(&driver->calls, daemon->requests_max) < 0 || make_engine(driver) < 0)
		return -ENOMEM;
	sessions = engine_sessions(driver->engine);
	if (slot_store_init(&driver->states, sessions_slots(&sessions->settings)) < 0 ||
	    slot_store_init(&driver->kept, daemon->keys_max) < 0 ||
	    error_log_init(&driver->errors, daemon->errors_kept) < 0)
		return -ENOMEM;
	driver->refusal_lines =
		calloc(driver->config->pool_count + 1, sizeof(*driver->refusal_lines));
	if (!driver->refusal_lines)
		return -ENOMEM;
	for (size_t i = 0; i < driver->config->pool_count; i++)
		driver->refusal_lines[i].per_second = 1;
	driver->channel_count = engine_worker_count(driver->engine);
	driver->channels = calloc(driver->channel_count + 1, sizeof(*driver->channels));
	if (!driver->channels)
		return -ENOMEM;
	for (uint32_t i = 0; i < driver->channel_count; i++) {
		channel_init(&driver->channels[i], driver->loop, i, daemon->session_state_max,
			     &worker_events_handler, driver);
		driver->channels[i].cgroups = &driver->confine.cgroups;
	}
	return make_forkservers(driver);
}

static bool is_living(void *owner, uint32_t worker, uint32_t life)
{
	const struct driver *driver = owner;
	const struct channel *channel;

	/* With its server's mark it has just been forked, and has none of its own yet. */
	if (worker >= driver->channel_count)
		return worker - driver->channel_count < driver->config->pool_count &&
		       forkserver_is_forking(&driver->forkservers[worker - driver->channel_count]);
	channel = &driver->channels[worker];
	return channel->life == life &&
	       (channel->process.pid > 0 || fork_request_is_waiting(&channel->fork_request));
}

/* A group that does not exist gives nobody control; that it does not is said once. */
static void find_admin_group(struct driver *driver)
{
	const char *name = driver->config->daemon.admin_group;
	struct group *group = *name ? getgrnam(name) : NULL;

	driver->has_admin_group = group != NULL;
	if (group)
		driver->admin_gid = group->gr_gid;
	else if (*name)
		log_warning("admin_group = %s: there is no such group", name);
}

int driver_init(struct driver *driver, struct loop *loop, const struct config *config,
		const struct guard *guard, const struct rlimit *open_files)
{
	*driver = (struct driver){.loop = loop,
				  .config = config,
				  .guard = guard,
				  .open_files = *open_files,
				  .answered = NO_SLOT,
				  .memory_check_at = USEC_INFINITY,
				  .error_lines.per_second = 20,
				  .started = loop_now(loop)};
	int r;

	events_init(&driver->events);
	starts_init(&driver->starts);
	find_admin_group(driver);
	r = confine_init(&driver->confine, loop, config, guard, is_living, driver);
	if (r == 0)
		r = make_tables(driver);
	if (r < 0) {
		driver_done(driver);
		return r;
	}
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
	for (size_t i = 0; driver->forkservers && i < driver->config->pool_count; i++)
		forkserver_done(&driver->forkservers[i]);
	free(driver->forkservers);
	driver->forkservers = NULL;
	for (uint32_t i = 0; driver->channels && i < driver->channel_count; i++) {
		stack_drop(&driver->channels[i]);
		channel_done(&driver->channels[i]);
	}
	confine_done(&driver->confine);
	free(driver->channels);
	driver->channels = NULL;
	free(driver->engine);
	driver->engine = NULL;
	call_table_done(&driver->calls);
	slot_store_done(&driver->states);
	slot_store_done(&driver->kept);
	error_log_done(&driver->errors);
	free(driver->refusal_lines);
	driver->refusal_lines = NULL;
	events_done(&driver->events);
}
