#include "daemon/io/service/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/unit.h"

/* The first descriptor that a service manager hands over. */
#define LISTEN_START 3

/* The service manager's end. */
struct manager {
	int fd;
	char name[64]; /* as NOTIFY_SOCKET has it */
};

static void manager_listen(struct manager *manager, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t len;

	snprintf(manager->name, sizeof(manager->name), "%s", name);
	strcpy(address.sun_path, name);
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	else
		len++;
	manager->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(manager->fd, (struct sockaddr *)&address, len), 0);
	setenv("NOTIFY_SOCKET", manager->name, 1);
}

static void manager_start(struct manager *manager, bool is_abstract)
{
	char name[64];

	snprintf(name, sizeof(name), "%s/poold-service-%d", is_abstract ? "@" : "/tmp",
		 (int)getpid());
	manager_listen(manager, name);
}

static void manager_stop(struct manager *manager)
{
	close(manager->fd);
	if (manager->name[0] == '/')
		unlink(manager->name);
}

/* The next datagram; "" when there is none. */
static const char *manager_read(struct manager *manager)
{
	static char text[4096];
	ssize_t n = recv(manager->fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void clear_environment(void)
{
	static const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
					    "LISTEN_PID",    "LISTEN_FDS",    "LISTEN_FDNAMES"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unsetenv(names[i]);
}

/* --- its directory --- */

/* What is taken from STATE_DIRECTORY; NULL: it is not set. */
static const char *directory_of(const char *variable)
{
	static char directory[PATH_MAX];
	struct systemd systemd;

	clear_environment();
	unsetenv("STATE_DIRECTORY");
	if (variable)
		setenv("STATE_DIRECTORY", variable, 1);
	ck_assert_int_eq(systemd_init(&systemd), 0);
	strcpy(directory, systemd.state_directory);
	systemd_done(&systemd);
	unsetenv("STATE_DIRECTORY");
	return directory;
}

START_TEST(the_first_directory_of_the_service_is_taken)
{
	static char longest[2 * PATH_MAX];

	memset(longest, '/', sizeof(longest) - 1);
	ck_assert_str_eq(directory_of(NULL), "");
	ck_assert_str_eq(directory_of("/a"), "/a");
	ck_assert_str_eq(directory_of("/a:/b"), "/a");
	ck_assert_str_eq(directory_of(""), "");
	ck_assert_str_eq(directory_of("a"), "");
	ck_assert_str_eq(directory_of(longest), "");
}
END_TEST

/* --- telling --- */

static void check_words(bool is_abstract)
{
	struct manager manager;
	struct systemd systemd;

	clear_environment();
	manager_start(&manager, is_abstract);
	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));

	ck_assert_int_eq(systemd_ready(&systemd), 0);
	ck_assert_int_eq(fcntl(systemd.notify_fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	ck_assert_str_eq(manager_read(&manager), "READY=1");
	ck_assert_int_eq(systemd_stopping(&systemd), 0);
	ck_assert_str_eq(manager_read(&manager), "STOPPING=1");
	ck_assert_int_eq(systemd_watchdog(&systemd), 0);
	ck_assert_str_eq(manager_read(&manager), "WATCHDOG=1");
	ck_assert_int_eq(systemd_extend_timeout(&systemd, 30 * USEC_PER_SEC), 0);
	ck_assert_str_eq(manager_read(&manager), "EXTEND_TIMEOUT_USEC=30000000");
	ck_assert_int_eq(systemd_status(&systemd, "%d of %d workers\nREADY=1", 1, 2), 0);
	ck_assert_str_eq(manager_read(&manager), "STATUS=1 of 2 workers\\nREADY=1");
	ck_assert_str_eq(manager_read(&manager), "");
	systemd_done(&systemd);
	manager_stop(&manager);
}

START_TEST(words_to_a_socket_in_the_file_system)
{
	check_words(false);
}
END_TEST

START_TEST(words_to_an_abstract_socket)
{
	check_words(true);
}
END_TEST

/* READY=1 is said as soon as there is a descriptor for it. */
START_TEST(no_descriptor_for_the_words)
{
	struct rlimit limit, none = {0};
	struct manager manager;
	struct systemd systemd;

	clear_environment();
	manager_start(&manager, true);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none.rlim_max = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert_int_eq(systemd_ready(&systemd), -EAGAIN);
	ck_assert(systemd_has_pending(&systemd));
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(systemd_send_pending(&systemd), 0);
	ck_assert(!systemd_has_pending(&systemd));
	ck_assert_str_eq(manager_read(&manager), "READY=1");
	systemd_done(&systemd);
	manager_stop(&manager);
}
END_TEST

START_TEST(nobody_to_notify)
{
	struct systemd systemd;

	clear_environment();
	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert_int_eq(systemd_ready(&systemd), 0);
	ck_assert_int_eq(systemd_status(&systemd, "x"), 0);
	ck_assert_int_eq(systemd_watchdog(&systemd), 0);
	ck_assert_uint_eq(systemd_watchdog_usec(&systemd), 0);
	ck_assert_int_eq(systemd_listen_fd(&systemd, "poold.socket"), -ENOENT);
	systemd_done(&systemd);
}
END_TEST

START_TEST(bad_addresses_are_refused)
{
	static char too_long[200];
	static const char *const names[] = {"", "/", "@", "relative", "vsock:1:2", too_long};

	memset(too_long, 'x', sizeof(too_long) - 1);
	too_long[0] = '/';
	clear_environment();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct systemd systemd;

		setenv("NOTIFY_SOCKET", names[i], 1);
		ck_assert_int_eq(systemd_init(&systemd), -EINVAL);
		ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
		ck_assert_int_eq(systemd_ready(&systemd), 0);
		systemd_done(&systemd);
	}
}
END_TEST

/* Words until the queue is full; ends, as no queue is endless. */
static unsigned fill(struct systemd *systemd)
{
	unsigned reported = 0;
	int r;

	while ((r = systemd_watchdog(systemd)) == 0)
		reported++;
	ck_assert_int_eq(r, -EAGAIN);
	return reported;
}

/* Were a word to wait for a service manager that stands still, this test would time out. */
START_TEST(a_state_is_reported_again)
{
	struct manager manager;
	struct systemd systemd;
	unsigned reported;

	clear_environment();
	manager_start(&manager, true);
	ck_assert_int_eq(systemd_init(&systemd), 0);
	reported = fill(&systemd);
	ck_assert_uint_ge(reported, 1);
	ck_assert_int_eq(systemd_status(&systemd, "lost"), -EAGAIN);
	ck_assert_int_eq(systemd_ready(&systemd), -EAGAIN);
	ck_assert_int_eq(systemd_watchdog(&systemd), -EAGAIN);
	for (unsigned i = 0; i < reported; i++)
		ck_assert_str_eq(manager_read(&manager), "WATCHDOG=1");
	ck_assert_str_eq(manager_read(&manager), "");

	ck_assert_int_eq(systemd_watchdog(&systemd), 0);
	ck_assert_str_eq(manager_read(&manager), "READY=1");
	ck_assert_str_eq(manager_read(&manager), "WATCHDOG=1");
	ck_assert_int_eq(systemd_watchdog(&systemd), 0);
	ck_assert_str_eq(manager_read(&manager), "WATCHDOG=1");
	ck_assert_str_eq(manager_read(&manager), "");

	fill(&systemd);
	ck_assert_int_eq(systemd_ready(&systemd), -EAGAIN);
	ck_assert_int_eq(systemd_stopping(&systemd), -EAGAIN);
	while (*manager_read(&manager))
		;
	ck_assert_int_eq(systemd_status(&systemd, "bye"), 0);
	ck_assert_str_eq(manager_read(&manager), "STOPPING=1");
	ck_assert_str_eq(manager_read(&manager), "STATUS=bye");
	ck_assert_str_eq(manager_read(&manager), "");
	systemd_done(&systemd);
	manager_stop(&manager);
}
END_TEST

START_TEST(a_manager_that_has_gone_is_no_debt)
{
	struct manager manager, gone;
	struct systemd systemd;

	clear_environment();
	manager_start(&gone, false);
	ck_assert_int_eq(systemd_init(&systemd), 0);
	manager_stop(&gone);
	ck_assert_int_eq(systemd_ready(&systemd), -ENOENT);
	manager_listen(&manager, gone.name);
	ck_assert_int_eq(systemd_watchdog(&systemd), 0);
	ck_assert_str_eq(manager_read(&manager), "WATCHDOG=1");
	systemd_done(&systemd);
	manager_stop(&manager);
}
END_TEST

START_TEST(long_status_is_cut)
{
	static char text[4096];
	struct manager manager;
	struct systemd systemd;
	const char *reported;

	memset(text, '\x01', sizeof(text) - 1);
	clear_environment();
	manager_start(&manager, true);
	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert_int_eq(systemd_status(&systemd, "%s", text), 0);
	reported = manager_read(&manager);
	ck_assert_uint_le(strlen(reported), 520);
	ck_assert_str_eq(reported + strlen(reported) - 3, "...");
	systemd_done(&systemd);
	manager_stop(&manager);
}
END_TEST

/* --- the watchdog --- */

START_TEST(watchdog_is_for_this_process)
{
	struct systemd systemd;
	char pid[16];

	clear_environment();
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_USEC", "20000000", 1);
	setenv("WATCHDOG_PID", pid, 1);
	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert_uint_eq(systemd_watchdog_usec(&systemd), 20 * USEC_PER_SEC);
	ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
	ck_assert_ptr_null(getenv("WATCHDOG_PID"));
	systemd_done(&systemd);

	setenv("WATCHDOG_USEC", "20000000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	ck_assert_int_eq(systemd_init(&systemd), 0);
	ck_assert_uint_eq(systemd_watchdog_usec(&systemd), 0);
	ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
	systemd_done(&systemd);

	setenv("WATCHDOG_USEC", "soon", 1);
	ck_assert_int_eq(systemd_init(&systemd), -EINVAL);
	ck_assert_uint_eq(systemd_watchdog_usec(&systemd), 0);
	ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
	systemd_done(&systemd);
}
END_TEST

/* --- handed-over sockets --- */

static int unix_socket(int type, bool is_listening)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type, 0);

	/* No more than the family: the kernel chooses an abstract name. */
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	if (is_listening)
		ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

/* Puts the sockets where a service manager would, in a process of its own. */
static void transfer_attempt(const int *fds, int count, const char *names)
{
	char number[16];

	clear_environment();
	for (int i = 0; i < count; i++) {
		int high = fcntl(fds[i], F_DUPFD_CLOEXEC, 64 + i);

		ck_assert_int_ge(high, 0);
	}
	for (int i = 0; i < count; i++)
		ck_assert_int_eq(dup2(64 + i, LISTEN_START + i), LISTEN_START + i);
	snprintf(number, sizeof(number), "%d", (int)getpid());
	setenv("LISTEN_PID", number, 1);
	snprintf(number, sizeof(number), "%d", count);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
}

/* Runs the check in a child, whose descriptors may be overwritten. */
static void in_child(void (*check)(void))
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		check();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

static void must(bool condition, int line)
{
	if (condition)
		return;
	fprintf(stderr, "test_service.c:%d: not so\n", line);
	_exit(1);
}
#define MUST(condition) must(condition, __LINE__)

static void check_names(void)
{
	const int fds[] = {unix_socket(SOCK_STREAM, false), unix_socket(SOCK_DGRAM, false),
			   unix_socket(SOCK_STREAM, true), unix_socket(SOCK_STREAM, true)};
	struct systemd systemd;

	transfer_attempt(fds, ARRAY_SIZE(fds), "bound:datagram:other:poold.socket");
	MUST(systemd_init(&systemd) == 0);
	MUST(!getenv("LISTEN_PID") && !getenv("LISTEN_FDS") && !getenv("LISTEN_FDNAMES"));
	MUST(systemd_listen_fd(&systemd, "unknown") == -ENOENT);
	MUST(systemd_listen_fd(&systemd, "bound") == -EINVAL);
	MUST(systemd_listen_fd(&systemd, "datagram") == -EINVAL);
	MUST(systemd_listen_fd(&systemd, "poold.socket") == LISTEN_START + 3);
	MUST(systemd_listen_fd(&systemd, "poold.socket") == -ENOENT);
	MUST(fcntl(LISTEN_START + 3, F_GETFD) & FD_CLOEXEC);
	MUST(fcntl(LISTEN_START + 3, F_GETFL) & O_NONBLOCK);
	systemd_done(&systemd);
	MUST(fcntl(LISTEN_START, F_GETFD) < 0);
	MUST(fcntl(LISTEN_START + 2, F_GETFD) < 0);
	MUST(fcntl(LISTEN_START + 3, F_GETFD) >= 0);
}

START_TEST(sockets_are_found_by_name)
{
	in_child(check_names);
}
END_TEST

static void check_many(void)
{
	int fds[SERVICE_LISTEN_MAX + 2];
	char names[256] = "";
	struct systemd systemd;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = unix_socket(SOCK_STREAM, true);
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%sn%zu",
			 i ? ":" : "", i);
	}
	transfer_attempt(fds, ARRAY_SIZE(fds), names);
	MUST(systemd_init(&systemd) == 0);
	MUST(systemd_listen_fd(&systemd, "n15") == LISTEN_START + 15);
	MUST(systemd_listen_fd(&systemd, "n16") == -ENOENT);
	MUST(fcntl(LISTEN_START + 16, F_GETFD) < 0);
	MUST(fcntl(LISTEN_START + 17, F_GETFD) < 0);
	systemd_done(&systemd);
}

