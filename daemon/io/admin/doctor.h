/* What the method poold.doctor answers: checks of everything that the daemon and its pools need in
 * order to work, with advice for each check that failed. */
#ifndef POOLD_IO_ADMIN_DOCTOR_H
#define POOLD_IO_ADMIN_DOCTOR_H

#include "daemon/io/driver/driver.h"
#include "protocol/buf.h"

/* Packs the findings as an array of maps (PROTOCOL.md, poold.doctor), one whole value, without what
 * the caller may not read (rights.h). */
void doctor_report(const struct driver *driver, const struct caller *caller, struct buf *out);

#endif
