#include "daemon/io/worker/ancestry.h"

#include "protocol/base.h"
#include "tests/lib/unit.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Writes its number to the pipe and waits to be killed. */
static _Noreturn void stay(int pipe)
{
	pid_t self = getpid();

	(void)!write(pipe, &self, sizeof(self));
	for (;;)
		pause();
}

static pid_t read_pid(int pipe)
{
	pid_t pid = 0;

	ck_assert_int_eq(read(pipe, &pid, sizeof(pid)), sizeof(pid));
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Starts a child, and with `depth` above 1 a child of that, and so on; each stays. */
static pid_t start(int pipe, unsigned depth)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (depth > 1)
		start(pipe, depth - 1);
	stay(pipe);
}

START_TEST(children_and_their_children_come_from_here)
{
	uint64_t since = ancestry_now();
	int ends[2];
	pid_t first;

	ck_assert_int_eq(pipe(ends), 0);
	first = start(ends[1], 4);
	for (unsigned i = 0; i < 4; i++) {
		pid_t child = 0, found = read_pid(ends[0]);

		ck_assert_int_eq(ancestry_find(found, since, &child), 1);
		ck_assert_int_eq(child, first);
	}
	end(first);
}
END_TEST

START_TEST(parents_and_strangers_do_not)
{
	pid_t child = 0;

	ck_assert_int_eq(ancestry_find(getpid(), 0, &child), 0);
	ck_assert_int_eq(ancestry_find(getppid(), 0, &child), 0);
	ck_assert_int_eq(ancestry_find(1, 0, &child), 0);
}
END_TEST

/* What was there before this process began to start others is none of its. */
START_TEST(who_is_older_does_not)
{
	int ends[2];
	pid_t first, child;

	ck_assert_int_eq(pipe(ends), 0);
	first = start(ends[1], 1);
	read_pid(ends[0]);
	ck_assert_int_eq(ancestry_find(first, 0, &child), 1);
	ck_assert_int_eq(ancestry_find(first, ancestry_now() + 1000, &child), 0);
	end(first);
}
END_TEST

START_TEST(an_orphan_still_comes_from_here)
{
	int ends[2];
	pid_t middle, orphan, child = 0;

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	middle = fork();
	if (middle == 0) {
		if (fork() == 0) {
			setsid();
			stay(ends[1]);
		}
		_exit(0);
	}
	waitpid(middle, NULL, 0);
	orphan = read_pid(ends[0]);
	ck_assert_int_eq(ancestry_find(orphan, 0, &child), 1);
	ck_assert_int_eq(child, orphan);
	end(orphan);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}
END_TEST

/* The name stands in the same line as the parent. */
START_TEST(a_name_can_t_forge_a_parent)
{
	int ends[2];
	pid_t first, child = 0;

	ck_assert_int_eq(pipe(ends), 0);
	first = fork();
	if (first == 0) {
		prctl(PR_SET_NAME, "x) S 1 1 1 (");
		stay(ends[1]);
	}
	read_pid(ends[0]);
	ck_assert_int_eq(ancestry_find(first, 0, &child), 1);
	ck_assert_int_eq(child, first);
	end(first);
}
END_TEST

START_TEST(of_one_that_has_ended_it_is_not_known)
{
	pid_t first = fork(), child;

	if (first == 0)
		_exit(0);
	waitpid(first, NULL, 0);
	ck_assert_int_eq(ancestry_find(first, 0, &child), -ESRCH);
}
END_TEST

/* An ordinary user sees others of his own only, as with ProtectProc=invisible of systemd. */
static void become_nobody(void)
{
	if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
		exit(1);
	/* The change has taken this away, and with it the right to look at oneself. */
	prctl(PR_SET_DUMPABLE, 1);
}

/* Exits with 0 if it is as it must be. */
static _Noreturn void look_among_the_hidden(pid_t other)
{
	pid_t child = 0;
	int before, after;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", 0, "hidepid=2") < 0)
		exit(0);
	become_nobody();
	/* As long as it may become another user, the hidden one may come from it. */
	before = ancestry_find(other, 0, &child);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	after = ancestry_find(other, 0, &child);
	exit(before == -ESRCH && after == 0 ? 0 : 2);
}

START_TEST(who_has_a_hidden_parent_of_another_user_does_not)
{
	int ends[2], status = 0;
	pid_t other, looker;

	if (geteuid() != 0)
		return;
	ck_assert_int_eq(pipe(ends), 0);
	fflush(NULL);
	other = fork();
	if (other == 0) {
		become_nobody();
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		stay(ends[1]);
	}
	read_pid(ends[0]);
	looker = fork();
	if (looker == 0)
		look_among_the_hidden(other);
	ck_assert_int_eq(waitpid(looker, &status, 0), looker);
	end(other);
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	ck_assert(WIFEXITED(status));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		children_and_their_children_come_from_here,
		parents_and_strangers_do_not,
		who_is_older_does_not,
		an_orphan_still_comes_from_here,
		a_name_can_t_forge_a_parent,
		of_one_that_has_ended_it_is_not_known,
		who_has_a_hidden_parent_of_another_user_does_not,
	};

	return unit_main("ancestry", tests, ARRAY_SIZE(tests));
}
