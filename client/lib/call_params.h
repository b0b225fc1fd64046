/* The params of poold.call: [pool, method, args, options?]. */
#ifndef POOLD_LIB_CALL_PARAMS_H
#define POOLD_LIB_CALL_PARAMS_H

#include "client/lib/poold.h"
#include "protocol/buf.h"

/* Whether the options are such as poold.h has them. */
bool call_is_valid(const struct poold_call_options *options);

/* Packs what stands before the args and what stands after them, so that the args themselves are
 * copied only once.  -ENOMEM, -ENOBUFS. */
int call_pack(const char *pool, const char *method, const struct poold_call_options *options,
	      struct buf *before, struct buf *after);

#endif
