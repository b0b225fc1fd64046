#include "daemon/io/worker/process.h"

#include "daemon/io/worker/identity.h"
#include "daemon/io/worker/orphans.h"

#include <errno.h>
#include <fcntl.h>
#include <sanitizer/asan_interface.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_STACK ((size_t)128 * 1024)

/* What the child needs between clone and exec; it shares our memory until then. */
struct spawn_child {
	const struct process_spec *spec;
	pid_t parent;
	struct stream channel; /* its side */
	sigset_t mask;	       /* the daemon's */
	int error;	       /* the child's errno; 0: it has not failed */
	const char *step;      /* the step that it is at, for the error text */
};

/* Steps whose error text also has the value of the option. */
static const char STEP_USER[] = "user";
static const char STEP_GROUP[] = "group";
static const char STEP_DIRECTORY[] = "directory";
static const char STEP_COMMAND[] = "command";

static void reset_signals(void)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int signal = 1; signal < NSIG; signal++)
		sigaction(signal, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int set_standard_files(const int standard[3], struct stream channel)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null_fd < 0)
		return -errno;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		int end = fd == STDIN_FILENO ? channel.in : channel.out;
		int from = standard[fd] == PROCESS_NULL	     ? null_fd
			   : standard[fd] == PROCESS_CHANNEL ? end
							     : standard[fd];

		if (from != PROCESS_INHERITED && dup2(from, fd) < 0)
			return -errno;
	}
	return 0;
}

static bool is_on_standard_files(const struct process_spec *spec)
{
	return spec->standard[STDIN_FILENO] == PROCESS_CHANNEL;
}

/* Gives a descriptor the number under which the worker finds it, and keeps it open there. */
static int place(int fd, int number)
{
	if (fd == number)
		return fcntl(fd, F_SETFD, 0) < 0 ? -errno : 0;
	return dup2(fd, number) < 0 ? -errno : 0;
}

/* Gives the channel its number, unless it is the standard input and output, and the recall socket
 * its own. */
