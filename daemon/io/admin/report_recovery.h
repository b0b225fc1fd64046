/* What the methods poold.breakers, recoveries and sessions answer (PROTOCOL.md).  Each function
 * packs one whole MessagePack value. */
#ifndef POOLD_IO_ADMIN_REPORT_RECOVERY_H
#define POOLD_IO_ADMIN_REPORT_RECOVERY_H

#include "daemon/io/driver/driver.h"
#include "protocol/buf.h"

/* Limit of the errors, and of the sessions, in one answer. */
#define REPORT_MAX 1000

/* Each leaves out what the caller may not read (rights.h). */
void report_breakers(const struct driver *driver, const struct caller *caller, struct buf *out);
void report_recoveries(const struct driver *driver, struct buf *out);
/* Sessions with a request at work come first. */
void report_sessions(const struct driver *driver, const struct caller *caller, unsigned max,
		     struct buf *out);

#endif
