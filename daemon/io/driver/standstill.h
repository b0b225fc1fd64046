/* What the driver does when the loop stood still (base/stall.h): it tells the engine before
 * anything that came meanwhile, and people in the log, in counters and by an event. */
#ifndef POOLD_IO_DRIVER_STANDSTILL_H
#define POOLD_IO_DRIVER_STANDSTILL_H

struct driver;

/* To be called before the first event of each turn; does nothing if the loop did not stand still.
 * Not to be called while effects are carried out. */
void standstill_take(struct driver *driver);

#endif
