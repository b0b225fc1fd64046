/* What workers use of memory: who goes when it is short, and who has grown over his pool's limit.
 */
#ifndef POOLD_IO_DRIVER_MEMORY_PRESSURE_H
#define POOLD_IO_DRIVER_MEMORY_PRESSURE_H

#include "daemon/io/driver/driver.h"

/* How often the memory of workers is read whose pools limit it. */
#define MEMORY_PRESSURE_INTERVAL (100 * USEC_PER_MSEC)

/* Memory was refused: the heaviest idle worker is replaced, which gives back what it has grown by.
 * Once a second at most. */
void memory_pressure_relieve(struct driver *driver);

/* Tells the engine how much some of those workers use whose pools limit that, and sets when it is
 * time for the next of them. */
void memory_pressure_check(struct driver *driver);

#endif
