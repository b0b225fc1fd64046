#include "daemon/io/admin/report_overview.h"

#include "daemon/io/admin/report.h"
#include "daemon/io/admin/report_recovery.h"
#include "daemon/io/base/pack_named.h"
#include "daemon/io/driver/state.h"

/* The last errors that it has. */
#define ERRORS_MAX 20

/* Workers of which it has the memory, as it is asked for again and again. */
#define MEASURED_MAX 64

void report_overview(const struct driver *driver, const struct caller *caller, struct buf *out)
{
	pack_map(out, 7);
	pack_named_uint(out, "at_ms", loop_wall_ms());
	pack_str(out, "health");
	report_health(driver, out);
	pack_str(out, "status");
	report_status(driver, caller, out);
	pack_str(out, "pools");
	report_pools(driver, caller, out);
	pack_str(out, "workers");
	report_workers(driver, caller, MEASURED_MAX, out);
	pack_str(out, "breakers");
	report_breakers(driver, caller, out);
	pack_str(out, "errors");
	error_log_pack(&driver->errors, driver, caller, ERROR_KINDS_OF_POOLS, ERRORS_MAX, out);
}