START_TEST(sockets_too_many_are_closed)
{
	in_child(check_many);
}
END_TEST

static void check_stranger(void)
{
	const int fds[] = {unix_socket(SOCK_STREAM, true)};
	struct systemd systemd;

	transfer_attempt(fds, ARRAY_SIZE(fds), "poold.socket");
	setenv("LISTEN_PID", "1", 1);
	MUST(systemd_init(&systemd) == 0);
	MUST(systemd_listen_fd(&systemd, "poold.socket") == -ENOENT);
	MUST(!getenv("LISTEN_FDS"));
	systemd_done(&systemd);
	MUST(fcntl(LISTEN_START, F_GETFD) >= 0);
}

START_TEST(sockets_of_another_process_are_left_alone)
{
	in_child(check_stranger);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_first_directory_of_the_service_is_taken,
		words_to_a_socket_in_the_file_system,
		words_to_an_abstract_socket,
		no_descriptor_for_the_words,
		nobody_to_notify,
		bad_addresses_are_refused,
		a_state_is_reported_again,
		a_manager_that_has_gone_is_no_debt,
		long_status_is_cut,
		watchdog_is_for_this_process,
		sockets_are_found_by_name,
		sockets_too_many_are_closed,
		sockets_of_another_process_are_left_alone,
	};

	return unit_main("service", tests, ARRAY_SIZE(tests));
}