static int place_channel(const struct process_spec *spec, int channel)
{
	int recall = spec->recall;
	int r;

	if (close_range(PROCESS_CHANNEL_FD, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	if (is_on_standard_files(spec))
		return 0;
	if (recall == PROCESS_CHANNEL_FD) { /* that number is the channel's */
		recall = fcntl(recall, F_DUPFD_CLOEXEC, PROCESS_RECALL_FD);
		if (recall < 0)
			return -errno;
	}
	r = place(channel, PROCESS_CHANNEL_FD);
	return r < 0 || recall < PROCESS_CHANNEL_FD ? r : place(recall, PROCESS_RECALL_FD);
}

static int set_limits(struct spawn_child *child)
{
	const struct process_spec *spec = child->spec;

	for (size_t i = 0; i < spec->limit_count; i++) {
		child->step = spec->limits[i].name;
		if (setrlimit((__rlimit_resource_t)spec->limits[i].resource,
			      &spec->limits[i].limit) < 0)
			return -errno;
	}
	return 0;
}

/* The library's functions would change the daemon's threads too: the kernel's own change this
 * process alone. */
static int set_identity(struct spawn_child *child)
{
	const struct identity *identity = child->spec->identity;

	if (!identity)
		return 0;
	child->step = STEP_GROUP;
	if (identity->has_group &&
	    (syscall(SYS_setgroups, identity->group_count, identity->groups) < 0 ||
	     syscall(SYS_setresgid, identity->gid, identity->gid, identity->gid) < 0))
		return -errno;
	child->step = STEP_USER;
	if (identity->has_user &&
	    syscall(SYS_setresuid, identity->uid, identity->uid, identity->uid) < 0)
		return -errno;
	return 0;
}

/* Sets limits and user: the user last, as another user may have no right to the rest. */
static int set_rights(struct spawn_child *child)
{
	const struct process_spec *spec = child->spec;
	int r;

	child->step = "nice";
	if (spec->nice != 0 && setpriority(PRIO_PROCESS, 0, spec->nice) < 0)
		return -errno;
	if (spec->umask >= 0)
		umask((mode_t)spec->umask);
	r = set_limits(child);
	return r < 0 ? r : set_identity(child);
}

static int prepare(struct spawn_child *child)
{
	const struct process_spec *spec = child->spec;
	int r;

	child->step = "its session";
	if (setsid() < 0)
		return -errno;
	child->step = "its control group";
	if (spec->cgroup >= 0 && write(spec->cgroup, "0", 1) < 0)
		return -errno;
	child->step = "its standard files";
	r = set_standard_files(spec->standard, child->channel);
	if (r < 0)
		return r;
	child->step = "its channel";
	r = place_channel(spec, child->channel.in);
	if (r < 0)
		return r;
	r = set_rights(child);
	if (r < 0)
		return r;
	/* A change of the user clears this setting, so it comes after. */
	child->step = "its end with the daemon's";
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	/* The daemon may have died before the line above took effect. */
	if (getppid() != child->parent)
		return -ESRCH;
	child->step = STEP_DIRECTORY;
	if (spec->directory && *spec->directory && chdir(spec->directory) < 0)
		return -errno;
	reset_signals();
	child->step = STEP_COMMAND;
	return 0;
}

/* Runs in the child, in our memory: system calls only. */
static int child_main(void *argument)
{
	struct spawn_child *child = argument;
	int r = prepare(child);

	if (r == 0) {
		execvpe(child->spec->argv[0], child->spec->argv, child->spec->envp);
		r = -errno;
	}
	child->error = -r;
	return 127; /* clone makes it the exit status */
}

/* Returns the pid or -errno. */
static pid_t clone_child(struct spawn_child *child, int *ret_pidfd)
{
	char *stack = mmap(NULL, CHILD_STACK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	int dumpable = prctl(PR_GET_DUMPABLE);
	sigset_t all;
	int pidfd = -1;
	pid_t pid;

	if (stack == MAP_FAILED)
		return -errno;
	/* No handler of ours may run in the child while it shares our memory. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &child->mask);
	pid = clone(child_main, stack + CHILD_STACK, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD,
		    child, &pidfd);
	if (pid < 0)
		pid = -errno;
	sigprocmask(SIG_SETMASK, &child->mask, NULL);
	/* The child's functions never returned: the sanitizer would still see their frames when the
	 * next child gets the same memory. */
	ASAN_UNPOISON_MEMORY_REGION(stack, CHILD_STACK);
	munmap(stack, CHILD_STACK);
	/* A child that changed its user while it shared our memory has cleared the daemon's
	 * dumpable flag. */
	if (dumpable == 1)
		prctl(PR_SET_DUMPABLE, 1);
	if (pid < 0)
		return pid;
	if (child->error != 0) {
		waitpid(pid, NULL, 0);
		close(pidfd);
		return -child->error;
	}
	*ret_pidfd = pidfd;
	return pid;
}

static void reap(struct process *process, struct process_end *ret_end)
{
	int status = 0;

	*ret_end = (struct process_end){0};
	/* The group first: as long as its leader is not reaped, its number can't belong to anybody
	 * else. */
	kill(-process->pid, SIGKILL);
	while (wait4(process->pid, &status, 0, &ret_end->usage) < 0 && errno == EINTR)
		;
	ret_end->is_signalled = WIFSIGNALED(status);
	ret_end->has_dumped = WIFSIGNALED(status) && WCOREDUMP(status);
	ret_end->status = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void on_exit_event(evutil_socket_t fd, short what, void *argument)
{
	struct process *process = argument;
	struct process_end end;

	(void)fd;
	(void)what;
	reap(process, &end);
	process_forget(process);
	process->on_exit(process->owner, &end);
	/* Now its life counts as over, so that orphans of it are killed. */
	if (process->loop->orphans)
		orphans_sweep(process->loop->orphans);
}

static void describe_fault(const struct spawn_child *child, int error, char out[PROCESS_FAULT_MAX])
{
	const struct process_spec *spec = child->spec;
	const char *value = "";

	if (child->step == STEP_USER)
		value = spec->user;
	else if (child->step == STEP_GROUP)
		value = *spec->group ? spec->group : spec->user;
	else if (child->step == STEP_DIRECTORY)
		value = spec->directory;
	else if (child->step == STEP_COMMAND)
		value = spec->argv[0];
	snprintf(out, PROCESS_FAULT_MAX, "%s%s%.150s%s%s", child->step ? child->step : "",
		 *value ? " " : "", value, child->step ? ": " : "", strerror(-error));
}

int process_make_channel(int ends[2])
{
	int r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
		return 0;
	r = -errno;
	close(ends[0]);
	close(ends[1]);
	return r;
}

/* The two sides of a channel. */
struct sides {
	struct stream ours;
	struct stream theirs;
};

static int make_socket(struct sides *ret)
{
	int ends[2];
	int r = process_make_channel(ends);

	if (r == 0)
		*ret = (struct sides){stream_of_socket(ends[0]), stream_of_socket(ends[1])};
	return r;
}

/* Only our ends don't block: theirs are as a shell would make them. */
static int make_pipes(const struct identity *identity, struct sides *ret)
{
	int input[2], output[2] = {-1, -1};
	int r = 0;

	if (pipe2(input, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(output, O_CLOEXEC) < 0 || fcntl(input[1], F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(output[0], F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	*ret = (struct sides){.ours = {.in = output[0], .out = input[1]},
			      .theirs = {.in = input[0], .out = output[1]}};
	if (r < 0) {
		stream_close(ret->ours);
		stream_close(ret->theirs);
		return r;
	}
	identity_give(identity, input[0]);
	identity_give(identity, output[1]);
	return 0;
}

/* Takes over `pidfd`, unless it fails. */
static int watch(struct process *process, struct loop *loop, pid_t pid, int pidfd,
		 void (*on_exit)(void *owner, const struct process_end *end), void *owner)
{
	*process = (struct process){
		.loop = loop, .pid = pid, .pidfd = pidfd, .on_exit = on_exit, .owner = owner};
	event_assign(&process->exit_event, loop->base, pidfd, EV_READ, on_exit_event, process);
	if (loop->orphans && orphans_track(loop->orphans, pid) < 0)
		return -ENOMEM;
	return event_add(&process->exit_event, NULL) < 0 ? -ENOMEM : 0;
}

int process_spawn(struct process *process, struct loop *loop, const struct process_spec *spec,
		  void (*on_exit)(void *owner, const struct process_end *end), void *owner,
		  struct stream *ret_channel)
{
	struct spawn_child child = {.spec = spec, .parent = getpid()};
	struct sides sides = {.ours = {-1, -1}, .theirs = {-1, -1}};
	int pidfd = -1;
	pid_t pid = is_on_standard_files(spec) ? make_pipes(spec->identity, &sides)
					       : make_socket(&sides);

	if (pid < 0) {
		describe_fault(&child, pid, process->fault);
		return pid;
	}
	child.channel = sides.theirs;
	pid = clone_child(&child, &pidfd);
	stream_close(sides.theirs);
	if (pid < 0) {
		stream_close(sides.ours);
		describe_fault(&child, pid, process->fault);
		return pid;
	}
	if (watch(process, loop, pid, pidfd, on_exit, owner) < 0) {
		struct process_end end;

		reap(process, &end);
		process_forget(process);
		stream_close(sides.ours);
		return -ENOMEM;
	}
	*ret_channel = sides.ours;
	return 0;
}

int process_adopt(struct process *process, struct loop *loop, pid_t pid,
		  void (*on_exit)(void *owner, const struct process_end *end), void *owner)
{
	siginfo_t info;
	int pidfd, r;

	/* As long as nobody reaps it, the number can't belong to anybody else. */
	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return -errno;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return -errno;
	r = watch(process, loop, pid, pidfd, on_exit, owner);
	if (r < 0) {
		struct process_end end;

		reap(process, &end);
		close(pidfd);
		process->pid = 0;
	}
	return r;
}

void process_signal(const struct process *process, int signal)
{
	if (process->pid > 0)
		kill(-process->pid, signal);
}

void process_signal_one(const struct process *process, int signal)
{
	if (process->pid > 0)
		syscall(SYS_pidfd_send_signal, process->pidfd, signal, NULL, 0);
}

void process_forget(struct process *process)
{
	if (process->pid == 0)
		return;
	event_del(&process->exit_event);
	if (process->loop->orphans)
		orphans_untrack(process->loop->orphans, process->pid);
	close(process->pidfd);
	process->pidfd = -1;
	process->pid = 0;
}

void process_describe_end(const struct process_end *end, char *out, size_t size)
{
	if (end->is_signalled)
		snprintf(out, size, "signal %d (%s)%s", end->status, strsignal(end->status),
			 end->has_dumped ? ", core dumped" : "");
	else
		snprintf(out, size, "exit status %d", end->status);
}

uint64_t process_rss(pid_t pid)
{
	char path[64];
	char text[128] = "";
	char *resident = NULL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	/* The second number, in pages. */
	if (fgets(text, sizeof(text), file))
		resident = strchr(text, ' ');
	fclose(file);
	return resident ? strtoull(resident, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}
