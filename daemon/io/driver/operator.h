/* What an operator changes: each returns ERR_NONE, or why the engine refuses. */
#ifndef POOLD_IO_DRIVER_OPERATOR_H
#define POOLD_IO_DRIVER_OPERATOR_H

#include "daemon/core/breaker.h"
#include "protocol/base.h"
#include "protocol/errcode.h"

struct call;
struct driver;

/* A breaker; `method` empty: the pool's own. */
enum errcode operator_set_breaker(struct driver *driver, uint32_t pool, struct bytes method,
				  enum breaker_state state, uint32_t uid, int32_t pid);
enum errcode operator_cancel_recovery(struct driver *driver, uint64_t id);
/* Ends an open call with the error cancelled, whose message says that an operator did it. */
void operator_cancel_request(struct driver *driver, struct call *call, uint32_t uid);
/* A pool's workers: see the events of these names in engine.h. */
enum errcode operator_restart(struct driver *driver, uint32_t pool);
enum errcode operator_resize(struct driver *driver, uint32_t pool, unsigned min, unsigned max);
enum errcode operator_set_drained(struct driver *driver, uint32_t pool, bool drained);
enum errcode operator_kill(struct driver *driver, uint32_t worker, int signal);
/* Closes the session that this user has by that name. */
enum errcode operator_close_session(struct driver *driver, uint32_t user, struct bytes name);

#endif
