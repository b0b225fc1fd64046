/* Why the daemon ended a worker: the log and the errors of the requests that failed by
 * it name this. */
#ifndef POOLD_CORE_CAUSE_H
#define POOLD_CORE_CAUSE_H

#include <stdbool.h>

/* CAUSE(NAME, "name", text): why the daemon ended a worker. */
#define WORKER_CAUSES(CAUSE)                                                                       \
	CAUSE(NONE, "none", "ended by itself")                                                     \
	CAUSE(OVERRUN, "overrun", "killed for overrunning the deadline of a request")              \
	CAUSE(CANCELLED, "cancelled", "killed as it did not give up a cancelled request")          \
	CAUSE(INIT_TIMEOUT, "init_timeout", "killed as it was not ready in time")                  \
	CAUSE(HEALTH, "health", "killed as it did not answer its health checks")                   \
	CAUSE(PROTOCOL, "protocol", "killed for breaking the protocol")                            \
	CAUSE(CLOSED, "closed", "killed as it closed its channel")                                 \
	CAUSE(FATAL, "fatal", "replaced as it said that it is broken")                             \
	CAUSE(EJECTED, "ejected", "replaced as it failed again and again")                         \
	CAUSE(MEMORY, "memory", "replaced as the heaviest idle worker when memory was short")      \
	CAUSE(SERVED, "max_requests", "replaced after max_requests answers")                       \
	CAUSE(AGED, "max_lifetime", "replaced after max_lifetime")                                 \
	CAUSE(GROWN, "max_memory", "replaced as it used more than max_memory")                     \
	CAUSE(ROLLED, "restart", "replaced by a rolling restart")                                  \
	CAUSE(SURPLUS, "resize", "stopped as there were more than the pool may have")              \
	CAUSE(OPERATOR, "by_hand", "killed by hand")                                               \
	CAUSE(IDLE, "idle", "stopped as it was not needed")                                        \
	CAUSE(STOPPING, "stopping", "stopped with the daemon")

enum worker_cause {
#define CAUSE(name, word, text) CAUSE_##name,
	WORKER_CAUSES(CAUSE)
#undef CAUSE
	CAUSE_COUNT_
};

/* The cause's name on the wire and in the log, and its description for people. */
const char *worker_cause_name(enum worker_cause cause);
const char *worker_cause_text(enum worker_cause cause);

/* Whether the end is planned: the worker was not needed any more, so that its end is no failure. */
bool worker_cause_is_planned(enum worker_cause cause);

/* Whether a worker that ends for this cause is replaced: the replacement starts before it ends. */
bool worker_cause_is_replacement(enum worker_cause cause);

#endif
