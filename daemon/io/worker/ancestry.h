/*
 * Whether a process comes from this one: by the chain of parents in /proc.
 *
 * What a process has in its environment, its session or its group proves nothing, as it can change
 * them.  It can't change its parents: when one of them ends, the nearest subreaper above takes its
 * place, and this process is one (orphans.h), so whatever comes from it keeps it as an ancestor.
 */
#ifndef POOLD_IO_WORKER_ANCESTRY_H
#define POOLD_IO_WORKER_ANCESTRY_H

#include <stdint.h>
#include <sys/types.h>

/* The time now, in the unit of the start times in /proc: clock ticks since the machine started. */
uint64_t ancestry_now(void);

/*
 * Whether `pid` comes from this process.  `since`: when this process began to start others
 * (ancestry_now); who is older than that does not come from it.
 *
 * Returns 1, and in `ret_child` the child of this process that it is or comes from; 0: it does not;
 * -errno: it can't be known, as the process or one of its parents has ended meanwhile (-ESRCH), is
 * not visible to this process, or has too many parents (-ELOOP).
 */
int ancestry_find(pid_t pid, uint64_t since, pid_t *ret_child);

#endif
