#include "protocol/errcode.h"

#include <string.h>

static const struct errinfo errors[ERR_COUNT_] = {
#define CODE(name, category, severity, strategy, retries, backoff, worker, breaker, over, text)    \
	[ERR_##name] = {#name,                                                                     \
			ERRCAT_##category,                                                         \
			SEVERITY_##severity,                                                       \
			STRATEGY_##strategy,                                                       \
			retries,                                                                   \
			ERRBACKOFF_##backoff,                                                      \
			worker,                                                                    \
			breaker,                                                                   \
			FAILOVER_##over,                                                           \
			text},
#include "protocol/errcode.def"
#undef CODE
};

static const char *const category_names[] = {
	[ERRCAT_initialization] = "initialization_error",
	[ERRCAT_connection] = "connection_error",
	[ERRCAT_communication] = "communication_error",
	[ERRCAT_timeout] = "timeout_error",
	[ERRCAT_resource] = "resource_error",
	[ERRCAT_health_check] = "health_check_error",
	[ERRCAT_session] = "session_error",
	[ERRCAT_application] = "application_error",
	[ERRCAT_system] = "system_error",
	[ERRCAT_request] = "request_error",
};

static const char *const severity_names[] = {
	[SEVERITY_WARNING] = "warning",
	[SEVERITY_MINOR] = "minor",
	[SEVERITY_MAJOR] = "major",
	[SEVERITY_CRITICAL] = "critical",
};

static const char *const strategy_names[] = {
	[STRATEGY_ABANDON] = "abandon",
	[STRATEGY_IMMEDIATE_RETRY] = "immediate_retry",
	[STRATEGY_BACKOFF_RETRY] = "backoff_retry",
	[STRATEGY_CIRCUIT_BREAK] = "circuit_break",
	[STRATEGY_FAILOVER] = "failover",
};

static const char *const backoff_names[] = {
	[ERRBACKOFF_NONE] = "none",
	[ERRBACKOFF_LINEAR] = "linear",
	[ERRBACKOFF_EXPONENTIAL] = "exponential",
};

static const char *const failover_names[] = {
	[FAILOVER_NO] = "no",
	[FAILOVER_YES] = "yes",
	[FAILOVER_IDEMPOTENT] = "idempotent",
	[FAILOVER_ASKED] = "asked",
};

static const char *const executed_names[] = {
	[EXECUTED_NO] = "no",
	[EXECUTED_MAYBE] = "maybe",
	[EXECUTED_YES] = "yes",
};

static_assert(ARRAY_SIZE(category_names) == ERRCAT_COUNT_, "a category has no name");
static_assert(ARRAY_SIZE(severity_names) == SEVERITY_COUNT_, "a severity has no name");
static_assert(ARRAY_SIZE(strategy_names) == STRATEGY_COUNT_, "a strategy has no name");
static_assert(ARRAY_SIZE(backoff_names) == ERRBACKOFF_COUNT_, "a backoff has no name");
static_assert(ARRAY_SIZE(failover_names) == FAILOVER_COUNT_, "a failover has no name");
static_assert(ARRAY_SIZE(executed_names) == EXECUTED_COUNT_, "an executed has no name");

const struct errinfo *errcode_info(enum errcode code)
{
	assert(code > ERR_NONE && code < ERR_COUNT_);
	return &errors[code];
}

const char *errcode_name(enum errcode code)
{
	return code == ERR_NONE ? "none" : errcode_info(code)->name;
}

enum errcode errcode_find(const char *name, size_t len)
{
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++)
		if (strlen(errors[code].name) == len && memcmp(errors[code].name, name, len) == 0)
			return code;
	return ERR_NONE;
}

const char *errcategory_name(enum errcategory category)
{
	assert(category < ERRCAT_COUNT_);
	return category_names[category];
}

const char *errseverity_name(enum errseverity severity)
{
	assert(severity < SEVERITY_COUNT_);
	return severity_names[severity];
}

const char *errstrategy_name(enum errstrategy strategy)
{
	assert(strategy < STRATEGY_COUNT_);
	return strategy_names[strategy];
}

const char *errbackoff_name(enum errbackoff backoff)
{
	assert(backoff < ERRBACKOFF_COUNT_);
	return backoff_names[backoff];
}

const char *errfailover_name(enum errfailover failover)
{
	assert(failover < FAILOVER_COUNT_);
	return failover_names[failover];
}

const char *executed_name(enum executed executed)
{
	assert(executed < EXECUTED_COUNT_);
	return executed_names[executed];
}

/* The index of the name in the list, or `count`. */
static unsigned find(const char *const *names, unsigned count, const char *name, size_t len)
{
	unsigned i = 0;

	while (i < count && (strlen(names[i]) != len || memcmp(names[i], name, len) != 0))
		i++;
	return i;
}

enum errcategory errcategory_find(const char *name, size_t len)
{
	return (enum errcategory)find(category_names, ERRCAT_COUNT_, name, len);
}

enum errseverity errseverity_find(const char *name, size_t len)
{
	return (enum errseverity)find(severity_names, SEVERITY_COUNT_, name, len);
}
