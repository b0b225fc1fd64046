#include "daemon/io/driver/overload.h"

#include "daemon/io/driver/notify.h"
#include "daemon/io/driver/state.h"

#include <errno.h>
#include <stdlib.h>

int overloads_init(struct overloads *overloads, unsigned pool_count)
{
	*overloads = (struct overloads){
		.places = calloc((size_t)pool_count + 1, sizeof(*overloads->places)),
		.count = pool_count + 1,
		.check_at = USEC_INFINITY,
	};
	return overloads->places ? 0 : -ENOMEM;
}

void overloads_done(struct overloads *overloads)
{
	free(overloads->places);
	*overloads = (struct overloads){.check_at = USEC_INFINITY};
}

static bool is_of_overload(enum errcode code)
{
	return code == ERR_queue_full || code == ERR_queue_timeout || code == ERR_shed ||
	       code == ERR_memory_limit;
}

void overload_note(struct driver *driver, uint32_t pool, enum errcode code)
{
	struct overloads *overloads = &driver->overloads;
	struct overload *overload;
	usec_t now = loop_now(driver->loop);

	if (!is_of_overload(code) || overloads->count == 0)
		return;
	overload = &overloads->places[pool < overloads->count ? pool : overloads->count - 1];
	overload->last = now;
	overload->refused++;
	if (overload->since != 0)
		return;
	overload->since = now;
	overload->code = code;
	overloads->check_at = usec_min(overloads->check_at, usec_add(now, OVERLOAD_QUIET));
	notify_overload(driver, pool, overload, true);
}

void overloads_check(struct driver *driver)
{
	struct overloads *overloads = &driver->overloads;
	usec_t now = loop_now(driver->loop);

	if (overloads->check_at > now)
		return;
	overloads->check_at = USEC_INFINITY;
	for (unsigned i = 0; i < overloads->count; i++) {
		struct overload *overload = &overloads->places[i];
		usec_t over = usec_add(overload->last, OVERLOAD_QUIET);

		if (overload->since == 0)
			continue;
		if (over > now) {
			overloads->check_at = usec_min(overloads->check_at, over);
			continue;
		}
		notify_overload(driver, i + 1 < overloads->count ? i : NO_SLOT, overload, false);
		*overload = (struct overload){0};
	}
}
