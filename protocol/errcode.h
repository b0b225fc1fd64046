/*
 * Error codes, their categories and their rows of the default error matrix.  The table is
 * errcode.def.
 *
 * Only the names are sent over the wire; the numbers are private to one build.
 */
#ifndef POOLD_PROTOCOL_ERRCODE_H
#define POOLD_PROTOCOL_ERRCODE_H

#include "protocol/base.h"

enum errcode {
	ERR_NONE = 0, /* no error; never sent */
#define CODE(name, ...) ERR_##name,
#include "protocol/errcode.def"
#undef CODE
	ERR_COUNT_
};

enum errcategory {
	ERRCAT_initialization = 0,
	ERRCAT_connection,
	ERRCAT_communication,
	ERRCAT_timeout,
	ERRCAT_resource,
	ERRCAT_health_check,
	ERRCAT_session,
	ERRCAT_application,
	ERRCAT_system,
	ERRCAT_request,
	ERRCAT_COUNT_
};

enum errseverity {
	SEVERITY_WARNING = 0,
	SEVERITY_MINOR,
	SEVERITY_MAJOR,
	SEVERITY_CRITICAL,
	SEVERITY_COUNT_
};

enum errstrategy {
	STRATEGY_ABANDON = 0,
	STRATEGY_IMMEDIATE_RETRY,
	STRATEGY_BACKOFF_RETRY,
	STRATEGY_CIRCUIT_BREAK,
	STRATEGY_FAILOVER,
	STRATEGY_COUNT_
};

enum errbackoff {
	ERRBACKOFF_NONE = 0,
	ERRBACKOFF_LINEAR,
	ERRBACKOFF_EXPONENTIAL,
	ERRBACKOFF_COUNT_
};

enum errfailover {
	FAILOVER_NO = 0,
	FAILOVER_YES,
	FAILOVER_IDEMPOTENT,
	FAILOVER_ASKED,
	FAILOVER_COUNT_
};

/* Whether the code of a worker may have been executed for a request that failed. */
enum executed {
	EXECUTED_NO = 0,
	EXECUTED_MAYBE,
	EXECUTED_YES,
	EXECUTED_COUNT_
};

struct errinfo {
	const char *name;
	enum errcategory category;
	enum errseverity severity;
	enum errstrategy strategy;
	unsigned retries;
	enum errbackoff backoff;
	bool counts_worker;
	bool counts_breaker;
	enum errfailover fails_over;
	const char *text; /* for people: one sentence without a full stop */
};

/* The row of a code, which must be above ERR_NONE and below ERR_COUNT_. */
const struct errinfo *errcode_info(enum errcode code);

/* "attempt_timeout" and so on; "none" for ERR_NONE. */
const char *errcode_name(enum errcode code);

/* The code of that name; ERR_NONE: there is none.  `name` need not end in a zero byte. */
enum errcode errcode_find(const char *name, size_t len);

/* "timeout_error": the category's name on the wire, always ending in _error. */
const char *errcategory_name(enum errcategory category);
const char *errseverity_name(enum errseverity severity);
const char *errstrategy_name(enum errstrategy strategy);
const char *errbackoff_name(enum errbackoff backoff);
const char *errfailover_name(enum errfailover failover);
const char *executed_name(enum executed executed);

/* The value of that name, which need not end in a zero byte, or the _COUNT_ of its kind. */
enum errcategory errcategory_find(const char *name, size_t len);
enum errseverity errseverity_find(const char *name, size_t len);

#endif
