/* Requests that run for longer than slow_after: reported while they still do. */
#ifndef POOLD_IO_DRIVER_SLOW_REQUEST_H
#define POOLD_IO_DRIVER_SLOW_REQUEST_H

struct driver;
struct effect;

/* Carries out an EFFECT_SLOW: a warning in the log and an event, with what runs where for how long.
 */
void slow_request_report(struct driver *driver, const struct effect *effect);

#endif
