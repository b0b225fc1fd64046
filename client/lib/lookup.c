#include "client/lib/lookup.h"

#include "client/lib/poold.h"
#include "protocol/run_path.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* The socket of `poold run` of this user.  Returns whether there is one that may be trusted. */
static bool find_run(char *out, size_t size)
{
	char folder[PATH_MAX];
	int len;

	if (run_path_folder(folder, sizeof(folder)) < 0 || run_path_check(folder) < 0)
		return false;
	len = snprintf(out, size, "%s/" RUN_PATH_SOCKET, folder);
	return len > 0 && (size_t)len < size && exists(out);
}

int lookup_socket(char *out, size_t size)
{
	const char *path = getenv("POOLD_SOCKET");

	if (!path || path[0] == '\0') {
		if (!exists(POOLD_SOCKET_DEFAULT) && find_run(out, size))
			return 0;
		path = POOLD_SOCKET_DEFAULT;
	}
	if (strlen(path) >= size)
		return -EINVAL;
	memcpy(out, path, strlen(path) + 1);
	return 0;
}
