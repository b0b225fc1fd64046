/* The daemon's own methods: what poold.health, poold.status and their kin answer.  They never wait
 * for a worker. */
#ifndef POOLD_IO_ADMIN_H
#define POOLD_IO_ADMIN_H

#include "daemon/io/driver.h"
#include "protocol/buf.h"
#include "protocol/method.h"

/* Packs the answer to a READ method other than hello: one whole value. */
void admin_answer(const struct driver *driver, enum method method, struct buf *out);

/* Packs the answer to hello. */
void admin_hello(const struct driver *driver, bool errors_map, struct buf *out);

#endif
