#include "daemon/io/worker/ancestry.h"

#include "daemon/io/worker/process_stat.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <unistd.h>

/* More parents than any honest process has. */
#define PARENTS_MAX 256

/* How often the chain is walked anew because it changed on the way. */
#define TRIES 4

uint64_t ancestry_now(void)
{
	return process_stat_now();
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
static int read_parent(const struct process_stat *child, struct process_stat *ret)
{
	struct process_stat again = {0};
	int r = process_stat_read(child->parent, ret);

	if (r == -ENOENT && is_beyond_us(child->parent))
		*ret = (struct process_stat){.pid = child->parent};
	else if (r < 0 || ret->start < child->start)
		return r;
	r = process_stat_read(child->pid, &again);
	if (r == 0 && (again.parent != child->parent || again.start != child->start))
		r = -ESRCH;
	return r;
}

static int walk(pid_t pid, uint64_t since, pid_t *ret_child)
{
	pid_t self = getpid();
	struct process_stat at = {0};
	int r = process_stat_read(pid, &at);

	for (unsigned i = 0; r == 0 && i < PARENTS_MAX; i++) {
		struct process_stat child = at;

		if (child.pid == self || child.parent <= 0 || child.start < since)
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
