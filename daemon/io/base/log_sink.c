#include "daemon/io/base/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char *journal_path = "/run/systemd/journal/socket";

void log_sink_set_journal_path(const char *path)
{
	journal_path = path;
}

int log_sink_open_journal(struct log_sink *ret_sink)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	*ret_sink = (struct log_sink){.fd = fd, .is_journal = true, .is_socket = true};
	return 0;
}

/*
 * Other processes may share standard error, and for them it must not become non-blocking: so a pipe
 * or a terminal is opened once more, which gives an open file description of our own.
 */
static int open_stderr(mode_t mode)
{
	int fd = -1;

	if (S_ISFIFO(mode) || S_ISCHR(mode))
		fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

int log_sink_open_stderr(struct log_sink *ret_sink)
{
	struct stat status;
	int fd;

	if (fstat(STDERR_FILENO, &status) < 0)
		return -errno;
	fd = open_stderr(status.st_mode);
	if (fd < 0)
		return fd;
	*ret_sink = (struct log_sink){
		.fd = fd,
		.is_socket = S_ISSOCK(status.st_mode),
		.is_prefixed = log_stderr_is_journal(),
	};
	return 0;
}

void log_sink_close(struct log_sink *sink)
{
	if (sink->fd != STDERR_FILENO)
		close(sink->fd);
}

/* Each record is sent to the address, without a connection, so that the journal may be
 * restarted. */
static ssize_t write_journal(int fd, const char *data, size_t len)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", journal_path);
	return sendto(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&address,
		      sizeof(address));
}

/* A pipe that poll calls writable takes at least PIPE_BUF bytes, and no line is longer. */
static ssize_t write_line(const struct log_sink *sink, const char *data, size_t len)
{
	struct pollfd poll_fd = {.fd = sink->fd, .events = POLLOUT};

	if (sink->is_socket)
		return send(sink->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (poll(&poll_fd, 1, 0) <= 0 || !(poll_fd.revents & POLLOUT))
		return -1;
	return write(sink->fd, data, len);
}

bool log_sink_write(struct log_sink *sink, const char *data, size_t len)
{
	ssize_t n;

	if (sink->is_journal)
		return write_journal(sink->fd, data, len) == (ssize_t)len;
	if (sink->is_torn && write_line(sink, "\n", 1) != 1)
		return false;
	n = write_line(sink, data, len);
	sink->is_torn = n > 0 && n < (ssize_t)len;
	return n == (ssize_t)len;
}

bool log_stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat status;
	char own[64];

	if (!stream || fstat(STDERR_FILENO, &status) < 0)
		return false;
	snprintf(own, sizeof(own), "%" PRIuMAX ":%" PRIuMAX, (uintmax_t)status.st_dev,
		 (uintmax_t)status.st_ino);
	return strcmp(stream, own) == 0;
}
