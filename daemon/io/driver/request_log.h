/* A line in the log for each request that was answered with a result, or whose client was gone, as
 * far as log_requests asks for it.  Failed ones have their line anyway (error_report.h). */
#ifndef POOLD_IO_DRIVER_REQUEST_LOG_H
#define POOLD_IO_DRIVER_REQUEST_LOG_H

#include "daemon/io/base/log.h"

struct call;
struct driver;
struct effect;

struct request_log {
	struct log_limit limit;
	uint64_t answered; /* requests that a sample is taken of */
};

void request_log_init(struct request_log *request_log);

/* The call is over with this EFFECT_RESULT or EFFECT_DROP. */
void request_log_take(struct driver *driver, const struct call *call, const struct effect *effect);

#endif
