/* The methods that change something, and those of the daemon's own that take params. */
#ifndef POOLD_IO_ADMIN_CONTROL_H
#define POOLD_IO_ADMIN_CONTROL_H

#include "protocol/base.h"
#include "protocol/buf.h"
#include "protocol/errcode.h"
#include "protocol/method.h"

struct caller;
struct driver;

/* Room for a sentence that says what is wrong. */
#define CONTROL_WHY_SIZE 256

/*
 * Carries out a method of kind CONTROL, or session_close or subscribe, and packs its result.
 * Returns ERR_NONE, or what is wrong and a sentence in `why`.
 */
enum errcode control_answer(struct driver *driver, struct caller *caller, enum method method,
			    struct bytes params, struct buf *out, char why[CONTROL_WHY_SIZE]);

/* The only parameter of methods that take a number or none: how many are wanted; `initial` without
 * one.  Returns 0 or -EINVAL. */
int control_read_max(struct bytes params, unsigned initial, unsigned *ret_max);

#endif
