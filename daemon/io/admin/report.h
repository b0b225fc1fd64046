/* How things stand, as MessagePack maps (PROTOCOL.md, "Methods that tell"), each one whole value.
 */
#ifndef POOLD_IO_ADMIN_REPORT_H
#define POOLD_IO_ADMIN_REPORT_H

#include "daemon/io/driver/driver.h"
#include "protocol/buf.h"

void report_health(const struct driver *driver, struct buf *out);
void report_status(const struct driver *driver, struct buf *out);
void report_pools(const struct driver *driver, struct buf *out);
void report_workers(const struct driver *driver, struct buf *out);
void report_stats(const struct driver *driver, struct buf *out);

/* Packs state and progress of the last rolling restart of a pool; nil: there was none. */
void report_pack_roll(const struct driver *driver, uint32_t pool, struct buf *out);

/* The worst health of all pools; ok where there is none. */
enum pool_health report_overall(const struct driver *driver);

/* One line on what a start still waits for, or "ready". */
void report_progress(const struct driver *driver, struct buf *out);

/* How many workers are in that state, slots apart that have none to show. */
unsigned report_count(const struct pool *pool, enum worker_state state);

#endif
