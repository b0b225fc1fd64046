/* What poold.requests answers (PROTOCOL.md): the requests that are not answered yet. */
#ifndef POOLD_IO_ADMIN_REPORT_REQUESTS_H
#define POOLD_IO_ADMIN_REPORT_REQUESTS_H

#include "daemon/io/driver/driver.h"
#include "protocol/buf.h"
#include "protocol/errcode.h"

struct caller;

/*
 * Packs those of the caller's user, of the pools that it controls, or all for who controls the
 * daemon; the oldest first.  Returns ERR_NONE, or what is wrong with `params` and a sentence in
 * `why` (CONTROL_WHY_SIZE).
 */
enum errcode report_requests(const struct driver *driver, const struct caller *caller,
			     struct bytes params, struct buf *out, char *why);

#endif
