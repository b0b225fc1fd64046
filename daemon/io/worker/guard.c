#include "daemon/io/worker/guard.h"

#include "daemon/io/base/log.h"
#include "daemon/io/worker/guard_process.h"
#include "daemon/io/worker/orphans.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Between two questions whether the guard is there. */
static const struct timeval beat_pause = {.tv_sec = 1};
#define UNANSWERED_MAX (unsigned)(GUARD_SILENCE_MAX / USEC_PER_SEC)

/* A guard that has lived for so long was not started in vain. */
#define LIVED_LONG (10 * USEC_PER_SEC)

/* What guard_finish waits for a guard to do its work, and for one that it has killed. */
#define FINISH_MAX_MS 6000
#define KILL_MAX_MS   1000

/* --- one process --- */

/* The children that the process has before it starts any: a shell may have started some, and then
 * executed poold.  Where they can't be found out at once, their age tells them from others later. */
static int find_inherited(struct guard *guard)
{
	struct process_table all = {0};
	int r = process_table_read(&all);

	guard->inherited.count = 0;
	for (size_t i = 0; i < all.count && r == 0; i++)
		if (all.entries[i].parent == getpid() && all.entries[i].start <= guard->begun)
			r = process_table_add(&guard->inherited, &all.entries[i]);
	process_table_free(&all);
	guard->knows_inherited = r == 0;
	return r;
}

static void forget_process(struct guard *guard)
{
	if (guard->loop && guard->loop->orphans)
		orphans_untrack(guard->loop->orphans, guard->pid);
	close(guard->link);
	close(guard->pidfd);
	guard->link = guard->pidfd = -1;
	guard->pid = 0;
}

static bool waits_for_end(const struct guard *guard, int ms)
{
	struct pollfd gone = {.fd = guard->pidfd, .events = POLLIN};
	int r;

	do
		r = poll(&gone, 1, ms);
	while (r < 0 && errno == EINTR);
	return r > 0;
}

/* Kills the guard and forgets it; it is reaped, unless it hangs in the kernel. */
static void end_process(struct guard *guard)
{
	syscall(SYS_pidfd_send_signal, guard->pidfd, SIGKILL, NULL, 0);
	if (waits_for_end(guard, KILL_MAX_MS))
		waitpid(guard->pid, NULL, 0);
	forget_process(guard);
}

/* Watches the new process, or ends it. */
static int hold_process(struct guard *guard, pid_t pid, int link)
{
	guard->pid = pid;
	guard->link = link;
	guard->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (guard->pidfd < 0) {
		int r = -errno;

		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(link);
		guard->link = -1;
		guard->pid = 0;
		return r;
	}
	if (guard->loop && guard->loop->orphans && orphans_track(guard->loop->orphans, pid) < 0) {
		end_process(guard);
		return -ENOMEM;
	}
	return 0;
}

static int start_process(struct guard *guard)
{
	pid_t daemon = getpid();
	int ends[2], r = 0;
	pid_t pid;

	/* A guard that doesn't know them would end them. */
	if (!guard->knows_inherited)
		r = find_inherited(guard);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		const struct guard_charge charge = {.daemon = daemon,
						    .instance = guard->instance,
						    .inherited = &guard->inherited,
						    .has_groups = guard->has_groups,
						    .link = ends[0]};

		close(ends[1]);
		guard_process_run(&charge);
	}
	r = pid < 0 ? -errno : 0;
	close(ends[0]);
	if (r == 0)
		return hold_process(guard, pid, ends[1]);
	close(ends[1]);
	return r;
}

int guard_start(struct guard *guard)
{
	int r;

	*guard = (struct guard){.link = -1, .pidfd = -1};
	r = process_tag_draw(guard->instance);
	if (r < 0)
		return r;
	guard->begun = process_stat_now();
	guard->error = start_process(guard);
	return 0;
}

bool guard_is_alive(const struct guard *guard)
{
	return guard->pid > 0 && guard->unanswered < UNANSWERED_MAX;
}

/* --- while the daemon lives --- */

static void report_change(struct guard *guard)
{
	bool is_alive = guard_is_alive(guard);

	if (is_alive == guard->was_alive)
		return;
	guard->was_alive = is_alive;
	if (is_alive)
		log_notice("there is a guard again: process %d", (int)guard->pid);
	guard->on_change(guard->owner);
}

static void watch_process(struct guard *guard);

