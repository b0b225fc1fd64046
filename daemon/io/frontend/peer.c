#include "daemon/io/frontend/peer.h"

#include <sys/socket.h>

/* More supplementary groups than that are not looked at. */
#define GROUPS_MAX 1024

static bool has_supplementary(int fd, gid_t group)
{
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == group)
			return true;
	return false;
}

struct peer peer_of(int fd, bool has_group, gid_t group)
{
	struct ucred credentials;
	socklen_t len = sizeof(credentials);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) < 0)
		return (struct peer){.uid = UINT32_MAX};
	return (struct peer){
		.uid = credentials.uid,
		.pid = credentials.pid,
		.is_in_group =
			has_group && (credentials.gid == group || has_supplementary(fd, group)),
	};
}

bool peer_is_member(int fd, gid_t group)
{
	return peer_of(fd, true, group).is_in_group;
}
