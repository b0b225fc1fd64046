/* What the methods poold.pools and poold.stats answer (PROTOCOL.md): the limits, counters and
 * latencies of all pools.  Each function packs one whole MessagePack value. */
#ifndef POOLD_IO_ADMIN_REPORT_POOLS_H
#define POOLD_IO_ADMIN_REPORT_POOLS_H

#include "daemon/io/driver/driver.h"
#include "protocol/buf.h"

struct caller;

/* Leaves out the commands of pools that the caller may not call (rights.h). */
void report_pools(const struct driver *driver, const struct caller *caller, struct buf *out);

/* Has numbers only, which everybody may read; also the counters of the daemon itself. */
void report_stats(const struct driver *driver, struct buf *out);

/* State and progress of the last rolling restart of the pool; nil: there was none. */
void report_pack_roll(const struct driver *driver, uint32_t pool, struct buf *out);

#endif
