#include "client/lib/worker_page.h"

#include "protocol/envelope.h"
#include "protocol/read.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAGE_SIZE   ((size_t)4096)
#define MESSAGE_MAX 64

static bool is_page(const uint8_t *data, size_t len)
{
	struct envelope envelope;

	return envelope_read(data, len, &envelope) == 0 && envelope.type == ENVELOPE_NOTIFICATION &&
	       bytes_equal(envelope.method, "page");
}

/* The descriptor that came with a message; -1: none. */
static int descriptor_of(struct msghdr *header)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(header);
	int fd;

	if (!control || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(control), sizeof(fd));
	return fd;
}

/* Reads the message with the page, which is there before the worker starts; returns its descriptor, or
 * -1.  There is room for one descriptor, so the kernel closes any other. */
static int receive(int socket)
{
	uint8_t data[MESSAGE_MAX];
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec bytes = {.iov_base = data, .iov_len = sizeof(data)};
	struct msghdr header = {.msg_iov = &bytes,
				.msg_iovlen = 1,
				.msg_control = &control,
				.msg_controllen = CMSG_LEN(sizeof(int))};
	ssize_t len;
	int fd;

	do
		len = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (len < 0 && errno == EINTR);
	if (len <= 0)
		return -1;
	fd = descriptor_of(&header);
	if (fd >= 0 && !is_page(data, (size_t)len)) {
		close(fd);
		return -1;
	}
	return fd;
}

void worker_page_take(struct worker_page *page, int socket)
{
	int fd = socket < 0 ? -1 : receive(socket);
	void *memory;

	if (fd < 0)
		return;
	memory = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory == MAP_FAILED)
		return;
	/* What a forked child stores would be taken for this process's. */
	if (madvise(memory, PAGE_SIZE, MADV_DONTFORK) < 0) {
		munmap(memory, PAGE_SIZE);
		return;
	}
	page->begun = memory;
	page->owner = getpid();
}

void worker_page_done(struct worker_page *page)
{
	/* In a child something else may be at that address. */
	if (page->begun && page->owner == getpid())
		munmap(page->begun, PAGE_SIZE);
	page->begun = NULL;
}
