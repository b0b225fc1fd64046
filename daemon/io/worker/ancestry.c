#include "daemon/io/worker/ancestry.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* More parents than any honest process has. */
#define PARENTS_MAX 256

/* How often the chain is walked anew because it changed on the way. */
#define TRIES	 4

#define STAT_MAX 1024

struct ancestor {
	pid_t pid;
	pid_t parent;
	uint64_t started; /* clock ticks since the machine started */
};

uint64_t ancestry_now(void)
{
	struct timespec now;
	long ticks = sysconf(_SC_CLK_TCK);

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * (uint64_t)ticks +
	       (uint64_t)now.tv_nsec / (1000000000 / (uint64_t)ticks);
}

/* Returns 0 or -errno. */
static int read_process(pid_t pid, struct ancestor *ret)
{
	char path[32], text[STAT_MAX];
	const char *fields;
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len <= 0)
		return -ESRCH;
	text[len] = '\0';
	/* The second field is the process's name, in parentheses: it may have any bytes in it, but
	 * what follows has no parenthesis. */
	fields = strrchr(text, ')');
	ret->pid = pid;
	if (!fields || sscanf(fields,
			      ") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
			      "%*d %*d %*d %" SCNu64,
			      &ret->parent, &ret->started) != 2)
		return -EBADMSG;
	return 0;
}

/*
 * Whether the process, which is hidden in /proc (ProtectProc=), is one that nothing which comes from
 * this process can become: it has a user whom this process may not signal, and new privileges are
 * barred here and below.
 */
static bool is_beyond_us(pid_t pid)
{
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && kill(pid, 0) < 0 && errno == EPERM;
}

/*
 * Reads the parent of `child`; one that is hidden, but can't come from this process, as if nothing
 * were above it.  That its number was not given to another process before it was read
 * is known when it is older than the child, or else when it is still the child's parent after that.
 */
static int read_parent(const struct ancestor *child, struct ancestor *ret)
{
	struct ancestor again;
	int r = read_process(child->parent, ret);

	if (r == -ENOENT && is_beyond_us(child->parent))
		*ret = (struct ancestor){.pid = child->parent};
	else if (r < 0 || ret->started < child->started)
		return r;
	r = read_process(child->pid, &again);
	if (r == 0 && (again.parent != child->parent || again.started != child->started))
		r = -ESRCH;
	return r;
}

static int walk(pid_t pid, uint64_t since, pid_t *ret_child)
{
	pid_t self = getpid();
	struct ancestor at;
	int r = read_process(pid, &at);

	for (unsigned i = 0; r == 0 && i < PARENTS_MAX; i++) {
		struct ancestor child = at;

		if (child.pid == self || child.parent <= 0 || child.started < since)
			return 0;
		if (child.parent == self) {
			*ret_child = child.pid;
			return 1;
		}
		r = read_parent(&child, &at);
	}
	return r < 0 ? r : -ELOOP;
}

int ancestry_find(pid_t pid, uint64_t since, pid_t *ret_child)
{
	int r = -ESRCH;

	/* A parent that ends on the way is replaced by another one. */
	for (unsigned i = 0; r == -ESRCH && i < TRIES; i++)
		r = walk(pid, since, ret_child);
	/* /proc says that of a process which has ended. */
	return r == -ENOENT ? -ESRCH : r;
}
