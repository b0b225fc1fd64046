/* What poold.clients answers (PROTOCOL.md): who is connected. */
#ifndef POOLD_IO_ADMIN_REPORT_CLIENTS_H
#define POOLD_IO_ADMIN_REPORT_CLIENTS_H

#include "daemon/io/driver/driver.h"
#include "protocol/buf.h"

struct caller;

/* At most `max` of those that the caller may see, who came first first: all for who controls the
 * daemon, else those of its own user. */
void report_clients(const struct driver *driver, const struct caller *caller, unsigned max,
		    struct buf *out);

/* Packs two pairs, `uid` and `pid`: of the process that the caller is; nil where the kernel does
 * not say. */
void report_pack_process(const struct caller *caller, struct buf *out);

#endif
