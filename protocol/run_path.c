#include "protocol/run_path.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Permission bits of group and others. */
#define OF_OTHERS    077
#define WRITE_OTHERS 022

/* `follows`: a symbolic link counts as what it names. */
static int check(const char *folder, bool follows, mode_t forbidden)
{
	struct stat status;

	if ((follows ? stat(folder, &status) : lstat(folder, &status)) < 0)
		return -errno;
	if (!S_ISDIR(status.st_mode))
		return -ENOTDIR;
	return status.st_uid == geteuid() && (status.st_mode & forbidden) == 0 ? 0 : -EPERM;
}

int run_path_folder(char *out, size_t size)
{
	const char *base = secure_getenv("XDG_RUNTIME_DIR");
	int len;

	if (base && base[0] == '/' && check(base, true, WRITE_OTHERS) == 0)
		len = snprintf(out, size, "%s/poold", base);
	else
		len = snprintf(out, size, "/tmp/poold-%u", (unsigned)geteuid());
	return len > 0 && (size_t)len < size ? 0 : -ENAMETOOLONG;
}

int run_path_check(const char *folder)
{
	return check(folder, false, OF_OTHERS);
}
