/* Wants that pass by themselves. */
#ifndef POOLD_IO_BASE_PASSING_H
#define POOLD_IO_BASE_PASSING_H

#include <errno.h>
#include <stdbool.h>

/* Whether the error (-errno) says that something has run out which may be there a moment later, so
 * that the same step is worth another try. */
static inline bool is_passing(int error)
{
	return error == -ENOMEM || error == -EAGAIN || error == -EINTR || error == -EMFILE ||
	       error == -ENFILE || error == -ENOBUFS;
}

#endif
