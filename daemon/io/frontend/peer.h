/* Who is at the other end of a Unix socket. */
#ifndef POOLD_IO_FRONTEND_PEER_H
#define POOLD_IO_FRONTEND_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct peer {
	uint32_t uid;
	int32_t pid;
	bool in_group;
};

/* As the kernel noted it when the connection was made; `group`: asked whether the peer is of it,
 * when `has_group`.  A socket that tells nothing gives a nobody. */
struct peer peer_of(int fd, bool has_group, gid_t group);

#endif
