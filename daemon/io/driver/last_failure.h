/* The last failed request of a pool in words: for the reports on a pool most of whose requests fail. */
#ifndef POOLD_IO_DRIVER_LAST_FAILURE_H
#define POOLD_IO_DRIVER_LAST_FAILURE_H

#include "daemon/io/driver/rights.h"
#include "protocol/error.h"

#define LAST_FAILURE_TYPE 104
#define LAST_FAILURE_TEXT 256

struct last_failure {
	enum errcode code;	      /* ERR_NONE: there was none */
	char type[LAST_FAILURE_TYPE]; /* of the worker's exception; "": it has none */
	char text[LAST_FAILURE_TEXT]; /* for its audience alone */
	struct audience audience;
};

/* Errors that are the request's own are left out. */
void last_failure_take(struct last_failure *last, const struct error *error,
		       const struct audience *audience);

#endif
