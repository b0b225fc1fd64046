#include "daemon/io/worker/cgroup.h"

#include "tests/lib/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* A folder with the files of a control group. */
struct fixture {
	struct loop loop;
	struct cgroups cgroups;
	char base[64];
};

static void path_in(const struct fixture *fixture, const char *name, char path[256])
{
	snprintf(path, 256, "%s/%s", fixture->base, name);
}

static void put(const struct fixture *fixture, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	path_in(fixture, name, path);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	ck_assert_int_eq(fclose(file), 0);
}

/* The text of a file; NULL: there is none. */
static const char *get(const struct fixture *fixture, const char *name)
{
	static char text[256];
	char path[256];
	size_t len;
	FILE *file;

	path_in(fixture, name, path);
	file = fopen(path, "r");
	if (!file)
		return NULL;
	len = fread(text, 1, sizeof(text) - 1, file);
	text[len] = '\0';
	fclose(file);
	return text;
}

static bool exists(const struct fixture *fixture, const char *name)
{
	char path[256];

	path_in(fixture, name, path);
	return access(path, F_OK) == 0;
}

static void drop(const struct fixture *fixture, const char *name)
{
	char path[256];

	path_in(fixture, name, path);
	ck_assert_int_eq(remove(path), 0);
}

static void make_folder(const struct fixture *fixture, const char *name)
{
	char path[256];

	path_in(fixture, name, path);
	ck_assert_int_eq(mkdir(path, 0755), 0);
}

static struct fixture *begin(const char *controllers, const char *processes)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	ck_assert_ptr_nonnull(fixture);
	strcpy(fixture->base, "/tmp/poold-cgroup-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(fixture->base));
	ck_assert_int_eq(loop_init(&fixture->loop, (size_t)1 << 20), 0);
	cgroups_init(&fixture->cgroups, &fixture->loop);
	if (controllers)
		put(fixture, "cgroup.controllers", controllers);
	put(fixture, "cgroup.procs", processes);
	return fixture;
}

static void end(struct fixture *fixture)
{
	char command[128];

	cgroups_close(&fixture->cgroups);
	loop_done(&fixture->loop);
	snprintf(command, sizeof(command), "rm -rf %s", fixture->base);
	ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c) */
	free(fixture);
}

/* The same with its groups open. */
static struct fixture *begin_open(const char *controllers)
{
	struct fixture *fixture = begin(controllers, "4711\n");

	ck_assert_int_eq(cgroups_open(&fixture->cgroups, fixture->base), 0);
	return fixture;
}

static const struct config_pool unlimited = {.memory_max = VALUE_LIMIT_UNSET};
static const struct config_pool limited = {.memory_max = 64 << 20, .cpu_weight = 50};

START_TEST(the_daemon_moves_into_a_leaf)
{
	struct fixture *fixture = begin("cpuset cpu io memory pids\n", "");

	put(fixture, "cgroup.procs", "4711\n");
	ck_assert_int_eq(cgroups_open(&fixture->cgroups, fixture->base), 0);
	ck_assert_str_eq(get(fixture, "daemon/cgroup.procs"), "4711");
	ck_assert(fixture->cgroups.has_memory);
	ck_assert(fixture->cgroups.has_cpu);
	/* The last process that was written. */
	ck_assert_ptr_nonnull(strstr(get(fixture, "cgroup.subtree_control"), "+cpu"));
	end(fixture);
}
END_TEST

START_TEST(a_controller_is_a_whole_word)
{
	struct fixture *fixture = begin_open("cpuset hugememory memory2\n");

	ck_assert(!fixture->cgroups.has_memory);
	ck_assert(!fixture->cgroups.has_cpu);
	ck_assert_ptr_null(get(fixture, "cgroup.subtree_control"));
	end(fixture);
}
END_TEST

