/*
 * Where a worker is in its code: at a signal that it has named (PROTOCOL.md, `ready`) it writes the
 * stacks of its threads to standard error, even while its code holds the interpreter.  The lines
 * that it writes there directly afterwards are taken as the stacks, and reported as an event of
 * kind worker, "stack".
 */
#ifndef POOLD_IO_DRIVER_STACK_H
#define POOLD_IO_DRIVER_STACK_H

#include "protocol/base.h"

struct life;
struct driver;

/* Sends the signal, unless stacks of the worker are being collected already.  Returns 0;
 * -EOPNOTSUPP: it has named no signal, or the daemon does not read its standard error; -ESRCH:
 * there is no process; -ENOMEM. */
int stack_ask(struct driver *driver, uint32_t worker);

/* The worker wrote a line to standard error. */
void stack_take(struct life *life, struct bytes line);

/* The worker has ended: reports what has come, if anything was asked for. */
void stack_end(struct life *life);

/* Stops collecting without a report. */
void stack_drop(struct life *life);

#endif
