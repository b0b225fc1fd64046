/* When memory is short: who could give some back. */
#ifndef POOLD_IO_PRESSURE_H
#define POOLD_IO_PRESSURE_H

#include "daemon/io/driver.h"

/* The idle worker with the most resident memory; NO_SLOT: none is idle.  Reads /proc for each. */
uint32_t pressure_heaviest_idle(const struct driver *driver);

#endif
