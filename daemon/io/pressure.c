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
