/*
 * The file of a listening socket that the daemon makes itself, and the lock beside it.
 *
 * Who serves a path holds a write lock (fcntl) on PATH.lock, so that there is never a second daemon
 * on one path, and a daemon that was killed holds nothing.  No child inherits the lock.  The name
 * appears when the socket listens: it is bound beside its path and renamed.
 *
 * A stop in good order removes both files.  That is safe for the lock's too, as whoever got the
 * lock looks whether the locked file is still the one at that path, and else begins anew.
 */
#ifndef POOLD_IO_FRONTEND_SOCKET_FILE_H
#define POOLD_IO_FRONTEND_SOCKET_FILE_H

#include "protocol/base.h"

#include <sys/stat.h>
#include <sys/types.h>

#define SOCKET_FILE_WHY_SIZE 512

/* Which file something is. */
struct file_identity {
	dev_t device;
	ino_t inode;
};

struct socket_file {
	const char *path;
	mode_t mode;
	int lock_fd; /* -1: no lock is held */
	struct file_identity lock;
	struct file_identity socket;
};

enum socket_file_state {
	SOCKET_FILE_PRESENT, /* both files are this daemon's */
	SOCKET_FILE_SWEPT,   /* one is gone or another: socket_file_renew makes them anew */
};

/*
 * Takes the lock, and makes a socket that listens at `path`, a string that must stay; its file gets
 * the mode.  A socket that a killed daemon left behind is removed; one that somebody listens on, and
 * what is no socket, is not.  Returns a non-blocking descriptor, which is the caller's, or -errno;
 * then `why` says in words what is wrong.
 */
int socket_file_open(struct socket_file *file, const char *path, mode_t mode,
		     char why[static SOCKET_FILE_WHY_SIZE]);

/* Whether both files are still there.  It costs two system calls. */
enum socket_file_state socket_file_check(const struct socket_file *file);

/* Like socket_file_open, for files that were swept away: another socket, at the same path.  If it
 * fails, it may be called again. */
int socket_file_renew(struct socket_file *file, char why[static SOCKET_FILE_WHY_SIZE]);

/*
 * To be called every socket_file_pause: does so where a file was swept away, and logs it.  Returns the
 * new socket, which takes the place of `fd`, or -1: there is none, as all is well, or clients wait at
 * `fd` and come first, or it has failed and is tried again (*is_in_trouble, at first false).
 */
int socket_file_keep(struct socket_file *file, int fd, bool *is_in_trouble);

/* How long until it is looked again whether a socket's file is there. */
usec_t socket_file_pause(bool is_in_trouble);

/* Removes the socket's file if it is this daemon's: nobody finds the socket any more. */
void socket_file_hide(struct socket_file *file);

/* The same, and gives back the lock. */
void socket_file_close(struct socket_file *file);

/* The file at a path, which is not followed if it is a link.  Returns 0 or -errno. */
int file_identify(const char *path, struct file_identity *ret);
bool file_is_same(const struct file_identity *a, const struct file_identity *b);

#endif
