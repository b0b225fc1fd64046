/* What the daemon counts beside its pools. */
#ifndef POOLD_IO_DRIVER_STATS_H
#define POOLD_IO_DRIVER_STATS_H

#include "daemon/io/driver/caller.h"
#include "protocol/errcode.h"

#include <stdint.h>

/* COUNTER(name, help) */
#define DAEMON_COUNTERS(COUNTER)                                                                   \
	COUNTER(connections_accepted, "connections taken")                                         \
	COUNTER(connections_refused, "connections closed at once as all places were taken")        \
	COUNTER(connections_evicted, "idle connections closed for new ones")                       \
	COUNTER(connections_stalled, "connections closed as they did not read their answers")      \
	COUNTER(http_requests, "requests over HTTP that were answered")                            \
	COUNTER(http_refused, "requests and connections over HTTP that were refused: malformed, "  \
			      "too many or too slow")                                              \
	COUNTER(messages_malformed, "messages that were not what the protocol says")               \
	COUNTER(duplicate_ids, "connections closed for using a message id twice at a time")        \
	COUNTER(requests_refused, "requests refused before they reached a pool")                   \
	COUNTER(requests_unfinished,                                                               \
		"requests refused before their end had come, as memory was short")                 \
	COUNTER(answers_lost, "requests that succeeded at their pool and failed as memory for "    \
			      "the answer lacked")                                                 \
	COUNTER(output_lines, "lines that workers wrote to standard output and error, logged")     \
	COUNTER(output_dropped, "lines of workers that were over their output_rate, not logged")   \
	COUNTER(log_lines_held,                                                                    \
		"lines about requests and connections that were too many in a second, not logged") \
	COUNTER(sessions_lost, "times a session lost its state as its worker ended")               \
	COUNTER(alerts_undelivered, "alerts that alert_command or alert_url did not take at once") \
	COUNTER(stalls, "times the daemon's loop stood still for more than 100 ms")                \
	COUNTER(stalled_ms, "milliseconds in which it stood still")

/* Incidents of one pool, by code. */
struct incident_counts {
	uint64_t codes[ERR_COUNT_];
	uint64_t output_dropped; /* lines of its workers that were over their output_rate */
	uint32_t output_worker;	 /* whose they were last */
};

struct daemon_stats {
#define COUNTER(name, help) uint64_t name;
	DAEMON_COUNTERS(COUNTER)
#undef COUNTER
	uint64_t refusals[ERR_COUNT_];	  /* requests_refused, by code */
	uint64_t ends[CALLER_END_COUNT_]; /* connections that have ended, by the reason */
	unsigned connections_open;	  /* now */
	unsigned connections_high;	  /* the most since the last turn of the loop */
};

#endif
