#include "daemon/io/observe/metrics_text.h"

void metrics_head(struct buf *out, const char *name, const char *suffix, const char *type,
		  const char *help)
{
	buf_printf(out, "# HELP poold_%s%s %s\n# TYPE poold_%s%s %s\n", name, suffix, help, name,
		   suffix, type);
}

void metrics_pool_gauge(const struct driver *driver, struct buf *out, const char *name,
			const char *help, uint64_t (*value)(const struct pool_view *pool))
{
	metrics_head(out, name, "", "gauge", help);
	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		struct pool_view pool;

		engine_view_pool(driver->engine, i, &pool);
		buf_printf(out, "poold_%s{pool=\"%s\"} %llu\n", name, metrics_pool_name(driver, i),
			   (unsigned long long)value(&pool));
	}
}

const char *metrics_pool_name(const struct driver *driver, uint32_t pool)
{
	return driver_pool_config(driver, pool)->name;
}
