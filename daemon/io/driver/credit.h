/*
 * The steps of back-pressure (flow.h): what clients take goes on to workers as credit, and the
 * engine learns whom they hold back.
 */
#ifndef POOLD_IO_DRIVER_CREDIT_H
#define POOLD_IO_DRIVER_CREDIT_H

#include <stdbool.h>
#include <stdint.h>

struct caller;
struct driver;
struct life;

/* A part of `bytes` was put for the caller of the request in `slot`, which the worker has as `id`.
 */
void flow_took_part(struct driver *driver, struct life *life, uint32_t id, uint32_t slot,
		    uint64_t bytes);

/* The caller's peer has taken more bytes: caller->taken.  Not while effects are carried out. */
void driver_caller_took(struct driver *driver, struct caller *caller);

/* The caller has too much unread, or no more: from the end of this turn on its queued requests are
 * held, or are not.  May be called while effects are carried out. */
void driver_hold_caller(struct driver *driver, struct caller *caller, bool held);

/* Tells the engine of those: at the end of a turn. */
void flow_hold_callers(struct driver *driver);

#endif
