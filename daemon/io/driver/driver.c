#include "daemon/io/driver/driver.h"

#include "daemon/io/config/settings.h"
#include "daemon/io/driver/credit.h"
#include "daemon/io/driver/effects.h"
#include "daemon/io/driver/span.h"
#include "daemon/io/driver/stack.h"
#include "daemon/io/driver/standstill.h"
#include "daemon/io/driver/step.h"
#include "daemon/io/driver/worker_events.h"
#include "daemon/io/worker/forkserver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* Lines in the log about errors of requests, in a second; and about those that a pool refuses. */
#define ERROR_LINES   20
#define REFUSAL_LINES 1

/* --- turns of the loop --- */

static void on_timer(void *owner)
{
	struct driver *driver = owner;
	usec_t now = loop_now(driver->loop);

	standstill_take(driver);
	while (engine_deadline(driver->engine) <= now) {
		struct driver_step step = {.event = {.type = EVENT_TIMER}};

		driver_step(driver, &step);
	}
	if (driver->memory.check_at <= now && !engine_stopping(driver->engine))
		memory_pressure_check(driver);
	overloads_check(driver);
}

static usec_t next_timer(void *owner)
{
	const struct driver *driver = owner;
	usec_t now = loop_now(driver->loop), next;

	/* What is left for the end of a turn can't wait for the next event. */
	if (!list_empty(&driver->noted) || !list_empty(&driver->turned_callers) ||
	    !list_empty(&driver->events.late) || driver->has_stopped)
		return now;
	next = usec_min(engine_deadline(driver->engine), starts_deadline(&driver->starts));
	if (engine_open_requests(driver->engine) > 0)
		next = usec_min(next, usec_add(now, STALL_PULSE));
	next = usec_min(next, driver->overloads.check_at);
	return engine_stopping(driver->engine) ? next : usec_min(next, driver->memory.check_at);
}

static void start_next(struct driver *driver)
{
	struct life *life = starts_take(&driver->starts, loop_now(driver->loop));
	usec_t begin;

	if (!life)
		return;
	begin = loop_clock();
	effects_start(driver, life);
	starts_pause(&driver->starts, begin, loop_clock());
}

static void note_peaks(struct driver *driver)
{
	struct chunk_store *store = &driver->loop->store;
	struct daemon_stats *stats = &driver->stats;
	usec_t now = loop_now(driver->loop);

	peak_note(&driver->buffers_peak, now, store->bytes_high);
	store->bytes_high = store->bytes;
	peak_note(&driver->connections_peak, now, stats->connections_high);
	stats->connections_high = stats->connections_open;
}

static void on_turn(void *owner)
{
	struct driver *driver = owner;

	standstill_take(driver);
	note_peaks(driver);
	start_next(driver);
	flow_hold_callers(driver);
	worker_events_handle_notes(driver);
	memory_pressure_relieve(driver);
	events_catch_up(&driver->events);
	if (driver->has_stopped) {
		driver->has_stopped = false;
		driver->on_stopped(driver->owner);
	}
}

/* --- its parts --- */

static int make_engine(struct driver *driver)
{
	const struct config *config = driver->config;
	struct engine_settings settings = settings_engine(config);
	struct pool_settings *pools = calloc(config->pool_count + 1, sizeof(*pools));
	bool limits_memory = false;
	void *memory;

	if (!pools)
		return -ENOMEM;
	for (size_t i = 0; i < config->pool_count; i++) {
		settings_pool(&config->pools[i], &pools[i]);
		limits_memory |= pools[i].max_memory > 0;
	}
	settings.pools = pools;
	memory = malloc(engine_size(&settings));
	if (memory)
		driver->engine = engine_init(memory, &settings, driver->started);
	memory_pressure_init(&driver->memory, driver->started, limits_memory);
	free(pools);
	return memory ? 0 : -ENOMEM;
}

static int make_reports(struct driver *driver)
{
	driver->error_limit.per_second = ERROR_LINES;
	driver->span_limit.per_second = SPANS_PER_SECOND;
	refusal_limits_init(&driver->refusals);
	request_log_init(&driver->request_log);
	driver->start_faults =
		calloc(driver->config->pool_count + 1, sizeof(*driver->start_faults));
	driver->refusal_limits =
		calloc(driver->config->pool_count + 1, sizeof(*driver->refusal_limits));
	driver->last_failures =
		calloc(driver->config->pool_count + 1, sizeof(*driver->last_failures));
	driver->incidents = calloc(driver->config->pool_count + 1, sizeof(*driver->incidents));
	driver->exemplars = calloc(driver->config->pool_count + 1, sizeof(*driver->exemplars));
	if (!driver->refusal_limits || !driver->start_faults || !driver->last_failures ||
	    !driver->incidents || !driver->exemplars)
		return -ENOMEM;
	for (size_t i = 0; i < driver->config->pool_count; i++)
		driver->refusal_limits[i].per_second = REFUSAL_LINES;
	return overloads_init(&driver->overloads, (unsigned)driver->config->pool_count);
}

static int make_tables(struct driver *driver)
{
	const struct config_daemon *daemon = &driver->config->daemon;
	struct sessions_view sessions;

	engine_view_sessions(driver->engine, &sessions);
	if (call_table_init(&driver->calls, daemon->requests_max) < 0 ||
	    slot_store_init(&driver->session_states, sessions.slots) < 0 ||
	    slot_store_init(&driver->stored_answers, daemon->keys_max) < 0 ||
	    error_log_init(&driver->errors, daemon->errors_kept, loop_wall_ms()) < 0)
		return -ENOMEM;
	return make_reports(driver);
}

