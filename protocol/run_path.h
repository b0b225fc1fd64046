/*
 * Where `poold run`, the daemon of one user, has its socket, and where that user's clients look for
 * it.
 *
 * It is RUN_PATH_SOCKET in the folder $XDG_RUNTIME_DIR/poold, or in /tmp/poold-UID where that
 * variable does not name a folder which only this user may change.  /tmp is open to all, so nobody
 * may trust the folder unchecked: another user could have made it first, and pose as the daemon.
 */
#ifndef POOLD_PROTOCOL_RUN_PATH_H
#define POOLD_PROTOCOL_RUN_PATH_H

#include <stddef.h>

#define RUN_PATH_SOCKET "poold.sock"

/* Writes the path of the folder.  Returns 0 or -ENAMETOOLONG. */
int run_path_folder(char *out, size_t size);

/*
 * Whether only this user may change what is in that folder, and root.  Returns 0; -ENOTDIR: it is
 * something else, such as a symbolic link; -EPERM: it belongs to another user, or others may enter
 * it; or another -errno of lstat(2).
 */
int run_path_check(const char *folder);

#endif
