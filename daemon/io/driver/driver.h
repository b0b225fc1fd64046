/*
 * The driver as a whole: made, started, stopped; and what it does at each turn of the loop.
 */
#ifndef POOLD_IO_DRIVER_DRIVER_H
#define POOLD_IO_DRIVER_DRIVER_H

#include "daemon/io/driver/state.h"

/*
 * Makes ready to run the pools of `config`, to which it takes a reference.  The loop, the guard and
 * the driver itself must stay where they are until driver_done; the loop's timer and turns are the
 * driver's.  Returns 0 or -errno.
 */
int driver_init(struct driver *driver, struct loop *loop, const struct config *config,
		const struct guard *guard, const struct rlimit *open_files);

/* All callers must have left.  Kills what workers are left. */
void driver_done(struct driver *driver);

/* Starts the workers; the owner's on_... must be set. */
void driver_start(struct driver *driver);

/*
 * From now on the driver works by `config`, to which it takes a reference; the one before may be
 * freed once nothing holds it any more: a worker keeps that which it was started by.  The number of
 * requests, sessions and workers, what the engine decides by, and the fork servers stay as they
 * are.  Returns 0; -EINVAL: it has not the same pools, of the same kind and in the same order.
 */
int driver_set_config(struct driver *driver, const struct config *config);

/* Drains the pools and ends their workers; on_stopped follows.  Called again: without waiting for
 * the requests that are open. */
void driver_stop(struct driver *driver);

#endif
