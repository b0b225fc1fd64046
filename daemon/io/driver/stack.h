/*
 * Where a worker is in its code: at a signal that it has named (PROTOCOL.md, `ready`) it writes the
 * stacks of its threads to standard error, also while its code holds the interpreter.  What it
 * writes there in the moments after is taken as that, and told as an event of kind worker, "stack".
 */
#ifndef POOLD_IO_DRIVER_STACK_H
#define POOLD_IO_DRIVER_STACK_H

#include "protocol/base.h"

struct channel;
struct driver;

/* Asks for it; where it was asked already, once.  Returns 0; -EOPNOTSUPP: it has named no signal,
 * or the daemon does not read its standard error; -ESRCH: there is no process; -ENOMEM. */
int stack_ask(struct driver *driver, uint32_t worker);

/* The worker wrote a line to standard error. */
void stack_take(struct channel *channel, struct bytes line);

/* The worker has ended: what has come is told. */
void stack_end(struct channel *channel);

/* Forgets what was asked. */
void stack_drop(struct channel *channel);

#endif
