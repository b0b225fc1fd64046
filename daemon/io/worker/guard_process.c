#include "daemon/io/worker/guard_process.h"

#include "daemon/io/base/passing.h"
#include "daemon/io/worker/cgroup.h"
#include "daemon/io/worker/process_tag.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Neither has "poold" in it: who kills all processes of that name leaves the guard to its work. */
#define SHORT_NAME "pguard"
#define LONG_NAME  "pguard: ends what process %d leaves behind"

/* The pause between two looks at the processes, and the same as a multiple of the processor time
 * that the last one took, whichever is longer. */
#define LOOK_PAUSE_MS	 1000
#define LOOK_PAUSE_TIMES 100

/* A sweep is repeated until so many in a row find nothing, at most SWEEPS_MAX times: a process may
 * start another while it ends, and one that executes a program has no environment for a moment.
 * Fewer are enough where the daemon has ended in good order, and nothing is found at all. */
#define SWEEPS_MAX	     500
#define SWEEP_PAUSE_NS	     10000000L
#define EMPTY_SWEEPS	     20
#define EMPTY_SWEEPS_ORDERLY 2

/* How often a sweep looks for processes to stop before it kills them. */
#define STOP_ROUNDS 10

struct guard_state {
	const struct guard_charge *charge;
	int daemon_fd; /* a pidfd of the daemon; -1: none */
	pid_t self;
	pid_t daemon_session;
	uint64_t daemon_start;	    /* 0: unknown */
	struct process_table all;   /* the system's processes */
	struct process_table found; /* the daemon's descendants as they were last seen */
	bool *is_ours;		    /* of each process in `all` */
	size_t is_ours_room;
	uint64_t begun;	      /* processes that the system has ever begun, when they were seen */
	bool is_unsure;	      /* of a process it could not be found out whether it is ours */
	bool trusts_sessions; /* the number of a session is that of the one that was seen */
	bool has_groups;
	bool daemon_has_ended; /* or is about to */
};

/* --- whose a process is --- */

/* The number behind a word at the begin of a line; 0: it can't be read. */
static uint64_t read_number(const char *path, const char *word)
{
	FILE *file = fopen(path, "re");
	char line[256];
	uint64_t number = 0;

	if (!file)
		return 0;
	while (number == 0 && fgets(line, sizeof(line), file))
		if (strncmp(line, word, strlen(word)) == 0)
			number = strtoull(line + strlen(word), NULL, 10);
	fclose(file);
	return number;
}

static uint64_t count_begun(void)
{
	return read_number("/proc/stat", "processes ");
}

/* As long as fewer processes have begun than there are numbers, no number is used again. */
static bool may_trust_sessions(const struct guard_state *guard)
{
	uint64_t numbers = read_number("/proc/sys/kernel/pid_max", "");
	uint64_t begun = count_begun();

	return guard->begun > 0 && begun >= guard->begun && begun - guard->begun < numbers / 2;
}

static bool has_tag(struct guard_state *guard, const struct process_stat *process)
{
	char found[PROCESS_TAG_INSTANCE_SIZE + 1];
	int r;

	/* What is older than the daemon does not come from it.  Most processes are, the kernel's all,
	 * and an environment takes longer to read than all the rest. */
	if (process->start < guard->daemon_start)
		return false;
	r = process_tag_read(process->pid, PROCESS_TAG_INSTANCE, found, sizeof(found));
	guard->is_unsure |= is_passing(r);
	return r == 1 && strcmp(found, guard->charge->instance) == 0;
}

static bool is_in_known_session(const struct guard_state *guard, pid_t session)
{
	if (!guard->trusts_sessions || session == guard->daemon_session)
		return false;
	for (size_t i = 0; i < guard->found.count; i++)
		if (guard->found.entries[i].session == session)
			return true;
	return false;
}

/* Processes that are never ours. */
static bool is_other(const struct guard_state *guard, const struct process_stat *process)
{
	return process->pid == 1 || process->pid == guard->self ||
	       process->pid == guard->charge->daemon ||
	       process_table_has(guard->charge->inherited, process);
}

/* Whether it is ours, whoever its parent is. */
static bool is_ours_itself(struct guard_state *guard, const struct process_stat *process)
{
	/* With the daemon's end its children got another parent, and this process too. */
	if (process->parent == guard->charge->daemon && getppid() == guard->charge->daemon)
		return true;
	return guard->daemon_has_ended &&
	       (process_table_has(&guard->found, process) ||
		is_in_known_session(guard, process->session) || has_tag(guard, process));
}

