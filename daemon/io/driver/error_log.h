/*
 * Recent errors with all their fields, for poold.errors: those that requests were answered with,
 * and incidents that belong to no request.  A ring of maps, packed once; of each there is a second
 * one, without what only its audience (rights.h) may read.
 */
#ifndef POOLD_IO_DRIVER_ERROR_LOG_H
#define POOLD_IO_DRIVER_ERROR_LOG_H

#include "daemon/io/driver/rights.h"
#include "protocol/error.h"

struct error_log_entry {
	struct bytes whole; /* copies (slot_store.h) */
	struct bytes open;  /* for those who are not in the audience */
	struct audience audience;
};

struct error_log {
	struct error_log_entry *entries; /* from the oldest on round the ring */
	unsigned max;
	unsigned count;
	unsigned next; /* where the next one goes */
};

/* Returns 0 or -ENOMEM. */
int error_log_init(struct error_log *error_log, unsigned max);
void error_log_done(struct error_log *error_log);

/* `at_ms`: milliseconds since 1970. */
void error_log_add(struct error_log *error_log, const struct error *error,
		   const struct audience *audience, bool incident, uint64_t at_ms);

/* The type of the worker's exception, cut off if it is long; empty: the error has none.  Points into
 * `error`. */
struct bytes error_log_type(const struct error *error);

/* An array of the last `max` of them, the newest first, as the caller may read them. */
void error_log_pack(const struct error_log *error_log, const struct driver *driver,
		    const struct caller *caller, unsigned max, struct buf *out);

#endif
