/* The params of poold.call: [pool, method, args, options?]. */
#ifndef POOLD_LIB_CALL_PARAMS_H
#define POOLD_LIB_CALL_PARAMS_H

#include "client/lib/poold.h"
#include "protocol/buf.h"

/* Whether all options are in the range that poold.h gives them. */
bool call_is_valid(const struct poold_call_options *options);

/* Packs the bytes before the args and those after them, so that the args themselves are copied only
 * once.  -ENOMEM, -ENOBUFS (over 4 GiB). */
int call_pack(const char *pool, const char *method, const struct poold_call_options *options,
	      struct buf *before, struct buf *after);

#endif
