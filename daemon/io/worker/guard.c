#include "daemon/io/worker/guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A sweep is repeated until so many in a row find nothing, at most SWEEPS_MAX times: a process may
 * start another while it ends, and one that executes a program has no environment for a moment.
 * Fewer are enough where the daemon has ended in good order, and nothing is found at all. */
#define SWEEPS_MAX	     500
#define SWEEP_PAUSE_NS	     10000000L
#define EMPTY_SWEEPS	     20
#define EMPTY_SWEEPS_ORDERLY 2

/* The byte that the daemon writes when it ends in good order. */
#define FAREWELL 'f'

static bool has_tag(pid_t pid, const char *instance)
{
	char found[PROCESS_TAG_INSTANCE_SIZE + 1];

	return process_tag_read(pid, PROCESS_TAG_INSTANCE, found, sizeof(found)) == 1 &&
	       strcmp(found, instance) == 0;
}

/* Kills every process with the tag.  Returns how many there were. */
static unsigned sweep(const char *instance)
{
	DIR *proc = opendir("/proc");
	unsigned found = 0;
	struct dirent *entry;

	if (!proc)
		return 0;
	while ((entry = readdir(proc))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid <= 0 || !has_tag(pid, instance))
			continue;
		kill(pid, SIGKILL);
		found++;
	}
	closedir(proc);
	return found;
}

static void ignore_signals(void)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		signal(signals[i], SIG_IGN);
}

/* A program that reads the daemon's output to its end must not have to wait for the guard. */
static void leave_standard_files(void)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = STDIN_FILENO; null_fd >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null_fd, fd);
}

static _Noreturn void guard_main(int pipe, const char *instance)
{
	struct timespec pause = {.tv_nsec = SWEEP_PAUSE_NS};
	unsigned empty = 0, enough = EMPTY_SWEEPS;
	char byte = 0;

	ignore_signals();
	prctl(PR_SET_NAME, "poold-guard");
	setsid();
	leave_standard_files();
	if (pipe != STDERR_FILENO + 1 && dup2(pipe, STDERR_FILENO + 1) >= 0)
		pipe = STDERR_FILENO + 1;
	close_range((unsigned)pipe + 1, ~0u, 0);
	while (read(pipe, &byte, 1) < 0 && errno == EINTR)
		;
	if (byte == FAREWELL)
		enough = EMPTY_SWEEPS_ORDERLY;
	for (unsigned i = 0; i < SWEEPS_MAX && empty < enough; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		empty++;
		if (sweep(instance) > 0) {
			empty = 0;
			enough = EMPTY_SWEEPS;
		}
	}
	_exit(0);
}

static int start(struct guard *guard)
{
	int ends[2];
	int r;

	guard->pipe = guard->pidfd = -1;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	guard->pid = fork();
	if (guard->pid == 0) {
		close(ends[1]);
		guard_main(ends[0], guard->instance);
	}
	r = guard->pid < 0 ? -errno : 0;
	close(ends[0]);
	if (r < 0) {
		close(ends[1]);
		return r;
	}
	guard->pipe = ends[1];
	guard->pidfd = (int)syscall(SYS_pidfd_open, guard->pid, 0);
	if (guard->pidfd >= 0)
		return 0;
	r = -errno;
	guard_finish(guard);
	return r;
}

int guard_start(struct guard *guard)
{
	int r = process_tag_draw(guard->instance);

	return r < 0 ? r : start(guard);
}

int guard_restart(struct guard *guard)
{
	guard_finish(guard);
	return start(guard);
}

void guard_finish(struct guard *guard)
{
	static const char farewell = FAREWELL;

	if (guard->pipe < 0)
		return;
	/* Where the guard is gone, nobody reads it. */
	(void)!write(guard->pipe, &farewell, 1);
	close(guard->pipe);
	while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (guard->pidfd >= 0)
		close(guard->pidfd);
	guard->pipe = guard->pidfd = -1;
}
