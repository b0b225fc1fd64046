/* The methods about the workers of a pool: restart, resize, kill, stack, drain, resume. */
#ifndef POOLD_IO_ADMIN_CONTROL_WORKERS_H
#define POOLD_IO_ADMIN_CONTROL_WORKERS_H

#include "daemon/io/admin/control.h"
#include "daemon/io/driver/driver.h"

/* As control_answer, for one of METHOD_restart_workers, _resize, _kill_worker, _stack, _drain,
 * _resume. */
enum errcode control_workers(struct driver *driver, enum method method, struct bytes params,
			     struct buf *out, char why[CONTROL_WHY_SIZE]);

#endif
