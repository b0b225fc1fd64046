#include "daemon/io/worker/begun_page.h"

#include "daemon/io/worker/descriptors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_SIZE ((size_t)4096)
#define SEALS	  (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* [2, "page", []] */
static const uint8_t text[] = "\x93\x02\xa4page\x90";

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

void begun_page_open(struct begun_page *page, int recall)
{
	static const struct bytes message = {text, sizeof(text) - 1};
	int fd = make_file();
	void *memory = MAP_FAILED;

	begun_page_close(page);
	if (fd < 0)
		return;
	memory = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (memory != MAP_FAILED && descriptors_send(recall, message, &fd, 1) == 0)
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
