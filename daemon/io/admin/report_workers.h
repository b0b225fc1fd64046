/* What the method poold.workers answers (PROTOCOL.md). */
#ifndef POOLD_IO_ADMIN_REPORT_WORKERS_H
#define POOLD_IO_ADMIN_REPORT_WORKERS_H

#include "daemon/io/driver/driver.h"
#include "protocol/buf.h"

struct caller;

/* Packs one whole MessagePack value, without what the caller may not read (rights.h).  Reads the
 * memory of the first `measured` workers, which takes some ten microseconds each; that of the
 * others is nil. */
void report_workers(const struct driver *driver, const struct caller *caller, unsigned measured,
		    struct buf *out);

#endif
