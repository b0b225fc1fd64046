/*
 * Recent errors with all their fields, for poold.errors: those that requests were answered with,
 * incidents that belong to no request, requests refused before they reached a pool, and connections
 * that were cut off.
 *
 * Two rings of maps, packed once: what comes before a pool has a ring of its own, so that no flood
 * of it drops what the pools have to tell.  Of each map there is a second one, without what only its
 * audience (rights.h) may read.  error_saved.h has both rings outlive the daemon.
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
	uint64_t at_ms;
	uint64_t number; /* in the order of all entries of both rings */
};

struct error_ring {
	struct error_log_entry *entries; /* from the oldest on round the ring */
	unsigned max;
	unsigned count;
	unsigned next;	   /* where the next one goes */
	uint64_t since_ms; /* all later ones are here, in milliseconds since 1970 */
};

struct error_log {
	struct error_ring pools; /* requests and incidents */
	struct error_ring door;	 /* refusals and connections */
	uint64_t newest;	 /* number of the last one that was added */
	uint64_t oldest;	 /* the next number of one that is older than all */
};

/* The kinds in each ring, as masks of 1u << enum error_kind. */
#define ERROR_KINDS_OF_POOLS (1u << ERROR_OF_REQUEST | 1u << ERROR_INCIDENT)
#define ERROR_KINDS_OF_DOOR  (1u << ERROR_REFUSAL | 1u << ERROR_CONNECTION)
#define ERROR_KINDS_ALL	     (ERROR_KINDS_OF_POOLS | ERROR_KINDS_OF_DOOR)

/* Bytes of one map. */
#define ERROR_LOG_ENTRY_MAX ((size_t)128 * 1024)

/* `max`: of each ring; `now_ms`: the time, in milliseconds since 1970.  Returns 0 or -ENOMEM. */
int error_log_init(struct error_log *error_log, unsigned max, uint64_t now_ms);
void error_log_done(struct error_log *error_log);

/* Adds one; where there is no memory for it, nothing, and the ring knows errors only since then. */
void error_log_add(struct error_log *error_log, const struct error_record *record);

/*
 * Adds one that is older than all that are there, and owns its copies from now on.  If the ring has
 * no place for it, it is freed, and the ring knows errors only since then.
 */
void error_log_add_older(struct error_log *error_log, const struct error_log_entry *entry);

/* The type of the worker's exception, cut off if it is long; empty: the error has none.  Points into
 * `error`. */
struct bytes error_log_type(const struct error *error);

/* "request" and so on. */
const char *error_kind_name(enum error_kind kind);
/* The kind of that name, or ERROR_KIND_COUNT_. */
enum error_kind error_kind_find(struct bytes name);

/* A way through both rings, from the newest entry on: {.error_log = ..., .kinds = a mask}. */
struct error_walk {
	const struct error_log *error_log;
	unsigned kinds;
	unsigned passed_pools; /* entries of that ring that are passed */
	unsigned passed_door;
};

/* The next entry; NULL: there is none. */
const struct error_log_entry *error_log_walk(struct error_walk *walk);

/* An array of the last `max` of these kinds (a mask of 1u << enum error_kind), the newest first, as
 * the caller may read them. */
void error_log_pack(const struct error_log *error_log, const struct driver *driver,
		    const struct caller *caller, unsigned kinds, unsigned max, struct buf *out);

#endif
