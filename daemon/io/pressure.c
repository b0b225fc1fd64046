#include "daemon/io/pressure.h"

uint32_t pressure_heaviest_idle(const struct driver *driver)
{
	uint32_t heaviest = NO_SLOT;
	uint64_t most = 0;

	for (uint32_t i = 0; i < driver->channel_count; i++) {
		pid_t pid = driver->channels[i].process.pid;
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

uint32_t pressure_next_limited(const struct driver *driver, uint32_t *from)
{
	while (*from < driver->channel_count) {
		uint32_t i = (*from)++;
		const struct worker *worker = engine_worker(driver->engine, i);

		if (driver->channels[i].process.pid > 0 &&
		    (worker->state == WORKER_READY || worker->state == WORKER_BUSY) &&
		    engine_pool(driver->engine, worker->pool)->settings.max_memory > 0)
			return i;
	}
	*from = 0;
	return NO_SLOT;
}
