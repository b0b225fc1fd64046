/* Where the daemon's socket is, for a client that was not told. */
#ifndef POOLD_CLIENT_LOOKUP_H
#define POOLD_CLIENT_LOOKUP_H

#include <stddef.h>

/*
 * Writes the path: $POOLD_SOCKET if that is set and not empty; else POOLD_SOCKET_DEFAULT if there
 * is such a file; else the socket of this user's `poold run` (protocol/run_path.h), if there is one
 * and only the user may change its folder; else POOLD_SOCKET_DEFAULT.  Returns 0 or -EINVAL: the
 * path is too long.
 */
int lookup_socket(char *out, size_t size);

#endif
