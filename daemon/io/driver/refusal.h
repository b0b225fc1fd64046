/*
 * What fails before a pool has to do with it: requests that are refused at once, and connections
 * that end.  Each is counted; a request that is refused and a client that is cut off also come into
 * the log, into poold.errors and to subscribers.
 */
#ifndef POOLD_IO_DRIVER_REFUSAL_H
#define POOLD_IO_DRIVER_REFUSAL_H

#include "daemon/io/base/log.h"
#include "daemon/io/driver/caller.h"
#include "protocol/error.h"

struct driver;

/* Of lines in the log, and of what follows from them, for each code and each reason. */
struct refusal_limits {
	struct log_limit codes[ERR_COUNT_];
	struct log_limit ends[CALLER_END_COUNT_];
};

void refusal_limits_init(struct refusal_limits *limits);

/* A request of the caller was refused with this error.  `pool`: that it named; NO_SLOT: none that
 * exists. */
void refusal_report(struct driver *driver, const struct caller *caller, uint32_t pool,
		    const struct error *error);

/* The connection of the caller has come to its end. */
void refusal_report_end(struct driver *driver, const struct caller *caller, enum caller_end end);

/* A connection that was accepted ended before it had a caller, as memory lacked: it is counted as
 * accepted and as ended. */
void refusal_count_unopened(struct driver *driver);

/* A request succeeded, and its answer could not be given: the caller got this error. */
void refusal_report_lost(struct driver *driver, const struct caller *caller,
			 const struct error *error);

#endif
