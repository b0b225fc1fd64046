/* Who is at the other end of a Unix socket. */
#ifndef POOLD_IO_FRONTEND_PEER_H
#define POOLD_IO_FRONTEND_PEER_H

#include <stdint.h>
#include <sys/types.h>

struct peer {
	uint32_t uid;
	int32_t pid;
	uint64_t groups; /* bit i: it is a member of the i-th of the groups asked for */
};

/* As the kernel noted it when the connection was made.  `count` groups are asked for, 64 at most.
 * Where the kernel knows no peer, the uid is UINT32_MAX. */
struct peer peer_of(int fd, const gid_t *groups, unsigned count);

/*
 * A pidfd of the process that made the connection, which the caller closes; -errno: it has ended.
 * Before Linux 6.5 it is found by its number, which another process may have got since.
 */
int peer_pidfd(int fd, const struct peer *peer);

#endif
