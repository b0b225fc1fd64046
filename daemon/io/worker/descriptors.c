#include "daemon/io/worker/descriptors.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int descriptors_send(int fd, struct bytes message, const int *files, size_t count)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
	} control = {.space = {0}};
	size_t size = count * sizeof(int);
	struct iovec part = {.iov_base = (void *)(uintptr_t)message.data, .iov_len = message.len};
	struct msghdr sent = {.msg_iov = &part,
			      .msg_iovlen = 1,
			      .msg_control = control.space,
			      .msg_controllen = CMSG_SPACE(size)};
	ssize_t n;

	assert(count > 0 && count <= DESCRIPTORS_MAX);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(&control.header), files, size);
	n = sendmsg(fd, &sent, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	return (size_t)n == message.len ? 0 : -EMSGSIZE;
}
