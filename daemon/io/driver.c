#include "daemon/io/driver.h"

#include "daemon/io/dialect.h"
#include "daemon/io/effects.h"
#include "daemon/io/pressure.h"
#include "daemon/io/settings.h"
#include "daemon/io/stack.h"
#include "daemon/io/tell.h"
#include "protocol/read.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>

/* Exit status of a command that can't work as it is configured (sysexits: EX_CONFIG). */
#define EXIT_UNUSABLE 78

/* How often the memory of workers is read whose pools limit it, and that of how many at a time:
 * reading one takes some ten microseconds. */
#define WEIGH_INTERVAL (100 * USEC_PER_MSEC)
#define WEIGHED_MAX    32

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

static void step(struct driver *driver, struct engine_event *event);

static usec_t next_deadline(const struct driver *driver)
{
	usec_t next = usec_min(engine_deadline(driver->engine), starts_deadline(&driver->starts));

	return engine_stopping(driver->engine) ? next : usec_min(next, driver->weigh_at);
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

static struct engine_event worker_event(const struct channel *channel, enum event_type type)
{
	return (struct engine_event){
		.type = type, .worker = channel->worker, .life = channel->life};
}

static void tell_note(struct driver *driver, struct channel *channel)
{
	struct engine_event event = worker_event(channel, EVENT_SPAWN_FAILED);

	if (channel->spawn_failed) {
		event.code = channel->spawn_code;
	} else {
		event.type = EVENT_WORKER_EXITED;
		event.exit.connection = channel->hung_up;
	}
	channel->spawn_failed = channel->hung_up = channel->unborn = false;
	step(driver, &event);
}

/* Requests that never reached the worker, as its dialect has no way to say them. */
static void tell_unsaid(struct driver *driver, struct channel *channel)
{
	while (channel->unsaid_count > 0) {
		struct engine_event event = worker_event(channel, EVENT_SEND_FAILED);

		event.id = channel->unsaid[--channel->unsaid_count];
		event.code = ERR_encode_error;
		step(driver, &event);
	}
}

static void attend(struct driver *driver, struct channel *channel)
{
	if (channel->opened) {
		channel->opened = false;
		channel_open(channel);
	}
	tell_unsaid(driver, channel);
	if (channel->spawn_failed || channel->hung_up || channel->unborn)
		tell_note(driver, channel);
}

/* What was found out while effects were carried out. */
static void tell_notes(struct driver *driver)
{
	driver->has_notes = false;
	for (uint32_t i = 0; i < driver->channel_count; i++)
		attend(driver, &driver->channels[i]);
}

static void step(struct driver *driver, struct engine_event *event)
{
	event->now = loop_now(driver->loop);
	engine_step(driver->engine, event);
	carry_out_all(driver);
}

/* --- events from workers --- */

static void on_ready(struct channel *channel, unsigned concurrency, bool announces, bool batches)
{
	struct driver *driver = channel->owner;
	struct engine_event event = worker_event(channel, EVENT_WORKER_READY);

	event.ready.concurrency = concurrency;
	event.ready.announces = announces;
	event.ready.batches = batches;
	steps_end(&channel->steps, loop_now(driver->loop));
	effects_tell_worker(driver, LOG_LEVEL_INFO, channel->worker, "ready", "");
	step(driver, &event);
	driver->on_change(driver->owner);
}

static void on_began(struct channel *channel, uint32_t id)
{
	struct engine_event event = worker_event(channel, EVENT_WORKER_BEGAN);

	event.id = id;
	step(channel->owner, &event);
}

static void on_alive(struct channel *channel)
{
	struct engine_event event = worker_event(channel, EVENT_WORKER_ALIVE);

	step(channel->owner, &event);
}

/* The slot of the request that the worker has under this id, or NO_SLOT: it was given up, or was
 * never there. */
static uint32_t slot_of(const struct channel *channel, uint32_t id, bool *ret_known)
{
	const struct driver *driver = channel->owner;
	const struct worker *worker = engine_worker(driver->engine, channel->worker);
	const struct attempt *attempt =
		worker->life == channel->life ? worker_find_attempt(worker, id) : NULL;

	*ret_known = attempt != NULL;
	return attempt && attempt->request ? engine_slot(driver->engine, attempt->request)
					   : NO_SLOT;
}

static void on_part(struct channel *channel, uint32_t id, struct chunk *chunk, struct bytes value)
{
	struct driver *driver = channel->owner;
	struct engine_event event = worker_event(channel, EVENT_WORKER_CHUNK);
	const struct channel_part part = {chunk, value};

	event.id = id;
	driver->part = &part;
	step(driver, &event);
	driver->part = NULL;
}

static void on_state(struct channel *channel, uint32_t id, struct bytes state)
{
	struct driver *driver = channel->owner;
	bool known;
	uint32_t slot = slot_of(channel, id, &known);
	struct call *call = slot != NO_SLOT ? &driver->calls.calls[slot] : NULL;

	if (!known) {
		channel_broken(channel, ERR_protocol_violation,
			       "it handed back the state of a request that it does not have");
		return;
	}
	if (!call || call->session.len == 0)
		return;
	call_drop_state(call);
	call->has_state = true;
	call->state_len = state.len;
	if (state.len <= driver->config->daemon.session_state_max)
		call->state = bytes_copy(state);
}

static void fill_answer(struct engine_event *event, const struct channel_answer *answer,
			const struct call *call)
{
	event->answer.bytes = answer->failed ? 0 : answer->result.len;
	event->answer.retry_after = USEC_INFINITY;
	if (call) {
		event->answer.has_state = call->has_state;
		event->answer.state = call->state_len;
	}
	if (!answer->failed)
		return;
	event->answer.code = answer->error.code;
	event->answer.said = answer->error.said;
	event->answer.retryable = answer->error.retryable;
	event->answer.fatal = answer->error.fatal;
	event->answer.graded = answer->error.graded;
	event->answer.severity = answer->error.severity;
	event->answer.retry_after = answer->error.retry_after;
}

static void on_answer(struct channel *channel, uint32_t id, const struct channel_answer *answer)
{
	struct driver *driver = channel->owner;
	struct engine_event event = worker_event(channel, EVENT_WORKER_ANSWERED);
	bool known;
	uint32_t slot = slot_of(channel, id, &known);

	event.id = id;
	fill_answer(&event, answer, slot != NO_SLOT ? &driver->calls.calls[slot] : NULL);
	driver->answer = answer;
	driver->answered = slot;
	step(driver, &event);
	driver->answer = NULL;
	driver->answered = NO_SLOT;
}

static void on_broken(struct channel *channel, enum errcode code)
{
	struct driver *driver = channel->owner;
	struct engine_event event = worker_event(channel, EVENT_WORKER_BROKE);

	if (code != ERR_peer_closed)
		effects_tell_worker(driver, LOG_LEVEL_ERROR, channel->worker, "broke the protocol",
				    channel->last_why);
	event.code = code;
	step(driver, &event);
}

static void on_exit_of_worker(struct channel *channel, const struct process_end *end)
{
	struct driver *driver = channel->owner;
	const struct worker *worker = engine_worker(driver->engine, channel->worker);
	struct engine_event event = worker_event(channel, EVENT_WORKER_EXITED);

	steps_end(&channel->steps, loop_now(driver->loop));
	channel->last = end ? *end : (struct process_end){0};
	channel->last_uptime = usec_sub(loop_now(driver->loop), worker->started);
	channel->last_served = worker->served;
	if (end) {
		event.exit.signalled =
			end->signalled && (end->status == SIGKILL || end->status == SIGTERM);
		event.exit.unusable = !end->signalled && end->status == EXIT_UNUSABLE;
	} else {
		event.exit.connection = true;
	}
	effects_tell_worker(
		driver, worker_cause_is_wish(worker->cause) ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
		channel->worker, "ended", channel->last_end);
	stack_end(channel);
	if (!worker_cause_is_wish(worker->cause))
		tell_last_words(driver, channel->worker);
	step(driver, &event);
}

static void on_step(struct channel *channel, struct bytes name)
{
	struct driver *driver = channel->owner;

	steps_add(&channel->steps, name, loop_now(driver->loop));
}

static void on_output(struct channel *channel, enum output_stream stream, struct bytes line,
		      unsigned part)
{
	struct driver *driver = channel->owner;

	driver->stats.output_lines++;
	if (stream == OUTPUT_STDERR)
		stack_take(channel, line);
	tell_output(driver, channel->worker, stream, line, part);
}

static void on_output_dropped(struct channel *channel, uint64_t count)
{
	struct driver *driver = channel->owner;

	driver->stats.output_dropped += count;
	tell_output_dropped(driver, channel->worker, count);
}

static void on_unreachable(struct channel *channel, int error)
{
	struct engine_event event = worker_event(channel, EVENT_SPAWN_FAILED);

	event.code = effects_start_code(channel->connected, error);
	step(channel->owner, &event);
}

static void on_born(struct channel *channel)
{
	effects_tell_worker(channel->owner, LOG_LEVEL_INFO, channel->worker, "started", "");
}

static const struct channel_handler channel_handler = {
	.on_ready = on_ready,
	.on_began = on_began,
	.on_alive = on_alive,
	.on_part = on_part,
	.on_state = on_state,
	.on_answer = on_answer,
	.on_broken = on_broken,
	.on_exit = on_exit_of_worker,
	.on_step = on_step,
	.on_output = on_output,
	.on_output_dropped = on_output_dropped,
	.on_unreachable = on_unreachable,
	.on_born = on_born,
};

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
	event.submit.stays = options->stays;
	event.submit.stream = options->stream;
	event.submit.restartable = options->restartable;
	event.submit.session_exists = options->session_exists;
	event.submit.session = call->session;
	event.submit.key = call->key;
	event.submit.method = call->method;
	event.submit.skip = levels_without(driver, call);
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

/* --- by hand --- */

static enum errcode verdict_on(struct driver *driver, struct engine_event *event)
{
	step(driver, event);
	return driver->verdict;
}

enum errcode driver_set_breaker(struct driver *driver, uint32_t pool, struct bytes method,
				enum breaker_state state, uint32_t uid, int32_t pid)
{
	struct engine_event event = {.type = EVENT_BREAKER};

	event.by_hand.pool = pool;
	event.by_hand.method = method;
	event.by_hand.state = state;
	event.by_hand.uid = uid;
	event.by_hand.pid = pid;
	return verdict_on(driver, &event);
}

enum errcode driver_cancel_recovery(struct driver *driver, uint64_t id)
{
	struct engine_event event = {.type = EVENT_RECOVERY_CANCEL, .recovery = id};

	return verdict_on(driver, &event);
}

enum errcode driver_close_session(struct driver *driver, struct bytes name)
{
	struct engine_event event = {.type = EVENT_SESSION_CLOSE, .session = name};

	return verdict_on(driver, &event);
}

enum errcode driver_restart(struct driver *driver, uint32_t pool)
{
	struct engine_event event = {.type = EVENT_RESTART, .pool = pool};

	/* The new workers are to run what is on disk now. */
	if (driver_pool_config(driver, pool)->prefork)
		forkserver_renew(&driver->forkservers[pool]);
	return verdict_on(driver, &event);
}

enum errcode driver_resize(struct driver *driver, uint32_t pool, unsigned min, unsigned max)
{
	struct engine_event event = {.type = EVENT_RESIZE, .pool = pool};

	event.size.min = min;
	event.size.max = max;
	return verdict_on(driver, &event);
}

enum errcode driver_set_drained(struct driver *driver, uint32_t pool, bool drained)
{
	struct engine_event event = {.type = drained ? EVENT_DRAIN : EVENT_RESUME, .pool = pool};

	return verdict_on(driver, &event);
}

enum errcode driver_kill(struct driver *driver, uint32_t worker, int signal)
{
	struct engine_event event = {.type = EVENT_KILL, .worker = worker};

	event.life = engine_worker(driver->engine, worker)->life;
	event.signal = signal;
	return verdict_on(driver, &event);
}

/* --- memory --- */

/* Memory was refused: the heaviest idle worker is replaced, which gives back what it has grown by.
 * Once a second at most. */
static void relieve_memory(struct driver *driver)
{
	usec_t now = loop_now(driver->loop);
	uint32_t worker;

	if (usec_sub(now, driver->relieved) < USEC_PER_SEC)
		return;
	driver->relieved = now;
	driver->memory_short = false;
	driver->refused_seen = driver->loop->store.refused;
	worker = pressure_heaviest_idle(driver);
	if (worker != NO_SLOT) {
		struct engine_event event = {.type = EVENT_PRESSURE,
					     .worker = worker,
					     .life = driver->channels[worker].life};

		step(driver, &event);
	}
}

/* How much the workers use whose pools limit that: some of them at a time. */
static void weigh_workers(struct driver *driver)
{
	driver->weigh_at = usec_add(loop_now(driver->loop), WEIGH_INTERVAL);
	for (unsigned i = 0; i < WEIGHED_MAX; i++) {
		struct engine_event event = {.type = EVENT_WORKER_MEMORY};

		event.worker = pressure_next_limited(driver, &driver->weigh_from);
		if (event.worker == NO_SLOT)
			return;
		event.life = driver->channels[event.worker].life;
		event.memory = process_rss(driver->channels[event.worker].process.pid);
		step(driver, &event);
	}
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
	if (driver->weigh_at <= now && !engine_stopping(driver->engine))
		weigh_workers(driver);
	loop_set_timer(driver->loop, next_deadline(driver));
}

static void on_turn(void *owner)
{
	struct driver *driver = owner;

	starts_turn(driver);
	if (driver->has_notes)
		tell_notes(driver);
	if (driver->memory_short || driver->refused_seen != driver->loop->store.refused)
		relieve_memory(driver);
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
			driver->weigh_at = usec_add(driver->started, WEIGH_INTERVAL);
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
	if (vault_init(&driver->states, sessions_slots(&sessions->settings)) < 0 ||
	    vault_init(&driver->kept, daemon->keys_max) < 0 ||
	    errorlog_init(&driver->errors, daemon->errors_kept) < 0)
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
			     &channel_handler, driver);
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
	       (channel->process.pid > 0 || birth_is_waiting(&channel->birth));
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
				  .weigh_at = USEC_INFINITY,
				  .error_lines.per_second = 20,
				  .started = loop_now(loop)};
	int r;

	list_init(&driver->connections);
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
	vault_done(&driver->states);
	vault_done(&driver->kept);
	errorlog_done(&driver->errors);
	free(driver->refusal_lines);
	driver->refusal_lines = NULL;
	events_done(&driver->events);
}
