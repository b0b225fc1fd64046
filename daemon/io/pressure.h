/* When memory is short: who could give some back. */
#ifndef POOLD_IO_PRESSURE_H
#define POOLD_IO_PRESSURE_H

#include "daemon/io/driver.h"

/* The idle worker with the most resident memory; NO_SLOT: none is idle.  Reads /proc for each. */
uint32_t pressure_heaviest_idle(const struct driver *driver);

/*
 * The next worker at work, from the slot *from on, whose pool limits its memory; *from is moved
 * behind it.  NO_SLOT: there is none up to the last slot, and *from is the first one again.
 */
uint32_t pressure_next_limited(const struct driver *driver, uint32_t *from);

#endif
