/*
 * What the kernel says of processes in /proc/PID/stat, which every process may read, whoever the
 * other belongs to and whatever that has done to its environment.
 *
 * A process is known for certain by its number together with its start time: a number that is used
 * again belongs to a process with another start time.
 */
#ifndef POOLD_IO_WORKER_PROCESS_STAT_H
#define POOLD_IO_WORKER_PROCESS_STAT_H

#include "protocol/base.h"

#include <sys/types.h>

struct process_stat {
	pid_t pid;
	pid_t parent;
	pid_t group;
	pid_t session;
	uint64_t start; /* ticks of the clock since the system's start: see process_stat_now */
	bool has_ended; /* it waits to be reaped */
};

/* Processes, sorted by pid.  Starts as {0}. */
struct process_table {
	struct process_stat *entries;
	size_t count;
	size_t room;
};

/* Returns 0 or -errno: the process is gone, or is hidden (hidepid=). */
int process_stat_read(pid_t pid, struct process_stat *ret);

/* The start time that a process has which starts now. */
uint64_t process_stat_now(void);

/* The real user id of a process.  Returns 0 or -errno. */
int process_stat_user(pid_t pid, uid_t *ret);

/* Where in this process's memory its command line is, from *ret_begin to before *ret_end.  Returns
 * 0 or -errno. */
int process_stat_command_line(uintptr_t *ret_begin, uintptr_t *ret_end);

/*
 * Sends a signal to this process, and never to another one that has got its number meanwhile.
 * Returns 0 or -errno; -ESRCH: it is gone.
 */
int process_stat_signal(const struct process_stat *process, int signal);

/* Reads all processes of the system into the table, in place of what was in it.  Returns 0, or
 * -errno: some may be missing in the table. */
int process_table_read(struct process_table *table);

/* The process of that number, or NULL. */
const struct process_stat *process_table_find(const struct process_table *table, pid_t pid);

/* Whether this very process is in it. */
bool process_table_has(const struct process_table *table, const struct process_stat *process);

/* Adds one behind the others; process_table_sort must follow.  Returns 0 or -ENOMEM. */
int process_table_add(struct process_table *table, const struct process_stat *process);
void process_table_sort(struct process_table *table);

void process_table_free(struct process_table *table);

#endif
