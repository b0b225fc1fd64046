#include "daemon/io/frontend/socket_file.h"

#include "daemon/io/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LOCK_SUFFIX ".lock"
#define NEW_SUFFIX  ".new"

#define PATH_SIZE   (sizeof((struct sockaddr_un){0}.sun_path) + sizeof(LOCK_SUFFIX))
#define WHO_SIZE    96

/* How often the lock is taken again because its file was removed at the same moment. */
#define LOCK_TRIES 100

int file_identify(const char *path, struct file_identity *ret)
{
	struct stat status;

	if (lstat(path, &status) < 0)
		return -errno;
	*ret = (struct file_identity){status.st_dev, status.st_ino};
	return 0;
}

bool file_is_same(const struct file_identity *a, const struct file_identity *b)
{
	return a->device == b->device && a->inode == b->inode;
}

/* --- words --- */

/* "the process 12 of the user 1000" */
static void describe_process(pid_t pid, char out[static WHO_SIZE])
{
	char path[32];
	struct stat status;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	if (pid <= 0)
		snprintf(out, WHO_SIZE, "a process that cannot be seen from here");
	else if (stat(path, &status) < 0)
		snprintf(out, WHO_SIZE, "the process %d", (int)pid);
	else
		snprintf(out, WHO_SIZE, "the process %d of the user %u", (int)pid,
			 (unsigned)status.st_uid);
}

/* Says what the system answered about the path, or about its folder. */
static int explain(const struct socket_file *file, int error, char *why)
{
	const char *slash = strrchr(file->path, '/');
	int len = slash && slash > file->path ? (int)(slash - file->path) : 1;
	const char *folder = slash ? file->path : ".";

	switch (-error) {
	case ENOENT:
		snprintf(why, SOCKET_FILE_WHY_SIZE, "there is no folder %.*s", len, folder);
		break;
	case ENOTDIR:
		snprintf(why, SOCKET_FILE_WHY_SIZE, "%.*s is no folder", len, folder);
		break;
	case EACCES:
	case EPERM:
		snprintf(why, SOCKET_FILE_WHY_SIZE,
			 "the user %u has no permission to make files in the folder %.*s, or to "
			 "write %s" LOCK_SUFFIX,
			 (unsigned)geteuid(), len, folder, file->path);
		break;
	case EROFS:
		snprintf(why, SOCKET_FILE_WHY_SIZE, "the file system of %.*s is read-only", len,
			 folder);
		break;
	case ENAMETOOLONG:
		snprintf(why, SOCKET_FILE_WHY_SIZE,
			 "the path has %zu bytes, and a socket's may have %zu", strlen(file->path),
			 sizeof((struct sockaddr_un){0}.sun_path) - 1);
		break;
	default:
		snprintf(why, SOCKET_FILE_WHY_SIZE, "%s", strerror(-error));
		break;
	}
	return error;
}

/* --- the lock --- */

static void lock_path(const struct socket_file *file, char out[static PATH_SIZE])
{
	snprintf(out, PATH_SIZE, "%s" LOCK_SUFFIX, file->path);
}

/* A file of another user in a folder for all, as /tmp, may only be opened without O_CREAT. */
static int open_lock(const char *path)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
	int fd = open(path, flags);

	if (fd < 0 && errno == ENOENT)
		fd = open(path, flags | O_CREAT | O_EXCL, 0600);
	return fd < 0 ? -errno : fd;
}

static int refuse_second(const struct socket_file *file, pid_t pid, char *why)
{
	char who[WHO_SIZE];

	describe_process(pid, who);
	snprintf(why, SOCKET_FILE_WHY_SIZE, "another daemon serves there: %s holds %s" LOCK_SUFFIX,
		 who, file->path);
	return -EADDRINUSE;
}

/* Whether the locked file is the one at its path still; if its holder has just ended, it is not. */
static bool is_current(int fd, const char *path, struct file_identity *ret)
{
	struct file_identity found = {0};
	struct stat status;

	if (fstat(fd, &status) < 0 || file_identify(path, &found) < 0)
		return false;
	*ret = (struct file_identity){status.st_dev, status.st_ino};
	return file_is_same(ret, &found);
}

