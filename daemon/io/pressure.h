/* What workers use of memory: who goes when it is short, and who has grown over his pool's limit.
 */
#ifndef POOLD_IO_PRESSURE_H
#define POOLD_IO_PRESSURE_H

#include "daemon/io/driver.h"

/* How often the memory of workers is read whose pools limit it. */
#define PRESSURE_INTERVAL (100 * USEC_PER_MSEC)

/* Memory was refused: the heaviest idle worker is replaced, which gives back what it has grown by.
 * Once a second at most. */
void pressure_relieve(struct driver *driver);

/* Tells the engine how much some of those workers use whose pools limit that, and sets when it is
 * time for the next of them. */
void pressure_weigh(struct driver *driver);

#endif
