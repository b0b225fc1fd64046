#include "daemon/io/admin/control_workers.h"

#include "daemon/io/admin/report_pools.h"
#include "daemon/io/base/pack_named.h"
#include "daemon/io/driver/operator.h"
#include "daemon/io/driver/stack.h"
#include "daemon/io/driver/state.h"
#include "protocol/read.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

PRINTF_LIKE(3, 4)
static enum errcode wrong(char *why, enum errcode code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, CONTROL_WHY_SIZE, format, args);
	va_end(args);
	return code;
}

/* Says why the engine refused it. */
static enum errcode refused(const struct driver *driver, uint32_t pool, enum errcode code,
			    char *why)
{
	const char *name = driver_pool_config(driver, pool)->name;

	if (code == ERR_shutting_down)
		return wrong(why, code, "the daemon is stopping");
	return wrong(why, code, "pool %s has no workers: its answers stand in the configuration",
		     name);
}

static enum errcode restart(struct driver *driver, uint32_t pool, struct buf *out, char *why)
{
	enum errcode code = operator_restart(driver, pool);

	if (code != ERR_NONE)
		return refused(driver, pool, code, why);
	pack_map(out, 2);
	pack_named_str(out, "pool", driver_pool_config(driver, pool)->name);
	pack_str(out, "roll");
	report_pack_roll(driver, pool, out);
	return ERR_NONE;
}

static enum errcode set_drained(struct driver *driver, uint32_t pool, bool drained, struct buf *out)
{
	enum errcode code = operator_set_drained(driver, pool, drained);

	pack_map(out, 2);
	pack_named_str(out, "pool", driver_pool_config(driver, pool)->name);
	pack_str(out, "drained");
	pack_bool(out, drained);
	return code;
}

/* The workers of all pools together if that one had so many at most. */
static uint64_t workers_with(const struct driver *driver, uint32_t index, uint64_t max)
{
	uint64_t sum = max;
	struct pool_view pool;

	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		engine_view_pool(driver->engine, i, &pool);
		sum += i == index ? pool.spares : pool.ceiling;
	}
	return sum;
}

static enum errcode resize(struct driver *driver, uint32_t index, struct reader *reader,
			   struct buf *out, char *why)
{
	struct pool_view pool;
	enum errcode code;
	uint64_t min, max;

	if (read_uint(reader, &min) < 0 || read_uint(reader, &max) < 0)
		return wrong(why, ERR_invalid_request, "[pool, min, max] is wanted");
	engine_view_pool(driver->engine, index, &pool);
	if (pool.workers_bound > 0 && (min < 1 || max > pool.workers_bound || min > max))
		return wrong(why, ERR_invalid_request,
			     "max must be from 1 to %u, twice what the pool was started with, and "
			     "min from 1 to max",
			     pool.workers_bound);
	if (workers_with(driver, index, max) > driver->config->daemon.workers_max)
		return wrong(why, ERR_invalid_request,
			     "the workers of all pools would be %" PRIu64
			     " at most, above [daemon] workers_max = %u",
			     workers_with(driver, index, max), driver->config->daemon.workers_max);
	code = operator_resize(driver, index, (unsigned)min, (unsigned)max);
	if (code != ERR_NONE)
		return refused(driver, index, code, why);
	pack_map(out, 3);
	pack_named_str(out, "pool", driver_pool_config(driver, index)->name);
	pack_named_uint(out, "min", min);
	pack_named_uint(out, "max", max);
	return ERR_NONE;
}

static const char *usage(enum method method)
{
	switch (method) {
	case METHOD_resize:
		return "[pool, min, max] is wanted";
	case METHOD_stack:
		return "[pool, worker] is wanted";
	case METHOD_kill_worker:
		return "[pool, worker] or [pool, worker, signal] is wanted";
	default:
		return "[pool] is wanted";
	}
}

static const char no_such_worker[] = "the pool has no such worker";

static const struct {
	const char *name;
	int number;
} signals[] = {
	{"TERM", SIGTERM}, {"KILL", SIGKILL}, {"INT", SIGINT}, {"QUIT", SIGQUIT}, {"ABRT", SIGABRT},
};

