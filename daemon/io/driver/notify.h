/* Reports what changes: a line in the log, and an event for those callers that have subscribed. */
#ifndef POOLD_IO_DRIVER_NOTIFY_H
#define POOLD_IO_DRIVER_NOTIFY_H

#include "daemon/core/circuit.h"
#include "daemon/io/base/log.h"
#include "daemon/io/driver/caller.h"
#include "daemon/io/driver/events.h"
#include "daemon/io/worker/output.h"
#include "protocol/buf.h"
#include "protocol/error.h"

struct audience;
struct driver;
struct effect;
struct overload;

/* The line of an event in the log, with its message id, and where fields are stored apart with its
 * number: `seq`, or 0 for the event that is begun next. */
void notify_log(const struct driver *driver, enum event_kind kind, uint64_t seq,
		enum log_level level, const struct log_field *fields, size_t count,
		const char *format, ...) PRINTF_LIKE(7, 8);

/* A line about a worker, and an event: `what` is "started", "ready", "ended" and the like. */
COLD void notify_worker(struct driver *driver, enum log_level level, uint32_t worker,
			const char *what, const char *text);
/* The event alone.  The text is for those who may call the pool, or with `is_of_requests` (it may
 * tell of somebody's request) for those alone who may control it. */
void notify_worker_event(struct driver *driver, uint32_t worker, const char *what, const char *text,
			 bool is_of_requests);
/* A line of a worker's output (output.h): for the log alone. */
void notify_output(struct driver *driver, uint32_t worker, enum output_stream stream,
		   struct bytes line, unsigned part);
void notify_output_dropped(struct driver *driver, uint32_t worker, uint64_t count);
/* The end of the standard error of a worker that has ended, where the log keeps fields apart. */
void notify_last_stderr(struct driver *driver, uint32_t worker);
COLD void notify_health(struct driver *driver, const struct effect *effect);
void notify_breaker(struct driver *driver, const struct effect *effect);
void notify_level(struct driver *driver, const struct effect *effect);
void notify_roll(struct driver *driver, const struct effect *effect);
void notify_recovery(struct driver *driver, const struct effect *effect);
void notify_session(struct driver *driver, const struct effect *effect);
/* The loop stood still, and the machine was suspended, for so long; one may be 0. */
COLD void notify_standstill(struct driver *driver, usec_t stalled, usec_t suspended);
/* An attempt failed with this error, and the request is tried again. */
void notify_retry(struct driver *driver, const struct audience *audience, const struct error *error,
		  const struct effect *effect);
/* NO_SLOT: the daemon. */
void notify_overload(struct driver *driver, uint32_t pool, const struct overload *overload,
		     bool begins);
/* What is configured changed: `what` in one word or two, `text` in a sentence, which is also the
 * line in the log, for those who may control the pool.  NO_SLOT: it is about the daemon. */
void notify_config(struct driver *driver, enum log_level level, uint32_t pool, const char *what,
		   const char *text);
/* "ready" or "stopping"; the text is the line in the log.  `is_open`: everybody may read it. */
void notify_daemon(struct driver *driver, const char *what, bool is_open, const char *text);
void notify_error(struct driver *driver, const struct audience *audience,
		  const struct error *error);
/* The event alone: the caller was cut off. */
void notify_end(struct driver *driver, const struct caller *caller, enum caller_end end);

/* Packs {uid, pid, ago_ms} of who changed it, or nil where no operator did, or where it is not to be
 * shown. */
void notify_pack_operator(const struct driver *driver, struct buf *out,
			  const struct circuit_operator *operator, bool is_shown);

#endif