START_TEST(where_there_is_no_group_there_are_none)
{
	struct fixture *fixture = begin(NULL, "");
	struct cgroup cgroup;

	ck_assert_int_eq(cgroups_open(&fixture->cgroups, fixture->base), -ENOENT);
	ck_assert_int_eq(cgroup_make(&fixture->cgroups, &limited, 1, 1, &cgroup), 0);
	ck_assert_int_eq(cgroup.procs, -1);
	ck_assert_str_eq(cgroup.name, "");
	ck_assert_int_eq(cgroup_out_of_memory(&fixture->cgroups, &cgroup), -ENOENT);
	cgroup_end(&fixture->cgroups, &cgroup);
	ck_assert(!exists(fixture, "daemon"));
	end(fixture);
}
END_TEST

START_TEST(a_group_that_others_live_in_is_not_ours)
{
	char processes[4096] = "";
	struct fixture *fixture;

	for (unsigned i = 0; i < 300; i++)
		strcat(processes, "1234567\n");
	fixture = begin("memory\n", processes);
	ck_assert_int_eq(cgroups_open(&fixture->cgroups, fixture->base), -EBUSY);
	ck_assert_str_eq(fixture->cgroups.base, "");
	end(fixture);
}
END_TEST

START_TEST(a_worker_gets_its_limits)
{
	struct fixture *fixture = begin_open("memory cpu\n");
	struct cgroup cgroup;

	ck_assert_int_eq(cgroup_make(&fixture->cgroups, &limited, 3, 17, &cgroup), 0);
	ck_assert_str_eq(cgroup.name, "worker-3-17");
	ck_assert_str_eq(get(fixture, "worker-3-17/memory.max"), "67108864");
	ck_assert_str_eq(get(fixture, "worker-3-17/memory.oom.group"), "1");
	ck_assert_str_eq(get(fixture, "worker-3-17/cpu.weight"), "50");
	/* The worker enters when it writes to this file. */
	ck_assert_int_eq(write(cgroup.procs, "0", 1), 1);
	ck_assert_str_eq(get(fixture, "worker-3-17/cgroup.procs"), "0");
	cgroup_shut(&cgroup);
	ck_assert_int_eq(cgroup.procs, -1);
	end(fixture);
}
END_TEST

START_TEST(no_limit_is_no_file)
{
	struct fixture *fixture = begin_open("memory cpu\n");
	struct cgroup cgroup;

	ck_assert_int_eq(cgroup_make(&fixture->cgroups, &unlimited, 0, 1, &cgroup), 0);
	ck_assert_ptr_null(get(fixture, "worker-0-1/memory.max"));
	ck_assert_ptr_null(get(fixture, "worker-0-1/cpu.weight"));
	cgroup_shut(&cgroup);
	end(fixture);
}
END_TEST

START_TEST(limits_without_a_controller_are_left_out)
{
	struct fixture *fixture = begin_open("pids\n");
	struct cgroup cgroup;

	ck_assert_int_eq(cgroup_make(&fixture->cgroups, &limited, 0, 1, &cgroup), 0);
	ck_assert_ptr_null(get(fixture, "worker-0-1/memory.max"));
	cgroup_shut(&cgroup);
	end(fixture);
}
END_TEST

START_TEST(the_kernel_says_who_died_for_want_of_memory)
{
	static const struct {
		const char *events;
		int r;
	} cases[] = {
		{"low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 1\n", 1},
		{"low 0\nhigh 0\nmax 12\noom 1\noom_kill 0\noom_group_kill 7\n", 0},
		{"oom_kill 3\n", 1},
		{"low 0\n", -ENODATA},
		{"", -ENODATA},
	};
	struct fixture *fixture = begin_open("memory\n");
	struct cgroup cgroup;

	ck_assert_int_eq(cgroup_make(&fixture->cgroups, &limited, 0, 1, &cgroup), 0);
	ck_assert_int_eq(cgroup_out_of_memory(&fixture->cgroups, &cgroup), -ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		put(fixture, "worker-0-1/memory.events", cases[i].events);
		ck_assert_int_eq(cgroup_out_of_memory(&fixture->cgroups, &cgroup), cases[i].r);
	}
	cgroup_shut(&cgroup);
	end(fixture);
}
END_TEST

