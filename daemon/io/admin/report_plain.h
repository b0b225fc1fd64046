/* The state of the daemon as tables in HTML without script or style, for browsers that run no
 * scripts. */
#ifndef POOLD_IO_ADMIN_REPORT_PLAIN_H
#define POOLD_IO_ADMIN_REPORT_PLAIN_H

#include "daemon/io/driver/driver.h"
#include "protocol/buf.h"

/* A whole document, which asks to be loaded again after `seconds`.  It has names and numbers only. */
void report_plain(const struct driver *driver, const struct caller *caller, unsigned seconds,
		  struct buf *out);

#endif