/* Starts another, or sets the time for it: at once after the first end, as such. */
static void replace(struct guard *guard)
{
	usec_t now = loop_now(guard->loop);

	if (guard->due == 0) {
		usec_t delay = 0;

		if (guard->ends > 0)
			delay = USEC_PER_SEC << (guard->ends < 4 ? guard->ends - 1 : 3);
		guard->ends++;
		guard->due = now + (delay < GUARD_DELAY_MAX ? delay : GUARD_DELAY_MAX);
	}
	if (now < guard->due)
		return;
	guard->due = 0;
	guard->error = start_process(guard);
	guard->unanswered = 0;
	guard->started = now;
	if (guard->error == 0)
		watch_process(guard);
	else
		log_error("the guard could not be started: %s; this is tried again, and until "
			  "then " GUARD_MISSED,
			  strerror(-guard->error));
}

static void take_end(struct guard *guard)
{
	int status = 0;

	event_del(&guard->gone);
	waitpid(guard->pid, &status, 0);
	if (loop_now(guard->loop) - guard->started >= LIVED_LONG)
		guard->ends = 0;
	log_warning("the guard, process %d, was ended by %s %d; another is started %s",
		    (int)guard->pid, WIFSIGNALED(status) ? "signal" : "exit status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		    guard->ends == 0 ? "at once" : "soon, and until then " GUARD_MISSED);
	forget_process(guard);
	replace(guard);
	report_change(guard);
}

static void on_gone(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	take_end(argument);
}

/* Without memory for the event the next beat finds its end, which is soon enough. */
static void watch_process(struct guard *guard)
{
	event_assign(&guard->gone, guard->loop->base, guard->pidfd, EV_READ, on_gone, guard);
	if (event_add(&guard->gone, NULL) < 0)
		log_debug("no memory to watch the guard, process %d: it is looked at once a second",
			  (int)guard->pid);
}

/* Takes the answers to earlier beats and sends another. */
static void ask(struct guard *guard)
{
	static const char beat = GUARD_BEAT;
	char answers[64];

	if (recv(guard->link, answers, sizeof(answers), MSG_DONTWAIT) > 0)
		guard->unanswered = 0;
	else
		guard->unanswered++;
	(void)!send(guard->link, &beat, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (guard->unanswered < UNANSWERED_MAX)
		return;
	if (guard->was_alive)
		log_warning("the guard, process %d, has not answered for %u s; it is killed",
			    (int)guard->pid, guard->unanswered);
	syscall(SYS_pidfd_send_signal, guard->pidfd, SIGKILL, NULL, 0);
}

static void on_beat(evutil_socket_t fd, short what, void *argument)
{
	struct guard *guard = argument;

	(void)fd;
	(void)what;
	if (guard->pid == 0)
		replace(guard);
	else if (waits_for_end(guard, 0))
		take_end(guard);
	else
		ask(guard);
	report_change(guard);
}

int guard_watch(struct guard *guard, struct loop *loop, bool has_groups,
		void (*on_change)(void *owner), void *owner)
{
	static const char groups = GUARD_GROUPS;

	guard->loop = loop;
	guard->on_change = on_change;
	guard->owner = owner;
	guard->has_groups = has_groups;
	guard->started = loop_now(loop);
	guard->was_alive = true;
	event_assign(&guard->beat, loop->base, -1, EV_PERSIST, on_beat, guard);
	event_assign(&guard->gone, loop->base, guard->pidfd, EV_READ, on_gone, guard);
	if (event_add(&guard->beat, &beat_pause) < 0) {
		guard->loop = NULL;
		return -ENOMEM;
	}
	if (has_groups && guard->pid > 0)
		(void)!send(guard->link, &groups, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (guard->pid > 0)
		watch_process(guard);
	else
		replace(guard);
	report_change(guard);
	return 0;
}

void guard_unwatch(struct guard *guard)
{
	if (!guard->loop)
		return;
	event_del(&guard->beat);
	event_del(&guard->gone);
	guard->loop = NULL;
}

/* --- the end --- */

void guard_finish(struct guard *guard)
{
	static const char farewell = GUARD_FAREWELL;

	if (guard->pid > 0) {
		/* Somebody may have stopped it. */
		syscall(SYS_pidfd_send_signal, guard->pidfd, SIGCONT, NULL, 0);
		(void)!send(guard->link, &farewell, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (!waits_for_end(guard, FINISH_MAX_MS))
			log_warning("the guard, process %d, does not end: it is killed",
				    (int)guard->pid);
		end_process(guard);
	}
	process_table_free(&guard->inherited);
}
