#include "daemon/io/worker/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DAEMON_NAME   "daemon"
#define WORKER_PREFIX "worker-"

/* A group can only be removed when its last process was reaped: it is tried at most so often. */
#define TRIES_MAX 500
static const struct timeval try_pause = {.tv_usec = 10000};

/* Processes of the daemon's own group that are moved: itself, its guard, hardly more. */
#define MOVED_MAX 64

/* --- files of a group --- */

static int path_of(const struct cgroups *cgroups, const char *group, const char *file,
		   char path[PATH_MAX])
{
	int len = snprintf(path, PATH_MAX, "%s%s%s%s%s", cgroups->base, *group ? "/" : "", group,
			   *file ? "/" : "", file);

	return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int open_file(const struct cgroups *cgroups, const char *group, const char *file, int flags)
{
	char path[PATH_MAX];
	int r = path_of(cgroups, group, file, path);
	int fd;

	if (r < 0)
		return r;
	fd = open(path, flags | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : fd;
}

static int write_file(const struct cgroups *cgroups, const char *group, const char *file,
		      const char *text)
{
	int fd = open_file(cgroups, group, file, O_WRONLY | O_CREAT);
	int r = 0;

	if (fd < 0)
		return fd;
	if (write(fd, text, strlen(text)) < 0)
		r = -errno;
	close(fd);
	return r;
}

/* Reads at most `size` - 1 bytes, and ends them with a zero. */
static int read_file(const struct cgroups *cgroups, const char *group, const char *file, char *text,
		     size_t size)
{
	int fd = open_file(cgroups, group, file, O_RDONLY);
	ssize_t len;

	if (fd < 0)
		return fd;
	len = read(fd, text, size - 1);
	if (len < 0)
		len = -errno;
	else
		text[len] = '\0';
	close(fd);
	return len < 0 ? (int)len : 0;
}

static int make_group(const struct cgroups *cgroups, const char *group)
{
	char path[PATH_MAX];
	int r = path_of(cgroups, group, "", path);

	if (r < 0)
		return r;
	return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int remove_group(const struct cgroups *cgroups, const char *group)
{
	char path[PATH_MAX];
	int r = path_of(cgroups, group, "", path);

	if (r < 0)
		return r;
	return rmdir(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* --- the daemon's own group --- */

/* Finds the first line that begins with `begin`, and copies the rest of it. */
static int find_in_file(const char *path, const char *begin, char *out, size_t size)
{
	FILE *file = fopen(path, "re");
	char line[PATH_MAX + 16];
	int r = -ENOENT;

	if (!file)
		return -errno;
	while (r < 0 && fgets(line, sizeof(line), file)) {
		if (strncmp(line, begin, strlen(begin)) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		r = snprintf(out, size, "%s", line + strlen(begin)) < (int)size ? 0 : -ENAMETOOLONG;
	}
	fclose(file);
	return r;
}

/* Where cgroup v2 is mounted: beside cgroup v1 it may be anywhere. */
static int find_mount(char out[PATH_MAX])
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[PATH_MAX + 512];
	int r = -ENOENT;

	if (!file)
		return -errno;
	while (r < 0 && fgets(line, sizeof(line), file)) {
		static_assert(PATH_MAX > 4000, "a mount's path is cut");
		if (strstr(line, " - cgroup2 ") && sscanf(line, "%*s %*s %*s %*s %4000s", out) == 1)
			r = 0;
	}
	fclose(file);
	return r;
}

static bool is_delegated(const char *path)
{
	static const char *const names[] = {"user.delegate", "trusted.delegate"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char value = '0';

		if (getxattr(path, names[i], &value, 1) == 1 && value == '1')
			return true;
	}
	return false;
}

int cgroups_find(bool delegated, char base[PATH_MAX])
{
	char mount[PATH_MAX], own[PATH_MAX];
	int r = find_in_file("/proc/self/cgroup", "0::", own, sizeof(own));

	if (r == 0)
		r = find_mount(mount);
	if (r < 0)
		return r;
	/* The root of all groups is never delegated. */
	if (strcmp(own, "/") == 0)
		return -EPERM;
	if (snprintf(base, PATH_MAX, "%s%s", mount, own) >= PATH_MAX)
		return -ENAMETOOLONG;
	return delegated && !is_delegated(base) ? -EPERM : 0;
}

/* --- the groups as a whole --- */

static void try_again(struct cgroups *cgroups)
{
	size_t kept = 0;

	for (size_t i = 0; i < cgroups->ending_count; i++) {
		/* There may be processes that entered while it was being killed. */
		if (remove_group(cgroups, cgroups->ending[i]) < 0) {
			write_file(cgroups, cgroups->ending[i], "cgroup.kill", "1");
			memmove(cgroups->ending[kept++], cgroups->ending[i], CGROUP_NAME_MAX);
		}
	}
	cgroups->ending_count = kept;
	if (kept > 0 && cgroups->tries_left-- > 0)
		loop_add_timer(&cgroups->timer, &try_pause);
}

static void on_timer(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	try_again(argument);
}

static void end_group(struct cgroups *cgroups, const char *name)
{
	write_file(cgroups, name, "cgroup.kill", "1");
	if (remove_group(cgroups, name) == 0)
		return;
	if (cgroups->ending_count == CGROUPS_ENDING_MAX) {
		cgroups->ending_count--;
		memmove(cgroups->ending[0], cgroups->ending[1],
			cgroups->ending_count * CGROUP_NAME_MAX);
	}
	snprintf(cgroups->ending[cgroups->ending_count++], CGROUP_NAME_MAX, "%s", name);
	cgroups->tries_left = TRIES_MAX;
	loop_add_timer(&cgroups->timer, &try_pause);
}

void cgroups_init(struct cgroups *cgroups, struct loop *loop)
{
	cgroups->loop = loop;
	cgroups->base[0] = '\0';
	cgroups->has_memory = cgroups->has_cpu = false;
	cgroups->ending_count = 0;
	evtimer_assign(&cgroups->timer, loop->base, on_timer, cgroups);
}

static void kill_group(struct cgroups *cgroups, const char *name)
{
	write_file(cgroups, name, "cgroup.kill", "1");
}

/* Does so with the group of each worker. */
static int for_each_worker(struct cgroups *cgroups,
			   void (*function)(struct cgroups *cgroups, const char *name))
{
	DIR *base = opendir(cgroups->base);
	struct dirent *entry;

	if (!base)
		return -errno;
	while ((entry = readdir(base)))
		if (strncmp(entry->d_name, WORKER_PREFIX, strlen(WORKER_PREFIX)) == 0 &&
		    strlen(entry->d_name) < CGROUP_NAME_MAX)
			function(cgroups, entry->d_name);
	closedir(base);
	return 0;
}

void cgroups_kill_workers(void)
{
	static const char own[] = "/" DAEMON_NAME;
	struct cgroups cgroups = {0};
	size_t len;

	if (cgroups_find(false, cgroups.base) < 0)
		return;
	len = strlen(cgroups.base);
	if (len < strlen(own) || strcmp(cgroups.base + len - strlen(own), own) != 0)
		return;
	cgroups.base[len - strlen(own)] = '\0';
	for_each_worker(&cgroups, kill_group);
}

static int move_processes(const struct cgroups *cgroups)
{
	char text[MOVED_MAX * 12];
	int r = read_file(cgroups, "", "cgroup.procs", text, sizeof(text));
	char *rest = NULL;

	/* So many processes are not the daemon's alone, and the last number may be cut. */
	if (r == 0 && strlen(text) == sizeof(text) - 1)
		return -EBUSY;
	for (char *pid = strtok_r(text, "\n", &rest); r == 0 && pid;
	     pid = strtok_r(NULL, "\n", &rest)) {
		r = write_file(cgroups, DAEMON_NAME, "cgroup.procs", pid);
		if (r == -ESRCH)
			r = 0;
	}
	return r;
}

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
		if ((at == text || at[-1] == ' ') && strchr(" \n", at[len]))
			return true;
	return false;
}

static bool enable(const struct cgroups *cgroups, const char *available, const char *name)
{
	char text[32];

	snprintf(text, sizeof(text), "+%s", name);
	return has_word(available, name) &&
	       write_file(cgroups, "", "cgroup.subtree_control", text) == 0;
}

int cgroups_open(struct cgroups *cgroups, const char *base)
{
	char available[256];
	int r;

	if (snprintf(cgroups->base, sizeof(cgroups->base), "%s", base) >= PATH_MAX)
		r = -ENAMETOOLONG;
	else
		r = read_file(cgroups, "", "cgroup.controllers", available, sizeof(available));
	if (r == 0)
		r = make_group(cgroups, DAEMON_NAME);
	if (r == 0)
		r = move_processes(cgroups);
	if (r == 0)
		r = for_each_worker(cgroups, end_group);
	if (r < 0) {
		cgroups->base[0] = '\0';
		return r;
	}
	cgroups->has_memory = enable(cgroups, available, "memory");
	cgroups->has_cpu = enable(cgroups, available, "cpu");
	return 0;
}

void cgroups_close(struct cgroups *cgroups)
{
	if (!cgroups->loop)
		return;
	event_del(&cgroups->timer);
	if (cgroups->base[0])
		for (size_t i = 0; i < cgroups->ending_count; i++)
			remove_group(cgroups, cgroups->ending[i]);
	cgroups->ending_count = 0;
	cgroups->base[0] = '\0';
}

/* --- one worker's --- */

static int set_limits(const struct cgroups *cgroups, const struct config_pool *pool,
		      const char *name)
{
	char text[32] = "max";
	int r = 0;

	if (cgroups->has_memory && pool->memory_max != VALUE_LIMIT_UNSET) {
		if (pool->memory_max != VALUE_LIMIT_NONE)
			snprintf(text, sizeof(text), "%" PRIu64, pool->memory_max);
		r = write_file(cgroups, name, "memory.max", text);
		/* All its processes are killed, not one of them: the rest would be of no use. */
		if (r == 0)
			r = write_file(cgroups, name, "memory.oom.group", "1");
	}
	if (r == 0 && cgroups->has_cpu && pool->cpu_weight > 0) {
		snprintf(text, sizeof(text), "%u", pool->cpu_weight);
		r = write_file(cgroups, name, "cpu.weight", text);
	}
	return r;
}

int cgroup_make(struct cgroups *cgroups, const struct config_pool *pool, uint32_t worker,
		uint32_t life, struct cgroup *ret)
{
	struct cgroup made = {.procs = -1};
	int r;

	*ret = made;
	if (!cgroups->base[0])
		return 0;
	snprintf(made.name, sizeof(made.name), WORKER_PREFIX "%" PRIu32 "-%" PRIu32, worker, life);
	r = make_group(cgroups, made.name);
	if (r < 0)
		return r;
	r = set_limits(cgroups, pool, made.name);
	if (r == 0)
		r = open_file(cgroups, made.name, "cgroup.procs", O_WRONLY | O_CREAT);
	if (r < 0) {
		remove_group(cgroups, made.name);
		return r;
	}
	made.procs = r;
	*ret = made;
	return 0;
}

void cgroup_shut(struct cgroup *cgroup)
{
	if (cgroup->procs >= 0)
		close(cgroup->procs);
	cgroup->procs = -1;
}

int cgroups_has(const struct cgroups *cgroups, pid_t pid)
{
	char path[32], group[PATH_MAX];
	size_t base = strlen(cgroups->base), len;
	const char *worker;
	int r;

	if (!cgroups->base[0])
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	r = find_in_file(path, "0::", group, sizeof(group));
	if (r < 0)
		return r;
	worker = strstr(group, "/" WORKER_PREFIX);
	len = worker ? (size_t)(worker - group) : 0;
	/* It names groups as from the root of all, `base` as from where that is mounted. */
	return len > 0 && len <= base && memcmp(cgroups->base + base - len, group, len) == 0;
}

int cgroup_out_of_memory(const struct cgroups *cgroups, const struct cgroup *cgroup)
{
	static const char key[] = "oom_kill ";
	char text[512];
	const char *line;
	int r;

	if (!cgroup->name[0])
		return -ENOENT;
	r = read_file(cgroups, cgroup->name, "memory.events", text, sizeof(text));
	if (r < 0)
		return r;
	for (line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, strlen(key)) == 0)
			return strtoull(line + strlen(key), NULL, 10) > 0;
	}
	return -ENODATA;
}

void cgroup_end(struct cgroups *cgroups, struct cgroup *cgroup)
{
	cgroup_shut(cgroup);
	if (cgroup->name[0] && cgroups->base[0])
		end_group(cgroups, cgroup->name);
	cgroup->name[0] = '\0';
}
