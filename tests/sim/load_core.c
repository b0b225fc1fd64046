#include "tests/sim/load_core.h"

usec_t load_known_typical(const struct load_world *world, uint32_t pool, unsigned method)
{
	(void)pool;
	return load_mean(world, method);
}

usec_t load_known_high(const struct load_world *world, uint32_t pool, unsigned method)
{
	(void)world;
	(void)pool;
	(void)method;
	return 0;
}

void load_set_admission(struct pool_settings *pool, bool has_admission)
{
	(void)pool;
	(void)has_admission;
}
