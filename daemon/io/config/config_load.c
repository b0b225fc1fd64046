#include "daemon/io/config/config.h"
#include "daemon/io/config/config_check.h"
#include "daemon/io/config/config_read.h"
#include "daemon/io/config/config_source.h"

#include "daemon/io/base/passing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The Makefile says where the installation's files are. */
#ifndef POOLD_SYSCONFDIR
#define POOLD_SYSCONFDIR "/etc"
#endif

const char *config_path_default(void)
{
	return POOLD_SYSCONFDIR "/poold/poold.conf";
}

/* Reads a whole file of at most `max` bytes.  Returns its length or -errno; -EFBIG when it is
 * larger. */
static ssize_t read_whole(const char *path, uint8_t *data, size_t max)
{
	struct stat status;
	size_t len = 0;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -errno;
	/* A pipe could end too early or never. */
	if (fstat(fd, &status) < 0)
		n = -errno;
	else if (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode))
		n = -ESPIPE;
	else
		n = 1;
	while (n > 0 && len <= max) {
		n = read(fd, data + len, max + 1 - len);
		if (n < 0)
			n = errno == EINTR ? 1 : -errno;
		else
			len += (size_t)n;
	}
	close(fd);
	if (n < 0)
		return n;
	return len > max ? -EFBIG : (ssize_t)len;
}

static void load_file(struct config_draft *draft, const char *path)
{
	const struct config_origin origin = {path, 0};
	uint8_t *data = malloc(CONFIG_FILE_MAX + 1);
	ssize_t len;

	if (!data) {
		draft->error = -ENOMEM;
		return;
	}
	len = read_whole(path, data, CONFIG_FILE_MAX);
	if (len >= 0)
		config_read(draft, path, (struct bytes){data, (size_t)len});
	else if (is_passing((int)len))
		draft->error = (int)len;
	else if (len == -EFBIG)
		config_fault(&draft->faults, origin, "is larger than %zu bytes", CONFIG_FILE_MAX);
	else if (len == -ESPIPE)
		config_fault(&draft->faults, origin, "is a pipe or a socket, not a file");
	else
		config_fault(&draft->faults, origin, "can't be read: %s", strerror((int)-len));
	free(data);
}

/* NAME.conf, and not hidden. */
static int is_conf_name(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && strcmp(dot ? dot : "", ".conf") == 0;
}

/* By bytes: the order of the files must not change with the locale. */
static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void load_entry(struct config_draft *draft, const char *folder, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", folder, name) < 0) {
		draft->error = -ENOMEM;
		return;
	}
	load_file(draft, path);
	free(path);
}

static void load_folder(struct config_draft *draft, const char *folder)
{
	struct dirent **entries = NULL;
	int count = scandir(folder, &entries, is_conf_name, compare_names);

	if (count < 0 && is_passing(-errno))
		draft->error = -errno;
	else if (count < 0 && errno != ENOENT)
		config_fault(&draft->faults, (struct config_origin){folder, 0}, "can't be read: %s",
			     strerror(errno));
	else if (count > CONFIG_FILES_MAX)
		config_fault(&draft->faults, (struct config_origin){folder, 0},
			     "has %d files, allowed are %d at most", count, CONFIG_FILES_MAX);
	for (int i = 0; i < count; i++) {
		if (count <= CONFIG_FILES_MAX)
			load_entry(draft, folder, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

int config_load(const char *path, const struct config **ret_config, struct buf *errors)
{
	return config_load_checked(path, ret_config, errors, NULL);
}

int config_load_checked(const char *path, const struct config **ret_config, struct buf *errors,
			struct buf *warnings)
{
	const char *file = path ? path : config_path_default();
	struct config_draft *draft;
	char *folder;
	int r;

	if (asprintf(&folder, "%s.d", file) < 0)
		return -ENOMEM;
	r = config_draft_new(&draft);
	if (r < 0)
		goto out;
	draft->faults.out = errors;
	draft->warnings.out = warnings;
	/* Only a file that somebody asked for must exist. */
	if (path || access(file, F_OK) == 0 || errno != ENOENT)
		load_file(draft, file);
	load_folder(draft, folder);
	r = config_sources_keep(draft);
	if (r == 0)
		r = config_check(draft, ret_config);
	config_draft_free(draft);
out:
	free(folder);
	return r;
}
