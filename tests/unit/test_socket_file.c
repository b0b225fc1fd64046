#include "daemon/io/frontend/socket_file.h"

#include "daemon/io/base/log.h"
#include "tests/lib/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define MODE 0600

/* A socket in a folder of its own. */
struct fixture {
	struct socket_file file;
	char folder[64];
	char path[96];
	char lock[112];
	char why[SOCKET_FILE_WHY_SIZE];
	int fd;
};

static void begin(struct fixture *fixture)
{
	*fixture = (struct fixture){.folder = "/tmp/poold-socket-file-XXXXXX"};
	ck_assert_ptr_nonnull(mkdtemp(fixture->folder));
	snprintf(fixture->path, sizeof(fixture->path), "%s/s", fixture->folder);
	snprintf(fixture->lock, sizeof(fixture->lock), "%s.lock", fixture->path);
	fixture->fd = socket_file_open(&fixture->file, fixture->path, MODE, fixture->why);
	ck_assert_int_ge(fixture->fd, 0);
	ck_assert_int_eq(socket_file_check(&fixture->file), SOCKET_FILE_PRESENT);
}

static void end(struct fixture *fixture)
{
	socket_file_close(&fixture->file);
	close(fixture->fd);
	ck_assert_int_eq(rmdir(fixture->folder), 0);
}

/* What another process is told that opens a socket there; 0: it may. */
static int second(const struct fixture *fixture)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		char why[SOCKET_FILE_WHY_SIZE];
		struct socket_file file;
		int fd = socket_file_open(&file, fixture->path, MODE, why);

		if (fd >= 0)
			socket_file_close(&file);
		_exit(fd < 0 ? -fd : 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Also where its own file is gone. */
START_TEST(nobody_else_gets_a_path_whose_lock_is_held)
{
	struct fixture fixture;

	begin(&fixture);
	ck_assert_int_eq(second(&fixture), EADDRINUSE);
	unlink(fixture.path);
	ck_assert_int_eq(second(&fixture), EADDRINUSE);
	end(&fixture);
}
END_TEST

START_TEST(a_file_or_a_lock_that_is_swept_away_is_missed)
{
	struct fixture fixture;
	int fd;

	begin(&fixture);
	unlink(fixture.path);
	ck_assert_int_eq(socket_file_check(&fixture.file), SOCKET_FILE_SWEPT);
	fd = socket_file_renew(&fixture.file, fixture.why);
	ck_assert_int_ge(fd, 0);
	close(fixture.fd);
	fixture.fd = fd;
	unlink(fixture.lock);
	ck_assert_int_eq(socket_file_check(&fixture.file), SOCKET_FILE_SWEPT);
	fd = socket_file_renew(&fixture.file, fixture.why);
	ck_assert_int_ge(fd, 0);
	close(fixture.fd);
	fixture.fd = fd;
	ck_assert_int_eq(second(&fixture), EADDRINUSE);
	end(&fixture);
}
END_TEST

/* They have found it, and nobody else will. */
START_TEST(who_waits_at_a_swept_socket_comes_first)
{
	struct fixture fixture;
	bool is_in_trouble = false;
	int client, fd;

	log_open(LOG_TARGET_STDERR, LOG_LEVEL_ERROR);
	begin(&fixture);
	client = connect_to(fixture.path);
	unlink(fixture.path);
	ck_assert_int_eq(socket_file_keep(&fixture.file, fixture.fd, &is_in_trouble), -1);
	fd = accept(fixture.fd, NULL, NULL);
	ck_assert_int_ge(fd, 0);
	close(fd);
	close(client);
	fd = socket_file_keep(&fixture.file, fixture.fd, &is_in_trouble);
	ck_assert_int_ge(fd, 0);
	ck_assert(!is_in_trouble);
	close(fixture.fd);
	fixture.fd = fd;
	close(connect_to(fixture.path));
	end(&fixture);
	log_close();
}
END_TEST

START_TEST(the_file_of_somebody_else_stays)
{
	struct fixture fixture;
	int other;

	begin(&fixture);
	unlink(fixture.path);
	other = open(fixture.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(other, 0);
	close(other);
	ck_assert_int_eq(socket_file_renew(&fixture.file, fixture.why), -EEXIST);
	ck_assert_ptr_nonnull(strstr(fixture.why, "no socket"));
	socket_file_hide(&fixture.file);
	ck_assert_int_eq(access(fixture.path, F_OK), 0);
	socket_file_close(&fixture.file);
	ck_assert_int_eq(access(fixture.path, F_OK), 0);
	ck_assert_int_ne(access(fixture.lock, F_OK), 0);
	unlink(fixture.path);
	close(fixture.fd);
	ck_assert_int_eq(rmdir(fixture.folder), 0);
}
END_TEST

/* What is said of a path at which no socket can be. */
START_TEST(each_refusal_says_why)
{
	char folder[] = "/tmp/poold-socket-file-XXXXXX", path[96], text[128];
	char why[SOCKET_FILE_WHY_SIZE], longest[120];
	struct socket_file file;

	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_int_eq(socket_file_open(&file, longest, MODE, why), -ENAMETOOLONG);
	ck_assert_str_eq(why, "the path has 119 bytes, and a socket's may have 107");
	/* What was never opened may be closed all the same. */
	file = (struct socket_file){.lock_fd = -1};
	socket_file_close(&file);

	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chmod(folder, 0555), 0);
	snprintf(path, sizeof(path), "%s/s", folder);
	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	ck_assert_int_eq(socket_file_open(&file, path, MODE, why), -EACCES);
	snprintf(text, sizeof(text), "the user %u has no permission to make files in the folder %s",
		 (unsigned)geteuid(), folder);
	ck_assert_ptr_nonnull(strstr(why, text));
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		nobody_else_gets_a_path_whose_lock_is_held,
		a_file_or_a_lock_that_is_swept_away_is_missed,
		who_waits_at_a_swept_socket_comes_first,
		the_file_of_somebody_else_stays,
		each_refusal_says_why,
	};

	return unit_main("socket_file", tests, sizeof(tests) / sizeof(*tests));
}