/* Returns 0; -EAGAIN: the lock is to be tried again; or -errno, with `why`. */
static int try_lock(struct socket_file *file, char *why)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[PATH_SIZE];
	int r = 0;
	int fd;

	lock_path(file, path);
	fd = open_lock(path);
	if (fd == -EEXIST || fd == -EINTR)
		return -EAGAIN;
	if (fd < 0)
		return explain(file, fd, why);
	if (fcntl(fd, F_SETLK, &lock) < 0) {
		r = -errno;
		if ((r == -EACCES || r == -EAGAIN) && fcntl(fd, F_GETLK, &lock) == 0)
			r = lock.l_type == F_UNLCK ? -EAGAIN : refuse_second(file, lock.l_pid, why);
		else
			explain(file, r, why);
	} else if (!is_current(fd, path, &file->lock)) {
		r = -EAGAIN;
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	file->lock_fd = fd;
	return 0;
}

static int take_lock(struct socket_file *file, char *why)
{
	int r = -EAGAIN;

	snprintf(why, SOCKET_FILE_WHY_SIZE, "its lock is taken and given back all the time");
	for (unsigned i = 0; i < LOCK_TRIES && r == -EAGAIN; i++)
		r = try_lock(file, why);
	return r;
}

static void drop_lock(struct socket_file *file)
{
	if (file->lock_fd >= 0)
		close(file->lock_fd);
	file->lock_fd = -1;
}

/* --- what is at the path --- */

/* Returns 0: nobody listens at that address; the pid of who does, -EADDRINUSE where it is not known;
 * or another -errno. */
static pid_t find_listener(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);
	pid_t pid = -EADDRINUSE;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		pid = errno == ECONNREFUSED || errno == ENOENT ? 0
		      : errno == EAGAIN			       ? -EADDRINUSE
							       : -errno;
	else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.pid > 0)
		pid = peer.pid;
	close(fd);
	return pid;
}

/* Whether the path is free, or has a socket that nobody listens on. */
static int check_path(const struct socket_file *file, const struct sockaddr_un *address, char *why)
{
	struct stat status;
	char who[WHO_SIZE];
	pid_t pid;

	if (lstat(file->path, &status) < 0)
		return errno == ENOENT ? 0 : explain(file, -errno, why);
	if (!S_ISSOCK(status.st_mode)) {
		snprintf(why, SOCKET_FILE_WHY_SIZE,
			 "there is a file of that name that is no socket; it is left as it is");
		return -EEXIST;
	}
	pid = find_listener(address);
	if (pid == 0)
		return 0;
	if (pid < 0 && pid != -EADDRINUSE) {
		snprintf(why, SOCKET_FILE_WHY_SIZE,
			 "there is a socket of the user %u, and whether somebody listens on it is "
			 "not known: %s; remove it if nobody does",
			 (unsigned)status.st_uid, strerror(-pid));
		return pid;
	}
	describe_process(pid, who);
	snprintf(why, SOCKET_FILE_WHY_SIZE, "%s listens there already", who);
	return -EADDRINUSE;
}

/* --- the socket --- */

/*
 * Where the socket is bound first: beside its path or, where that is too long for an address, by a
 * short name through the folder's descriptor.  Nobody else uses this name, as the lock is held.
 */
static int choose_new_name(const struct socket_file *file, struct sockaddr_un *ret, int *ret_folder)
{
	const char *slash = strrchr(file->path, '/');
	char folder[PATH_SIZE] = ".";

	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	*ret_folder = -1;
	if (snprintf(ret->sun_path, sizeof(ret->sun_path), "%s" NEW_SUFFIX, file->path) <
	    (int)sizeof(ret->sun_path))
		return 0;
	if (slash)
		snprintf(folder, sizeof(folder), "%.*s", (int)(slash - file->path) + 1, file->path);
	*ret_folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*ret_folder < 0)
		return -errno;
	snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/.%" PRIxMAX NEW_SUFFIX,
		 *ret_folder, (uintmax_t)file->lock.inode);
	return 0;
}

/* Makes the socket listen at that name, where nobody may connect before the mode is set. */
static int listen_at(int fd, const struct sockaddr_un *address, mode_t mode)
{
	mode_t mask;
	int r = 0;

	/* Left behind by a daemon that was killed. */
	if (unlink(address->sun_path) < 0 && errno != ENOENT)
		return -errno;
	mask = umask(0777);
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		r = -errno;
	umask(mask);
	if (r < 0)
		return r;
	if (listen(fd, SOMAXCONN) < 0 || chmod(address->sun_path, mode) < 0) {
		r = -errno;
		unlink(address->sun_path);
	}
	return r;
}