static bool has_parent_of_ours(const struct guard_state *guard, const struct process_stat *process)
{
	const struct process_stat *parent = process_table_find(&guard->all, process->parent);

	return parent && guard->is_ours[parent - guard->all.entries];
}

/* Fills `all`, and makes as much room in `is_ours`. */
static int read_all(struct guard_state *guard)
{
	struct process_table *all = &guard->all;
	int r = process_table_read(all);
	bool *is_ours;

	if (r < 0 || guard->is_ours_room >= all->room)
		return r;
	is_ours = realloc(guard->is_ours, all->room * sizeof(*is_ours));
	if (!is_ours)
		return -ENOMEM;
	guard->is_ours = is_ours;
	guard->is_ours_room = all->room;
	return 0;
}

/* Fills `all` and `is_ours`.  Returns 0, or -errno with nothing in them: what is known of some of
 * the processes would be taken for others. */
static int look(struct guard_state *guard)
{
	struct process_table *all = &guard->all;
	int r = read_all(guard);
	bool again = true;

	guard->is_unsure = r < 0;
	if (r < 0) {
		all->count = 0;
		return r;
	}
	for (size_t i = 0; i < all->count; i++)
		guard->is_ours[i] = !is_other(guard, &all->entries[i]) &&
				    is_ours_itself(guard, &all->entries[i]);
	/* A parent mostly has the lower number, so two rounds are enough. */
	while (again) {
		again = false;
		for (size_t i = 0; i < all->count; i++) {
			if (guard->is_ours[i] || is_other(guard, &all->entries[i]) ||
			    !has_parent_of_ours(guard, &all->entries[i]))
				continue;
			guard->is_ours[i] = again = true;
		}
	}
	return 0;
}

/* --- while the daemon lives --- */

