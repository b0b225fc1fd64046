#include "daemon/io/admin/report_overview.h"

#include "daemon/io/admin/report.h"
#include "daemon/io/admin/report_pools.h"
#include "daemon/io/admin/report_recovery.h"
#include "daemon/io/admin/report_window.h"
#include "daemon/io/admin/report_workers.h"
#include "daemon/io/base/pack_named.h"
#include "daemon/io/driver/state.h"

/* The last errors that it has. */
#define ERRORS_MAX 20

/* Workers of which it has the memory, as it is asked for again and again. */
#define MEASURED_MAX 64

/* How long ago the minute was that the last one is compared with. */
#define EARLIER (300 * USEC_PER_SEC)

void report_overview(const struct driver *driver, const struct caller *caller, struct buf *out)
{
	pack_map(out, 8);
	pack_named_uint(out, "at_ms", loop_wall_ms());
	pack_str(out, "health");
	report_health(driver, caller, out);
	pack_str(out, "status");
	report_status(driver, caller, out);
	pack_str(out, "pools");
	report_pools(driver, caller, out);
	pack_str(out, "earlier");
	pack_map(out, engine_pool_count(driver->engine));
	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++)
		report_pack_earlier(driver, out, i, driver_pool_config(driver, i)->name, EARLIER);
	pack_str(out, "workers");
	report_workers(driver, caller, MEASURED_MAX, out);
	pack_str(out, "breakers");
	report_breakers(driver, caller, out);
	pack_str(out, "errors");
	error_log_pack(&driver->errors, driver, caller, ERROR_KINDS_OF_POOLS, ERRORS_MAX, out);
}
