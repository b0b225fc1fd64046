#include "daemon/io/worker/begun_page.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAGE_SIZE ((size_t)4096)
#define SEALS	  (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* [2, "page", []] */
static const uint8_t message[] = "\x93\x02\xa4page\x90";

/* The first write reserves the memory, so that reading never fails for want of it; without the seals
 * the worker could take it away.  Returns -1: there is none. */
static int make_file(void)
{
	static const uint64_t none;
	int fd = memfd_create("poold-begun", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (ftruncate(fd, PAGE_SIZE) == 0 && pwrite(fd, &none, sizeof(none), 0) == sizeof(none) &&
	    fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool hand_over(int recall, int fd)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec bytes = {.iov_base = (void *)(uintptr_t)message,
			      .iov_len = sizeof(message) - 1};
	struct msghdr header = {.msg_iov = &bytes,
				.msg_iovlen = 1,
				.msg_control = &control,
				.msg_controllen = sizeof(control.space)};
	struct cmsghdr *first = CMSG_FIRSTHDR(&header);

	first->cmsg_level = SOL_SOCKET;
	first->cmsg_type = SCM_RIGHTS;
	first->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(first), &fd, sizeof(int));
	return sendmsg(recall, &header, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)bytes.iov_len;
}

void begun_page_open(struct begun_page *page, int recall)
{
	int fd = make_file();
	void *memory = MAP_FAILED;

	begun_page_close(page);
	if (fd < 0)
		return;
	memory = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (memory != MAP_FAILED && hand_over(recall, fd))
		page->begun = memory;
	else if (memory != MAP_FAILED)
		munmap(memory, PAGE_SIZE);
	close(fd);
}

void begun_page_close(struct begun_page *page)
{
	if (page->begun)
		munmap((void *)(uintptr_t)page->begun, PAGE_SIZE);
	page->begun = NULL;
}
