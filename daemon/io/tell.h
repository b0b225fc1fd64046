/* What changes, told: as a line in the log, and as an event to those who subscribed. */
#ifndef POOLD_IO_TELL_H
#define POOLD_IO_TELL_H

#include "daemon/io/driver.h"

void tell_worker(struct driver *driver, uint32_t worker, const char *what, const char *text);
/* A line of a worker's output: for the log alone. */
void tell_output(struct driver *driver, uint32_t worker, enum output_stream stream,
		 struct bytes line, unsigned part);
void tell_output_dropped(struct driver *driver, uint32_t worker, uint64_t count);
/* What a worker that has ended said last on standard error, whole, where the log keeps fields
 * apart.
 */
void tell_last_words(struct driver *driver, uint32_t worker);
void tell_health(struct driver *driver, const struct effect *effect);
void tell_breaker(struct driver *driver, const struct effect *effect);
void tell_level(struct driver *driver, const struct effect *effect);
void tell_roll(struct driver *driver, const struct effect *effect);
void tell_recovery(struct driver *driver, const struct effect *effect);
void tell_session(struct driver *driver, const struct effect *effect);
void tell_error(struct driver *driver, const struct error *error);

/* {uid, pid, ago_ms}, or nil where nobody did anything by hand. */
void tell_pack_hand(const struct driver *driver, struct buf *out, const struct circuit_hand *hand);

#endif
