/*
 * A directory in which a daemon keeps files that a later one reads.  One daemon at a time has it:
 * it holds a lock on the directory, which ends with its process however that ends.
 *
 * A file is replaced as a whole: it is written beside its name and renamed.  It is not synced, so a
 * crash of the machine may lose the last one; whoever reads it checks it.
 */
#ifndef POOLD_IO_BASE_STATE_DIRECTORY_H
#define POOLD_IO_BASE_STATE_DIRECTORY_H

#include "protocol/base.h"
#include "protocol/buf.h"

/* Room for the name of a file. */
#define STATE_NAME_MAX 32

struct state_directory {
	int fd; /* -1: none is open */
};

/* Returns 0; -EBUSY: another process holds the lock; or -errno. */
int state_directory_open(struct state_directory *directory, const char *path);
void state_directory_close(struct state_directory *directory);

/*
 * Reads the whole file into `out`, an empty buffer, whose maximum is the file's.  A link is not
 * followed, and nothing is waited for.  Returns 0; -ENOENT; -EFBIG: it is larger; -EPERM: it is
 * another user's, or others may write to it; -EINVAL: it is no regular file; or -errno.
 */
int state_directory_read(const struct state_directory *directory, const char *name,
			 struct buf *out);

/* Makes the file, readable by its owner alone, or replaces it.  Returns 0 or -errno, and then the
 * one before is as it was. */
int state_directory_write(const struct state_directory *directory, const char *name,
			  struct bytes content);

#endif
