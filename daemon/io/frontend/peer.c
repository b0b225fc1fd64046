#include "daemon/io/frontend/peer.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* More supplementary groups than that are not looked at. */
#define GROUPS_MAX 1024

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static uint64_t mask_of(gid_t gid, const gid_t *groups, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (groups[i] == gid)
			return UINT64_C(1) << i;
	return 0;
}

static uint64_t supplementary(int fd, const gid_t *groups, unsigned count)
{
	gid_t found[GROUPS_MAX];
	socklen_t len = sizeof(found);
	uint64_t mask = 0;

	if (count == 0 || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, found, &len) < 0)
		return 0;
	for (size_t i = 0; i < len / sizeof(found[0]); i++)
		mask |= mask_of(found[i], groups, count);
	return mask;
}

struct peer peer_of(int fd, const gid_t *groups, unsigned count)
{
	struct ucred credentials;
	socklen_t len = sizeof(credentials);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) < 0)
		return (struct peer){.uid = UINT32_MAX};
	return (struct peer){
		.uid = credentials.uid,
		.pid = credentials.pid,
		.groups =
			mask_of(credentials.gid, groups, count) | supplementary(fd, groups, count),
	};
}

int peer_pidfd(int fd, const struct peer *peer)
{
	socklen_t len = sizeof(int);
	int pidfd;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) == 0)
		return pidfd;
	if (errno != ENOPROTOOPT)
		return -errno;
	pidfd = (int)syscall(SYS_pidfd_open, peer->pid, 0);
	return pidfd < 0 ? -errno : pidfd;
}
