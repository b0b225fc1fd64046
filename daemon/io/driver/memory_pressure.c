#include "daemon/io/driver/memory_pressure.h"

#include "daemon/io/driver/state.h"
#include "daemon/io/driver/step.h"

#include <inttypes.h>

/* How often the memory of workers is read whose pools limit it. */
#define CHECK_INTERVAL (100 * USEC_PER_MSEC)

/* Workers whose memory is read at a time: reading that of one takes some ten microseconds. */
#define CHECKED_MAX 32

void memory_pressure_init(struct memory_pressure *memory, usec_t now, bool is_limited)
{
	*memory = (struct memory_pressure){.check_at = is_limited ? usec_add(now, CHECK_INTERVAL)
								  : USEC_INFINITY};
}

/* The idle worker with the most resident memory; NO_SLOT: none is idle.  Reads /proc for each. */
static uint32_t heaviest_idle(const struct driver *driver)
{
	uint32_t heaviest = NO_SLOT;
	uint64_t most = 0;

	for (uint32_t i = 0; i < driver->life_count; i++) {
		pid_t pid = driver->lives[i].process.pid;
		struct worker_view worker;
		uint64_t bytes;

		engine_view_worker(driver->engine, i, &worker);
		if (pid == 0 || worker.state != WORKER_READY)
			continue;
		bytes = process_rss(pid);
		if (bytes > most) {
			most = bytes;
			heaviest = i;
		}
	}
	return heaviest;
}

/*
 * The next worker at work, from the slot *from on, whose pool limits its memory; *from is moved
 * behind it.  NO_SLOT: there is none up to the last slot, and *from is the first one again.
 */
static uint32_t next_limited(const struct driver *driver, uint32_t *from)
{
	while (*from < driver->life_count) {
		uint32_t i = (*from)++;
		struct worker_view worker;

		engine_view_worker(driver->engine, i, &worker);
		if (driver->lives[i].process.pid > 0 &&
		    (worker.state == WORKER_READY || worker.state == WORKER_BUSY) &&
		    driver_pool_config(driver, worker.pool)->max_memory > 0)
			return i;
	}
	*from = 0;
	return NO_SLOT;
}

void memory_pressure_relieve(struct driver *driver)
{
	struct driver_step step = {.event = {.type = EVENT_PRESSURE}};
	struct memory_pressure *memory = &driver->memory;
	usec_t now = loop_now(driver->loop);
	uint32_t worker;

	if (!memory->has_start_failed && memory->exhausted == driver->loop->store.exhausted)
		return;
	if (usec_sub(now, memory->relieved_at) < USEC_PER_SEC)
		return;
	memory->relieved_at = now;
	memory->has_start_failed = false;
	memory->exhausted = driver->loop->store.exhausted;
	worker = heaviest_idle(driver);
	if (worker == NO_SLOT)
		return;
	step.event.worker = worker;
	step.event.life = driver->lives[worker].number;
	driver_step(driver, &step);
}

/* Whether a worker of the pool says when it has loaded what it needs; else it counts as ready from
 * the first moment. */
static bool says_ready(const struct config_pool *pool)
{
	return pool->dialect == DIALECT_POOLD || *pool->ready_call || *pool->ready_notification;
}

uint64_t memory_pressure_at_ready(const struct driver *driver, uint32_t worker)
{
	const struct config_pool *pool =
		driver_pool_config(driver, engine_worker_pool(driver->engine, worker));
	pid_t pid = driver->lives[worker].process.pid;

	return pool->max_memory > 0 && pid > 0 && says_ready(pool) ? process_rss(pid) : 0;
}

/* Once for each pool. */
static void warn_of_start_size(struct driver *driver, const struct worker_view *worker)
{
	const struct config_pool *pool = driver_pool_config(driver, worker->pool);
	const struct log_field field = {"pool", pool->name};
	bool *is_told = &driver->start_faults[worker->pool].is_size_told;

	if (*is_told || worker->start_memory <= pool->max_memory)
		return;
	*is_told = true;
	log_event(LOG_LEVEL_WARNING, NULL, &field, 1,
		  "a worker uses %" PRIu64
		  " KiB of memory from its start on, more than max_memory = "
		  "%zu KiB: such workers are replaced only when they have grown by a quarter; set "
		  "max_memory well above that size",
		  worker->start_memory / 1024, pool->max_memory / 1024);
}

/* One that does not say when it is ready is measured once it has answered something: then it has
 * loaded what it needs. */
static void check_one(struct driver *driver, uint32_t index)
{
	struct driver_step step = {.event = {.type = EVENT_WORKER_MEMORY,
					     .worker = index,
					     .life = driver->lives[index].number}};
	struct worker_view worker;

	engine_view_worker(driver->engine, index, &worker);
	if (worker.start_memory == 0 && worker.served == 0)
		return;
	step.event.memory.is_start = worker.start_memory == 0;
	step.event.memory.bytes = process_rss(driver->lives[index].process.pid);
	driver_step(driver, &step);
	engine_view_worker(driver->engine, index, &worker);
	warn_of_start_size(driver, &worker);
}

void memory_pressure_check(struct driver *driver)
{
	driver->memory.check_at = usec_add(loop_now(driver->loop), CHECK_INTERVAL);
	for (unsigned i = 0; i < CHECKED_MAX; i++) {
		uint32_t worker = next_limited(driver, &driver->memory.check_from);

		if (worker == NO_SLOT)
			return;
		check_one(driver, worker);
	}
}
