#include "daemon/io/worker/guard.h"

#include "daemon/io/worker/process_stat.h"
#include "daemon/io/worker/process_tag.h"
#include "tests/unit/test_config.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMORY ((size_t)1024 * 1024)

struct world {
	struct loop loop;
	struct guard guard;
	unsigned changes;
};

static void on_change(void *owner)
{
	struct world *world = owner;

	world->changes++;
	if (guard_is_alive(&world->guard))
		loop_leave(&world->loop);
}

/* Allows no further descriptor. */
static struct rlimit close_files(void)
{
	struct rlimit before, none;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	return before;
}

/* A guard that could not be started is started as soon as that is possible. */
START_TEST(one_that_cannot_be_started)
{
	struct world world = {0};
	struct rlimit files;

	ck_assert_int_eq(loop_init(&world.loop, MEMORY), 0);
	files = close_files();
	ck_assert_int_eq(guard_start(&world.guard), 0);
	ck_assert_int_eq(world.guard.error, -EMFILE);
	ck_assert(!guard_is_alive(&world.guard));
	ck_assert_int_eq(guard_watch(&world.guard, &world.loop, false, on_change, &world), 0);
	ck_assert_uint_eq(world.changes, 1);
	setrlimit(RLIMIT_NOFILE, &files);
	loop_run(&world.loop);
	ck_assert_uint_eq(world.changes, 2);
	ck_assert_int_eq(world.guard.error, 0);
	guard_unwatch(&world.guard);
	guard_finish(&world.guard);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	loop_done(&world.loop);
}
END_TEST

static pid_t start_sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	ck_assert_int_gt(pid, 0);
	return pid;
}

/* A guard whose daemon ends in good order kills what is left of it, but not what the process had
 * before it began. */
START_TEST(what_was_there_before_stays)
{
	struct guard guard;
	pid_t before = start_sleeper(), after;
	int status = 0;

	ck_assert_int_eq(guard_start(&guard), 0);
	after = start_sleeper();
	guard_finish(&guard);
	ck_assert_int_eq(waitpid(after, &status, WNOHANG), after);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	ck_assert_int_eq(waitpid(before, NULL, WNOHANG), 0);
	kill(before, SIGKILL);
	waitpid(before, NULL, 0);
}
END_TEST

START_TEST(the_kernel_says_of_a_process)
{
	struct process_stat self, child;
	struct process_table all = {0};
	uint64_t now = process_stat_now();
	uid_t user;
	pid_t pid = start_sleeper();

	ck_assert_int_eq(process_stat_read(getpid(), &self), 0);
	ck_assert_int_eq(self.parent, getppid());
	ck_assert_int_eq(self.session, getsid(0));
	ck_assert_int_eq(self.group, getpgrp());
	ck_assert_int_eq(process_stat_read(pid, &child), 0);
	ck_assert_int_eq(child.parent, getpid());
	ck_assert_uint_ge(child.start, now);
	ck_assert_uint_le(child.start, process_stat_now());
	ck_assert(!child.has_ended);
	ck_assert_int_eq(process_stat_user(pid, &user), 0);
	ck_assert_uint_eq(user, getuid());
	ck_assert_int_eq(process_table_read(&all), 0);
	ck_assert(process_table_has(&all, &self));
	ck_assert(process_table_has(&all, &child));
	ck_assert_ptr_null(process_table_find(&all, 0));
	process_table_free(&all);
	kill(pid, SIGKILL);
	waitid(P_PID, (id_t)pid, NULL, WEXITED | WNOWAIT);
	ck_assert_int_eq(process_stat_read(pid, &child), 0);
	ck_assert(child.has_ended);
	waitpid(pid, NULL, 0);
	ck_assert_int_eq(process_stat_read(pid, &child), -ENOENT);
}
END_TEST

static struct rlimit limit_files(rlim_t count)
{
	struct rlimit before, now;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	now = (struct rlimit){.rlim_cur = count, .rlim_max = before.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &now), 0);
	return before;
}

/* A table from which processes are missing is never taken for a whole one. */
START_TEST(a_table_without_descriptors)
{
	struct process_table all = {0};
	char value[8];
	int lowest = dup(0);
	struct rlimit before = limit_files((rlim_t)lowest + 1);

	close(lowest);
	ck_assert_int_eq(process_table_read(&all), -EMFILE);
	setrlimit(RLIMIT_NOFILE, &before);
	ck_assert_int_eq(process_table_read(&all), 0);
	process_table_free(&all);
	before = limit_files((rlim_t)lowest);
	ck_assert_int_eq(process_tag_read(getpid(), "PATH", value, sizeof(value)), -EMFILE);
	setrlimit(RLIMIT_NOFILE, &before);
}
END_TEST

/* A guard that can't be started yet learns later what was there before the daemon. */
START_TEST(what_was_there_is_found_later)
{
	struct world world = {0};
	struct process_stat process;
	pid_t before = start_sleeper();
	struct rlimit files;

	ck_assert_int_eq(process_stat_read(before, &process), 0);
	ck_assert_int_eq(loop_init(&world.loop, MEMORY), 0);
	files = close_files();
	ck_assert_int_eq(guard_start(&world.guard), 0);
	ck_assert_int_eq(world.guard.error, -EMFILE);
	setrlimit(RLIMIT_NOFILE, &files);
	ck_assert_int_eq(guard_watch(&world.guard, &world.loop, false, on_change, &world), 0);
	ck_assert(guard_is_alive(&world.guard));
	ck_assert(process_table_has(&world.guard.inherited, &process));
	guard_unwatch(&world.guard);
	guard_finish(&world.guard);
	loop_done(&world.loop);
	ck_assert_int_eq(waitpid(before, NULL, WNOHANG), 0);
	kill(before, SIGKILL);
	waitpid(before, NULL, 0);
}
END_TEST

/* Whoever has got the number of a process that has ended gets no signal for it. */
START_TEST(a_number_that_is_used_again)
{
	struct process_stat process;
	pid_t pid = start_sleeper();

	ck_assert_int_eq(process_stat_read(pid, &process), 0);
	process.start--;
	ck_assert_int_eq(process_stat_signal(&process, SIGKILL), -ESRCH);
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	process.start++;
	ck_assert_int_eq(process_stat_signal(&process, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(process_stat_signal(&process, SIGKILL), -ESRCH);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		one_that_cannot_be_started,    what_was_there_before_stays,
		the_kernel_says_of_a_process,  a_table_without_descriptors,
		what_was_there_is_found_later, a_number_that_is_used_again,
	};

	return unit_main("guard", tests, ARRAY_SIZE(tests));
}
