#include "daemon/io/config/config_program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool may_run(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISREG(status.st_mode) &&
	       faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

bool config_find_program(const struct config_pool *pool, char out[PATH_MAX])
{
	const char *name = pool->argv[0];
	const char *path = getenv("PATH");

	if (strchr(name, '/')) {
		bool from_directory = name[0] != '/' && *pool->directory;

		snprintf(out, PATH_MAX, "%s%s%s", from_directory ? pool->directory : "",
			 from_directory ? "/" : "", name);
		return may_run(out);
	}
	if (!path)
		path = "/bin:/usr/bin";
	while (*path) {
		size_t len = strcspn(path, ":");

		snprintf(out, PATH_MAX, "%.*s/%s", (int)len, path, name);
		if (may_run(out))
			return true;
		path += len + (path[len] == ':');
	}
	snprintf(out, PATH_MAX, "%s", name);
	return false;
}

int config_directory_fault(const char *path)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return errno;
	if (!S_ISDIR(status.st_mode))
		return ENOTDIR;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? errno : 0;
}

/* The folder of home directories that the path begins with, if the path can't be read. */
static const char *hidden_home_of(const char *path)
{
	static const char *const homes[] = {"/home", "/root", "/run/user"};

	for (size_t i = 0; i < ARRAY_SIZE(homes); i++) {
		size_t len = strlen(homes[i]);

		if (strncmp(path, homes[i], len) == 0 && (path[len] == '/' || path[len] == '\0') &&
		    faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) < 0)
			return homes[i];
	}
	return NULL;
}

const char *config_hidden_home(const struct config_pool *pool)
{
	static const char python_path[] = "PYTHONPATH=";
	const char *home = hidden_home_of(pool->directory);

	for (char *const *word = pool->argv; word && *word && !home; word++)
		home = hidden_home_of(*word);
	for (char *const *variable = pool->env; *variable && !home; variable++)
		if (strncmp(*variable, python_path, strlen(python_path)) == 0 &&
		    !strchr(*variable, ':'))
			home = hidden_home_of(*variable + strlen(python_path));
	return home;
}
