/*
 * Descriptors that are handed to another process with a message (SCM_RIGHTS in unix(7)).
 */
#ifndef POOLD_IO_WORKER_DESCRIPTORS_H
#define POOLD_IO_WORKER_DESCRIPTORS_H

#include "protocol/base.h"

#define DESCRIPTORS_MAX 4 /* with one message */

/* Sends the message whole on the Unix socket `fd`, without blocking, and with its first byte these
 * files, 1 to DESCRIPTORS_MAX, which stay open here.  Returns 0 or -errno; -EMSGSIZE: only a part of it
 * was sent. */
int descriptors_send(int fd, struct bytes message, const int *files, size_t count);

#endif
