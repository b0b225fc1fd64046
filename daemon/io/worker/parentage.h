/*
 * Whether a process is what a fork server says: one that it has just forked for the daemon.
 *
 * A fork server runs foreign code, and may name any process.  Only one is believed that is a child
 * of the daemon which nobody has taken over, leads a session of its own, has begun since it was
 * asked for, and carries the tag (process_tag.h) of its life or of its server.
 */
#ifndef POOLD_IO_WORKER_PARENTAGE_H
#define POOLD_IO_WORKER_PARENTAGE_H

#include "protocol/base.h"

#include <sys/types.h>

struct orphans;

struct parentage {
	const struct orphans *orphans; /* tracks the children that are taken over; NULL: none are */
	uint64_t since;		       /* when it was asked for: process_stat_now */
	const char *life;	       /* its life's tag (process_tag.h); NULL: it has none */
	const char *server_life;       /* its server's, which it also may have */
	uid_t user; /* the server's: who has no tag that can be read must have this one */
};

/*
 * Returns NULL if it is, or what is wrong, in words behind "it named process 17, which ".  The
 * number stays with that process as long as the daemon reaps no children.
 */
const char *parentage_fault(const struct parentage *parentage, pid_t pid);

#endif
