/* The daemon's own methods: poold.health, poold.status and so on.  They never wait for a worker. */
#ifndef POOLD_IO_ADMIN_ADMIN_H
#define POOLD_IO_ADMIN_ADMIN_H

#include "daemon/io/driver/caller.h"
#include "daemon/io/driver/driver.h"
#include "protocol/buf.h"
#include "protocol/method.h"

/*
 * Packs the answer to a method of kind READ (other than hello) or CONTROL: one whole value. Returns
 * ERR_NONE, or what is wrong and a sentence of at most CONTROL_WHY_SIZE bytes in `why`.
 */
enum errcode admin_answer(struct driver *driver, struct caller *caller, enum method method,
			  struct bytes params, struct buf *out, char *why);

/* Packs the answer to hello. */
void admin_hello(const struct driver *driver, bool errors_map, struct buf *out);

#endif
