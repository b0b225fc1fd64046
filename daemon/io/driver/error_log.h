/*
 * Recent errors with all their fields, for poold.errors: those that requests were answered with,
 * incidents that belong to no request, requests refused before they reached a pool, and connections
 * that were cut off.
 *
 * Two rings of maps, packed once: what comes before a pool has a ring of its own, so that no flood
 * of it drops what the pools have to tell.  Of each map there is a second one, without what only its
 * audience (rights.h) may read.
 */
#ifndef POOLD_IO_DRIVER_ERROR_LOG_H
#define POOLD_IO_DRIVER_ERROR_LOG_H

#include "daemon/io/driver/caller.h"
#include "daemon/io/driver/rights.h"
#include "protocol/error.h"

/* What an entry is about. */
enum error_kind {
	ERROR_OF_REQUEST = 0, /* a request of a pool was answered with it */
	ERROR_INCIDENT,	      /* it belongs to no request */
	ERROR_REFUSAL,	      /* a request was refused before it reached a pool */
	ERROR_CONNECTION,     /* a connection was cut off; it has no struct error */
	ERROR_KIND_COUNT_
};

/* What is added. */
struct error_record {
	enum error_kind kind;
	const struct error *error; /* NULL: of a connection, that ended like this: */
	enum caller_end end;
	const struct caller *caller; /* who asked, or was connected; NULL: nobody */
	struct audience audience;
	uint64_t at_ms; /* milliseconds since 1970 */
};

struct error_log_entry {
	struct bytes whole; /* copies (slot_store.h) */
	struct bytes open;  /* for those who are not in the audience */
	struct audience audience;
	enum error_kind kind;
	uint64_t number; /* counts all entries of both rings */
};

struct error_ring {
	struct error_log_entry *entries; /* from the oldest on round the ring */
	unsigned max;
	unsigned count;
	unsigned next; /* where the next one goes */
};

struct error_log {
	struct error_ring pools; /* requests and incidents */
	struct error_ring door;	 /* refusals and connections */
	uint64_t added;
};

/* `max`: of each ring.  Returns 0 or -ENOMEM. */
int error_log_init(struct error_log *error_log, unsigned max);
void error_log_done(struct error_log *error_log);

/* Adds one; where there is no memory for it, nothing. */
void error_log_add(struct error_log *error_log, const struct error_record *record);

/* The type of the worker's exception, cut off if it is long; empty: the error has none.  Points into
 * `error`. */
struct bytes error_log_type(const struct error *error);

/* "request" and so on. */
const char *error_kind_name(enum error_kind kind);
/* The kind of that name, or ERROR_KIND_COUNT_. */
enum error_kind error_kind_find(struct bytes name);

/* An array of the last `max` of these kinds (a mask of 1u << enum error_kind), the newest first, as
 * the caller may read them. */
void error_log_pack(const struct error_log *error_log, const struct driver *driver,
		    const struct caller *caller, unsigned kinds, unsigned max, struct buf *out);

#endif
