/*
 * When memory is short: which client holds the most, and whose half-received request is refused so
 * that others go on.
 */
#ifndef POOLD_IO_FRONTEND_SHORTAGE_H
#define POOLD_IO_FRONTEND_SHORTAGE_H

struct frontend;

/* Has the loop say when memory is short.  frontend_init does it. */
void shortage_watch(struct frontend *frontend);

#endif