static int publish(struct socket_file *file, int fd)
{
	struct sockaddr_un address;
	int folder;
	int r = choose_new_name(file, &address, &folder);

	if (r < 0)
		return r;
	r = listen_at(fd, &address, file->mode);
	if (r == 0) {
		r = file_identify(address.sun_path, &file->socket);
		if (r == 0 && rename(address.sun_path, file->path) < 0)
			r = -errno;
		if (r < 0)
			unlink(address.sun_path);
	}
	if (folder >= 0)
		close(folder);
	return r;
}

/* The lock is held. */
static int make_socket(struct socket_file *file, char *why)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, r;

	memcpy(address.sun_path, file->path, strlen(file->path));
	r = check_path(file, &address, why);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return explain(file, -errno, why);
	r = publish(file, fd);
	if (r < 0) {
		close(fd);
		return explain(file, r, why);
	}
	return fd;
}

int socket_file_open(struct socket_file *file, const char *path, mode_t mode,
		     char why[static SOCKET_FILE_WHY_SIZE])
{
	int r;

	*file = (struct socket_file){.path = path, .mode = mode, .lock_fd = -1};
	if (strlen(path) >= sizeof((struct sockaddr_un){0}.sun_path))
		return explain(file, -ENAMETOOLONG, why);
	r = take_lock(file, why);
	if (r == 0)
		r = make_socket(file, why);
	if (r < 0)
		socket_file_close(file);
	return r;
}

/* --- while it is open --- */

static bool is_at(const char *path, const struct file_identity *file)
{
	struct file_identity found = {0};

	return file_identify(path, &found) == 0 && file_is_same(&found, file);
}

static bool has_lock(const struct socket_file *file)
{
	char path[PATH_SIZE];

	lock_path(file, path);
	return file->lock_fd >= 0 && is_at(path, &file->lock);
}

enum socket_file_state socket_file_check(const struct socket_file *file)
{
	return is_at(file->path, &file->socket) && has_lock(file) ? SOCKET_FILE_PRESENT
								  : SOCKET_FILE_SWEPT;
}

int socket_file_renew(struct socket_file *file, char why[static SOCKET_FILE_WHY_SIZE])
{
	if (!has_lock(file)) {
		int r;

		drop_lock(file);
		r = take_lock(file, why);
		if (r < 0)
			return r;
	}
	/* If only the lock's file was gone, the socket is there as before, and gives way. */
	socket_file_hide(file);
	return make_socket(file, why);
}

/* Whether nobody waits in the socket's queue. */
static bool is_queue_empty(int fd)
{
	struct pollfd queue = {.fd = fd, .events = POLLIN};

	return poll(&queue, 1, 0) == 0;
}

int socket_file_keep(struct socket_file *file, int fd, bool *is_in_trouble)
{
	char why[SOCKET_FILE_WHY_SIZE];
	int renewed;

	if (socket_file_check(file) == SOCKET_FILE_PRESENT) {
		*is_in_trouble = false;
		return -1;
	}
	if (!is_queue_empty(fd))
		return -1;
	renewed = socket_file_renew(file, why);
	if (renewed >= 0)
		log_warning("the socket's file %s or its lock was gone; it is made anew",
			    file->path);
	else if (!*is_in_trouble)
		log_error("the socket's file %s or its lock is gone or another, and cannot be made "
			  "anew, which is tried again: %s",
			  file->path, why);
	*is_in_trouble = renewed < 0;
	return renewed < 0 ? -1 : renewed;
}

usec_t socket_file_pause(bool is_in_trouble)
{
	return (is_in_trouble ? 10 : 1) * USEC_PER_SEC;
}

void socket_file_hide(struct socket_file *file)
{
	if (file->socket.inode != 0 && is_at(file->path, &file->socket))
		unlink(file->path);
}

void socket_file_close(struct socket_file *file)
{
	char path[PATH_SIZE];

	if (!file->path)
		return;
	socket_file_hide(file);
	lock_path(file, path);
	if (has_lock(file))
		unlink(path);
	drop_lock(file);
	*file = (struct socket_file){.lock_fd = -1};
}
