#include "daemon/io/orphans.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* When it is looked again behind a child that somebody else is about to reap. */
static const struct timeval pause_time = {.tv_usec = 10000};

/* The system tells of dead children one at a time, and always of the same one until it is reaped.
 */
static void on_child(evutil_socket_t number, short what, void *argument)
{
	struct orphans *orphans = argument;
	siginfo_t info;

	(void)number;
	(void)what;
	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return;
		if (orphans->is_awaited(orphans->owner, info.si_pid)) {
			event_add(&orphans->again_event, &pause_time);
			return;
		}
		waitpid(info.si_pid, NULL, WNOHANG);
	}
}

int orphans_watch(struct orphans *orphans, struct loop *loop,
		  bool (*is_awaited)(void *owner, pid_t pid), void *owner)
{
	orphans->is_awaited = is_awaited;
	orphans->owner = owner;
	evsignal_assign(&orphans->child_event, loop->base, SIGCHLD, on_child, orphans);
	evtimer_assign(&orphans->again_event, loop->base, on_child, orphans);
	if (event_add(&orphans->child_event, NULL) < 0)
		return -ENOMEM;
	return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ? -errno : 0;
}

void orphans_unwatch(struct orphans *orphans)
{
	event_del(&orphans->child_event);
	event_del(&orphans->again_event);
}
