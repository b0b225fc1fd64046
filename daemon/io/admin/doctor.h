/* What stops a pool from working, looked for on purpose: each thing that it needs, whether it is
 * there, and what to do if not. */
#ifndef POOLD_IO_ADMIN_DOCTOR_H
#define POOLD_IO_ADMIN_DOCTOR_H

#include "daemon/io/driver/driver.h"
#include "protocol/buf.h"

/* The findings as an array of maps (PROTOCOL.md, poold.doctor), one whole value. */
void doctor_report(const struct driver *driver, struct buf *out);

#endif
