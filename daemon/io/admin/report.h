/* How well the daemon and its pools are: what the methods poold.health and status answer
 * (PROTOCOL.md), and what the service manager and the HTTP page need of that. */
#ifndef POOLD_IO_ADMIN_REPORT_H
#define POOLD_IO_ADMIN_REPORT_H

#include "daemon/io/driver/driver.h"
#include "protocol/buf.h"

/* Each packs one whole MessagePack value, without what the caller may not read (rights.h). */
void report_health(const struct driver *driver, const struct caller *caller, struct buf *out);
void report_status(const struct driver *driver, const struct caller *caller, struct buf *out);

/* The worst health of all pools; POOL_OK if there is no pool. */
enum pool_health report_overall(const struct driver *driver);

/* Appends, as plain text, which pools do not have enough ready workers yet, or "ready". */
void report_progress(const struct driver *driver, struct buf *out);

/* The last lines on standard error of the pool's last start, if that failed; else none.  They stay
 * until the worker's next end, and are for whoever may call the pool. */
struct bytes report_last_words(const struct driver *driver, uint32_t pool);

#endif
