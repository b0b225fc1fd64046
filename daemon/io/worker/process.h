/*
 * Worker processes: start one, notice its end, signal its process group.
 *
 * Each is the leader of its own session and process group, is killed when the daemon ends
 * (PR_SET_PDEATHSIG), and has no descriptors but the standard three, its channel, and its recall
 * socket where it has one.  The channel is a socket, or where it is the standard input and output,
 * two pipes: programs that know nothing of poold do with these what only pipes allow, such as to
 * set one of them non-blocking, or to wait for the end of the other.
 *
 * clone(CLONE_VM | CLONE_VFORK) is used instead of posix_spawn or fork: posix_spawn can set neither
 * limits, user, control group nor PR_SET_PDEATHSIG, and fork copies the page tables of a daemon
 * that may have gigabytes of buffers.
 */
#ifndef POOLD_IO_WORKER_PROCESS_H
#define POOLD_IO_WORKER_PROCESS_H

#include "daemon/io/base/loop.h"
#include "daemon/io/base/stream.h"

#include <sys/resource.h>
#include <sys/types.h>

/* The number under which a worker finds its channel, unless that is its standard input and output.
 */
#define PROCESS_CHANNEL_FD 3

/* The number under which it finds its recall socket, if it has one (channel.h). */
#define PROCESS_RECALL_FD 4

/* What a worker may get as one of its standard files instead of a descriptor. */
#define PROCESS_NULL	  -1 /* /dev/null */
#define PROCESS_INHERITED -2 /* the daemon's own */
#define PROCESS_CHANNEL	  -3 /* its channel: standard input and output together, or neither */

struct identity;

/* A limit of setrlimit(2), and the name of the option that it comes from. */
struct process_limit {
	const char *name;
	int resource;
	struct rlimit limit;
};

#define PROCESS_LIMITS_MAX 8

struct process_spec {
	char *const *argv;     /* ends with NULL */
	char *const *envp;     /* the worker's whole environment, "NAME=value", ends with NULL */
	const char *directory; /* NULL or "": the daemon's own */
	int cgroup;	       /* its control group's cgroup.procs; below 0: the daemon's own */
	const struct identity *identity; /* NULL: the daemon's own */
	const char *user;		 /* its names as they were given, for errors */
	const char *group;
	int nice;  /* 0: the daemon's */
	int umask; /* below 0: the daemon's */
	struct process_limit limits[PROCESS_LIMITS_MAX];
	size_t limit_count;
	int standard[3]; /* what it gets as standard input, output and error: a descriptor of the
			    caller's above 2, or one of the above */
	int recall;	 /* what it gets as its recall socket: a descriptor of the caller's above 2;
			    any other number: it has none */
};

struct process_end {
	int status; /* exit status, or the signal if `signalled` */
	bool is_signalled;
	bool has_dumped;
	struct rusage usage;
};

#define PROCESS_FAULT_MAX 256

struct process {
	struct loop *loop;
	pid_t pid; /* 0: none */
	int pidfd;
	struct event exit_event;
	void (*on_exit)(void *owner, const struct process_end *end);
	void *owner;
	char fault[PROCESS_FAULT_MAX]; /* when it could not be started: what failed, and why:
					  "user nobody: Operation not permitted" */
};

/*
 * Starts it.  *ret_channel gets the daemon's side of the channel (non-blocking, the caller's).
 * `on_exit` is called once, when the process is gone, was reaped, and what was left of its group
 * was killed.  Returns 0 or -errno: the command was not found or may not be run, or a limit was
 * met; then nothing is left behind, and `fault` says more.
 */
int process_spawn(struct process *process, struct loop *loop, const struct process_spec *spec,
		  void (*on_exit)(void *owner, const struct process_end *end), void *owner,
		  struct stream *ret_channel);

/*
 * Takes over a process that a fork server has started and that became a child of the daemon when
 * its parent ended.  It is the leader of a session of its own already.  Returns 0 or -errno
 * (-ECHILD: it is not a child of the daemon); then nothing is watched.
 */
int process_adopt(struct process *process, struct loop *loop, pid_t pid,
		  void (*on_exit)(void *owner, const struct process_end *end), void *owner);

/* A socket as channel: ends[0] is for this side and does not block, ends[1] for the worker.
 * Returns 0 or -errno. */
int process_make_channel(int ends[2]);

/* Sends a signal to the whole group, if the process is still there. */
void process_signal(const struct process *process, int signal);

/* Sends a signal to the process alone. */
void process_signal_one(const struct process *process, int signal);

/* Forgets the process without waiting for it: it is then an orphan (orphans.h), and ends with the
 * daemon at the latest. */
void process_forget(struct process *process);

/* Words for an end: "exit status 1", "signal 9 (Killed)".  `out` has `size` bytes. */
void process_describe_end(const struct process_end *end, char *out, size_t size);

/* Resident memory of a process in bytes; 0 when it can't be read. */
uint64_t process_rss(pid_t pid);

#endif
