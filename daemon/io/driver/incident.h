/* Failures that are no request's, in words: a start that failed, a server that was not reached, a
 * health check without an answer.  They are in the log and in poold.errors, and what is known of
 * the last start is kept for the requests that fail because of it (struct start_fault). */
#ifndef POOLD_IO_DRIVER_INCIDENT_H
#define POOLD_IO_DRIVER_INCIDENT_H

struct driver;
struct effect;
struct life;

/* Reports EFFECT_INCIDENT in the log, in poold.errors and to subscribers. */
void incident_report(struct driver *driver, const struct effect *effect);

/* The life ended because its worker can't work as it is configured (exit status 78): requests that
 * find no worker for that are told so. */
void incident_note_unusable(struct driver *driver, const struct life *life);

#endif
