#include "tests/sim/load_core.h"

static const struct runs *runs_of(const struct load_world *world, uint32_t pool)
{
	return &engine_pool(world->engine, pool)->runs;
}

usec_t load_known_typical(const struct load_world *world, uint32_t pool, unsigned method)
{
	const struct runs *runs = runs_of(world, pool);

	return runs_typical(runs, runs_find(runs, load_method_name(method)));
}

usec_t load_known_high(const struct load_world *world, uint32_t pool, unsigned method)
{
	const struct runs *runs = runs_of(world, pool);

	return runs_high(runs, runs_find(runs, load_method_name(method)));
}

void load_set_admission(struct pool_settings *pool, bool has_admission)
{
	pool->no_admission = !has_admission;
}
