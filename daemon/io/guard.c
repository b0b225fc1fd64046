#include "daemon/io/guard.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A sweep is repeated until it finds nothing, as a process may start another while it dies; at most
 * this often. */
#define SWEEPS_MAX     500
#define SWEEP_PAUSE_NS 10000000L

static int draw_mark(char *mark)
{
	uint8_t random[16];
	int len = sprintf(mark, "POOLD_INSTANCE=");

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	for (size_t i = 0; i < sizeof(random); i++)
		len += sprintf(mark + len, "%02x", random[i]);
	return 0;
}

/* Whether the environment in `file` has `mark` as one of its zero-terminated strings. */
static bool holds_mark(FILE *file, const char *mark)
{
	char *line = NULL;
	size_t size = 0;
	bool found = false;

	while (!found && getdelim(&line, &size, '\0', file) > 0)
		found = strcmp(line, mark) == 0;
	free(line);
	return found;
}

static bool is_marked(const char *pid, const char *mark)
{
	char path[64];
	FILE *file;
	bool found;

	snprintf(path, sizeof(path), "/proc/%.16s/environ", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	found = holds_mark(file, mark);
	fclose(file);
	return found;
}

/* Kills what carries the mark.  Returns how many there were. */
static unsigned sweep(const char *mark)
{
	DIR *proc = opendir("/proc");
	unsigned found = 0;
	struct dirent *entry;

	if (!proc)
		return 0;
	while ((entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]) || !is_marked(entry->d_name, mark))
			continue;
		kill((pid_t)strtol(entry->d_name, NULL, 10), SIGKILL);
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

/* Whoever waits for the end of the daemon's output must not wait for the guard. */
static void leave_standard_files(void)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = STDIN_FILENO; null_fd >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null_fd, fd);
}

static _Noreturn void guard_main(int pipe, const char *mark)
{
	struct timespec pause = {.tv_nsec = SWEEP_PAUSE_NS};
	char byte;

	ignore_signals();
	prctl(PR_SET_NAME, "poold-guard");
	setsid();
	leave_standard_files();
	if (pipe != STDERR_FILENO + 1 && dup2(pipe, STDERR_FILENO + 1) >= 0)
		pipe = STDERR_FILENO + 1;
	close_range((unsigned)pipe + 1, ~0u, 0);
	while (read(pipe, &byte, 1) < 0 && errno == EINTR)
		;
	for (unsigned i = 0; i < SWEEPS_MAX && sweep(mark) > 0; i++)
		nanosleep(&pause, NULL);
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
		guard_main(ends[0], guard->mark);
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
	int r = draw_mark(guard->mark);

	return r < 0 ? r : start(guard);
}

int guard_restart(struct guard *guard)
{
	guard_finish(guard);
	return start(guard);
}

void guard_finish(struct guard *guard)
{
	if (guard->pipe < 0)
		return;
	close(guard->pipe);
	while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (guard->pidfd >= 0)
		close(guard->pidfd);
	guard->pipe = guard->pidfd = -1;
}