START_TEST(the_end_kills_and_removes)
{
	struct fixture *fixture = begin_open("memory\n");
	struct cgroup cgroup;

	ck_assert_int_eq(cgroup_make(&fixture->cgroups, &unlimited, 0, 1, &cgroup), 0);
	cgroup_end(&fixture->cgroups, &cgroup);
	ck_assert_str_eq(cgroup.name, "");
	ck_assert_str_eq(get(fixture, "worker-0-1/cgroup.kill"), "1");
	/* As long as something is in it, it stays, and its removal is tried again. */
	ck_assert_uint_eq(fixture->cgroups.ending_count, 1);
	drop(fixture, "worker-0-1/cgroup.kill");
	drop(fixture, "worker-0-1/cgroup.procs");
	while (fixture->cgroups.ending_count > 0)
		event_base_loop(fixture->loop.base, EVLOOP_ONCE);
	ck_assert(!exists(fixture, "worker-0-1"));
	end(fixture);
}
END_TEST

START_TEST(what_an_earlier_daemon_left_is_ended)
{
	struct fixture *fixture = begin("memory\n", "");

	make_folder(fixture, "worker-7-2");
	put(fixture, "worker-7-2/cgroup.procs", "99\n");
	make_folder(fixture, "workers-of-others");
	ck_assert_int_eq(cgroups_open(&fixture->cgroups, fixture->base), 0);
	ck_assert_str_eq(get(fixture, "worker-7-2/cgroup.kill"), "1");
	ck_assert_ptr_null(get(fixture, "workers-of-others/cgroup.kill"));
	end(fixture);
}
END_TEST

/* Moves a child into a control group of its own, where the kernel has such.  Exits with 0 if it is as
 * it must be. */
static _Noreturn void look_for_own(const char *group)
{
	char base[PATH_MAX], procs[PATH_MAX + 16];
	int fd, before, without, after;

	snprintf(procs, sizeof(procs), "%s/cgroup.procs", group);
	fd = open(procs, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) < 0)
		exit(0);
	close(fd);
	before = cgroups_find(true, base);
	without = cgroups_find(false, base);
	if (setxattr(group, "trusted.delegate", "1", 1, 0) < 0)
		exit(0);
	after = cgroups_find(true, base);
	exit(before == -EPERM && without == 0 && after == 0 &&
			     strcmp(strrchr(base, '/'), strrchr(group, '/')) == 0
		     ? 0
		     : 2);
}

/* What systemd says by Delegate=. */
START_TEST(a_group_is_ours_if_it_is_delegated)
{
	char group[PATH_MAX];
	const char *mounts[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};
	int status = 0;

	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		pid_t pid;

		snprintf(group, sizeof(group), "%s/poold-test-%d", mounts[i], (int)getpid());
		if (access(mounts[i], W_OK) < 0 || mkdir(group, 0755) < 0)
			continue;
		fflush(NULL);
		pid = fork();
		if (pid == 0)
			look_for_own(group);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		rmdir(group);
		ck_assert_int_eq(status, 0);
		return;
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_daemon_moves_into_a_leaf,
		a_controller_is_a_whole_word,
		where_there_is_no_group_there_are_none,
		a_group_that_others_live_in_is_not_ours,
		a_worker_gets_its_limits,
		no_limit_is_no_file,
		limits_without_a_controller_are_left_out,
		the_kernel_says_who_died_for_want_of_memory,
		the_end_kills_and_removes,
		what_an_earlier_daemon_left_is_ended,
		a_group_is_ours_if_it_is_delegated,
	};

	return unit_main("cgroup", tests, ARRAY_SIZE(tests));
}
