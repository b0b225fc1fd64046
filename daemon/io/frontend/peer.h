/* Who is at the other end of a Unix socket. */
#ifndef POOLD_IO_FRONTEND_PEER_H
#define POOLD_IO_FRONTEND_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct peer {
	uint32_t uid;
	int32_t pid;
	bool is_in_group;
};

/* As the kernel noted it when the connection was made.  `in_group` says whether the peer was a
 * member of `group`; false without `has_group`.  Where the kernel knows no peer, the uid is
 * UINT32_MAX. */
struct peer peer_of(int fd, bool has_group, gid_t group);

/* Whether the peer was a member of that group when the connection was made. */
bool peer_is_member(int fd, gid_t group);

#endif
