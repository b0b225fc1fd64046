/* What a caller does with its calls: hand them over, give them up, leave. */
#ifndef POOLD_IO_DRIVER_SUBMIT_H
#define POOLD_IO_DRIVER_SUBMIT_H

#include "daemon/core/request.h"
#include "protocol/base.h"

struct call;
struct caller;
struct driver;

/* The options of a call. */
struct call_options {
	usec_t timeout; /* 0: the pool's */
	bool has_idempotent;
	bool is_idempotent;
	enum priority priority;
	uint32_t max_attempts; /* 0: as the error policy says */
	bool no_fallback;      /* no other pool of the chain may answer */
	bool is_stream;	       /* the caller takes parts of the answer */
	bool is_restartable;   /* and these may begin anew */
	bool session_exists;   /* its session is not to be opened for it */
};

/* Hands over an open call, whose pool, method and arguments are set.  Its caller is answered,
 * perhaps before this returns; then the call is closed. */
void driver_submit(struct driver *driver, struct call *call, const struct call_options *options);

/* The caller gives its call up, and is answered so. */
void driver_cancel(struct driver *driver, const struct call *call);

/* The caller is one of those that poold.clients shows, until it leaves. */
void driver_join(struct driver *driver, struct caller *caller);

/* The caller goes: its open calls are given up without an answer, and it gets no more events. */
void driver_leave(struct driver *driver, struct caller *caller);

#endif
