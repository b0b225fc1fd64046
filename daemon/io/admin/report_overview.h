/* One value with what the methods poold.health, status, pools, workers, breakers and errors answer,
 * and how long requests took five minutes ago: for who asks once and wants to see the whole. */
#ifndef POOLD_IO_ADMIN_REPORT_OVERVIEW_H
#define POOLD_IO_ADMIN_REPORT_OVERVIEW_H

#include "daemon/io/driver/driver.h"
#include "protocol/buf.h"

struct caller;

/* Packs a map without what the caller may not read (rights.h). */
void report_overview(const struct driver *driver, const struct caller *caller, struct buf *out);

#endif
