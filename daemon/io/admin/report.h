/* What the methods poold.health, status, pools, workers and stats answer (PROTOCOL.md).  Each
 * function packs one whole MessagePack value.  Those with a `caller` leave out what that one may not
 * read (rights.h). */
#ifndef POOLD_IO_ADMIN_REPORT_H
#define POOLD_IO_ADMIN_REPORT_H

#include "daemon/io/driver/driver.h"
#include "protocol/buf.h"

void report_health(const struct driver *driver, const struct caller *caller, struct buf *out);
void report_status(const struct driver *driver, const struct caller *caller, struct buf *out);
void report_pools(const struct driver *driver, const struct caller *caller, struct buf *out);
/* Reads the memory of the first `measured` workers, which takes some ten microseconds each. */
void report_workers(const struct driver *driver, const struct caller *caller, unsigned measured,
		    struct buf *out);
void report_stats(const struct driver *driver, struct buf *out);

/* Packs state and progress of the last rolling restart of a pool; nil: there was none. */
void report_pack_roll(const struct driver *driver, uint32_t pool, struct buf *out);

/* Packs two pairs, `uid` and `pid`: of the process that the caller is; nil where the kernel does not
 * say. */
void report_pack_process(const struct caller *caller, struct buf *out);

/* The worst health of all pools; POOL_OK if there is no pool. */
enum pool_health report_overall(const struct driver *driver);

/* Appends, as plain text, which pools do not have enough ready workers yet, or "ready". */
void report_progress(const struct driver *driver, struct buf *out);

/* The last lines on standard error of the pool's last start, if that failed; else none.  They stay
 * until the worker's next end, and are for whoever may call the pool. */
struct bytes report_last_words(const struct driver *driver, uint32_t pool);

#endif
