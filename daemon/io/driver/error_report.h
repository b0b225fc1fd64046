/* Reports errors to the operator: in the log, in poold.errors, as events. */
#ifndef POOLD_IO_DRIVER_ERROR_REPORT_H
#define POOLD_IO_DRIVER_ERROR_REPORT_H

#include "protocol/error.h"

struct driver;
struct error_record;

/*
 * Reports an error of the pool in all three ways: `what` begins the line in the log, and what is
 * particular about the error only its audience gets to read.  When there are too many errors in a
 * second, some become an event and are counted, and the next line in the log says how many.
 */
void error_report(struct driver *driver, const struct error_record *record, const char *what);

/* The line and the entry of poold.errors, without that limit, of the error whose event was sent
 * last; `held`: so many before it were only counted. */
void error_report_record(struct driver *driver, const struct error_record *record, const char *what,
			 unsigned held);

/* The line in the log alone. */
void error_report_line(const struct error_record *record, const char *what, unsigned held);

#endif
