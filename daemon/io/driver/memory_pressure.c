#include "daemon/io/driver/memory_pressure.h"

/* That of how many workers is read at a time: reading one takes some ten microseconds. */
#define CHECKED_MAX 32

/* The idle worker with the most resident memory; NO_SLOT: none is idle.  Reads /proc for each. */
static uint32_t heaviest_idle(const struct driver *driver)
{
	uint32_t heaviest = NO_SLOT;
	uint64_t most = 0;

	for (uint32_t i = 0; i < driver->life_count; i++) {
		pid_t pid = driver->lives[i].process.pid;
		uint64_t bytes;

		if (pid == 0 || engine_worker(driver->engine, i)->state != WORKER_READY)
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
		const struct worker *worker = engine_worker(driver->engine, i);

		if (driver->lives[i].process.pid > 0 &&
		    (worker->state == WORKER_READY || worker->state == WORKER_BUSY) &&
		    engine_pool(driver->engine, worker->pool)->settings.max_memory > 0)
			return i;
	}
	*from = 0;
	return NO_SLOT;
}

void memory_pressure_relieve(struct driver *driver)
{
	usec_t now = loop_now(driver->loop);
	uint32_t worker;

	if (usec_sub(now, driver->relieved) < USEC_PER_SEC)
		return;
	driver->relieved = now;
	driver->memory_short = false;
	driver->refused_seen = driver->loop->store.refused;
	worker = heaviest_idle(driver);
	if (worker != NO_SLOT) {
		struct engine_event event = {.type = EVENT_PRESSURE,
					     .worker = worker,
					     .life = driver->lives[worker].number};

		driver_step(driver, &event);
	}
}

void memory_pressure_check(struct driver *driver)
{
	driver->memory_check_at = usec_add(loop_now(driver->loop), MEMORY_PRESSURE_INTERVAL);
	for (unsigned i = 0; i < CHECKED_MAX; i++) {
		struct engine_event event = {.type = EVENT_WORKER_MEMORY};

		event.worker = next_limited(driver, &driver->memory_check_from);
		if (event.worker == NO_SLOT)
			return;
		event.life = driver->lives[event.worker].number;
		event.memory = process_rss(driver->lives[event.worker].process.pid);
		driver_step(driver, &event);
	}
}
