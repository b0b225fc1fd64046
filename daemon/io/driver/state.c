#include "daemon/io/driver/state.h"

#include "daemon/io/config/config_answer.h"
#include "daemon/io/worker/guard.h"
#include "protocol/envelope.h"
#include "protocol/read.h"

#include <errno.h>
#include <string.h>

int driver_find_pool(const struct driver *driver, struct bytes name, uint32_t *ret_pool)
{
	const struct config *config = driver->config;

	for (uint32_t i = 0; i < config->pool_count; i++) {
		const struct config_pool *pool = &config->pools[i];

		if (pool->name_len == name.len && memcmp(pool->name, name.data, name.len) == 0) {
			*ret_pool = i;
			return 0;
		}
	}
	return -ENOENT;
}

const struct config_pool *driver_pool_config(const struct driver *driver, uint32_t pool)
{
	return &driver->config->pools[pool];
}

unsigned driver_worker_number(const struct driver *driver, uint32_t worker)
{
	return engine_worker_number(driver->engine, worker);
}

static bool has_given_up(const struct pool_view *pool)
{
	if (!(pool->troubles & TROUBLE_BELOW_MINIMUM))
		return false;
	return pool->is_unusable || pool->troubles & TROUBLE_START_FAILED ||
	       (pool->failed_starts > 0 && pool->states[WORKER_INITIALIZING] == 0);
}

bool driver_has_given_up(const struct driver *driver, uint32_t pool)
{
	struct pool_view view;

	engine_view_pool(driver->engine, pool, &view);
	return has_given_up(&view);
}

bool driver_is_settled(const struct driver *driver)
{
	struct pool_view pool;

	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		engine_view_pool(driver->engine, i, &pool);
		if (pool.troubles & TROUBLE_BELOW_MINIMUM && !has_given_up(&pool))
			return false;
	}
	return true;
}

bool driver_is_stopping(const struct driver *driver)
{
	return engine_stopping(driver->engine);
}

uint32_t driver_open_requests(const struct driver *driver)
{
	return engine_open_requests(driver->engine);
}

struct start driver_start_of(const struct driver *driver, uint32_t pool)
{
	return (struct start){.loop = driver->loop,
			      .pool = driver_pool_config(driver, pool),
			      .instance = driver->guard->instance,
			      .open_files = &driver->open_files,
			      .identity = &driver->confine.identities[pool],
			      .response_max = driver->config->daemon.response_max};
}

const struct config_answer *driver_static_answer(const struct driver *driver, uint32_t pool,
						 struct bytes method)
{
	const struct config_pool *config = driver_pool_config(driver, pool);
	const struct config_answer *answer = NULL;
	char name[METHOD_LEN_MAX + 1];

	if (method.len <= METHOD_LEN_MAX) {
		memcpy(name, method.data, method.len);
		name[method.len] = '\0';
		answer = strlen(name) == method.len ? config_answer_find(config, name) : NULL;
	}
	return answer ? answer : config_answer_find(config, NULL);
}

void driver_note(struct driver *driver, struct life *life)
{
	if (!list_linked(&life->in_noted))
		list_push_back(&driver->noted, &life->in_noted);
}
