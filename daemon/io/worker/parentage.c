#include "daemon/io/worker/parentage.h"

#include "daemon/io/worker/orphans.h"
#include "daemon/io/worker/process_stat.h"
#include "daemon/io/worker/process_tag.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whether it is a child that was not reaped.  Then its number is not used again until it is. */
static bool is_child(pid_t pid)
{
	siginfo_t info;
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int r;

	if (pidfd < 0)
		return false;
	r = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT);
	close(pidfd);
	return r == 0;
}

/* A program may overwrite its environment or make it unreadable, its fork server before it. */
static bool has_mark(const struct parentage *parentage, pid_t pid)
{
	char found[PROCESS_TAG_LIFE_SIZE + 1];
	uid_t user;

	if (process_tag_read(pid, PROCESS_TAG_LIFE, found, sizeof(found)) == 1)
		return strcmp(found, parentage->server_life) == 0 ||
		       (parentage->life && strcmp(found, parentage->life) == 0);
	return process_stat_user(pid, &user) == 0 && user == parentage->user;
}

const char *parentage_fault(const struct parentage *parentage, pid_t pid)
{
	struct process_stat process;

	if (!is_child(pid))
		return "is no child of the daemon";
	if (parentage->orphans && orphans_is_tracked(parentage->orphans, pid))
		return "is in use already";
	if (process_stat_read(pid, &process) < 0)
		return "can't be looked at";
	if (process.start < parentage->since)
		return "is older than the request";
	if (process.session != pid)
		return "has no session of its own";
	return has_mark(parentage, pid) ? NULL : "is somebody else's";
}