static uint64_t processor_ms(void)
{
	struct timespec used = {0};

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

/* Remembers the daemon's descendants.  Returns the pause until it is done again, in ms. */
static int remember(struct guard_state *guard)
{
	uint64_t begin = processor_ms();
	uint64_t begun = count_begun();
	uint64_t pause;

	/* The daemon may end meanwhile, and then its children are no longer seen as such: what was
	 * seen before is kept. */
	if (look(guard) == 0 && getppid() == guard->charge->daemon) {
		guard->found.count = 0;
		guard->begun = begun;
		for (size_t i = 0; i < guard->all.count; i++)
			if (guard->is_ours[i])
				process_table_add(&guard->found, &guard->all.entries[i]);
	}
	pause = (processor_ms() - begin) * LOOK_PAUSE_TIMES;
	return (int)(pause > LOOK_PAUSE_MS ? pause : LOOK_PAUSE_MS);
}

/* Answers the daemon.  Returns false when there is none any more. */
static bool take_bytes(struct guard_state *guard, bool *ret_orderly)
{
	char bytes[64];
	ssize_t count = recv(guard->charge->link, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (count < 0)
		return errno == EAGAIN || errno == EINTR;
	for (ssize_t i = 0; i < count; i++) {
		if (bytes[i] == GUARD_FAREWELL)
			*ret_orderly = true;
		else if (bytes[i] == GUARD_GROUPS)
			guard->has_groups = true;
		else
			(void)!send(guard->charge->link, &bytes[i], 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	return count > 0 && !*ret_orderly;
}

static int64_t now_ms(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Returns whether the daemon ends in good order. */
static bool wait_for_end(struct guard_state *guard)
{
	struct pollfd sources[] = {{.fd = guard->charge->link, .events = POLLIN},
				   {.fd = guard->daemon_fd, .events = POLLIN}};
	int64_t next = now_ms() + LOOK_PAUSE_MS;
	bool is_orderly = false;

	for (;;) {
		int64_t left = next - now_ms();

		if (left <= 0) {
			left = remember(guard);
			next = now_ms() + left;
		}
		poll(sources, ARRAY_SIZE(sources), (int)left);
		if ((sources[0].revents != 0 && !take_bytes(guard, &is_orderly)) ||
		    sources[1].revents != 0)
			return is_orderly;
		sources[0].revents = sources[1].revents = 0;
	}
}

/* --- the end --- */

/* Stops those that were not found before, and adds them to `found`.  Returns how many. */
static unsigned stop_new(struct guard_state *guard)
{
	size_t before = guard->found.count;
	unsigned count = 0;

	for (size_t i = 0; i < guard->all.count; i++) {
		const struct process_stat *process = &guard->all.entries[i];
		const struct process_table earlier = {.entries = guard->found.entries,
						      .count = before};

		if (!guard->is_ours[i] || process->has_ended ||
		    process_table_has(&earlier, process) ||
		    process_table_add(&guard->found, process) < 0)
			continue;
		process_stat_signal(process, SIGSTOP);
		count++;
	}
	process_table_sort(&guard->found);
	return count;
}

static unsigned kill_all(const struct guard_state *guard)
{
	unsigned count = 0;

	for (size_t i = 0; i < guard->all.count; i++) {
		if (!guard->is_ours[i] || guard->all.entries[i].has_ended)
			continue;
		process_stat_signal(&guard->all.entries[i], SIGKILL);
		count++;
	}
	return count;
}

/* Kills all that is ours.  Returns whether there was anything, or may have been. */
static bool sweep(struct guard_state *guard)
{
	unsigned killed;

	guard->trusts_sessions = may_trust_sessions(guard);
	if (guard->has_groups)
		cgroups_kill_workers();
	for (unsigned i = 0; i < STOP_ROUNDS; i++)
		if (look(guard) < 0 || stop_new(guard) == 0)
			break;
	killed = kill_all(guard);
	return killed > 0 || guard->is_unsure;
}

static void end_all(struct guard_state *guard, bool is_orderly)
{
	struct timespec pause = {.tv_nsec = SWEEP_PAUSE_NS};
	unsigned empty = 0, enough = is_orderly ? EMPTY_SWEEPS_ORDERLY : EMPTY_SWEEPS;

	guard->daemon_has_ended = true;
	for (unsigned i = 0; i < SWEEPS_MAX && empty < enough; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		empty++;
		if (sweep(guard)) {
			empty = 0;
			enough = EMPTY_SWEEPS;
		}
	}
}

/* --- its begin --- */

/* The daemon blocks signals that it reads from a descriptor.  Here nobody reads them, and what is
 * ignored but blocked would be kept for ever, so nothing stays blocked.  SIGKILL and SIGSTOP always
 * act: the daemon starts another guard. */
static void ignore_signals(void)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGCHLD};
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_IGN);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		signal(faults[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A program that reads the daemon's output to its end must not have to wait for the guard. */
static void leave_standard_files(void)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = STDIN_FILENO; null_fd >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null_fd, fd);
}

/* Overwrites the command line that the process has from the daemon: pkill -f and ps read it. */
static void take_name(pid_t daemon)
{
	char name[128];
	uintptr_t begin, end;
	size_t len;

	prctl(PR_SET_NAME, SHORT_NAME);
	if (process_stat_command_line(&begin, &end) < 0 || begin == 0 || end <= begin)
		return;
	snprintf(name, sizeof(name), LONG_NAME, (int)daemon);
	len = strlen(name) < end - begin ? strlen(name) : end - begin - 1;
	memset((void *)begin, 0, end - begin);
	memcpy((void *)begin, name, len);
}

_Noreturn void guard_process_run(const struct guard_charge *charge)
{
	struct guard_charge own = *charge;
	struct guard_state guard = {.charge = &own,
				    .has_groups = own.has_groups,
				    .self = getpid(),
				    .daemon_session = getsid(0),
				    .daemon_fd = -1};
	struct process_stat daemon;
	bool is_orderly = false;
	int r;

	ignore_signals();
	take_name(own.daemon);
	setsid();
	leave_standard_files();
	if (own.link != STDERR_FILENO + 1 && dup2(own.link, STDERR_FILENO + 1) >= 0)
		own.link = STDERR_FILENO + 1;
	close_range((unsigned)own.link + 1, ~0u, 0);
	guard.daemon_fd = (int)syscall(SYS_pidfd_open, own.daemon, 0);
	r = process_stat_read(own.daemon, &daemon);
	/* The daemon may have ended before, and another process have its number. */
	if (getppid() == own.daemon) {
		guard.daemon_start = r == 0 ? daemon.start : 0;
		is_orderly = wait_for_end(&guard);
	}
	end_all(&guard, is_orderly);
	_exit(0);
}
