#include "daemon/io/worker/begun_page.h"

#include "client/lib/worker_page.h"
#include "tests/lib/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
	int ends[2]; /* the daemon's, and the worker's */
	struct begun_page page;
};

static void set_up(struct fixture *f)
{
	*f = (struct fixture){0};
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f->ends), 0);
	begun_page_open(&f->page, f->ends[0]);
}

static void tear_down(struct fixture *f)
{
	begun_page_close(&f->page);
	ck_assert(!begun_page_is_open(&f->page));
	ck_assert_uint_eq(begun_page_read(&f->page), 0);
	close(f->ends[0]);
	close(f->ends[1]);
}

/* The descriptor that came with the message, whose bytes are returned too. */
static int receive(const struct fixture *f, uint8_t *data, size_t *len)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec bytes = {.iov_base = data, .iov_len = *len};
	struct msghdr header = {.msg_iov = &bytes,
				.msg_iovlen = 1,
				.msg_control = &control,
				.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(f->ends[1], &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd;

	ck_assert_int_gt(n, 0);
	ck_assert_ptr_nonnull(CMSG_FIRSTHDR(&header));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(fd));
	*len = (size_t)n;
	return fd;
}

START_TEST(what_the_worker_stores_the_daemon_reads)
{
	struct worker_page theirs = {0};
	struct fixture f;

	set_up(&f);
	ck_assert(begun_page_is_open(&f.page));
	ck_assert_uint_eq(begun_page_read(&f.page), 0);
	worker_page_take(&theirs, f.ends[1]);
	ck_assert_ptr_nonnull(theirs.begun);
	worker_page_store(&theirs, 17);
	ck_assert_uint_eq(begun_page_read(&f.page), 17);
	worker_page_store(&theirs, UINT32_MAX);
	ck_assert_uint_eq(begun_page_read(&f.page), UINT32_MAX);
	/* It stays readable when the worker is gone. */
	worker_page_done(&theirs);
	ck_assert_uint_eq(begun_page_read(&f.page), UINT32_MAX);
	tear_down(&f);
}
END_TEST

START_TEST(the_page_cannot_be_taken_away)
{
	static const uint8_t expected[] = "\x93\x02\xa4page\x90";
	uint8_t data[64];
	size_t len = sizeof(data);
	struct stat status;
	struct fixture f;
	int fd;

	set_up(&f);
	fd = receive(&f, data, &len);
	ck_assert_uint_eq(len, sizeof(expected) - 1);
	ck_assert_mem_eq(data, expected, len);
	ck_assert_int_lt(ftruncate(fd, 0), 0);
	ck_assert_int_lt(ftruncate(fd, 8192), 0);
	ck_assert_int_lt(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	ck_assert_int_eq(fstat(fd, &status), 0);
	ck_assert_int_eq(status.st_size, 4096);
	/* The first write has reserved the memory. */
	ck_assert_int_gt(status.st_blocks, 0);
	/* A hole there reads as 0: a number that goes back. */
	ck_assert_int_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
	ck_assert_uint_eq(begun_page_read(&f.page), 0);
	close(fd);
	tear_down(&f);
}
END_TEST

/* Ends by SIGSEGV: what it stores would be taken for its parent's. */
START_TEST(a_forked_child_does_not_have_it)
{
	struct worker_page theirs = {0};
	struct rlimit no_core = {0};
	struct fixture f;
	int status;
	pid_t pid;

	set_up(&f);
	worker_page_take(&theirs, f.ends[1]);
	worker_page_store(&theirs, 5);
	fflush(NULL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		unsigned char resident;

		setrlimit(RLIMIT_CORE, &no_core);
		/* Freeing its copy is harmless. */
		if (mincore((void *)(uintptr_t)theirs.begun, 4096, &resident) == 0)
			_exit(1);
		worker_page_done(&theirs);
		_exit(theirs.begun ? 2 : 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(begun_page_read(&f.page), 5);
	worker_page_store(&theirs, 6);
	ck_assert_uint_eq(begun_page_read(&f.page), 6);
	worker_page_done(&theirs);
	tear_down(&f);
}
END_TEST

START_TEST(without_a_descriptor_or_a_reader_there_is_none)
{
	struct rlimit limit, none = {0};
	struct worker_page theirs = {0};
	struct fixture f;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none.rlim_max = limit.rlim_max;
	set_up(&f);
	begun_page_close(&f.page);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	begun_page_open(&f.page, f.ends[0]);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert(!begun_page_is_open(&f.page));
	close(f.ends[1]);
	begun_page_open(&f.page, f.ends[0]);
	ck_assert(!begun_page_is_open(&f.page));
	worker_page_take(&theirs, -1);
	ck_assert_ptr_null(theirs.begun);
	worker_page_done(&theirs);
	f.ends[1] = dup(f.ends[0]);
	tear_down(&f);
}
END_TEST

/* A worker that finds another message there, or none, has no page. */
START_TEST(only_that_message_brings_a_page)
{
	struct worker_page theirs = {0};
	struct fixture f;
	uint8_t data[64];
	size_t len = sizeof(data);

	set_up(&f);
	close(receive(&f, data, &len));
	worker_page_take(&theirs, f.ends[1]);
	ck_assert_ptr_null(theirs.begun);
	ck_assert_int_eq(write(f.ends[0], "\x93\x02\xa4page\x90", 8), 8);
	worker_page_take(&theirs, f.ends[1]);
	ck_assert_ptr_null(theirs.begun);
	tear_down(&f);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_the_worker_stores_the_daemon_reads,
		the_page_cannot_be_taken_away,
		a_forked_child_does_not_have_it,
		without_a_descriptor_or_a_reader_there_is_none,
		only_that_message_brings_a_page,
	};

	return unit_main("begun_page", tests, ARRAY_SIZE(tests));
}
