#include "daemon/io/base/state_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_SUFFIX ".new"

#define READ_SIZE  ((size_t)64 * 1024)

int state_directory_open(struct state_directory *directory, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	directory->fd = -1;
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		r = errno == EWOULDBLOCK ? -EBUSY : -errno;
		close(fd);
		return r;
	}
	directory->fd = fd;
	return 0;
}

void state_directory_close(struct state_directory *directory)
{
	if (directory->fd >= 0)
		close(directory->fd);
	directory->fd = -1;
}

/* --- reading --- */

static int check_file(int fd, size_t max)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	if (status.st_uid != geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)))
		return -EPERM;
	return (uint64_t)status.st_size > max ? -EFBIG : 0;
}

static int read_all(int fd, struct buf *out)
{
	uint8_t piece[READ_SIZE];

	for (;;) {
		ssize_t n = read(fd, piece, sizeof(piece));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		buf_put(out, piece, (size_t)n);
		/* It grows meanwhile. */
		if (buf_error(out) < 0)
			return buf_error(out) == -ENOBUFS ? -EFBIG : buf_error(out);
	}
}

int state_directory_read(const struct state_directory *directory, const char *name, struct buf *out)
{
	int fd = openat(directory->fd, name,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	int r;

	if (fd < 0)
		return errno == ELOOP || errno == ENXIO ? -EINVAL : -errno;
	r = check_file(fd, out->max);
	if (r == 0)
		r = read_all(fd, out);
	close(fd);
	return r;
}

/* --- writing --- */

static int write_all(int fd, struct bytes content)
{
	while (content.len > 0) {
		ssize_t n = write(fd, content.data, content.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		content.data += n;
		content.len -= (size_t)n;
	}
	return 0;
}

/* What a daemon left there that was killed while it wrote is removed. */
static int write_new(int folder, const char *name, struct bytes content)
{
	int fd, r;

	if (unlinkat(folder, name, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, content);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

int state_directory_write(const struct state_directory *directory, const char *name,
			  struct bytes content)
{
	char new_name[STATE_NAME_MAX + sizeof(NEW_SUFFIX)];
	int r;

	snprintf(new_name, sizeof(new_name), "%s" NEW_SUFFIX, name);
	r = write_new(directory->fd, new_name, content);
	if (r == 0 && renameat(directory->fd, new_name, directory->fd, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(directory->fd, new_name, 0);
	return r;
}
