/* Reports errors to the operator: in the log, in poold.errors, as events. */
#ifndef POOLD_IO_DRIVER_ERROR_REPORT_H
#define POOLD_IO_DRIVER_ERROR_REPORT_H

#include "protocol/error.h"

struct audience;
struct driver;

/*
 * Reports an error of the pool in all three ways: `what` begins the line in the log, and what is
 * particular about the error only its audience gets to read.  An incident is an error that belongs
 * to no request.  When there are too many errors in a second, some are
 * only counted, and the next line in the log says how many.
 */
void error_report(struct driver *driver, const struct audience *audience, const struct error *error,
		  const char *what, bool is_incident);

/* The line in the log alone; `held`: so many before it were only counted. */
void error_report_line(const struct error *error, const char *what, unsigned held);

#endif
