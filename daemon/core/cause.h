/* Why the daemon ended a worker: told with its requests that failed by it, and in the log. */
#ifndef POOLD_CORE_CAUSE_H
#define POOLD_CORE_CAUSE_H

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
	CAUSE(IDLE, "idle", "stopped as it was not needed")                                        \
	CAUSE(STOPPING, "stopping", "stopped with the daemon")

enum worker_cause {
#define CAUSE(name, word, text) CAUSE_##name,
	WORKER_CAUSES(CAUSE)
#undef CAUSE
	CAUSE_COUNT_
};

const char *worker_cause_name(enum worker_cause cause);
const char *worker_cause_text(enum worker_cause cause);

#endif