static int make_lives(struct driver *driver)
{
	size_t state_max = driver->config->daemon.session_state_max;

	driver->life_count = engine_worker_count(driver->engine);
	driver->lives = calloc(driver->life_count + 1, sizeof(*driver->lives));
	if (!driver->lives)
		return -ENOMEM;
	for (uint32_t i = 0; i < driver->life_count; i++) {
		life_init(&driver->lives[i], driver->loop, i, state_max,
			  &worker_events_life_handler, &worker_events_channel_handler, driver);
		driver->lives[i].cgroups = &driver->confine.cgroups;
	}
	return 0;
}

static int make_forkservers(struct driver *driver)
{
	driver->forkservers = calloc(driver->config->pool_count + 1, sizeof(*driver->forkservers));
	if (!driver->forkservers)
		return -ENOMEM;
	/* Their process tags name slots behind those of the workers. */
	for (uint32_t i = 0; i < driver->config->pool_count; i++) {
		const struct start start = driver_start_of(driver, i);

		forkserver_init(&driver->forkservers[i], &start, driver->life_count + i);
	}
	for (uint32_t i = 0; i < driver->life_count; i++) {
		uint32_t pool = engine_worker_pool(driver->engine, i);

		if (driver->config->pools[pool].prefork)
			driver->lives[i].forkserver = &driver->forkservers[pool];
	}
	return 0;
}

/* Whether a process that the orphans found is a worker that lives; see orphans.h. */
static bool is_living(void *owner, uint32_t worker, uint32_t number)
{
	const struct driver *driver = owner;
	const struct life *life;

	/* With the tag of its fork server it has just been forked, and has none of its own yet. */
	if (worker >= driver->life_count)
		return worker - driver->life_count < driver->config->pool_count &&
		       forkserver_is_forking(&driver->forkservers[worker - driver->life_count]);
	life = &driver->lives[worker];
	return life->number == number &&
	       (life->process.pid > 0 || fork_request_is_waiting(&life->fork_request));
}

static int make_all(struct driver *driver)
{
	int r = confine_init(&driver->confine, driver->loop, driver->config, driver->guard,
			     is_living, driver);

	if (r == 0)
		r = make_engine(driver);
	if (r == 0)
		r = make_tables(driver);
	if (r == 0)
		r = make_lives(driver);
	return r < 0 ? r : make_forkservers(driver);
}

/* --- from start to end --- */

/* Other daemons' spans must be others.  Without randomness at hand the time makes the difference. */
static void seed_spans(struct driver *driver)
{
	uint64_t seed = 0;

	(void)!getrandom(&seed, sizeof(seed), GRND_NONBLOCK);
	prng_init(&driver->spans, seed ^ driver->started ^ (uint64_t)getpid() << 40);
}

int driver_init(struct driver *driver, struct loop *loop, const struct config *config,
		const struct guard *guard, const struct rlimit *open_files)
{
	int r;

	*driver = (struct driver){.loop = loop,
				  .config = config_ref(config),
				  .guard = guard,
				  .open_files = *open_files,
				  .started = loop_now(loop)};
	list_init(&driver->noted);
	list_init(&driver->turned_callers);
	list_init(&driver->callers);
	seed_spans(driver);
	starts_init(&driver->starts);
	peak_init(&driver->connections_peak, driver->started);
	peak_init(&driver->buffers_peak, driver->started);
	r = events_init(&driver->events, driver, config->daemon.events_kept);
	if (r == 0)
		r = rights_init(&driver->rights, config);
	if (r == 0)
		r = make_all(driver);
	if (r < 0) {
		driver_done(driver);
		return r;
	}
	loop->on_timer = on_timer;
	loop->on_turn = on_turn;
	loop->next_timer = next_timer;
	loop->owner = driver;
	return 0;
}

void driver_start(struct driver *driver)
{
	driver_first_step(driver);
}

static bool is_same_pool(const struct config_pool *a, const struct config_pool *b)
{
	return strcmp(a->name, b->name) == 0 && a->adapter == b->adapter &&
	       a->prefork == b->prefork;
}

int driver_set_config(struct driver *driver, const struct config *config)
{
	const struct config *earlier = driver->config;

	if (config->pool_count != earlier->pool_count)
		return -EINVAL;
	for (size_t i = 0; i < config->pool_count; i++)
		if (!is_same_pool(&config->pools[i], &earlier->pools[i]))
			return -EINVAL;
	driver->config = config_ref(config);
	config_unref(earlier);
	return 0;
}

void driver_stop(struct driver *driver)
{
	struct driver_step step = {.event = {.type = EVENT_STOP}};

	driver_step(driver, &step);
}

void driver_done(struct driver *driver)
{
	for (size_t i = 0; driver->forkservers && i < driver->config->pool_count; i++)
		forkserver_done(&driver->forkservers[i]);
	free(driver->forkservers);
	driver->forkservers = NULL;
	for (uint32_t i = 0; driver->lives && i < driver->life_count; i++) {
		stack_drop(&driver->lives[i]);
		life_done(&driver->lives[i]);
	}
	confine_done(&driver->confine);
	free(driver->lives);
	driver->lives = NULL;
	free(driver->engine);
	driver->engine = NULL;
	call_table_done(&driver->calls);
	slot_store_done(&driver->session_states);
	slot_store_done(&driver->stored_answers);
	error_log_done(&driver->errors);
	free(driver->refusal_limits);
	driver->refusal_limits = NULL;
	free(driver->incidents);
	driver->incidents = NULL;
	free(driver->start_faults);
	driver->start_faults = NULL;
	free(driver->last_failures);
	driver->last_failures = NULL;
	free(driver->exemplars);
	driver->exemplars = NULL;
	overloads_done(&driver->overloads);
	events_done(&driver->events);
	rights_done(&driver->rights);
	config_unref(driver->config);
	driver->config = NULL;
}