/* [..., signal?]: TERM if there is none. */
static int read_signal(struct reader *reader, bool has_one, size_t *ret_index)
{
	struct bytes name;

	*ret_index = 0;
	if (!has_one || read_nil(reader) == 0)
		return 0;
	if (read_str(reader, &name) < 0)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		if (bytes_equal(name, signals[i].name)) {
			*ret_index = i;
			return 0;
		}
	}
	return -EINVAL;
}

static enum errcode kill_worker(struct driver *driver, uint32_t index, struct reader *reader,
				bool has_signal, struct buf *out, char *why)
{
	uint64_t number;
	uint32_t slot;
	size_t signal;

	if (read_uint(reader, &number) < 0 || read_signal(reader, has_signal, &signal) < 0)
		return wrong(why, ERR_invalid_request,
			     "[pool, worker] or [pool, worker, signal] is wanted; signal is TERM, "
			     "KILL, INT, QUIT or ABRT");
	slot = engine_worker_slot(driver->engine, index, number);
	if (slot == NO_SLOT)
		return wrong(why, ERR_invalid_request, no_such_worker);
	if (operator_kill(driver, slot, signals[signal].number) != ERR_NONE)
		return wrong(why, ERR_invalid_request, "there is no process of that number");
	pack_map(out, 4);
	pack_named_str(out, "pool", driver_pool_config(driver, index)->name);
	pack_named_uint(out, "worker", number);
	pack_str(out, "pid");
	pack_int(out, driver->lives[slot].last_pid);
	pack_named_str(out, "signal", signals[signal].name);
	return ERR_NONE;
}

static enum errcode ask_stack(struct driver *driver, uint32_t index, struct reader *reader,
			      struct buf *out, char *why)
{
	uint64_t number;
	uint32_t slot;
	int r;

	if (read_uint(reader, &number) < 0)
		return wrong(why, ERR_invalid_request, "%s", usage(METHOD_stack));
	slot = engine_worker_slot(driver->engine, index, number);
	if (slot == NO_SLOT)
		return wrong(why, ERR_invalid_request, no_such_worker);
	r = stack_ask(driver, slot);
	if (r == -EOPNOTSUPP)
		return wrong(why, ERR_invalid_request,
			     "the worker can't: it has named no signal for that when it got "
			     "ready, or output is not log");
	if (r < 0)
		return wrong(why, r == -ENOMEM ? ERR_memory_limit : ERR_invalid_request,
			     r == -ENOMEM ? "there is no memory for that"
					  : "there is no process of that number");
	pack_map(out, 3);
	pack_named_str(out, "pool", driver_pool_config(driver, index)->name);
	pack_named_uint(out, "worker", number);
	pack_str(out, "pid");
	pack_int(out, driver->lives[slot].last_pid);
	return ERR_NONE;
}

/* How many params a method has, the pool's name among them. */
static bool has_params(enum method method, uint32_t count)
{
	switch (method) {
	case METHOD_resize:
		return count == 3;
	case METHOD_stack:
		return count == 2;
	case METHOD_kill_worker:
		return count == 2 || count == 3;
	default:
		return count == 1;
	}
}

enum errcode control_workers(struct driver *driver, enum method method, struct bytes params,
			     struct buf *out, char why[CONTROL_WHY_SIZE])
{
	struct reader reader;
	struct bytes name;
	uint32_t count, pool;

	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || !has_params(method, count) ||
	    read_str(&reader, &name) < 0)
		return wrong(why, ERR_invalid_request, "%s", usage(method));
	if (driver_find_pool(driver, name, &pool) < 0)
		return wrong(why, ERR_unknown_pool, "there is no such pool");
	switch (method) {
	case METHOD_restart_workers:
		return restart(driver, pool, out, why);
	case METHOD_resize:
		return resize(driver, pool, &reader, out, why);
	case METHOD_stack:
		return ask_stack(driver, pool, &reader, out, why);
	case METHOD_kill_worker:
		return kill_worker(driver, pool, &reader, count == 3, out, why);
	default:
		return set_drained(driver, pool, method == METHOD_drain, out);
	}
}
