/* What changes, told: as a line in the log, and as an event to those who subscribed. */
#ifndef POOLD_IO_DRIVER_NOTIFY_H
#define POOLD_IO_DRIVER_NOTIFY_H

#include "daemon/io/driver/driver.h"

void notify_worker(struct driver *driver, uint32_t worker, const char *what, const char *text);
/* A line of a worker's output: for the log alone. */
void notify_output(struct driver *driver, uint32_t worker, enum output_stream stream,
		   struct bytes line, unsigned part);
void notify_output_dropped(struct driver *driver, uint32_t worker, uint64_t count);
/* What a worker that has ended said last on standard error, whole, where the log keeps fields
 * apart.
 */
void notify_last_words(struct driver *driver, uint32_t worker);
void notify_health(struct driver *driver, const struct effect *effect);
void notify_breaker(struct driver *driver, const struct effect *effect);
void notify_level(struct driver *driver, const struct effect *effect);
void notify_roll(struct driver *driver, const struct effect *effect);
void notify_recovery(struct driver *driver, const struct effect *effect);
void notify_session(struct driver *driver, const struct effect *effect);
void notify_error(struct driver *driver, const struct error *error);

/* {uid, pid, ago_ms}, or nil where nobody did anything by hand. */
void notify_pack_operator(const struct driver *driver, struct buf *out,
			  const struct circuit_operator *operator);

#endif
