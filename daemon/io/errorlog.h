/*
 * Recent errors with all that is known of them, for poold.errors: those that requests were answered
 * with, and incidents that are no request's.  A ring of maps, packed once.
 */
#ifndef POOLD_IO_ERRORLOG_H
#define POOLD_IO_ERRORLOG_H

#include "protocol/error.h"

struct errorlog {
	struct bytes *entries; /* copies (vault.h), from the oldest on round the ring */
	unsigned max;
	unsigned count;
	unsigned next; /* where the next one goes */
};

/* Returns 0 or -ENOMEM. */
int errorlog_init(struct errorlog *errorlog, unsigned max);
void errorlog_done(struct errorlog *errorlog);

/* `at_ms`: milliseconds since 1970. */
void errorlog_add(struct errorlog *errorlog, const struct error *error, bool incident,
		  uint64_t at_ms);

/* An array of the last `max` of them, the newest first. */
void errorlog_pack(const struct errorlog *errorlog, unsigned max, struct buf *out);

#endif
