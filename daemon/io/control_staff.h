/* The methods about the workers of a pool: restart, resize, kill, stack, drain, resume. */
#ifndef POOLD_IO_CONTROL_STAFF_H
#define POOLD_IO_CONTROL_STAFF_H

#include "daemon/io/control.h"
#include "daemon/io/driver.h"

/* As control_answer, for one of METHOD_restart_workers, _resize, _kill_worker, _stack, _drain,
 * _resume. */
enum errcode control_staff(struct driver *driver, enum method method, struct bytes params,
			   struct buf *out, char why[CONTROL_WHY_SIZE]);

/* Packs how the rolling restart of a pool goes; nil: there was none. */
void control_pack_roll(const struct driver *driver, struct buf *out, const struct roll *roll);

#endif
